// SPDX-License-Identifier: MIT
// Live: one stream of events for the whole page, read with fetch so that the token goes along. Whoever shows something subscribes;
// many events at once are told together. Without a stream (refused, dropped, too much of it) the page asks every few seconds instead.
import { useState, useEffect } from "./html.js";
import { authorization, refuse } from "./http.js";

const TELL_MS = 400;            // events that come closer together are told at once
const FLOOD_PER_S = 1500;       // more than that and asking is cheaper than listening
const FLOOD_REST_MS = 30000;
const POLL_MS = 4000;           // without a stream
const SLOW_POLL_MS = 15000;     // with one: what is no event (heartbeats, memory of workers)
const RETRY_MAX_MS = 30000;
const LEAVE_MS = 40;            // after an action: a page that is left by it asks no more

const listeners = new Set();
const watchers = new Set();
let state = "connecting"; // live, polling, lost, paused
let paused = false;
let stopped = false;
let lastId = null;
let abort = null;
let pending = [];
let tellTimer = 0;
let pollTimer = 0;
let retryMs = 1000;
let epoch = 0;

function setState(next) {
    if (state === next) return;
    state = next;
    for (const fn of watchers) fn(state);
}

/** Is nobody told of anything now? When that is over all look again. */
export function isStill() {
    return paused || document.hidden;
}

function tell(events) {
    if (isStill()) return;
    for (const fn of [...listeners]) fn(events);
}

function queue(event) {
    if (pending.length < 5000) pending.push(event);
    if (!tellTimer) {
        tellTimer = setTimeout(() => {
            tellTimer = 0;
            const events = pending;
            pending = [];
            tell(events);
        }, TELL_MS);
    }
}

function schedulePoll() {
    clearTimeout(pollTimer);
    pollTimer = setTimeout(() => {
        tell(null);
        schedulePoll();
    }, state === "live" ? SLOW_POLL_MS : POLL_MS);
}

/** Splits what came into events. @returns {{events: Object[], rest: string}} the rest is the beginning of the next event */
export function parseStream(text) {
    const events = [];
    const blocks = text.replace(/\r\n?/g, "\n").split("\n\n");
    const rest = blocks.pop();
    for (const block of blocks) {
        const event = { id: null, event: "message", data: "" };
        for (const line of block.split("\n")) {
            const match = /^(id|event|data): ?(.*)$/.exec(line);
            if (!match) continue;
            if (match[1] === "data") event.data += (event.data ? "\n" : "") + match[2];
            else event[match[1]] = match[2];
        }
        if (event.data || event.event !== "message") events.push(event);
    }
    return { events, rest };
}

async function read(response) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    let second = 0;
    let count = 0;
    for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        const { events, rest } = parseStream(text + value);
        text = rest;
        for (const event of events) {
            if (event.id) lastId = event.id;
            let data = {};
            try { data = JSON.parse(event.data); } catch { /* told as an event without data */ }
            if (event.event === "reset") tell(null); // events were missed: all is looked at anew
            else if (event.event !== "ready") queue({ ...data, event: event.event });
        }
        const now = Math.floor(Date.now() / 1000);
        count = now === second ? count + events.length : events.length;
        second = now;
        if (count > FLOOD_PER_S) {
            retryMs = FLOOD_REST_MS;
            lastId = null;
            abort.abort();
        }
    }
}

// What ends here does not come back by itself.
function cut() {
    if (abort) abort.abort();
    abort = null;
}

async function connect() {
    if (paused || stopped || document.hidden || abort) return;
    const mine = new AbortController();
    abort = mine;
    let answered = false;
    try {
        const headers = { Accept: "text/event-stream", ...authorization() };
        if (lastId) headers["Last-Event-ID"] = lastId;
        const response = await fetch("/api/events", { headers, signal: mine.signal, cache: "no-store" });
        if (abort !== mine) return;
        answered = true;
        if (response.status === 401) refuse(headers.Authorization);
        if (!response.ok || !(response.headers.get("content-type") || "").includes("event-stream")) throw new Error("no stream");
        retryMs = 1000;
        const isBack = state === "polling" || state === "lost";
        setState("live");
        if (isBack) tell(null); // what has happened since the last look may be in no event that is still told
        schedulePoll();
        await read(response);
    } catch { /* dropped, refused or ours: below */ }
    if (abort !== mine) return;
    abort = null;
    setState(answered ? "polling" : "lost");
    schedulePoll();
    setTimeout(connect, retryMs);
    retryMs = Math.min(retryMs * 2, RETRY_MAX_MS);
}

/** Begins to follow; called once, and again after a login. */
export function start() {
    stopped = false;
    cut();
    retryMs = 1000;
    schedulePoll();
    connect();
}

/** Ends following, for when there is nothing to be seen without a token. */
export function stop() {
    stopped = true;
    clearTimeout(pollTimer);
    cut();
}

/** Stops or goes on. @param {boolean} value */
export function setPaused(value) {
    paused = value;
    if (paused) {
        setState("paused");
        cut();
    } else {
        setState("connecting");
        tell(null);
        retryMs = 1000;
        connect();
    }
}

/** Tells all who show something to ask again: after an action of ours. */
export function refreshAll() {
    epoch++;
    setTimeout(() => { for (const fn of [...listeners]) fn(null, true); }, LEAVE_MS);
}

/** Rises with each action of ours: what was asked for before it may be old. */
export function actions() {
    return epoch;
}

/** "connecting", "live", "polling", "lost" (nobody answers) or "paused". */
export function useLiveState() {
    const [value, set] = useState(state);
    useEffect(() => {
        watchers.add(set);
        set(state);
        return () => watchers.delete(set);
    }, []);
    return value;
}

/** Calls fn with new events, or with null when it is time to look again; atOnce: after an action. @param {(events: Object[]|null, atOnce?: boolean) => void} fn */
export function useLive(fn, deps = []) {
    useEffect(() => {
        listeners.add(fn);
        return () => listeners.delete(fn);
    }, deps);
}

// A tab that nobody looks at has no stream either; it goes on where that was left.
document.addEventListener("visibilitychange", () => {
    if (document.hidden) { cut(); return; }
    tell(null);
    retryMs = 1000;
    connect();
});

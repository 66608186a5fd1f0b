// SPDX-License-Identifier: MIT
// HTTP: calls of the API, and what its errors say (problem+json).

const TOKEN_KEY = "ganger.token";
const refused = new Set();

/** An error of the API or of the way to it. status 0: no answer. */
export class Problem extends Error {
    constructor(status, body) {
        super(body.detail || body.title || "The request failed");
        this.status = status;
        this.title = body.title || "";
        this.detail = body.detail || "";
        this.hint = body.hint || "";
        this.field = body.field || "";
    }
}

/** The token of this browser tab, or "". */
export function token() {
    try { return sessionStorage.getItem(TOKEN_KEY) || ""; } catch { return ""; }
}

/** Keeps a token for as long as the tab lives; "" forgets it. */
export function setToken(value) {
    if (value) sessionStorage.setItem(TOKEN_KEY, value);
    else sessionStorage.removeItem(TOKEN_KEY);
}

/** Calls fn(had a token) whenever the API refuses what came with a request. @returns {() => void} ends that */
export function onRefused(fn) {
    refused.add(fn);
    return () => refused.delete(fn);
}

/** Headers of every request: the token, when there is one. */
export function authorization() {
    const value = token();
    return value ? { Authorization: "Bearer " + value } : {};
}

/** The API has refused a request: its token is not tried again, as wrong ones are counted. @param {string} [sent] the header it came with */
export function refuse(sent) {
    if (sent && sent === authorization().Authorization) setToken("");
    for (const fn of refused) fn(Boolean(sent));
}

async function problemOf(response) {
    let body = {};
    try { body = await response.json(); } catch { /* not JSON: the status has to do */ }
    if (!body.title) body.title = response.statusText || "HTTP " + response.status;
    return new Problem(response.status, body);
}

/**
 * One call.
 * @param {string} path "/api/jobs"
 * @param {{method?: string, body?: any, query?: Object, ifMatch?: string, tagged?: boolean}} [options]
 *     ifMatch: only if the thing is still so; tagged: the answer is {data, etag}
 *     values of query that are arrays are given several times, empty ones are left out
 * @returns {Promise<any>} the JSON of the answer, null without one
 * @throws {Problem}
 */
export async function call(path, options = {}) {
    const search = new URLSearchParams();
    for (const [key, value] of Object.entries(options.query || {})) {
        for (const one of Array.isArray(value) ? value : [value]) {
            if (one !== undefined && one !== null && one !== "") search.append(key, String(one));
        }
    }
    const url = path + (search.size ? "?" + search : "");
    const headers = { Accept: "application/json", ...authorization() };
    const init = { method: options.method || "GET", headers, cache: "no-store" };
    if (options.ifMatch) headers["If-Match"] = options.ifMatch;
    if (options.body !== undefined) {
        headers["Content-Type"] = "application/json";
        init.body = JSON.stringify(options.body);
    }
    let response;
    try {
        response = await fetch(url, init);
    } catch {
        throw new Problem(0, { title: "The server does not answer", detail: "No connection to " + location.host + ".",
            hint: "Is gangerd running, and does its configuration have the section http? Try: ganger doctor" });
    }
    if (response.status === 401) refuse(headers.Authorization);
    if (!response.ok) throw await problemOf(response);
    if (response.status === 204) return null;
    const text = await response.text();
    const data = text ? JSON.parse(text) : null;
    return options.tagged ? { data, etag: response.headers.get("ETag") } : data;
}

/** A path with its parts encoded: at`/api/queues/${name}/pause`. */
export function at(strings, ...parts) {
    return strings.reduce((text, piece, i) => text + piece + (i < parts.length ? encodeURIComponent(parts[i]) : ""), "");
}

// SPDX-License-Identifier: MIT
// Data: what a page shows of the API: asked for when the page opens or its parameters change, and again when events say so.
import { useState, useEffect, useRef, useCallback } from "./html.js";
import { call } from "./http.js";
import { useLive, isStill, actions } from "./live.js";

const AGAIN_MS = 1000; // not more often than that, whatever happens
const REST = 2;        // and after what took long so many times as long, from when it was asked for

// What is being asked for now: parts of a page that want the same share one request.
const asked = new Map();

function ask(path, query, key) {
    const name = actions() + " " + key;
    let answer = asked.get(name);
    if (!answer) {
        answer = call(path, { query }).finally(() => asked.delete(name));
        asked.set(name, answer);
    }
    return answer;
}

/**
 * Follows one resource. What was there stays shown while it is asked for again.
 * @param {string|null} path null: nothing yet
 * @param {{query?: Object, when?: (event: Object) => boolean, every?: number, live?: boolean}} [options] when: which events concern it (what
 *     it closes over must hold as long as path and query do); every: ms for which an answer is good enough, but for actions of ours
 * @returns {{data: any, error: Error|null, loading: boolean, reload: () => void}}
 */
export function useResource(path, options = {}) {
    const key = path === null ? null : path + "?" + JSON.stringify(options.query || {});
    const [answer, set] = useState({ key: null, data: null, error: null });
    const work = useRef({ busy: false, again: false, timer: 0, last: 0, took: 0, failed: false, turn: null }).current;

    const load = useCallback(async () => {
        if (key === null) return;
        if (work.busy) { work.again = true; return; }
        work.busy = true;
        work.last = Date.now();
        const turn = {};
        let failed = false;
        work.turn = turn;
        try {
            const data = await ask(path, options.query, key);
            if (work.turn === turn) set({ key, data, error: null });
        } catch (error) {
            if (work.turn === turn) set((old) => ({ key, data: old.key === key ? old.data : null, error }));
            failed = true;
        }
        if (work.turn !== turn) return; // the page wants something else by now
        work.failed = failed;
        work.took = Date.now() - work.last;
        work.busy = false;
        if (work.again) { work.again = false; soon(); }
    }, [key]);

    const soon = useCallback(() => {
        if (work.timer) return;
        work.timer = setTimeout(() => { work.timer = 0; if (!isStill()) load(); }, Math.max(0, work.last + Math.max(AGAIN_MS, REST * work.took) - Date.now()));
    }, [load]);

    useEffect(() => {
        load();
        return () => {
            clearTimeout(work.timer);
            work.timer = 0;
            work.busy = false;
            work.again = false;
            work.turn = null;
        };
    }, [load]);

    useLive((events, atOnce) => {
        if (options.live === false || key === null) return;
        if (atOnce) { load(); return; }
        if (options.every && !work.failed && Date.now() - work.last < options.every) return;
        if (!events || !options.when || events.some(options.when)) soon();
    }, [soon]);

    const fresh = answer.key === key;
    return { data: fresh || sameKind(answer.key, key) ? answer.data : null, error: fresh ? answer.error : null,
        loading: !fresh && key !== null, reload: load };
}

// The same list with another filter: the old rows stay until the new ones are there.
function sameKind(a, b) {
    return a !== null && b !== null && a.split("?")[0] === b.split("?")[0];
}

/** The rows of a list; none before it is there. @param {Object|null} data @param {string} name of the rows in it @returns {Object[]} */
export function rowsOf(data, name) {
    return data ? data[name] : [];
}

/** So many rows, the newest, of a list without pages. */
export const LIST_ROWS = 100;

const NEWEST = 50;
const OLDER = 200; // a step back

/**
 * Follows the newest rows of a list that may be long; older ones are asked for when somebody wants them, and stay.
 * @param {string|null} path @param {string} name of the rows in the answer @param {(row: Object) => string} keyOf @param {Object} [options] as useResource
 * @returns {{rows: Object[], data: any, error: Error|null, reload: () => void, older: (() => Promise<void>)|null}} rows: oldest first; older: null when all are there
 */
export function useNewest(path, name, keyOf, options = {}) {
    const answer = useResource(path, { ...options, query: { limit: NEWEST } });
    const kept = useRef({ data: null, rows: [], next: null, isOpen: false }).current;
    const [, redraw] = useState(0);
    if (answer.data !== kept.data) {
        kept.data = answer.data;
        const fresh = rowsOf(answer.data, name);
        const keys = new Set(fresh.map(keyOf));
        if (kept.isOpen && kept.rows.some((row) => keys.has(keyOf(row)))) kept.rows = [...kept.rows.filter((row) => !keys.has(keyOf(row))), ...fresh];
        else Object.assign(kept, { rows: fresh, next: answer.data && answer.data.next, isOpen: false });
    }
    const older = async () => {
        const more = await call(path, { query: { limit: OLDER, before: kept.next } });
        Object.assign(kept, { rows: [...rowsOf(more, name), ...kept.rows], next: more.next, isOpen: true });
        redraw((n) => n + 1);
    };
    return { ...answer, rows: kept.rows, older: kept.next ? older : null };
}

// SPDX-License-Identifier: MIT
// Toasts: short messages on what an action did; errors stay until they are closed.
import { html, useState, useEffect } from "./html.js";
import { Icon } from "./icons.js";
import { refreshAll } from "./live.js";

const STAY_MS = 5000;
let next = 1;
let shown = [];
const watchers = new Set();

function set(list) {
    shown = list;
    for (const fn of watchers) fn(list);
}

function close(id) {
    set(shown.filter((one) => one.id !== id));
}

/** Shows a message. @param {string} text @param {"ok"|"error"} [kind] @param {string} [more] a second line */
export function toast(text, kind = "ok", more = "") {
    const id = next++;
    set([...shown.slice(-3), { id, text, kind, more }]);
    if (kind !== "error") setTimeout(() => close(id), STAY_MS);
}

/**
 * Does something, says how it went, and has all pages look again.
 * @param {() => Promise<any>} work @param {string|((result: any) => string)} done what to say when it worked
 * @returns {Promise<boolean>} whether it worked
 */
export async function act(work, done) {
    try {
        const result = await work();
        toast(typeof done === "function" ? done(result) : done);
        refreshAll();
        return true;
    } catch (error) {
        toast(error.detail || error.message, "error", error.hint || "");
        return false;
    }
}

/** Where they are drawn. */
export function Toasts() {
    const [list, change] = useState(shown);
    useEffect(() => {
        watchers.add(change);
        return () => watchers.delete(change);
    }, []);
    return html`<div class="toasts" role="status" aria-live="polite">${list.map((one) => html`
        <div key=${one.id} class=${"toast " + one.kind}><${Icon} name=${one.kind === "error" ? "failures" : "check"} />
            <div><p>${one.text}</p>${one.more && html`<p class="muted">${one.more}</p>`}</div>
            <button type="button" class="plain-icon" aria-label="Close this message" onClick=${() => close(one.id)}><${Icon} name="cancel" size=${14} /></button>
        </div>`)}</div>`;
}

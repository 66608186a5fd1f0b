// SPDX-License-Identifier: MIT
// Keys: g and a letter goes to a page, / searches, j and k walk through rows, ? lists them all.
import { useEffect, html } from "./html.js";
import { go, link } from "./router.js";
import { openDialog } from "./dialogs.js";
import { PAGES } from "./pages_list.js";

const SEQUENCE_MS = 1200;
const OWN = [["/", "search"], ["j  k", "next, previous row"], ["Enter", "open the row"], ["x", "mark the row"], ["n", "new job, schedule or batch"],
    ["r", "retry the job"], ["e", "edit the job"], ["p", "stop or follow live"], ["t", "light, dark, as the system"], ["Esc", "close, leave a field"], ["?", "this list"]];
const handlers = new Map();
let first = 0;

/** While shown, key calls fn. @param {string} key @param {() => void} fn */
export function useKey(key, fn) {
    useEffect(() => {
        handlers.set(key, fn);
        return () => { if (handlers.get(key) === fn) handlers.delete(key); };
    });
}

function rows() {
    return [...document.querySelectorAll("[data-row]")];
}

function walk(step) {
    const all = rows();
    if (!all.length) return;
    const at = all.indexOf(document.activeElement.closest("[data-row]"));
    const next = all[Math.max(0, Math.min(all.length - 1, at < 0 ? 0 : at + step))];
    next.focus();
    next.scrollIntoView({ block: "nearest" });
}

function help() {
    openDialog({ title: "Keys", body: () => html`<div class="keys-help"><dl>${OWN.map(([key, text]) => html`
        <dt key=${key}>${key.split("  ").map((one) => html`<kbd>${one}</kbd>`)}</dt><dd>${text}</dd>`)}</dl>
        <dl>${PAGES.map((page) => html`<dt key=${page.key}><kbd>g</kbd><kbd>${page.key}</kbd></dt><dd>${page.title}</dd>`)}</dl></div>` });
}

function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const field = event.target.closest("input, textarea, select, [contenteditable]");
    if (field && field.type !== "checkbox") {
        if (event.key === "Escape") field.blur();
        return;
    }
    if (document.querySelector("dialog[open]")) return;
    if (first && Date.now() - first < SEQUENCE_MS) {
        first = 0;
        const page = PAGES.find((one) => one.key === event.key);
        if (page) { go(link(page.path)); event.preventDefault(); }
        return;
    }
    if (event.key === "g") { first = Date.now(); return; }
    if (event.key === "?") help();
    else if (event.key === "j") walk(1);
    else if (event.key === "k") walk(-1);
    else if (event.key === "x" && document.activeElement.matches("[data-row]")) {
        const box = document.activeElement.querySelector("input[type=checkbox]");
        if (box) box.click();
    } else if (event.key === "Enter" && document.activeElement.matches("[data-row]")) {
        const target = document.activeElement.querySelector("a");
        if (target) target.click();
    } else if (handlers.has(event.key)) handlers.get(event.key)();
    else return;
    event.preventDefault();
}

/** Listens to the keys of the whole page. */
export function startKeys() {
    document.addEventListener("keydown", pressed);
}

/** Shows the list of keys. */
export const showKeys = help;

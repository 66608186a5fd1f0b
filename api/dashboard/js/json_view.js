// SPDX-License-Identifier: MIT
// JSON view: JSON in colours that can be folded; what is large is cut until asked for.
import { html, useState } from "./html.js";
import { Copy } from "./ui.js";
import { count, bytes } from "./format.js";

const ITEMS = 50;       // of an object or array, until asked for
const CHARACTERS = 400; // of a text
const OPEN_DEPTH = 3;

/** Shows a value. @param {{value: any, label?: string}} props label names it for who copies it */
export function JsonView({ value, label = "this JSON" }) {
    if (value === undefined || value === null) return html`<p class="faint json-none">${value === null ? "null" : "nothing"}</p>`;
    const text = JSON.stringify(value, null, 2);
    return html`<div class="json-view"><div class="json-tools"><span class="faint">${bytes(new Blob([text]).size)}</span>
        <${Copy} text=${text} label=${label} /></div><div class="json mono"><${Node} value=${value} depth=${0} last /></div></div>`;
}

function Node({ name, value, depth, last }) {
    const comma = last ? "" : ",";
    const key = name === undefined ? null : html`<span class="json-key">${JSON.stringify(name)}</span>: `;
    if (value === null || typeof value !== "object") {
        return html`<div class="json-line">${key}<${Leaf} value=${value} />${comma}</div>`;
    }
    return html`<${Branch} prefix=${key} value=${value} depth=${depth} comma=${comma} />`;
}

function Leaf({ value }) {
    const [all, set] = useState(false);
    if (typeof value !== "string") return html`<span class=${"json-" + (value === null ? "null" : typeof value)}>${String(value)}</span>`;
    if (value.length <= CHARACTERS || all) return html`<span class="json-string">${JSON.stringify(value)}</span>`;
    return html`<span class="json-string">${JSON.stringify(value.slice(0, CHARACTERS)).slice(0, -1)}…</span>
        <button type="button" class="more" onClick=${() => set(true)}>show all ${count(value.length)} characters</button>`;
}

function Branch({ prefix, value, depth, comma }) {
    const array = Array.isArray(value);
    const entries = array ? value.map((one, i) => [i, one]) : Object.entries(value);
    const [open, toggle] = useState(depth < OPEN_DEPTH && entries.length <= 200);
    const [all, set] = useState(false);
    const [left, right] = array ? ["[", "]"] : ["{", "}"];
    if (!entries.length) return html`<div class="json-line">${prefix}${left}${right}${comma}</div>`;
    const fold = html`<button type="button" class="fold" aria-expanded=${open} onClick=${() => toggle(!open)}
        aria-label=${(open ? "Fold " : "Unfold ") + entries.length + (array ? " items" : " keys")}>${open ? "▾" : "▸"}</button>`;
    if (!open) {
        return html`<div class="json-line">${fold}${prefix}${left}<span class="faint"> ${entries.length} ${array ? "items" : "keys"} </span>${right}${comma}</div>`;
    }
    const shown = all ? entries : entries.slice(0, ITEMS);
    return html`<div class="json-line">${fold}${prefix}${left}</div>
        <div class="json-in">${shown.map(([key, one], i) => html`<${Node} key=${key} name=${array ? undefined : key} value=${one}
            depth=${depth + 1} last=${i === entries.length - 1} />`)}
        ${shown.length < entries.length && html`<button type="button" class="more" onClick=${() => set(true)}>show all ${count(entries.length)}</button>`}</div>
        <div class="json-line">${right}${comma}</div>`;
}

// SPDX-License-Identifier: MIT
// Dialogs: questions and forms. One is open at a time; the browser's own <dialog> keeps the focus inside and gives it back.
import { html, useState, useEffect, useRef, useId } from "./html.js";
import { Button, ErrorBox } from "./ui.js";
import { Icon } from "./icons.js";
import { refreshAll } from "./live.js";
import { toast } from "./toasts.js";

let show = () => {};
let isTyped = () => false; // is there something in the open form that would be lost?

function mayLeave() {
    return !isTyped() || window.confirm("Leave the form? What you have typed is lost.");
}

/** Opens a dialog. @param {{title: string, body: (close: () => void) => any, wide?: boolean}} dialog */
export function openDialog(dialog) {
    show(dialog);
}

/**
 * Asks before something is done.
 * @param {{title: string, text: any, action: string, danger?: boolean, work: () => Promise<any>,
 *     done: string|((result: any) => string)}} question
 */
export function confirmDialog(question) {
    openDialog({ title: question.title, body: (close) => html`<${Form} close=${close} fields=${[]} action=${question.action}
        danger=${question.danger} intro=${question.text} submit=${question.work} done=${question.done} />` });
}

/**
 * Opens a form.
 * @param {{title: string, intro?: any, fields: Field[], action: string, submit: (values: Object) => Promise<any>,
 *     done: string|((result: any) => string|null), wide?: boolean}} form
 * Field: {name, label, type: text | number | list | json | select | check, value, help?, required?, always?, options?: [[value, label]]}.
 * values has only what is filled in or was changed from its value at the beginning, and what is `always` said; a field that was cleared is null; JSON is parsed.
 */
export function formDialog(form) {
    openDialog({ title: form.title, wide: form.wide, body: (close) => html`<${Form} close=${close} ...${form} />` });
}

/** Only those of a form's values that say something, for what is put as a whole: a limit that is left out is none. @param {Object} values @returns {Object} */
export function filledIn(values) {
    return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null && value !== ""));
}

/** Where the open dialog is drawn. */
export function DialogHost() {
    const [dialog, set] = useState(null);
    const element = useRef(null);
    const title = useId();
    show = set;
    useEffect(() => {
        if (!dialog || !element.current || element.current.open) return;
        element.current.showModal();
        const first = element.current.querySelector(".field input, .field textarea, .form-end .primary, .form-end .button");
        if (first) first.focus();
    }, [dialog]);
    if (!dialog) return null;
    const close = () => set(null);
    const leave = () => { if (mayLeave()) close(); };
    const outside = (event) => { if (event.target === element.current) leave(); };
    // The key is caught first: a browser lets the event "cancel" be refused only once.
    const keys = (event) => { if (event.key === "Escape") { event.preventDefault(); event.stopPropagation(); leave(); } };
    const cancel = (event) => { event.preventDefault(); leave(); };
    return html`<dialog ref=${element} class=${dialog.wide ? "wide" : ""} aria-labelledby=${title} onClose=${close} onMouseDown=${outside} onKeyDown=${keys} onCancel=${cancel}>
        <div class="dialog-head"><h2 id=${title}>${dialog.title}</h2>
        <button type="button" class="plain-icon" aria-label="Close" onClick=${leave}><${Icon} name="cancel" /></button></div>
        <div class="dialog-body">${dialog.body(close)}</div></dialog>`;
}

function startText(field) {
    if (field.type === "json") return field.value === undefined ? "" : JSON.stringify(field.value, null, 2);
    if (field.type === "check") return Boolean(field.value);
    return field.value === undefined || field.value === null ? "" : String(field.value);
}

// What the fields say now. Throws {field, detail} on a mistake.
function readValues(fields, texts) {
    const values = {};
    for (const field of fields) {
        const text = texts[field.name];
        if (text === startText(field) && !field.always) continue;
        if (field.type === "check") values[field.name] = text;
        else if (String(text).trim() === "") {
            if (startText(field) !== "") values[field.name] = null;
        } else if (field.type === "json") {
            try { values[field.name] = JSON.parse(text); } catch (error) {
                throw Object.assign(new Error(), { title: "This is not JSON", detail: error.message, field: field.name });
            }
        } else if (field.type === "number") values[field.name] = Number(text);
        else if (field.type === "list") values[field.name] = text.split(",").map((word) => word.trim()).filter(Boolean);
        else values[field.name] = text;
    }
    for (const field of fields) {
        if (field.required && String(texts[field.name]).trim() === "") {
            throw Object.assign(new Error(), { title: "Something is missing", detail: field.label + " is needed.", field: field.name });
        }
    }
    return values;
}

function Form({ fields, intro, action, danger, submit, done, close }) {
    const [texts, set] = useState(() => Object.fromEntries(fields.map((field) => [field.name, startText(field)])));
    const [error, fail] = useState(null);
    const [busy, work] = useState(false);
    const form = useRef(null);
    const typed = fields.some((field) => texts[field.name] !== startText(field));
    useEffect(() => {
        isTyped = () => typed;
        return () => { isTyped = () => false; };
    }, [typed]);
    useEffect(() => {
        if (!error || !form.current) return;
        (form.current.querySelector("[aria-invalid=true]") || form.current.querySelector("[type=submit]")).focus(); // a button that was disabled has lost it
    }, [error]);
    const send = async (event) => {
        event.preventDefault();
        if (busy) return;
        work(true);
        fail(null);
        try {
            const result = await submit(readValues(fields, texts));
            const text = typeof done === "function" ? done(result) : done;
            close();
            if (text) toast(text);
            refreshAll();
        } catch (problem) {
            work(false);
            fail(problem);
        }
    };
    const change = (name) => (value) => set((old) => ({ ...old, [name]: value }));
    return html`<form ref=${form} class="form" onSubmit=${send} noValidate>
        ${intro && html`<div class="form-intro">${intro}</div>`}
        <div class="form-fields">${fields.map((field) => html`<${Field} key=${field.name} field=${field} value=${texts[field.name]}
            change=${change(field.name)} wrong=${error && error.field === field.name} />`)}</div>
        <div class="form-end"><${ErrorBox} error=${error} /><${Button} onClick=${() => { if (mayLeave()) close(); }}>Back</${Button}>
        <${Button} type="submit" kind=${danger ? "danger" : "primary"} disabled=${busy}>${action}</${Button}></div></form>`;
}

function Field({ field, value, change, wrong }) {
    const id = useId();
    const common = { id, name: field.name, "aria-invalid": wrong ? "true" : undefined, "aria-describedby": field.help ? id + "h" : undefined,
        onInput: (event) => change(event.target.value) };
    const long = field.type === "json";
    let input;
    if (field.type === "check") {
        return html`<label class="field check"><input type="checkbox" id=${id} name=${field.name} checked=${value}
            onChange=${(event) => change(event.target.checked)} /><span>${field.label}</span></label>`;
    } else if (field.type === "select") {
        input = html`<select ...${common} onChange=${(event) => change(event.target.value)}>${field.options.map(([key, text]) => html`
            <option key=${key} value=${key} selected=${key === value}>${text}</option>`)}</select>`;
    } else if (long) {
        input = html`<textarea ...${common} class="mono" rows=${field.rows || 6} spellcheck="false" value=${value}></textarea>`;
    } else {
        input = html`<input ...${common} type="text" inputmode=${field.type === "number" ? "numeric" : undefined} autocomplete="off"
            spellcheck="false" placeholder=${field.placeholder} list=${field.suggest ? id + "l" : undefined} value=${value} />
            ${field.suggest && html`<datalist id=${id + "l"}>${field.suggest.map((word) => html`<option key=${word} value=${word} />`)}</datalist>`}`;
    }
    return html`<div class=${"field" + (long ? " long" : "") + (wrong ? " wrong" : "")}><label for=${id}>${field.label}
        ${field.required && html`<span class="needed" title="needed">needed</span>`}</label>${input}
        ${field.help && html`<small id=${id + "h"} class="muted">${field.help}</small>`}</div>`;
}

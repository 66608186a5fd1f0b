// SPDX-License-Identifier: MIT
// UI: the small parts all pages are made of.
import { html, useState, useEffect } from "./html.js";
import { Icon } from "./icons.js";
import { relative, absolute, count } from "./format.js";
import { link } from "./router.js";
import { LIST_ROWS } from "./data.js";
import { toast } from "./toasts.js";

/** A status or an outcome: its colour, a shape that tells it apart without colour, and its name. */
export function Status({ status, reason, title }) {
    const label = reason && status === "pending" ? reason : status;
    return html`<span class=${"status status-" + status} title=${title || (reason ? status + ": " + reason : status)}>
        <span class="status-dot" aria-hidden="true"></span>${label}</span>`;
}

let tick = 0;
const tickers = new Set();
setInterval(() => { tick++; if (!document.hidden) for (const fn of tickers) fn(tick); }, 1000);

/** Draws again each second, for what shows an age. */
export function useSecond() {
    const [, set] = useState(0);
    useEffect(() => {
        tickers.add(set);
        return () => tickers.delete(set);
    }, []);
}

/** An instant, told from now; in full when pointed at. */
export function Time({ at, none = "–" }) {
    useSecond();
    if (!at) return html`<span class="faint">${none}</span>`;
    return html`<time datetime=${at} title=${absolute(at)}>${relative(at)}</time>`;
}

/** How long ago, without "ago". */
export function Age({ at }) {
    useSecond();
    return at ? html`<time datetime=${at} title=${absolute(at)}>${relative(at).replace(" ago", "").replace("now", "0s")}</time>` : null;
}

/** Copies a text when clicked. */
export function Copy({ text, label, children }) {
    const [done, set] = useState(false);
    const copy = async (event) => {
        event.preventDefault();
        event.stopPropagation();
        try {
            await navigator.clipboard.writeText(String(text));
            set(true);
            setTimeout(() => set(false), 1200);
        } catch {
            toast("The browser does not let this page copy: mark the text and copy it by hand", "error");
        }
    };
    return html`<button type="button" class="copy" onClick=${copy} aria-label=${children ? text + ", copy" : "Copy " + (label || text)}
        title=${"Copy " + (label || text)}>${children}<${Icon} name=${done ? "check" : "copy"} size=${13} /></button>`;
}

/** A line for a terminal, to be copied. */
export function CommandLine({ text }) {
    return html`<div class="command"><code>${text}</code><${Copy} text=${text} label="this line" /></div>`;
}

/** A button. kind: primary, danger, plain (without a frame). */
export function Button({ icon, children, kind = "", title, onClick, disabled, type = "button", small, label, ...rest }) {
    return html`<button type=${type} class=${"button " + kind + (small ? " small" : "")} title=${title} onClick=${onClick}
        disabled=${disabled} aria-label=${label} ...${rest}>${icon && html`<${Icon} name=${icon} size=${small ? 14 : 16} />`}${children}</button>`;
}

/** What stands there when there is nothing. */
export function Empty({ title, children, command }) {
    return html`<div class="empty"><div class="empty-art" aria-hidden="true"><i></i><i></i><i></i></div>
        <h2>${title}</h2><div class="empty-text">${children}</div>${command && html`<${CommandLine} text=${command} />`}</div>`;
}

// Where the title of a problem is but the name of its status.
const TITLES = { 400: "This cannot be taken", 403: "This is not allowed", 404: "It is not there", 409: "This is not possible now", 412: "Changed meanwhile", 413: "This is too large", 429: "Too many requests" };

/** An error: what, where, and how to mend it. */
export function ErrorBox({ error, retry }) {
    if (!error) return null;
    return html`<div class="error-box" role="alert"><${Icon} name="failures" size=${18} /><div>
        <strong>${TITLES[error.status] || error.title || "Something went wrong"}</strong>
        <p>${error.detail || error.message}${error.field && html` <code>${error.field}</code>`}</p>
        ${error.hint && html`<p class="muted">${error.hint}</p>`}</div>
        ${retry && html`<${Button} small icon="retry" onClick=${retry}>Try again</${Button}>`}</div>`;
}

/** What a resource shows before it is there, when it fails, and what it shows else. */
export function Loaded({ resource, children, lines = 6 }) {
    if (resource.data === null && resource.error) return html`<${ErrorBox} error=${resource.error} retry=${resource.reload} />`;
    if (resource.data === null) return html`<${Skeleton} lines=${lines} />`;
    return html`${resource.error && html`<${ErrorBox} error=${resource.error} retry=${resource.reload} />`}${children(resource.data)}`;
}

/** Grey lines where text will be. */
export function Skeleton({ lines = 6 }) {
    return html`<div class="skeleton" aria-busy="true" aria-label="Loading">
        ${Array.from({ length: lines }, (_, i) => html`<span key=${i} class=${"w" + (i % 4)}></span>`)}</div>`;
}

/** Asks for what is before what is shown. @param {{more: (() => Promise<void>)|null, what: string}} props more: null when all is shown */
export function Older({ more, what }) {
    const [busy, work] = useState(false);
    if (!more) return null;
    const ask = () => {
        work(true);
        more().catch((error) => toast(error.detail || error.message, "error")).finally(() => work(false));
    };
    return html`<p class="older"><${Button} small icon="down" disabled=${busy} onClick=${ask} label=${"Show older " + what}>Show older</${Button}></p>`;
}

/** Says so when a list has not all rows. */
export function Cut({ rows }) {
    return rows.length < LIST_ROWS ? null : html`<p class="pad faint">The newest ${LIST_ROWS}.</p>`;
}

/** The head of a page. */
export function PageHead({ title, note, children }) {
    useEffect(() => { document.title = (typeof title === "string" ? title + " · " : "") + "ganger"; }, [title]);
    return html`<header class="page-head"><div class="page-title"><h1>${title}</h1>${note && html`<p class="muted">${note}</p>`}</div>
        <div class="page-actions">${children}</div></header>`;
}

/** A framed part of a page. */
export function Card({ title, note, actions, children, flush, id, kind = "" }) {
    return html`<section class=${"card " + kind + (flush ? " flush" : "")} aria-labelledby=${title && id ? id : undefined}>
        ${(title || actions) && html`<div class="card-head"><h2 id=${id}>${title}</h2>${note && html`<span class="muted note">${note}</span>`}
        <div class="card-actions">${actions}</div></div>`}<div class="card-body">${children}</div></section>`;
}

/** A part of a whole, as a bar. parts: [{value, kind, label}] */
export function Bar({ parts, total, label }) {
    const sum = total || parts.reduce((n, part) => n + part.value, 0) || 1;
    const told = label || parts.filter((p) => p.value).map((p) => p.label + ": " + count(p.value)).join(", ") || "nothing";
    return html`<div class="bar" role="img" aria-label=${told} title=${told}>
        ${parts.map((p) => p.value > 0 && html`<span key=${p.label} class=${"fill-" + p.kind} style=${{ width: (100 * p.value) / sum + "%" }}></span>`)}</div>`;
}

/** A link to a job. */
export function JobLink({ id, children }) {
    if (!id) return html`<span class="faint">–</span>`;
    return html`<a class="mono" href=${link(["jobs", String(id)])}>${children || "#" + id}</a>`;
}

/** Words, each of which filters the jobs. */
export function Tags({ tags }) {
    if (!tags || !tags.length) return null;
    return html`<span class="tags">${tags.map((tag) => html`<a key=${tag} class="tag" href=${link(["jobs"], { tag })}
        onClick=${(e) => e.stopPropagation()}>${tag}</a>`)}</span>`;
}

/** A choice of one of several, as buttons beside each other. options: [[value, label]] */
export function Segments({ value, options, onChange, label }) {
    return html`<div class="segments" role="group" aria-label=${label}>${options.map(([key, text]) => html`
        <button type="button" key=${key} aria-pressed=${key === value} onClick=${() => onChange(key)}>${text}</button>`)}</div>`;
}

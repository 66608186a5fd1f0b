// SPDX-License-Identifier: MIT
// Batches: how far each is, and its items.
import { html } from "../html.js";
import { useResource, rowsOf, LIST_ROWS } from "../data.js";
import { call, at } from "../http.js";
import { PageHead, Card, Loaded, Button, Empty, Status, Time, JobLink, Bar, Cut } from "../ui.js";
import { act } from "../toasts.js";
import { formDialog, confirmDialog } from "../dialogs.js";
import { useKey } from "../keys.js";
import { link, go } from "../router.js";
import { count, share, seconds, between } from "../format.js";

const SHOWN = 200;

function create() {
    formDialog({ title: "New batch", wide: true, action: "Create", intro: html`<p class="muted">Each item becomes a job with the item as its payload. Nothing runs before you start the batch.</p>`,
        fields: [{ name: "id", label: "Id", help: "Empty: one is made up" }, { name: "job_type", label: "Job type", required: true }, { name: "items", label: "Items", type: "json", value: [], rows: 7, required: true, always: true, help: "An array" },
            { name: "concurrency", label: "At once", type: "number", value: 3 }, { name: "max_attempts", label: "Attempts of each", type: "number", value: 4 }],
        submit: (values) => call("/api/batches", { method: "POST", body: values }), done: (batch) => { go(link(["batches", batch.id])); return "The batch is there: start it"; } });
}

/** How many items were cancelled: the rest of a batch that is over, but for those that run again. (b.cancelled: was it cancelled itself?) @param {Object} b @returns {number} */
export function cancelledOf(b) {
    const live = (b.items || []).filter((item) => !["completed", "failed", "cancelled"].includes(item.status)).length;
    return b.finished_at ? Math.max(0, b.total - b.completed - b.failed - live) : 0;
}

function Progress({ b }) {
    const cancelled = cancelledOf(b);
    const left = Math.max(0, b.total - b.completed - b.failed - cancelled);
    return html`<div class="batch-progress"><${Bar} total=${b.total || 1} parts=${[{ label: "completed", kind: "completed", value: b.completed }, { label: "failed", kind: "failed", value: b.failed },
        { label: "cancelled", kind: "cancelled", value: cancelled }]} /><span class="nowrap"><b>${b.total ? share((b.total - left) / b.total) : "–"}</b> <span class="faint">of ${count(b.total)}</span></span></div>`;
}

const send = (b, what, done) => () => act(() => call(at`/api/batches/${b.id}/${what}`, { method: "POST", body: {} }), "Batch " + b.id + " " + done);

function Actions({ b }) {
    const stop = () => confirmDialog({ title: "Cancel batch " + b.id + "?", action: "Cancel the batch", danger: true, text: html`<p>For good: pending items are cancelled, running ones are stopped.</p>`,
        work: () => call(at`/api/batches/${b.id}/cancel`, { method: "POST", body: {} }), done: "Batch " + b.id + " is cancelled" });
    const clear = () => confirmDialog({ title: "Clear batch " + b.id + "?", action: "Clear", danger: true, text: html`<p>The batch, its items and events are gone for good.</p>`,
        work: async () => { await call(at`/api/batches/${b.id}/clear`, { method: "POST", body: {} }); go(link(["batches"])); }, done: "Batch " + b.id + " is cleared" });
    const ended = ["completed", "completed_with_errors", "cancelled"].includes(b.status);
    return html`${b.status === "pending" && html`<${Button} small icon="play" kind="primary" label=${"Start " + b.id} onClick=${send(b, "start", "starts")}>Start</${Button}>`}
        ${b.status === "running" && html`<${Button} small icon="pause" label=${"Pause " + b.id} onClick=${send(b, "pause", "is paused")}>Pause</${Button}>`}
        ${b.status === "paused" && html`<${Button} small icon="play" label=${"Resume " + b.id} onClick=${send(b, "resume", "goes on")}>Resume</${Button}>`}
        ${!ended && html`<${Button} small icon="cancel" kind="danger" label=${"Cancel " + b.id} onClick=${stop}>Cancel</${Button}>`}
        ${ended && html`<${Button} small icon="trash" kind="danger" label=${"Clear " + b.id} onClick=${clear}>Clear</${Button}>`}`;
}

/** All batches. */
export function Batches() {
    const answer = useResource("/api/batches", { query: { limit: LIST_ROWS } });
    useKey("n", create);
    return html`<${PageHead} title="Batches" note="Many jobs of one type, a few at a time"><${Button} icon="plus" kind="primary" onClick=${create}>New batch</${Button}></${PageHead}><${Card} flush><${Loaded} resource=${answer}>${(data) => {
        const rows = rowsOf(data, "batches");
        if (!rows.length) return html`<${Empty} title="No batch yet" command=${"select ganger.create_batch('import', 'echo', '[1, 2, 3]'); select ganger.start_batch('import');"}>Make one here or from SQL: an array of payloads, and one job when all have ended.</${Empty}>`;
        return html`<div class="table-box cards"><table><thead><tr><th>Batch</th><th>Status</th><th>Progress</th><th class="right">Failed</th><th>Started</th><th>Ended</th><th><span class="unseen">Actions</span></th></tr></thead>
            <tbody>${rows.map((b) => html`<tr key=${b.id} data-row tabindex="-1"><td class="full"><a class="name" href=${link(["batches", b.id])}>${b.id}</a><span class="sub">${b.job_type}, ${b.concurrency} at a time</span></td>
            <td><${Status} status=${b.status} /></td><td class="wide-bar full"><${Progress} b=${b} /></td><td class="right" data-label="failed">${count(b.failed)}</td><td data-label="started"><${Time} at=${b.started_at} /></td>
            <td data-label="ended"><${Time} at=${b.finished_at} /></td><td class="actions"><${Actions} b=${b} /></td></tr>`)}</tbody></table></div><${Cut} rows=${rows} />`;
    }}</${Loaded}></${Card}>`;
}

/** One batch and its items. @param {{id: string}} props */
export function Batch({ id }) {
    const answer = useResource(at`/api/batches/${id}`, { when: (event) => event.batch_id === id });
    if (answer.error && answer.error.status === 404) {
        return html`<${PageHead} title=${id} /><${Card}><${Empty} title="There is no such batch">It was never there, or has been cleared. <a href=${link(["batches"])}>All batches</a></${Empty}></${Card}>`;
    }
    return html`<nav class="crumbs" aria-label="Where"><a href=${link(["batches"])}>Batches</a></nav><${Loaded} resource=${answer}>${(b) => html`<${PageHead} title=${b.id} note=${html`<span class="job-line"><${Status} status=${b.status} />
        <a href=${link(["jobs"], { batch: b.id })}>its jobs</a></span>`}><${Actions} b=${b} /></${PageHead}><div class="stack">
        <${Card}><${Progress} b=${b} /><p class="batch-facts muted">${count(b.completed)} completed, ${count(b.failed)} failed, ${count(cancelledOf(b))} cancelled
        ${b.started_at && html`; started <${Time} at=${b.started_at} />`}${b.finished_at && html`, took ${seconds(between(b.started_at, b.finished_at))}`}</p></${Card}>
        <${Card} title="Items" flush><div class="table-box cards"><table><thead><tr><th>Job</th><th>Status</th><th class="right">Attempts</th><th>Result or error</th></tr></thead><tbody>${b.items.slice(0, SHOWN).map((item) => html`
        <tr key=${item.id} data-row tabindex="-1"><td><${JobLink} id=${item.id} /></td><td><${Status} status=${item.status} /></td><td class="right" data-label="attempts">${item.attempts}</td><td class="full">${item.error ? html`<span class="clip error-text" title=${item.error}>${item.error}</span>`
            : html`<code class="clip">${item.result === null ? "" : JSON.stringify(item.result)}</code>`}</td></tr>`)}</tbody></table></div>
        ${b.items.length > SHOWN && html`<p class="pad faint">The first ${SHOWN} of ${count(b.items.length)}: <a href=${link(["jobs"], { batch: b.id })}>all of them as jobs</a></p>`}</${Card}></div>`}</${Loaded}>`;
}

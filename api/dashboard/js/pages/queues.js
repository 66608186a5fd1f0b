// SPDX-License-Identifier: MIT
// Queues: how full they are, how fast they go, their limits, and the switch that stops them. Groups with limits stand below.
import { html } from "../html.js";
import { useResource, rowsOf } from "../data.js";
import { call, at } from "../http.js";
import { PageHead, Card, Loaded, Button, Empty, Time, Bar, Status } from "../ui.js";
import { act } from "../toasts.js";
import { formDialog, filledIn } from "../dialogs.js";
import { link } from "../router.js";
import { count, short, interval } from "../format.js";

const GROUPS = 100; // shown

function limitsOf(row) {
    const parts = [];
    if (row.concurrency !== null) parts.push(row.concurrency + " at once");
    if (row.group_concurrency) parts.push(row.group_concurrency + " per group");
    if (row.rate) parts.push(row.rate + " per " + interval(row.rate_period));
    if (row.retention) parts.push("kept " + interval(row.retention));
    return parts;
}

function editLimits(queue) {
    formDialog({ title: "Limits of queue " + queue.name, action: "Save", intro: html`<p class="muted">They hold over all nodes, at once; what runs goes on. Empty: no limit.</p>`,
        fields: [{ name: "concurrency", label: "Jobs at once", type: "number", value: queue.concurrency, help: "0 stops the queue", always: true },
            { name: "group_concurrency", label: "At once of each group", type: "number", value: queue.group_concurrency, always: true },
            { name: "rate", label: "Starts", type: "number", value: queue.rate, help: "So many …", always: true }, { name: "rate_period", label: "in a time of", value: queue.rate_period || "", help: "… for example 1 min", always: true },
            { name: "retention", label: "Ended jobs are kept for", value: queue.retention || "", help: "For example 7 days; empty: the general retention", always: true }],
        submit: (values) => call(at`/api/queues/${queue.name}`, { method: "PUT", body: filledIn(values) }), done: "Limits of " + queue.name + " are set" });
}

function editGroup(group) {
    formDialog({ title: "Limits of group " + group.group_key, action: "Save", intro: html`<p class="muted">Over all queues. All empty: no limits of its own.</p>`,
        fields: [{ name: "concurrency", label: "Jobs at once", type: "number", value: group.concurrency, always: true }, { name: "rate", label: "Starts", type: "number", value: group.rate, help: "So many …", always: true },
            { name: "rate_period", label: "in a time of", value: group.rate_period || "", help: "… for example 1 min", always: true }],
        submit: (values) => call(at`/api/groups/${group.group_key}`, { method: "PUT", body: filledIn(values) }), done: "Limits of " + group.group_key + " are set" });
}

function flip(queue) {
    const what = queue.paused ? "resume" : "pause";
    return act(() => call(at`/api/queues/${queue.name}/${what}`, { method: "POST", body: {} }), "Queue " + queue.name + (queue.paused ? " goes on" : " is paused: nothing of it starts"));
}

function QueueRow({ queue, top }) {
    const later = Math.max(0, queue.pending - queue.runnable);
    return html`<tr data-row tabindex="-1"><td class="full"><a class="name" href=${link(["jobs"], { queue: queue.name })}>${queue.name}</a> ${queue.paused && html`<${Status} status="paused" />`}
        <span class="sub">${limitsOf(queue).join(", ") || "no limits"}</span></td>
        <td class="wide-bar full"><${Bar} total=${top} parts=${[{ label: "processing", kind: "processing", value: queue.processing }, { label: "runnable", kind: "pending", value: queue.runnable },
            { label: "not yet", kind: "cancelled", value: later }, { label: "waiting", kind: "waiting", value: queue.waiting }]} /></td>
        <td class="right" data-label="runnable">${short(queue.runnable)}</td><td class="right" data-label="not yet">${short(later)}</td><td class="right" data-label="processing">${short(queue.processing)}</td>
        <td class="right" data-label="waiting">${short(queue.waiting)}</td><td data-label="oldest"><${Time} at=${queue.oldest_runnable_at} none="–" /></td>
        <td class="actions"><${Button} small icon="sliders" onClick=${() => editLimits(queue)} label=${"Limits of " + queue.name}>Limits</${Button}>
        <${Button} small icon=${queue.paused ? "play" : "pause"} onClick=${() => flip(queue)} label=${(queue.paused ? "Resume " : "Pause ") + queue.name}>${queue.paused ? "Resume" : "Pause"}</${Button}></td></tr>`;
}

function Groups() {
    const answer = useResource("/api/groups", { when: () => false });
    const rows = rowsOf(answer.data, "groups");
    if (!rows.length) return null;
    return html`<${Card} title="Groups" note="jobs with a group key" flush><div class="table-box cards"><table><thead><tr><th>Group</th><th class="right">Pending</th><th class="right">Limited</th>
        <th class="right">Places taken</th><th class="right">Processing</th><th>Limits</th><th><span class="unseen">Actions</span></th></tr></thead><tbody>${rows.slice(0, GROUPS).map((g) => html`<tr key=${g.group_key}><td class="full"><a class="name" href=${link(["jobs"], { group_key: g.group_key })}>${g.group_key}</a></td>
        <td class="right" data-label="pending">${count(g.pending)}</td><td class="right" data-label="limited">${count(g.limited)}</td><td class="right" data-label="places taken">${count(g.held)}</td><td class="right" data-label="processing">${count(g.processing)}</td>
        <td>${limitsOf(g).join(", ") || html`<span class="faint">the queue's</span>`}</td><td class="actions"><${Button} small icon="sliders" onClick=${() => editGroup(g)} label=${"Limits of group " + g.group_key}>Limits</${Button}></td></tr>`)}</tbody></table></div>
        ${rows.length > GROUPS && html`<p class="pad faint">The first ${GROUPS} of ${count(rows.length)} by their keys.</p>`}</${Card}>`;
}

/** All queues. */
export function Queues() {
    const answer = useResource("/api/queues");
    return html`<${PageHead} title="Queues" note="A queue is there with its first job, or when something is said about it" /><div class="stack"><${Card} flush><${Loaded} resource=${answer}>${(data) => {
        const rows = rowsOf(data, "queues");
        if (!rows.length) return html`<${Empty} title="No queue yet" command="ganger enqueue echo --queue default">Enqueue a job: its queue appears here.</${Empty}>`;
        const top = Math.max(...rows.map((q) => q.pending + q.processing + q.waiting), 1);
        return html`<div class="table-box cards"><table><thead><tr><th>Queue</th><th>How full</th><th class="right">Runnable</th><th class="right">Not yet</th><th class="right">Processing</th><th class="right">Waiting</th>
            <th>Oldest</th><th><span class="unseen">Actions</span></th></tr></thead><tbody>${rows.map((queue) => html`<${QueueRow} key=${queue.name} queue=${queue} top=${top} />`)}</tbody></table></div>`;
    }}</${Loaded}></${Card}><${Groups} /></div>`;
}

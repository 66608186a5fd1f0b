// SPDX-License-Identifier: MIT
// Nodes: machines, the supervisor on each, and its workers with what they do now.
import { html, useState } from "../html.js";
import { useResource, rowsOf } from "../data.js";
import { call, at } from "../http.js";
import { PageHead, Card, Loaded, Button, Empty, Status, Time, Age, JobLink, Copy, useSecond } from "../ui.js";
import { Icon } from "../icons.js";
import { confirmDialog } from "../dialogs.js";
import { count, bytes, seconds, between, interval, intervalSeconds, plural } from "../format.js";
import { link } from "../router.js";

function kill(worker) {
    confirmDialog({ title: "Stop worker " + worker.id + "?", action: "Stop the worker", danger: true,
        text: html`<p>${worker.job_id ? html`It runs job ${worker.job_id}: that attempt ends as crashed, and is retried if the job has attempts left. ` : "It is idle. "}The process is asked to stop, and killed when it does not. A new one takes its place.</p>`,
        work: () => call(at`/api/workers/${worker.id}/kill`, { method: "POST", body: {} }), done: "Worker " + worker.id + " is being stopped" });
}

function Worker({ w }) {
    useSecond();
    const dead = w.state === "dead";
    return html`<li class=${"worker worker-" + w.state} data-row tabindex="-1"><span class="worker-id"><b>${w.id}</b><${Status} status=${w.state} /></span>
        <span class="worker-job">${w.job_id ? html`<${JobLink} id=${w.job_id} /> <span>${w.job_type}</span>${w.job_started_at && html` <span class="faint nowrap">${seconds(between(w.job_started_at))}</span>`}` : html`<span class="faint">${dead ? "ended" : "no job"}</span>`}</span>
        <span class="worker-fact" title="Pool">${w.pool}</span><span class="worker-fact faint">pid ${w.pid}</span>
        <span class="worker-fact" title="Share of one CPU now, and CPU time in all">${w.cpu_time !== null ? html`${w.cpu_share !== null && html`<b>${Math.round(w.cpu_share * 100)} %</b> `}<span class="faint">${interval(w.cpu_time)}</span>` : ""}</span>
        <span class="worker-fact" title="Memory">${w.rss ? bytes(w.rss) : ""}</span><span class="worker-fact faint">${dead ? html`ended <${Time} at=${w.ended_at} />` : html`up <${Age} at=${w.started_at} />`}</span>
        <span class="worker-end">${w.is_ending ? html`<span class="faint">stopping</span>` : !dead && html`<${Button} small icon="power" kind="danger" label=${"Stop worker " + w.id} onClick=${() => kill(w)}>Stop</${Button}>`}</span></li>`;
}

function Supervisor({ node, workers, all }) {
    const shown = workers.filter((w) => all || w.state !== "dead");
    const busy = workers.filter((w) => w.state === "busy").length;
    const alive = workers.filter((w) => w.state !== "dead").length;
    return html`<div class=${"supervisor supervisor-" + node.state}><div class="supervisor-head"><${Status} status=${node.state} /><b>${node.name}</b>${node.leader && html`<span class="tag" title="It does the duties of the whole cluster">leader</span>`}
        <span class="faint">gangerd ${node.version}, pid ${node.pid}</span>
        ${Object.entries(node.processes || {}).map(([role, use]) => use && html`<span key=${role} class="faint" title=${role + ": memory, share of one CPU now"}>${role} ${bytes(use.rss)}${use.cpu_share ? ", " + Math.round(use.cpu_share * 100) + " %" : ""}</span>`)}
        <span class="faint">${node.state === "alive" ? html`up <${Age} at=${node.started_at} />, seen <${Time} at=${node.seen_at} />` : html`ended <${Time} at=${node.ended_at || node.seen_at} />`}</span>
        ${node.state === "alive" && html`<span class="supervisor-busy">${busy} of ${plural(alive, "worker")} busy</span>`}</div>
        ${shown.length > 0 && html`<ul class="workers">${shown.map((w) => html`<${Worker} key=${w.id} w=${w} />`)}</ul>`}</div>`;
}

function Host({ host, nodes, workers, all }) {
    const first = nodes.find((node) => node.state === "alive") || nodes[0];
    return html`<${Card} title=${host || "this machine"} note=${[first.cpu_count && plural(first.cpu_count, "CPU"), first.load !== null && "load " + first.load.toFixed(2), first.clock_offset && Math.abs(intervalSeconds(first.clock_offset)) > 1 && "clock is off by " + interval(first.clock_offset)].filter(Boolean).join(", ")} flush>
        ${nodes.map((node) => html`<${Supervisor} key=${node.id} node=${node} all=${all} workers=${workers.filter((w) => w.node === node.name && (node.state === "alive" ? w.state !== "dead" || all : all && w.state === "dead"))} />`)}</${Card}>`;
}

/** Host, supervisor, worker. */
export function Nodes() {
    const [all, show] = useState(false);
    const nodes = useResource("/api/nodes", { query: { all: all || null } });
    const workers = useResource("/api/workers", { query: { all: all || null } });
    const list = rowsOf(workers.data, "workers");
    return html`<${PageHead} title="Nodes and workers" note="Each machine, the supervisor on it, and its workers"><label class="field check"><input type="checkbox" checked=${all} onChange=${() => show(!all)} />ended ones, too</label></${PageHead}>
        <${Loaded} resource=${nodes}>${(data) => {
        const rows = rowsOf(data, "nodes");
        if (!rows.length) return html`<${Card}><${Empty} title="No node is alive" command="systemctl start ganger">Jobs wait until gangerd runs on some machine. Its log says why it does not.</${Empty}></${Card}>`;
        const hosts = [...new Set(rows.map((node) => node.host))];
        return html`<div class="stack">${hosts.map((host) => html`<${Host} key=${host} host=${host} nodes=${rows.filter((node) => node.host === host)} workers=${list} all=${all} />`)}
            ${workers.error && html`<p class="muted">Workers: ${workers.error.message}</p>`}</div>`;
    }}</${Loaded}>`;
}

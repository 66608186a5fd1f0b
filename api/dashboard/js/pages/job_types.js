// SPDX-License-Identifier: MIT
// Job types: how fast each is, how often it fails, and whether it is stopped.
import { html } from "../html.js";
import { useResource, rowsOf } from "../data.js";
import { call, at } from "../http.js";
import { PageHead, Card, Loaded, Button, Empty, Status, Bar } from "../ui.js";
import { Histogram, StackedChart } from "../chart.js";
import { Icon } from "../icons.js";
import { act } from "../toasts.js";
import { formDialog, filledIn } from "../dialogs.js";
import { link } from "../router.js";
import { count, short, seconds, share, interval, plural } from "../format.js";

function flip(row) {
    const what = row.paused ? "resume" : "pause";
    return act(() => call(at`/api/job-types/${row.job_type}/${what}`, { method: "POST", body: {} }), row.job_type + (row.paused ? " goes on" : " is paused: nothing of it starts"));
}

function editLimits(row) {
    formDialog({ title: "Limits of " + row.job_type, action: "Save", intro: html`<p class="muted">They hold over all nodes. Empty: no limit of its own.</p>`,
        fields: [{ name: "concurrency", label: "Jobs at once", type: "number", value: row.concurrency, help: "0 stops the type", always: true },
            { name: "timeout", label: "Time limit of an attempt", value: row.timeout_seconds ? row.timeout_seconds + " s" : "", help: "For jobs without one; for example 5 min", always: true },
            { name: "max_crashes", label: "Crashes at most", type: "number", value: row.max_crashes, help: "So many, and a job has failed for good", always: true }],
        submit: (values) => call(at`/api/job-types/${row.job_type}`, { method: "PUT", body: filledIn(values) }),
        done: "Limits of " + row.job_type + " are set" });
}

function FailureShare({ value }) {
    if (value === null || value === undefined) return html`<span class="faint">–</span>`;
    return html`<span class=${value >= 0.05 ? "share share-bad" : "share"}><${Bar} total=${1} label=${share(value) + " failed"} parts=${[{ label: "failed", kind: "failed", value: Number(value) }]} />${share(value)}</span>`;
}

function TypeRow({ row }) {
    return html`<tr data-row tabindex="-1"><td class="full"><a class="name" href=${link(["types", row.job_type])}>${row.job_type}</a> ${row.paused && html`<${Status} status="paused" />`}</td>
        <td class="right" data-label="pending">${short(row.pending)}</td><td class="right" data-label="processing">${short(row.processing)}</td><td class="right" data-label="last hour">${short(row.completed_last_hour)}</td>
        <td class="right" data-label="failed">${row.failed_last_hour ? html`<a href=${link(["failures"], { job_type: row.job_type })}>${short(row.failed_last_hour)}</a>` : short(row.failed_last_hour)}</td>
        <td data-label="failing"><${FailureShare} value=${row.failure_share} /></td><td class="right" data-label="p50">${seconds(row.p50_run_seconds)}</td><td class="right" data-label="p95">${seconds(row.p95_run_seconds)}</td>
        <td class="actions"><${Button} small icon=${row.paused ? "play" : "pause"} onClick=${() => flip(row)} label=${(row.paused ? "Resume " : "Pause ") + row.job_type}>${row.paused ? "Resume" : "Pause"}</${Button}></td></tr>`;
}

/** All job types. */
export function JobTypes() {
    const answer = useResource("/api/overview/job-types");
    return html`<${PageHead} title="Job types" note="Rates and failures of the last hour; run times of all that is kept" /><${Card} flush><${Loaded} resource=${answer}>${(data) => {
        const rows = rowsOf(data, "job_types");
        if (!rows.length) return html`<${Empty} title="No job type yet" command="ganger enqueue echo">A type is there with its first job. Which types a node can run is in the section handlers of its configuration.</${Empty}>`;
        return html`<div class="table-box cards"><table><thead><tr><th>Job type</th><th class="right">Pending</th><th class="right">Processing</th><th class="right">Completed</th><th class="right">Failed</th><th>Share that fails</th>
            <th class="right">Median</th><th class="right">95 %</th><th><span class="unseen">Actions</span></th></tr></thead><tbody>${rows.map((row) => html`<${TypeRow} key=${row.job_type} row=${row} />`)}</tbody></table></div>`;
    }}</${Loaded}></${Card}>`;
}

// A few empty ones around few, so that the bars do not become walls.
function padded(buckets) {
    const all = [...buckets];
    while (all.length < 12) {
        all.push({ from_seconds: all.at(-1).to_seconds, to_seconds: all.at(-1).to_seconds * 2, jobs: 0 });
        if (all.length < 12) all.unshift({ from_seconds: all[0].from_seconds / 2, to_seconds: all[0].from_seconds, jobs: 0 });
    }
    return all;
}

function Durations({ data }) {
    if (!data.buckets.length) return html`<p class="muted">No job of this type has completed yet.</p>`;
    const all = padded(data.buckets);
    const first = Math.log2(all[0].from_seconds);
    const place = (s) => (s ? (Math.log2(s) - first) / all.length : null);
    const marks = [["median", data.p50_seconds], ["95 %", data.p95_seconds]].map(([label, s]) => ({ label: label + " " + seconds(s), at: place(s) })).filter((m) => m.at !== null && m.at >= 0 && m.at <= 1);
    const every = Math.ceil(all.length / 12);
    return html`<${Histogram} label="Run times" marks=${marks} buckets=${all.map((b, i) => ({ count: b.jobs, label: i % every === 0 ? seconds(b.from_seconds) : "",
        title: count(b.jobs) + " ran " + seconds(b.from_seconds) + " to " + seconds(b.to_seconds) }))} />`;
}

function Numbers({ data }) {
    const one = (label, value, note) => html`<div class="number"><dt>${label}</dt><dd>${value}</dd>${note && html`<dd class="faint note">${note}</dd>`}</div>`;
    return html`<dl class="numbers">${one("Completed", short(data.jobs), "kept")}${one("Median", seconds(data.p50_seconds))}${one("95 %", seconds(data.p95_seconds))}${one("99 %", seconds(data.p99_seconds))}
        ${one("Median wait", seconds(data.recent.wait.p50_seconds), "95 %: " + seconds(data.recent.wait.p95_seconds))}${one("Fails", share(data.failure_share.last_hour ?? data.failure_share.last_day), data.failure_share.last_hour === null ? "last day" : "last hour")}
        ${one("Crashed", count(data.recent.crashed), "of the last " + plural(data.recent.jobs, "job"))}</dl>`;
}

/** One job type. @param {{name: string}} props */
export function JobType({ name: type }) {
    const answer = useResource(at`/api/job-types/${type}/durations`, { when: (event) => event.job_type === type });
    const ends = useResource("/api/throughput", { query: { since: "24h", job_type: type }, when: (event) => event.job_type === type });
    if (answer.error && answer.error.status === 404) {
        return html`<${PageHead} title=${type} /><${Card}><${Empty} title="None of its jobs has run yet">Or nobody knows such a type. <p><a href=${link(["jobs"], { job_type: type })}>Its jobs</a>, <a href=${link(["types"])}>all job types</a></p></${Empty}></${Card}>`;
    }
    return html`<nav class="crumbs" aria-label="Where"><a href=${link(["types"])}>Job types</a></nav><${Loaded} resource=${answer}>${(data) => html`<${PageHead} title=${type} note=${html`<span class="job-line">${data.paused && html`<${Status} status="paused" />`}
        <a href=${link(["jobs"], { job_type: type })}>its jobs</a><a href=${link(["failures"], { job_type: type })}>its failures</a></span>`}>
        <${Button} icon="sliders" onClick=${() => editLimits(data)}>Limits</${Button}><${Button} icon=${data.paused ? "play" : "pause"} onClick=${() => flip(data)}>${data.paused ? "Resume" : "Pause"}</${Button}></${PageHead}>
        <div class="stack"><${Breaker} data=${data} /><${Card}><${Numbers} data=${data} /></${Card}><${Card} title="Run times" note="completed jobs, each bar twice as long as the one before"><${Durations} data=${data} /></${Card}>
        <${Card} title="Jobs that ended"><${Loaded} resource=${ends}>${(t) => html`<${StackedChart} height=${170} label="Last 24 h" times=${t.at} step=${t.step_seconds} series=${["completed", "failed", "cancelled"].map((key) => ({ label: key, kind: key, colour: "--" + key, values: t[key] }))} />`}</${Loaded}></${Card}></div>`}</${Loaded}>`;
}

// What stops jobs of the type before they do more harm.
function Breaker({ data }) {
    const facts = [data.concurrency !== null && data.concurrency + " at once", data.timeout_seconds && "time limit " + seconds(data.timeout_seconds),
        data.max_crashes && "a job that has crashed " + data.max_crashes + " times has failed for good"].filter(Boolean);
    if (!data.paused && !facts.length) return null;
    return html`<div class=${"explain explain-" + (data.paused ? "pending" : "plain")} role="note"><${Icon} name=${data.paused ? "pause" : "sliders"} size=${18} /><p>${data.paused && html`<strong>Paused: nothing of it starts. </strong>`}${facts.join("; ")}</p></div>`;
}

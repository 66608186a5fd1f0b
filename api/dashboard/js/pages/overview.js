// SPDX-License-Identifier: MIT
// Overview: is work being done, does it pile up, and what fails.
import { html, useState } from "../html.js";
import { useResource, rowsOf } from "../data.js";
import { useLive } from "../live.js";
import { PageHead, Card, Loaded, Segments, Bar, JobLink, Empty, Status, Time } from "../ui.js";
import { StackedChart, Spark } from "../chart.js";
import { Icon } from "../icons.js";
import { link, setQuery } from "../router.js";
import { count, short, seconds, share, plural } from "../format.js";
import { SELDOM } from "./doctor.js";

const SPANS = [["2m", "2 min"], ["1h", "1 h"], ["6h", "6 h"], ["24h", "24 h"], ["7d", "7 d"], ["30d", "30 d"]];
const OUTCOMES = [["completed", "completed"], ["failed", "failed"], ["cancelled", "cancelled"]];
const FEED_ROWS = 9;

function Tile({ label, value, note, href, kind, values }) {
    return html`<a class=${"tile tile-" + kind} href=${href}><span class="tile-label">${label}</span><span class="tile-value">${value}</span>
        <span class="tile-note">${note || html`\u00a0`}</span>${values && html`<${Spark} values=${values} kind=${kind} />`}</a>`;
}

/** What the pending jobs are, the largest parts first; what is not named is counted. @param {Object} parts number by reason @returns {string} */
export function pendingNote(parts) {
    const all = Object.entries(parts).filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1]);
    if (!all.length) return "none waits to be run";
    if (all.length === 1 && all[0][0] === "runnable") return "all of them could run";
    const shown = all.slice(0, all.length === 3 ? 3 : 2).map(([key, n]) => short(n) + " " + key);
    const rest = all.slice(shown.length).reduce((sum, [, n]) => sum + n, 0);
    return shown.join(", ") + (rest ? " and " + short(rest) + " more" : "");
}

function Tiles({ data, series }) {
    const rate = data.ended.last_minute;
    const hour = data.ended.last_hour;
    const oldest = data.queues.reduce((most, q) => (q.paused || q.oldest_wait_seconds === null ? most : Math.max(most === null ? 0 : most, q.oldest_wait_seconds)), null);
    const about = !data.is_exact ? "≈ " : "";
    return html`<div class="tiles">
        <${Tile} kind="completed" label="Completed / min" value=${short(rate.completed)} note=${short(hour.completed) + " in the last hour"}
            href=${link(["jobs"], { status: "completed" })} values=${series && series.completed} />
        <${Tile} kind="pending" label="Pending" value=${about + short(data.counts.pending)} href=${link(["jobs"], { status: "pending" })}
            note=${pendingNote(data.pending)} values=${series && series.enqueued} />
        <${Tile} kind="processing" label="Processing" value=${short(data.counts.processing)} note=${data.busy_workers + " of " + plural(data.workers, "worker") + " busy"}
            href=${link(["jobs"], { status: "processing" })} />
        <${Tile} kind=${oldest > 60 ? "failed" : "accent"} label="Oldest wait" value=${oldest === null ? "none" : seconds(oldest)}
            note=${oldest === null ? "no runnable job waits" : "of what could run now"} href=${link(["queues"])} />
        <${Tile} kind="waiting" label="Waiting" value=${short(data.counts.waiting)} note="for a time or a token" href=${link(["jobs"], { status: "waiting" })} />
        <${Tile} kind=${hour.failed ? "failed" : "cancelled"} label="Failed in an hour" value=${short(hour.failed)} note=${hour.completed + hour.failed ? share(hour.failed / (hour.completed + hour.failed)) + " of completed and failed"
            : "nothing ended"} href=${link(["failures"])} values=${series && series.failed} /></div>`;
}

function Throughput({ since }) {
    const answer = useResource("/api/throughput", { query: { since } });
    return html`<${Card} title="Jobs that ended" actions=${html`<${Segments} label="Time span" value=${since} options=${SPANS} onChange=${(value) => setQuery({ since: value }, true)} />`}>
        <${Loaded} resource=${answer} lines=${7}>${(data) => html`<${StackedChart} label=${"Last " + SPANS.find(([key]) => key === since)[1]} times=${data.at}
            step=${data.step_seconds} series=${OUTCOMES.map(([key, label]) => ({ label, kind: key, colour: "--" + key, values: data[key] }))} />`}</${Loaded}></${Card}>`;
}

function QueueRows({ queues }) {
    if (!queues.length) return html`<${Empty} title="No queue yet" command="ganger enqueue echo">A queue is there with its first job.</${Empty}>`;
    const top = Math.max(...queues.map((q) => q.pending + q.processing + q.waiting), 1);
    const shown = [...queues].sort((a, b) => b.pending + b.processing - a.pending - a.processing).slice(0, 8);
    return html`<ul class="lines">${shown.map((q) => html`<li key=${q.queue}><a class="line" href=${link(["jobs"], { queue: q.queue, status: "pending,processing,waiting" })}>
        <span class="line-name">${q.queue}${q.paused && html` <${Status} status="paused" />`}</span>
        <${Bar} total=${top} parts=${[{ label: "processing", kind: "processing", value: q.processing }, { label: "runnable", kind: "pending", value: q.runnable },
            { label: "not yet", kind: "cancelled", value: q.pending - q.runnable }, { label: "waiting", kind: "waiting", value: q.waiting }]} />
        <span class="line-number">${short(q.pending)} <small>pending</small></span>
        <span class="line-number">${q.oldest_wait_seconds === null ? "–" : seconds(q.oldest_wait_seconds)} <small>oldest</small></span></a></li>`)}
        ${queues.length > shown.length && html`<li class="line-more"><a href=${link(["queues"])}>All ${queues.length} queues</a></li>`}</ul>`;
}

function FailingRows({ failing }) {
    if (!failing.length) return html`<p class="all-well"><${Icon} name="check" size=${18} />Nothing failed in the last hour.</p>`;
    const top = Math.max(...failing.map((f) => f.failed), 1);
    return html`<ul class="lines">${failing.slice(0, 8).map((f) => html`<li key=${f.job_type}><a class="line" href=${link(["failures"], { job_type: f.job_type })}>
        <span class="line-name">${f.job_type}</span><${Bar} total=${top} parts=${[{ label: "failed", kind: "failed", value: f.failed }]} />
        <span class="line-number">${short(f.failed)} <small>failed</small></span><span class="line-number">${share(f.failed / (f.failed + f.completed))} <small>of its</small></span></a></li>`)}</ul>`;
}

function Feed() {
    const [events, set] = useState([]);
    useLive((news) => {
        if (news) set((old) => [...news.filter((e) => e.event !== "progress").reverse(), ...old].slice(0, FEED_ROWS));
    });
    if (!events.length) return html`<p class="muted feed-none">What happens from now on appears here.</p>`;
    return html`<ul class="feed">${events.map((e) => html`<li key=${e.event_id}><span class=${"feed-kind kind-" + e.event}>${e.event.replace(/_/g, " ")}</span>
        ${e.job_id ? html`<${JobLink} id=${e.job_id} />` : html`<a href=${link(["batches", String(e.batch_id || (e.data || {}).batch_id || "")])}>batch</a>`}
        <span class="feed-what muted">${e.event === "failed" && e.data && e.data.message ? e.data.message : e.job_type}</span><${Time} at=${e.at} /></li>`)}</ul>`;
}

function Findings() {
    const doctor = useResource("/api/doctor", SELDOM);
    const bad = rowsOf(doctor.data, "findings").filter((row) => row.severity === "error" || row.severity === "warning");
    if (!bad.length) return null;
    return html`<a class="findings" href=${link(["doctor"])}><${Icon} name="doctor" size=${18} /><span><strong>${plural(bad.length, "finding")} of the doctor.</strong> ${bad[0].finding}</span><${Icon} name="right" /></a>`;
}

/** The first page. */
export function Overview({ query }) {
    const since = SPANS.some(([key]) => key === query.since) ? query.since : "1h";
    const answer = useResource("/api/overview");
    const small = useResource("/api/throughput", { query: { since: "1h" } });
    const nothing = (data) => Object.values(data.counts).every((n) => !n) && !data.workers;
    return html`<${PageHead} title="Overview" note=${answer.data && plural(answer.data.nodes, "node") + ", " + plural(answer.data.workers, "worker") +
        (!answer.data.is_exact ? "; counts of live jobs are estimates" : "")} />
        <${Findings} /><${Loaded} resource=${answer}>${(data) => html`<div class="stack">
        ${nothing(data) && html`<${Card}><${Empty} title="Nobody works here yet" command="gangerd -c /etc/ganger/ganger.yaml">Start gangerd on a machine, and enqueue a first job.</${Empty}></${Card}>`}
        <${Tiles} data=${data} series=${small.data} /><${Throughput} since=${since} />
        <div class="two"><${Card} title="Queues" flush actions=${html`<a href="#/queues">All queues</a>`}><${QueueRows} queues=${data.queues} /></${Card}>
        <div class="stack"><${Card} title="Failing job types" note="last hour" flush actions=${html`<a href="#/failures">All failures</a>`}><${FailingRows} failing=${data.failing} /></${Card}>
        <${Card} title="Happening now" flush><${Feed} /></${Card}></div></div></div>`}</${Loaded}>`;
}

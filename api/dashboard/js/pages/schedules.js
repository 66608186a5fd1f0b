// SPDX-License-Identifier: MIT
// Schedules: what comes next, and whether the last one worked.
import { html } from "../html.js";
import { useResource, rowsOf } from "../data.js";
import { call, at } from "../http.js";
import { PageHead, Card, Loaded, Button, Empty, Status, Time, JobLink } from "../ui.js";
import { act } from "../toasts.js";
import { formDialog, confirmDialog } from "../dialogs.js";
import { useKey } from "../keys.js";
import { link } from "../router.js";
import { dayAndTime } from "../format.js";
import { JsonView } from "../json_view.js";

const OVERLAP = [["skip", "skip: no job while an earlier one is not over"], ["allow", "allow: one more"], ["queue_one", "queue one: one more, unless one waits"], ["cancel_running", "cancel running: the live ones are cancelled"]];
const CATCH_UP = [["none", "none: missed ticks are dropped"], ["last", "last: one job for all of them"], ["all", "all: one job for each"]];

function fields(s) {
    return [{ name: "cron", label: "Cron expression", value: s.cron, required: true, placeholder: "0 3 * * *", help: "Minute, hour, day, month, weekday; or @every 10m, @daily" },
        { name: "timezone", label: "Time zone", value: s.timezone || "UTC", help: "For example Europe/Berlin" },
        { name: "job_type", label: "Job type", value: s.job_type, required: true },
        { name: "overlap", label: "When the last is not over", type: "select", options: OVERLAP, value: s.overlap || "skip" },
        { name: "catch_up", label: "Missed ticks", type: "select", options: CATCH_UP, value: s.catch_up || "none" },
        { name: "payload", label: "Payload", type: "json", rows: 5, value: s.payload === undefined ? {} : s.payload },
        { name: "options", label: "Options", type: "json", rows: 4, value: s.options === undefined ? {} : s.options, help: "Other parameters of enqueue: {\"queue\": \"reports\", \"timeout\": \"10 min\"}" }];
}

function create() {
    formDialog({ title: "New schedule", wide: true, action: "Create", fields: [{ name: "name", label: "Name", required: true }, ...fields({})],
        submit: (values) => call("/api/schedules", { method: "POST", body: values }), done: "The schedule is there" });
}

function edit(s) {
    formDialog({ title: "Edit " + s.name, wide: true, action: "Save", fields: fields(s), submit: (changes) => call(at`/api/schedules/${s.name}`, { method: "PATCH", body: changes }), done: s.name + " is changed" });
}

function remove(s) {
    confirmDialog({ title: "Delete schedule " + s.name + "?", action: "Delete", danger: true, text: html`<p>It makes no more jobs. Those it has made stay.</p>`,
        work: () => call(at`/api/schedules/${s.name}`, { method: "DELETE" }), done: s.name + " is deleted" });
}

function Schedule({ s }) {
    const what = s.paused ? "resume" : "pause";
    const run = () => act(() => call(at`/api/schedules/${s.name}/run`, { method: "POST", body: {} }), (job) => "Job " + job.job_id + " of " + s.name + " is enqueued");
    return html`<li class="schedule" data-row tabindex="-1"><div><p><b>${s.name}</b> ${s.paused && html`<${Status} status="paused" />`}</p>
        <p class="schedule-when"><code>${s.cron}</code><span class="faint">${s.timezone}</span><a href=${link(["types", s.job_type])}>${s.job_type}</a></p>
        ${s.last_error && html`<p class="error-text">The last tick made no job: ${s.last_error}</p>`}<p class="faint">${s.last_run_at ? html`last <${Time} at=${s.last_run_at} /> ${s.last_job_id && html`as <${JobLink} id=${s.last_job_id} />`}` : "has made no job yet"}</p></div>
        <ol class="next-runs" aria-label="Next runs">${s.paused ? html`<li class="faint">none while it is paused</li>` : s.next_runs.map((one, i) => html`<li key=${i}><${Time} at=${one} /><span class="faint" title="in the time zone of this browser">${dayAndTime(one)}</span></li>`)}</ol>
        <div class="schedule-actions"><${Button} small icon="play" onClick=${run} label=${"Run now: " + s.name}>Run now</${Button}><${Button} small icon=${s.paused ? "play" : "pause"} label=${(s.paused ? "Resume " : "Pause ") + s.name}
            onClick=${() => act(() => call(at`/api/schedules/${s.name}/${what}`, { method: "POST", body: {} }), s.name + (s.paused ? " goes on" : " is paused"))}>${s.paused ? "Resume" : "Pause"}</${Button}>
        <${Button} small icon="edit" kind="plain" label=${"Edit " + s.name} title="Edit" onClick=${() => edit(s)} /><${Button} small icon="trash" kind="plain" label=${"Delete " + s.name} title="Delete" onClick=${() => remove(s)} /></div></li>`;
}

/** All schedules. */
export function Schedules() {
    const answer = useResource("/api/schedules");
    useKey("n", create);
    return html`<${PageHead} title="Schedules" note="Jobs at the ticks of a cron expression"><${Button} icon="plus" kind="primary" onClick=${create}>New schedule</${Button}></${PageHead}>
        <${Card} flush><${Loaded} resource=${answer}>${(data) => {
        const rows = rowsOf(data, "schedules");
        if (!rows.length) return html`<${Empty} title="No schedule yet" command="select ganger.create_schedule('nightly', '0 3 * * *', 'report');">Make one here, in the section schedules of the configuration, or from SQL.</${Empty}>`;
        return html`<ul class="schedules">${rows.map((s) => html`<${Schedule} key=${s.name} s=${s} />`)}</ul>`;
    }}</${Loaded}></${Card}>`;
}

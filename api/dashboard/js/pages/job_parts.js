// SPDX-License-Identifier: MIT
// Job parts: events, steps and dependencies of one job.
import { html } from "../html.js";
import { useResource, useNewest, rowsOf } from "../data.js";
import { at } from "../http.js";
import { Card, Loaded, Older, Time, JobLink, Status } from "../ui.js";
import { JsonView } from "../json_view.js";
import { link } from "../router.js";

function told(event) {
    const data = event.data || {};
    switch (event.event) {
    case "added": return "";
    case "processing": return ["attempt " + data.attempt, data.node].filter(Boolean).join(" on ");
    case "progress": return [data.percent !== undefined && data.percent + " %", data.stage, data.message].filter(Boolean).join(", ");
    case "failed": return (data.message || data.reason || "") + (data.will_retry ? " (will be retried)" : "");
    case "edited": return Object.keys(data).join(", ");
    default: return Object.entries(data).map(([key, value]) => key.replace(/_/g, " ") + " " + (typeof value === "object" ? JSON.stringify(value) : value)).join(", ");
    }
}

const ENDS = ["completed", "failed", "expired", "cancelled"]; // of jobs that this one may need, or that may need it

const eventKey = (event) => [event.at, event.event, event.id].join(" ");

/** What happened, newest first. */
export function Events({ id }) {
    const answer = useNewest(at`/api/jobs/${id}/events`, "events", eventKey, { when: (event) => String(event.job_id) === id });
    return html`<${Card} title="Events"><${Loaded} resource=${answer} lines=${4}>${() => html`<ol class="events">${[...answer.rows].reverse().map((one) => html`
        <li key=${eventKey(one)}><span class=${"feed-kind kind-" + one.event}>${one.event.replace(/_/g, " ")}</span><span>${told(one)}</span><${Time} at=${one.at} /></li>`)}</ol>
        <${Older} more=${answer.older} what="events" />`}</${Loaded}></${Card}>`;
}

/** What the job has kept of its work. Nothing is shown when there are none. */
export function Steps({ job }) {
    const answer = useResource(at`/api/jobs/${job.id}/steps`, { when: (event) => String(event.job_id) === String(job.id) });
    const rows = rowsOf(answer.data, "steps");
    if (!rows.length) return null;
    return html`<${Card} title="Steps" note="kept over retries and waits" flush><ul class="steps">${rows.map((one) => html`<li key=${one.step}><details><summary><b>${one.step}</b></summary><${JsonView} value=${one.result} label="the result" /></details></li>`)}</ul></${Card}>`;
}

function JobRow({ job }) {
    return html`<li><${JobLink} id=${job.id} /><span class="line-name">${job.job_type}</span>${job.status && html`<${Status} status=${job.status} reason=${job.pending_reason} />`}</li>`;
}

/** What it waits for, and what waits for it. */
export function Dependencies({ job }) {
    const answer = useResource(at`/api/jobs/${job.id}/dependencies`, { when: (event) => String(event.job_id) === String(job.id) || ENDS.includes(event.event) });
    const needs = rowsOf(answer.data, "needs");
    const needed = rowsOf(answer.data, "needed_by");
    const tags = job.depends_on_tags || [];
    if (!needs.length && !needed.length && !tags.length) return null;
    return html`<div class="two"><${Card} title="Needs" note=${needs.length ? "runs when these have completed" : ""} flush>${needs.length || tags.length ? html`<ul class="job-rows">${needs.map((one) => html`<${JobRow} key=${one.id} job=${one} />`)}
        ${tags.length > 0 && html`<li>no live job tagged ${tags.map((tag) => html`<a key=${tag} class="tag" href=${link(["jobs"], { tag })}>${tag}</a>`)}</li>`}</ul>` : html`<p class="muted pad">nothing</p>`}</${Card}>
        <${Card} title="Needed by" flush>${needed.length ? html`<ul class="job-rows">${needed.map((one) => html`<${JobRow} key=${one.id} job=${one} />`)}</ul>` : html`<p class="muted pad">no job</p>`}</${Card}></div>`;
}

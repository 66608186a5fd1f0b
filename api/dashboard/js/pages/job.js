// SPDX-License-Identifier: MIT
// Job: everything about one job, and what can be done with it.
import { html, useState } from "../html.js";
import { useResource, useNewest } from "../data.js";
import { at } from "../http.js";
import { PageHead, Card, Loaded, Status, Time, Tags, Button, Copy, Empty, JobLink, Older, useSecond } from "../ui.js";
import { Icon } from "../icons.js";
import { JsonView } from "../json_view.js";
import { link, go } from "../router.js";
import { useKey } from "../keys.js";
import { count, took, interval } from "../format.js";
import { possible, retryJob, cancelJob, editJob, cloneJob, deleteJob } from "../jobs_actions.js";
import { Attempts, attemptKey } from "./job_attempts.js";
import { Events, Steps, Dependencies } from "./job_parts.js";

function Actions({ job }) {
    const can = possible(job);
    useKey("r", () => can.retry && retryJob(job.id));
    useKey("e", () => can.edit && editJob(job));
    return html`${can.retry && html`<${Button} icon="retry" kind="primary" title="Run it again (r)" onClick=${() => retryJob(job.id)}>Retry</${Button}>`}
        ${can.edit && html`<${Button} icon="edit" title="Change it (e)" onClick=${() => editJob(job)}>Edit</${Button}>`}
        <${Button} icon="clone" onClick=${() => cloneJob(job)}>Clone</${Button}>
        ${can.cancel && html`<${Button} icon="cancel" kind="danger" onClick=${() => cancelJob(job)}>Cancel</${Button}>`}
        ${can.remove && html`<${Button} icon="trash" kind="danger" onClick=${() => deleteJob(job, () => go(link(["jobs"])))}>Delete</${Button}>`}`;
}

function Fact({ label, children }) {
    return children === null || children === undefined || children === "" ? null : html`<div class="fact"><dt>${label}</dt><dd>${children}</dd></div>`;
}

function Facts({ job }) {
    const filter = (name, value) => value && html`<a href=${link(["jobs"], { [name]: value })}>${value}</a>`;
    const started = job.started_at && (job.finished_at || job.status === "processing");
    return html`<dl class="facts">
        <${Fact} label="Queue">${filter("queue", job.queue)}</${Fact}><${Fact} label="Attempts">${job.attempts + " of " + job.max_attempts}</${Fact}>
        <${Fact} label="Priority">${job.priority}</${Fact}><${Fact} label="Enqueued"><${Time} at=${job.created_at} /></${Fact}>
        ${job.run_at && job.run_at !== job.created_at && html`<${Fact} label="Not before"><${Time} at=${job.run_at} /></${Fact}>`}
        ${job.next_attempt_at && html`<${Fact} label="Next attempt"><${Time} at=${job.next_attempt_at} /></${Fact}>`}
        ${job.started_at && html`<${Fact} label="Started"><${Time} at=${job.started_at} /></${Fact}>`}
        ${job.finished_at && html`<${Fact} label="Ended"><${Time} at=${job.finished_at} /></${Fact}>`}
        ${started && html`<${Fact} label="Took"><${Took} job=${job} /></${Fact}>`}
        <${Fact} label="Time limit">${job.timeout && interval(job.timeout)}</${Fact}><${Fact} label="Owner">${filter("owner", job.owner)}</${Fact}>
        <${Fact} label="Group">${filter("group_key", job.group_key)}</${Fact}>
        ${job.batch_id && html`<${Fact} label="Batch"><a href=${link(["batches", job.batch_id])}>${job.batch_id}</a></${Fact}>`}
        ${job.tags && job.tags.length > 0 && html`<${Fact} label="Tags"><${Tags} tags=${job.tags} /></${Fact}>`}
        ${job.crashes > 0 && html`<${Fact} label="Crashes">${job.crashes}</${Fact}>`}
        ${job.node && html`<${Fact} label="Where">${job.node + (job.worker ? ", worker " + job.worker : "")}</${Fact}>`}
        ${job.idempotency_key && html`<${Fact} label="Idempotency key"><${Copy} text=${job.idempotency_key}><span class="mono">${job.idempotency_key}</span></${Copy}></${Fact}>`}
        ${job.unique_key && html`<${Fact} label="Unique key"><${Copy} text=${job.unique_key}><span class="mono">${job.unique_key}</span></${Copy}></${Fact}>`}
        ${job.expires_at && html`<${Fact} label="Expires"><${Time} at=${job.expires_at} /></${Fact}>`}
        ${job.wait_until && html`<${Fact} label="Waits until"><${Time} at=${job.wait_until} /></${Fact}>`}
        ${job.wait_token && html`<${Fact} label="Waits for"><a class="mono" href=${link(["tokens"], { token: job.wait_token })}>${job.wait_token}</a></${Fact}>`}
        ${job.dead_letter_job_id && html`<${Fact} label="Dead letter"><${JobLink} id=${job.dead_letter_job_id} /></${Fact}>`}
        ${job.dead_letter_of && html`<${Fact} label="Letter of"><${JobLink} id=${job.dead_letter_of} /></${Fact}>`}</dl>`;
}

function Took({ job }) {
    useSecond();
    return took(job.started_at, job.finished_at);
}

function Explain({ job }) {
    const answer = useResource(at`/api/jobs/${job.id}/explain`, { when: (event) => String(event.job_id) === String(job.id) });
    if (!answer.data || !answer.data.explanation) return null;
    const told = answer.data.explanation.replace(/ ganger\.retry\(\d+\) runs it again\./, ""); // here a button does that
    return html`<div class=${"explain explain-" + job.status} role="note"><${Icon} name=${job.status === "failed" ? "failures" : "help"} size=${18} />
        <p><strong>${{ pending: "Why it is not running: ", waiting: "Why it waits: ", processing: "Now: ", failed: "What happened: " }[job.status] || ""}</strong>${told}</p></div>`;
}

function Progress({ job }) {
    if (!(job.status === "processing" || job.status === "waiting") && !job.stage) return null;
    if (!job.progress && !job.stage && !job.progress_message) return null;
    return html`<div class="job-progress"><progress max="100" value=${job.progress} aria-label="Progress"></progress><b>${job.progress} %</b>
        ${job.stage && html`<span class="tag">${job.stage}</span>`}<span class="muted">${job.progress_message}</span></div>`;
}

function ErrorPart({ job }) {
    if (!job.error || job.status === "completed") return null;
    const earlier = job.error_history.slice(0, -1);
    if (job.status === "failed" && !earlier.length && job.error.length < 300 && !job.error.includes("\n")) return null; // stands in what happened
    return html`<${Card} title="Error" note=${[job.failure_reason, job.will_retry ? "will be retried" : ""].filter(Boolean).join(", ")} actions=${html`<${Copy} text=${job.error} label="the error" />`}>
        <pre class="error-full" tabindex="0">${job.error}</pre>${earlier.length > 0 && html`<details class="earlier"><summary>${earlier.length} earlier</summary>${earlier.map((one, i) => html`
        <pre key=${i} tabindex="0">${one.message}</pre>`)}</details>`}</${Card}>`;
}

function Log({ job, attempts }) {
    const [chosen, choose] = useState(null);
    const withLog = attempts.filter((one) => one.log);
    if (!withLog.length) return null;
    const shown = withLog.find((one) => one.attempt === chosen) || withLog.at(-1);
    return html`<${Card} title="Log" note=${"attempt " + shown.attempt + ", its end"} actions=${html`${withLog.length > 1 && withLog.map((one) => html`
        <${Button} small key=${one.attempt} kind=${one === shown ? "" : "plain"} onClick=${() => choose(one.attempt)}>${one.attempt}</${Button}>`)}<${Copy} text=${shown.log} label="the log" />`}>
        <pre class="log" tabindex="0" aria-label="Log">${shown.log}</pre></${Card}>`;
}

/** One job. @param {{id: string}} props */
export function Job({ id }) {
    const mine = (event) => String(event.job_id) === id;
    const answer = useResource(/^\d+$/.test(id) ? at`/api/jobs/${id}` : null, { when: mine });
    const tries = useNewest(/^\d+$/.test(id) ? at`/api/jobs/${id}/attempts` : null, "attempts", attemptKey, { when: mine });
    if (!/^\d+$/.test(id) || (answer.error && answer.error.status === 404)) {
        return html`<${PageHead} title=${"Job " + id} /><${Card}><${Empty} title=${"There is no job " + id} command="ganger jobs list">It was never there, belongs to
            somebody else, or was deleted: by retention, or by hand. <a href=${link(["jobs"])}>All jobs</a></${Empty}></${Card}>`;
    }
    const attempts = tries.rows;
    return html`<${Loaded} resource=${answer} lines=${9}>${(job) => html`<nav class="crumbs" aria-label="Where"><a href=${link(["jobs"])}>Jobs</a><${Icon} name="right" size=${12} /><a href=${link(["jobs"], { job_type: job.job_type })}>${job.job_type}</a></nav>
        <${PageHead} title=${job.job_type + " #" + job.id} note=${html`<span class="job-line"><${Status} status=${job.status} reason=${job.pending_reason} /><${Copy} text=${job.id} label=${"the id " + job.id}><span class="mono">${job.id}</span></${Copy}>
            <a href=${link(["types", job.job_type])}>about this type</a></span>`}><${Actions} job=${job} /></${PageHead}>
        <div class="stack"><${Explain} job=${job} /><${Progress} job=${job} /><${Card}><${Facts} job=${job} /></${Card}><${ErrorPart} job=${job} />
        <${Card} title="Attempts" note=${attempts.length ? (tries.older ? "the newest " : "") + count(attempts.length) : ""}><${Attempts} job=${job} attempts=${attempts} error=${tries.error} /><${Older} more=${tries.older} what="attempts" /></${Card}>
        <div class="two"><${Card} title="Payload"><${JsonView} value=${job.payload} label="the payload" /></${Card}><${Card} title="Output" >${job.output === null ? html`<p class="faint">${possible(job).remove ? "It left none." : "None yet."}</p>` : html`<${JsonView} value=${job.output} label="the output" />`}</${Card}></div>
        <${Log} job=${job} attempts=${attempts} /><${Steps} job=${job} /><${Dependencies} job=${job} /><div class="two"><${Events} id=${id} />
        ${job.metadata && html`<${Card} title="Metadata"><${JsonView} value=${job.metadata} label="the metadata" /></${Card}>`}</div>
        <details class="raw"><summary>All columns as JSON</summary><${Card}><${JsonView} value=${job} label="the job" /></${Card}></details></div>`}</${Loaded}>`;
}

// SPDX-License-Identifier: MIT
// Jobs actions: what can be done with a job, and the forms for it.
import { html } from "./html.js";
import { call, at } from "./http.js";
import { formDialog, confirmDialog } from "./dialogs.js";
import { act, toast } from "./toasts.js";
import { go, link } from "./router.js";

const DURATION_HELP = "For example 30s, 5 min, 2 hours";

/** Which actions make sense for a job with this status. @returns {{retry: boolean, cancel: boolean, edit: boolean, remove: boolean}} */
export function possible(job) {
    const ended = ["completed", "failed", "cancelled"].includes(job.status);
    return { retry: job.status === "failed" || job.status === "cancelled", cancel: !ended, edit: job.status === "pending", remove: ended };
}

/** Runs it again. */
export function retryJob(id) {
    return act(() => call(at`/api/jobs/${id}/retry`, { method: "POST", body: {} }), "Job " + id + " runs again");
}

/** Stops it, after a question. */
export function cancelJob(job) {
    confirmDialog({ title: "Cancel job " + job.id + "?", action: "Cancel the job", danger: true,
        text: job.status === "processing" ? html`<p>It is running: it is asked to stop, and killed when it does not. What it did stays done.</p>`
            : html`<p>It will not run. Jobs that depend on it are cancelled with it.</p>`,
        work: () => call(at`/api/jobs/${job.id}/cancel`, { method: "POST", body: {} }),
        done: job.status === "processing" ? "Job " + job.id + " is being stopped" : "Job " + job.id + " is cancelled" });
}

/** Deletes an ended job, after a question. */
export function deleteJob(job, after) {
    confirmDialog({ title: "Delete job " + job.id + "?", action: "Delete", danger: true,
        text: html`<p>The job, its attempts, events and output are gone for good.</p>`,
        work: async () => { await call(at`/api/jobs/${job.id}`, { method: "DELETE" }); if (after) after(); }, done: "Job " + job.id + " is deleted" });
}

function commonFields(job) {
    return [
        { name: "payload", label: "Payload", type: "json", value: job.payload, rows: 8, help: "Any JSON" },
        { name: "queue", label: "Queue", value: job.queue },
        { name: "priority", label: "Priority", type: "number", value: job.priority, help: "Higher first" },
        { name: "run_at", label: "Not before", value: job.run_at || "", placeholder: "now", help: "ISO 8601, for example 2030-01-31T12:00Z; empty is now" },
        { name: "max_attempts", label: "Attempts at most", type: "number", value: job.max_attempts },
        { name: "timeout", label: "Time limit of an attempt", value: job.timeout || "", placeholder: "the handler's", help: DURATION_HELP },
        { name: "retry_delay", label: "Delay before a retry", value: job.retry_delay || "", help: DURATION_HELP },
        { name: "tags", label: "Tags", type: "list", value: (job.tags || []).join(", "), help: "Separated by commas" },
        { name: "group_key", label: "Group", value: job.group_key || "" }
    ];
}

/** Changes a pending job, as it was when the form was opened: what another has changed meanwhile is not written over. */
export async function editJob({ id }) {
    let read;
    try { read = await call(at`/api/jobs/${id}`, { tagged: true }); } catch (error) {
        toast(error.detail || error.message, "error");
        return;
    }
    const job = read.data;
    formDialog({ title: "Edit job " + job.id, wide: true, fields: commonFields(job), action: "Save",
        submit: (changes) => {
            if (!Object.keys(changes).length) throw Object.assign(new Error(), { title: "Nothing was changed", detail: "Change a field, or go back." });
            return call(at`/api/jobs/${job.id}`, { method: "PATCH", body: changes, ifMatch: read.etag }).catch((error) => {
                if (error.status === 412) Object.assign(error, { detail: "Job " + job.id + " has been changed since this form was opened. Nothing was saved: go back, look at it again, and repeat your change." });
                throw error;
            });
        },
        done: "Job " + job.id + " is changed" });
}

const TAKEN_OVER = ["job_type", "payload", "queue", "priority", "max_attempts", "timeout", "kill_grace", "retry_delay", "retry_backoff",
    "retry_delay_max", "tags", "group_key", "dead_letter_job_type", "owner", "metadata"];

function sendNew(base, values) {
    const body = { ...base, ...values };
    for (const key of Object.keys(body)) if (body[key] === null || body[key] === "") delete body[key];
    return call("/api/jobs", { method: "POST", body });
}

function openNew(job) {
    go(link(["jobs", String(job.id)]));
    return "Job " + job.id + " is enqueued";
}

/** Enqueues another one like it. */
export function cloneJob(job) {
    const base = Object.fromEntries(TAKEN_OVER.filter((key) => job[key] !== null && job[key] !== undefined).map((key) => [key, job[key]]));
    formDialog({ title: "New job like " + job.id, wide: true, action: "Enqueue",
        intro: html`<p class="muted">Keys, dependencies and the batch are not taken over.</p>`,
        fields: [{ name: "job_type", label: "Job type", value: job.job_type, required: true }, ...commonFields({ ...job, run_at: "" })],
        submit: (values) => sendNew(base, values), done: openNew });
}

/** Enqueues a job. @param {string[]} types @param {string[]} queues known names, as suggestions */
export function newJob(types = [], queues = []) {
    formDialog({ title: "New job", wide: true, action: "Enqueue",
        fields: [{ name: "job_type", label: "Job type", required: true, suggest: types },
            { name: "queue", label: "Queue", value: "default", suggest: queues },
            { name: "payload", label: "Payload", type: "json", value: {}, rows: 7, help: "Any JSON" },
            { name: "priority", label: "Priority", type: "number", value: 0, help: "Higher first" },
            { name: "run_at", label: "Not before", placeholder: "now", help: "ISO 8601, for example 2030-01-31T12:00Z" },
            { name: "max_attempts", label: "Attempts at most", type: "number", value: 3 },
            { name: "timeout", label: "Time limit of an attempt", placeholder: "the handler's", help: DURATION_HELP },
            { name: "tags", label: "Tags", type: "list", help: "Separated by commas" },
            { name: "group_key", label: "Group" }, { name: "owner", label: "Owner" },
            { name: "idempotency_key", label: "Idempotency key", help: "While it is known no second job is made" }],
        submit: (values) => sendNew({}, values), done: openNew });
}

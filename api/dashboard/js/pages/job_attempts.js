// SPDX-License-Identifier: MIT
// Job attempts: when each attempt ran, how long, and what ended it, on one line of time.
import { html } from "../html.js";
import { Status, ErrorBox, useSecond, Time } from "../ui.js";
import { absolute, bytes, interval, intervalSeconds, seconds, took } from "../format.js";
import { link } from "../router.js";

const SIGNALS = { 1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL", 11: "SIGSEGV", 13: "SIGPIPE",
    14: "SIGALRM", 15: "SIGTERM", 24: "SIGXCPU", 25: "SIGXFSZ", 31: "SIGSYS" };

/** What ended an attempt, in words. @param {Object} attempt a row of the view attempts @returns {string} */
export function causeOf(attempt) {
    const by = attempt.signal ? (SIGNALS[attempt.signal] || "signal " + attempt.signal) + " (signal " + attempt.signal + ")" : "";
    if (attempt.outcome === null || attempt.outcome === undefined) return "running";
    if (attempt.outcome === "timeout") return "ran past its time limit" + (by ? ", stopped by " + by : "");
    const code = attempt.exit_code ? "exit code " + attempt.exit_code : "";
    return [by && "ended by " + by, code && !(attempt.error || "").startsWith(code) && code, attempt.error].filter(Boolean).join(": ");
}

function kindOf(outcome) {
    if (!outcome) return "processing";
    if (outcome === "completed") return "completed";
    if (["failed", "error", "timeout", "crashed", "discarded"].includes(outcome)) return "failed";
    if (["waiting", "snoozed"].includes(outcome)) return "waiting";
    return "cancelled";
}

// A line of time from the enqueue to now or the end. Attempts much shorter than the whole stay visible.
function TimeLine({ job, attempts }) {
    const begin = new Date(job.created_at).getTime();
    const end = Math.max(job.finished_at ? new Date(job.finished_at).getTime() : Date.now(), begin + 1);
    const place = (at) => Math.max(0, Math.min(100, (100 * (new Date(at).getTime() - begin)) / (end - begin)));
    return html`<div class="time-line" aria-hidden="true"><div class="time-bar">${attempts.filter((one) => one.started_at).map((one) => {
        const from = place(one.started_at);
        const to = place(one.finished_at || new Date(end));
        return html`<span key=${attemptKey(one)} class=${"fill-" + kindOf(one.outcome)} style=${{ left: Math.min(from, 99.2) + "%", width: Math.max(to - from, 0.8) + "%" }}
            title=${"Attempt " + one.attempt + ": " + took(one.started_at, one.finished_at)}></span>`;
    })}</div><div class="time-ends"><span title=${absolute(job.created_at)}>enqueued</span><span>${seconds((end - begin) / 1000)} in all</span>
        <span>${job.finished_at ? "ended" : "now"}</span></div></div>`;
}

/** What tells an attempt from the others of its job. @param {Object} attempt @returns {string} */
export function attemptKey(attempt) {
    return attempt.attempt + " " + (attempt.started_at || attempt.finished_at);
}

/** @param {{job: Object, attempts: Object[], error: Error|null}} props */
export function Attempts({ job, attempts, error }) {
    useSecond();
    if (error && !attempts.length) return html`<${ErrorBox} error=${error} />`;
    if (!attempts.length) return html`<p class="muted">It has not been started yet.</p>`;
    const rows = [...attempts].reverse();
    return html`<${TimeLine} job=${job} attempts=${attempts} /><ol class="attempts">${rows.map((one) => html`<li key=${attemptKey(one)} class=${"attempt-" + kindOf(one.outcome)}>
        <div class="attempt-head"><b>${one.attempt}</b><${Status} status=${one.outcome || "running"} /><span class="nowrap"><${Time} at=${one.started_at} /></span>
        <span class="nowrap">${took(one.started_at, one.finished_at)}</span></div>
        ${one.outcome && causeOf(one) && html`<p class="cause">${causeOf(one)}</p>`}
        <p class="attempt-facts faint">${[one.node && html`<a href=${link(["nodes"])}>${one.node}</a>`, one.worker && "worker " + one.worker, one.pid && "pid " + one.pid,
            intervalSeconds(one.cpu_time) && "CPU " + interval(one.cpu_time), one.max_rss && "memory " + bytes(one.max_rss)].filter(Boolean).map((part, i) => html`<span key=${i}>${part}</span>`)}</p></li>`)}</ol>`;
}

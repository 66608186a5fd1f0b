// SPDX-License-Identifier: MIT
// Failures: grouped by their message, so that a hundred thousand of one kind are one line, which can be retried whole.
import { html } from "../html.js";
import { useResource, rowsOf } from "../data.js";
import { call } from "../http.js";
import { PageHead, Card, Loaded, Segments, Button, Empty, Time, JobLink, Bar } from "../ui.js";
import { Icon } from "../icons.js";
import { confirmDialog } from "../dialogs.js";
import { link, setQuery } from "../router.js";
import { count, plural, short } from "../format.js";

const SPANS = [["1h", "1 h"], ["24h", "24 h"], ["7d", "7 d"], ["30d", "30 d"]];

function retryGroup(group) {
    const filter = { error_group: group.error_group, status: "failed" };
    confirmDialog({ title: "Retry " + plural(group.failed, "job") + "?", action: "Retry all of them",
        text: html`<p>All failed jobs with this message run again, also older ones than those counted here:</p><pre class="pattern">${group.pattern}</pre>`,
        work: () => call("/api/jobs/retry", { method: "POST", body: { filter } }), done: (result) => plural(result.count, "job") + " retried" });
}

function Group({ group, top }) {
    return html`<li class="failure" data-row tabindex="-1"><div><p class="pattern-line"><a href=${link(["jobs"], { error_group: group.error_group, status: group.failed ? "failed" : "pending" })}>${group.pattern || "(no message)"}</a></p>
        <p class="failure-facts">${group.job_types.map((name) => html`<a key=${name} class="tag" href=${link(["types", name])}>${name}</a>`)}${group.reasons.map((reason) => html`<span key=${reason} class="tag reason">${reason}</span>`)}
        <span class="faint">last <${Time} at=${group.last_at} />, first <${Time} at=${group.first_at} />, for example <${JobLink} id=${group.example_job_id} /></span></p></div>
        <div class="failure-count"><strong>${short(group.failed + group.retrying)}</strong><${Bar} total=${top} parts=${[{ label: "failed", kind: "failed", value: group.failed }, { label: "to be retried", kind: "pending", value: group.retrying }]} />
        <span class="faint">${group.failed ? short(group.failed) + " failed" : ""}${group.failed && group.retrying ? ", " : ""}${group.retrying ? short(group.retrying) + " retrying" : ""}</span></div>
        <div><${Button} small icon="retry" disabled=${!group.failed} title=${group.failed ? "" : "They will be retried by themselves"} onClick=${() => retryGroup(group)}>Retry all</${Button}></div></li>`;
}

/** Failures by message. */
export function Failures({ query }) {
    const since = SPANS.some(([key]) => key === query.since) ? query.since : "24h";
    const answer = useResource("/api/failures", { query: { since, job_type: query.job_type } });
    return html`<${PageHead} title="Failures" note="of the newest 5,000 that ended without success, and the 5,000 to be retried next, by message">
        ${query.job_type && html`<span class="chip">type <b>${query.job_type}</b><button type="button" aria-label="All types" onClick=${() => setQuery({ job_type: "" })}><${Icon} name="cancel" size=${12} /></button></span>`}
        <${Segments} label="Time span" value=${since} options=${SPANS} onChange=${(value) => setQuery({ since: value }, true)} /></${PageHead}>
        <${Card} flush><${Loaded} resource=${answer}>${(data) => {
            const groups = rowsOf(data, "failures");
            if (!groups.length) return html`<${Empty} title="Nothing failed">No job failed in this time${query.job_type ? " with type " + query.job_type : ""}. <a href=${link(["jobs"], { status: "failed" })}>All failed jobs that are kept</a></${Empty}>`;
            const top = Math.max(...groups.map((g) => g.failed + g.retrying));
            return html`<ul class="failures">${groups.map((group) => html`<${Group} key=${group.error_group} group=${group} top=${top} />`)}</ul>`;
        }}</${Loaded}></${Card}>`;
}

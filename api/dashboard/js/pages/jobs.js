// SPDX-License-Identifier: MIT
// Jobs: the list, its filters, and actions on those that are marked or on all that match.
import { html, useState, useEffect } from "../html.js";
import { useResource, rowsOf } from "../data.js";
import { call, at } from "../http.js";
import { PageHead, Card, Loaded, Status, Time, Tags, Button, Empty, ErrorBox } from "../ui.js";
import { Icon } from "../icons.js";
import { link, go, setQuery } from "../router.js";
import { act, toast } from "../toasts.js";
import { confirmDialog, formDialog } from "../dialogs.js";
import { useKey } from "../keys.js";
import { count, short, took, plural } from "../format.js";
import { FILTERS, filtersOf, filterBody, readSearch } from "../jobs_filter.js";
import { newJob } from "../jobs_actions.js";

const STATUSES = ["pending", "processing", "waiting", "completed", "failed", "cancelled"];
const LIMIT = 50;
const FIRST_JOB = "ganger enqueue echo --payload '{\"hello\": \"world\"}'";

function StatusTabs({ query, counts, total }) {
    const chosen = (query.status || "").split(",").filter(Boolean);
    const sum = counts && STATUSES.reduce((n, s) => n + counts[s], 0);
    const filtered = Object.keys(filtersOf(query)).length > 0;
    return html`<div class="tabs" role="group" aria-label="Status"><button type="button" aria-pressed=${!chosen.length} onClick=${() => setQuery({ status: "", after: "", back: "" })}>All
        ${sum !== null && html`<b>${short(sum)}</b>`}</button>${STATUSES.map((s) => html`<button type="button" key=${s} class=${"tab-" + s} aria-pressed=${chosen.includes(s)}
        title=${filtered ? "The number does not know of the filters below" : undefined}
        onClick=${(e) => setQuery({ after: "", back: "", status: e.shiftKey && chosen.length ? (chosen.includes(s) ? chosen.filter((c) => c !== s) : [...chosen, s]).join() : chosen.length === 1 && chosen[0] === s ? "" : s })}>
        <i class=${"fill-" + s} aria-hidden="true"></i>${s} ${counts && html`<b>${short(counts[s])}</b>`}</button>`)}</div>`;
}

function Search({ query, types, queues }) {
    const [text, set] = useState("");
    const [problem, fail] = useState("");
    const find = (event) => {
        event.preventDefault();
        const read = readSearch(text);
        fail(read.problem || "");
        if (read.problem) return;
        if (read.id) go(link(["jobs", read.id]));
        else if (Object.keys(read.filters).length) { set(""); setQuery({ ...read.filters, after: "", back: "" }); }
    };
    const pick = (name) => (event) => setQuery({ [name]: event.target.value, after: "", back: "" });
    return html`<form class="filters" onSubmit=${find}><div class="search"><${Icon} name="search" size=${15} />
        <input data-search type="text" value=${text} onInput=${(e) => set(e.target.value)} placeholder='id, type, tag:x, customer=7 or {"json": 1}' aria-label="Search jobs"
            autocomplete="off" spellcheck="false" aria-invalid=${problem ? "true" : undefined} /></div>
        <select class="filter" aria-label="Job type" onChange=${pick("job_type")}><option value="">All job types</option>${[...new Set([query.job_type, ...types])].filter(Boolean).map((name) => html`
            <option key=${name} value=${name} selected=${name === query.job_type}>${name}</option>`)}</select>
        <select class="filter" aria-label="Queue" onChange=${pick("queue")}><option value="">All queues</option>${[...new Set([query.queue, ...queues])].filter(Boolean).map((name) => html`
            <option key=${name} value=${name} selected=${name === query.queue}>${name}</option>`)}</select></form>
        ${problem && html`<p class="search-problem" role="alert">${problem}</p>`}`;
}

function Chips({ query }) {
    const chosen = FILTERS.filter(([name]) => query[name]);
    if (!chosen.length) return null;
    return html`<div class="chips">${chosen.map(([name, label]) => html`<span key=${name} class="chip">${label} <b>${query[name]}</b>
        <button type="button" aria-label=${"Without " + label + " " + query[name]} onClick=${() => setQuery({ [name]: "", after: "", back: "" })}><${Icon} name="cancel" size=${12} /></button></span>`)}
        <button type="button" class="more" onClick=${() => setQuery({ ...Object.fromEntries(FILTERS.map(([name]) => [name, ""])), after: "", back: "" })}>clear all</button></div>`;
}

// When the job does or did what it is in.
function When({ job }) {
    if (job.status === "processing") return html`<span class="nowrap">began <${Time} at=${job.started_at} /></span>`;
    if (job.finished_at) return html`<span class="nowrap"><${Time} at=${job.finished_at} /></span>`;
    if (job.status === "waiting") return html`<span class="nowrap">${job.wait_until ? html`until <${Time} at=${job.wait_until} />` : "for a token"}</span>`;
    if (job.next_attempt_at && job.pending_reason) return html`<span class="nowrap">next <${Time} at=${job.next_attempt_at} /></span>`;
    return html`<span class="nowrap">since <${Time} at=${job.created_at} /></span>`;
}

function Row({ job, picked, pick }) {
    const open = (event) => {
        if (event.target.closest("a, button, input, label")) return;
        go(link(["jobs", String(job.id)]));
    };
    const time = job.started_at && (job.finished_at || job.status === "processing") ? took(job.started_at, job.finished_at) : "";
    return html`<tr data-row tabindex="-1" class=${picked ? "picked" : ""} onClick=${open}>
        <td class="check"><input type="checkbox" checked=${picked} onChange=${pick} aria-label=${"Mark job " + job.id} /></td>
        <td class="full"><a class="name" href=${link(["jobs", String(job.id)])}>${job.job_type}</a> <span class="mono faint">#${job.id}</span>
            <${Tags} tags=${job.tags} />${job.error && job.status !== "completed" && html`<span class="sub clip error-text" title=${job.error}>${job.error}</span>`}</td>
        <td><${Status} status=${job.status} reason=${job.pending_reason} />${job.status === "processing" && job.progress > 0 && html`<progress max="100" value=${job.progress} aria-label="Progress"></progress>`}</td>
        <td data-label="queue"><span class="clip queue-name" title=${job.queue}>${job.queue}</span></td><td class="right" data-label="attempts">${job.attempts}/${job.max_attempts}</td>
        <td class="right rare" data-label="priority">${job.priority}</td><td><${When} job=${job} /></td><td class="right nowrap" data-label=${time && "took"}>${time}</td></tr>`;
}

function BulkBar({ query, marked, total, clear }) {
    const [all, whole] = useState(false);
    const [exact, tell] = useState(null);
    const n = all ? (exact === null ? total : exact) : marked.size;
    useEffect(() => { if (!marked.size) whole(false); }, [marked.size]);
    if (!marked.size) return null;
    const switchAll = () => {
        whole(!all);
        tell(null);
        if (!all) call("/api/jobs/count", { query: { ...filtersOf(query), status: query.status } }).then((answer) => tell(answer.count), () => {});
    };
    const ids = [...marked];
    const forEach = async (one) => {
        let done = 0;
        for (const id of ids) { try { await one(id); done++; } catch (error) { if (error.status !== 409 && error.status !== 404) throw error; } }
        return { count: done };
    };
    const run = (name, title, danger, text, one) => () => confirmDialog({ title: title + " " + plural(n, "job") + "?", danger, action: title,
        text: html`<p>${all ? html`This means <strong>all ${count(n)} jobs</strong> that match the filters now, not only those you see.` : text}</p>${all && html`<p class="muted">${text}</p>`}`,
        work: async () => {
            const result = all ? await call("/api/jobs/" + name, { method: "POST", body: { filter: filterBody(query) } }) : await forEach(one);
            clear();
            return result;
        },
        done: (result) => plural(result.count, "job") + " " + { retry: "retried", cancel: "cancelled", delete: "deleted" }[name] });
    const edit = () => formDialog({ title: "Edit " + plural(n, "job"), action: "Save", intro: html`<p>Only pending ones can be changed. Empty fields stay as they are.</p>`,
        fields: [{ name: "priority", label: "Priority", type: "number" }, { name: "queue", label: "Queue" }, { name: "run_at", label: "Not before", help: "ISO 8601" },
            { name: "max_attempts", label: "Attempts at most", type: "number" }],
        submit: async (changes) => {
            const result = all ? await call("/api/jobs/edit", { method: "POST", body: { filter: filterBody(query), changes } })
                : await forEach((id) => call(at`/api/jobs/${id}`, { method: "PATCH", body: changes }));
            clear();
            return result;
        }, done: (result) => plural(result.count, "job") + " changed" });
    return html`<div class="bulk" role="region" aria-label="Marked jobs"><strong>${count(n)} ${all ? "matching" : "marked"}</strong>
        ${total > marked.size && html`<button type="button" class="more" onClick=${switchAll}>${all ? "only the " + marked.size + " marked" : "all " + count(total) + " matching"}</button>`}
        <span class="bulk-actions"><${Button} small icon="retry" onClick=${run("retry", "Retry", false, "Failed and cancelled ones run again.", (id) => call(at`/api/jobs/${id}/retry`, { method: "POST", body: {} }))}>Retry</${Button}>
        <${Button} small icon="cancel" kind="danger" onClick=${run("cancel", "Cancel", true, "Pending ones will not run, running ones are stopped.", (id) => call(at`/api/jobs/${id}/cancel`, { method: "POST", body: {} }))}>Cancel</${Button}>
        <${Button} small icon="edit" onClick=${edit}>Edit</${Button}>
        <${Button} small icon="trash" kind="danger" onClick=${run("delete", "Delete", true, "Ended ones are gone for good.", (id) => call(at`/api/jobs/${id}`, { method: "DELETE" }))}>Delete</${Button}>
        <${Button} small kind="plain" onClick=${clear}>Clear</${Button}></span></div>`;
}

function Pager({ query, data }) {
    const back = (query.back || "").split(",").filter(Boolean);
    const older = () => setQuery({ after: data.next, back: [...back, query.after || "0"].join() });
    const newer = () => setQuery({ after: back.at(-1) === "0" ? "" : back.at(-1), back: back.slice(0, -1).join() });
    if (!data.next && !back.length) return null;
    return html`<nav class="pager" aria-label="Pages of jobs"><${Button} small icon="left" disabled=${!back.length} onClick=${newer}>Newer</${Button}>
        <span class="faint">page ${back.length + 1}</span><${Button} small disabled=${!data.next} onClick=${older}>Older<${Icon} name="right" size=${14} /></${Button}></nav>`;
}

/** The list of jobs. */
export function Jobs({ query }) {
    const filters = filtersOf(query);
    const list = useResource("/api/jobs", { query: { ...filters, status: query.status, limit: LIMIT, after: query.after } });
    const overview = useResource("/api/overview");
    const types = useResource("/api/overview/job-types", { live: false });
    const [marked, mark] = useState(new Set());
    const where = JSON.stringify([filters, query.status]);
    useEffect(() => mark(new Set()), [where]);
    useEffect(() => {
        if (!query.find) return;
        const read = readSearch(query.find);
        if (read.problem) toast(read.problem, "error");
        go(link(["jobs"], read.filters), true);
    }, [query.find]);
    const typeNames = rowsOf(types.data, "job_types").map((row) => row.job_type);
    const queueNames = rowsOf(overview.data, "queues").map((row) => row.queue);
    useKey("n", () => newJob(typeNames, queueNames));
    const jobs = list.data ? list.data.jobs : [];
    const toggle = (id) => mark((old) => { const next = new Set(old); if (!next.delete(id)) next.add(id); return next; });
    const allShown = jobs.length > 0 && jobs.every((job) => marked.has(job.id));
    return html`<${PageHead} title="Jobs" note=${list.data ? (!list.data.total_is_exact ? "at least " : "") + plural(list.data.total, "job") + (Object.keys(filters).length || query.status ? " match" + (list.data.total === 1 ? "es" : "") : "") : html`\u00a0`}>
        <${Button} icon="plus" kind="primary" title="New job (n)" onClick=${() => newJob(typeNames, queueNames)}>New job</${Button}></${PageHead}>
        <${StatusTabs} query=${query} counts=${overview.data && overview.data.counts} /><${Search} query=${query} types=${typeNames} queues=${queueNames} /><${Chips} query=${query} />
        <${Card} flush><${Loaded} resource=${list}>${(data) => !data.jobs.length ? html`<${NoJobs} query=${query} filters=${filters} />` : html`
        <div class=${"table-box cards" + (list.loading ? " stale" : "")}><table><thead><tr><th class="check"><input type="checkbox" checked=${allShown} aria-label="Mark all shown jobs"
            onChange=${() => mark(allShown ? new Set() : new Set(jobs.map((job) => job.id)))} /></th><th>Job</th><th>Status</th><th>Queue</th><th class="right">Attempts</th>
            <th class="right">Priority</th><th>When</th><th class="right">Took</th></tr></thead>
        <tbody>${data.jobs.map((job) => html`<${Row} key=${job.id} job=${job} picked=${marked.has(job.id)} pick=${() => toggle(job.id)} />`)}</tbody></table></div>`}</${Loaded}></${Card}>
        ${list.data && html`<${Pager} query=${query} data=${list.data} />`}
        <${BulkBar} query=${query} marked=${marked} total=${list.data ? list.data.total : 0} clear=${() => mark(new Set())} />`;
}

function NoJobs({ query, filters }) {
    if (Object.keys(filters).length || query.status) {
        return html`<${Empty} title="No job matches">Take away a filter, or look at <a href=${link(["jobs"])}>all jobs</a>.</${Empty}>`;
    }
    return html`<${Empty} title="No job yet" command=${FIRST_JOB}>Enqueue one here, from your own code with
        <code>select ganger.enqueue('echo')</code>, or on the command line.</${Empty}>`;
}

// SPDX-License-Identifier: MIT
// Tokens: what jobs wait for, to be completed by hand; and for administrators the tokens that open this API.
import { html } from "../html.js";
import { useResource, rowsOf, LIST_ROWS } from "../data.js";
import { call, at } from "../http.js";
import { PageHead, Card, Loaded, Button, Empty, Status, Time, JobLink, Copy, Tags, Segments, CommandLine, Cut } from "../ui.js";
import { formDialog, confirmDialog, openDialog } from "../dialogs.js";
import { link, setQuery } from "../router.js";

const SCOPES = ["read", "enqueue", "work", "operate", "admin"];

function complete(token) {
    formDialog({ title: "Complete token", action: "Complete", intro: html`<p>Who waits for <code>${token.token}</code> goes on, with these data.</p>`,
        fields: [{ name: "data", label: "Data", type: "json", value: undefined, rows: 5, help: "Any JSON; empty: null" }],
        submit: (values) => call(at`/api/tokens/${token.token}/complete`, { method: "POST", body: values }), done: "The token is completed" });
}

function createWait() {
    formDialog({ title: "New wait token", action: "Create", fields: [{ name: "timeout", label: "Time limit", placeholder: "none", help: "For example 3 days" }, { name: "tags", label: "Tags", type: "list", help: "Separated by commas" }],
        submit: (values) => call("/api/tokens", { method: "POST", body: values }), done: (token) => "Token " + token.token + " is there" });
}

function WaitTokens({ chosen }) {
    const answer = useResource(chosen ? at`/api/tokens/${chosen}` : "/api/tokens", { query: chosen ? {} : { limit: LIST_ROWS } });
    if (chosen && answer.error && answer.error.status === 404) return html`<${Card}><${Empty} title="There is no such token"><a href=${link(["tokens"])}>All tokens</a></${Empty}></${Card}>`;
    return html`<${Card} flush><${Loaded} resource=${answer}>${(data) => {
        const rows = chosen ? [data] : rowsOf(data, "tokens");
        if (!rows.length) return html`<${Empty} title="No wait token" command="ganger.wait_for_token(id, lease, token)">A job that waits for somebody makes one, hands it out, and goes on when it is completed.</${Empty}>`;
        return html`<div class="table-box cards"><table><thead><tr><th>Token</th><th>Status</th><th>Job</th><th>Until</th><th>Made</th><th>Tags</th><th><span class="unseen">Actions</span></th></tr></thead><tbody>${rows.map((t) => html`<tr key=${t.token} data-row tabindex="-1">
            <td class="full"><${Copy} text=${t.token} label="the token"><span class="mono">${t.token}</span></${Copy}></td><td><${Status} status=${t.status} /></td><td>${t.job_id ? html`<${JobLink} id=${t.job_id} />` : html`<span class="faint">–</span>`}</td>
            <td data-label="until"><${Time} at=${t.timeout_at} none="no limit" /></td><td data-label="made"><${Time} at=${t.created_at} /></td><td><${Tags} tags=${t.tags} /></td>
            <td class="actions">${t.status === "waiting" && html`<${Button} small icon="check" label=${"Complete " + t.token} onClick=${() => complete(t)}>Complete</${Button}>`}</td></tr>`)}</tbody></table></div><${Cut} rows=${rows} />`;
    }}</${Loaded}></${Card}>`;
}

function showOnce(made) {
    openDialog({ title: "The token of " + made.name, body: (close) => html`<p>Copy it now: it is shown this once, and kept as a checksum only.</p><p class="once"><${CommandLine} text=${made.token} /></p>
        <div class="form-end"><${Button} kind="primary" onClick=${close}>I have it</${Button}></div>` });
}

function createApi() {
    formDialog({ title: "New API token", action: "Create", fields: [{ name: "name", label: "Name", required: true, help: "Who or what uses it" }, { name: "expires_in", label: "Valid for", placeholder: "for ever", help: "For example 90 days" },
        { name: "owner", label: "Only for owner", placeholder: "all" }, { name: "queues", label: "Only in queues", type: "list", placeholder: "all", help: "Separated by commas" },
        ...SCOPES.map((scope) => ({ name: scope, label: { read: "read: look at everything", enqueue: "enqueue: make jobs", work: "work: claim and finish jobs", operate: "operate: cancel, retry, pause, limits", admin: "admin: all, and tokens" }[scope], type: "check", value: scope === "read" }))],
        submit: async (values) => {
            const body = { scopes: SCOPES.filter((scope) => (scope in values ? values[scope] : scope === "read")) };
            for (const key of ["name", "expires_in", "owner", "queues"]) if (values[key]) body[key] = values[key];
            const made = await call("/api/api-tokens", { method: "POST", body });
            setTimeout(() => showOnce(made), 0);
        }, done: "The token is made" });
}

function revoke(t) {
    confirmDialog({ title: "Revoke the token of " + t.name + "?", action: "Revoke", danger: true, text: html`<p>Requests with it are refused within a few seconds. This cannot be undone.</p>`,
        work: () => call(at`/api/api-tokens/${t.id}`, { method: "DELETE" }), done: "The token of " + t.name + " is revoked" });
}

function ApiTokens() {
    const answer = useResource("/api/api-tokens", { when: () => false });
    if (answer.error && answer.error.status === 403) return html`<${Card}><${Empty} title="Only for administrators" command="ganger api-tokens list">Your token does not have the scope admin. On the machine where ganger runs:</${Empty}></${Card}>`;
    return html`<${Card} flush><${Loaded} resource=${answer}>${(data) => {
        const rows = rowsOf(data, "api_tokens");
        if (!rows.length) return html`<${Empty} title="No API token yet" command="ganger api-tokens create me --scope read,operate">With http.auth: tokens every request needs one.</${Empty}>`;
        return html`<div class="table-box cards"><table><thead><tr><th>Name</th><th>Scopes</th><th>Only for</th><th>State</th><th>Made</th><th>Valid until</th><th><span class="unseen">Actions</span></th></tr></thead><tbody>${rows.map((t) => html`<tr key=${t.id} data-row tabindex="-1"><td class="full"><b>${t.name}</b></td>
            <td><span class="tags">${t.scopes.map((scope) => html`<span key=${scope} class="tag">${scope}</span>`)}</span></td><td>${[t.owner && "owner " + t.owner, t.queues && t.queues.length && "queues " + t.queues.join(", ")].filter(Boolean).join("; ") || html`<span class="faint">–</span>`}</td>
            <td><${Status} status=${t.state} /></td><td data-label="made"><${Time} at=${t.created_at} /></td><td data-label="until"><${Time} at=${t.expires_at} none="for ever" /></td>
            <td class="actions">${t.state === "valid" && html`<${Button} small icon="cancel" kind="danger" label=${"Revoke " + t.name} onClick=${() => revoke(t)}>Revoke</${Button}>`}</td></tr>`)}</tbody></table></div>`;
    }}</${Loaded}></${Card}>`;
}

/** Both kinds of tokens. */
export function Tokens({ query }) {
    const kind = query.kind === "api" ? "api" : "wait";
    return html`<${PageHead} title="Tokens" note=${kind === "wait" ? "What jobs wait for" : "What opens this API"}><${Segments} label="Kind" value=${kind} options=${[["wait", "Wait tokens"], ["api", "API tokens"]]} onChange=${(value) => setQuery({ kind: value === "wait" ? "" : value, token: "" }, true)} />
        <${Button} icon="plus" kind="primary" onClick=${kind === "wait" ? createWait : createApi}>New token</${Button}></${PageHead}>
        ${kind === "wait" ? html`<${WaitTokens} chosen=${query.token} />` : html`<${ApiTokens} />`}`;
}

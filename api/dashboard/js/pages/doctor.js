// SPDX-License-Identifier: MIT
// Doctor: what is wrong, and the line that mends it.
import { html } from "../html.js";
import { useResource, rowsOf } from "../data.js";
import { PageHead, Card, Loaded, Status, CommandLine, Button } from "../ui.js";
import { Icon } from "../icons.js";
import { plural } from "../format.js";

const WEIGHT = { error: 0, warning: 1, notice: 2, ok: 3 };

/** The doctor is asked seldom, as he takes long. */
export const SELDOM = { when: () => false, every: 300000 };

function Finding({ row }) {
    const line = /^(select|alter|vacuum|create|drop|analyze|reindex|ganger|gangerd|systemctl)\b/i.test(row.mend || "");
    return html`<li class="finding"><${Status} status=${row.severity} /><div><p><b>${row.check_name.replace(/_/g, " ")}</b>${row.subject && html` <code>${row.subject}</code>`}</p><p>${row.finding}</p>
        ${row.mend && (line ? html`<${CommandLine} text=${row.mend} />` : html`<p class="muted">${row.mend}</p>`)}</div></li>`;
}

/** What the doctor has found. */
export function Doctor() {
    const answer = useResource("/api/doctor", SELDOM);
    return html`<${PageHead} title="Doctor" note="Looks at the database and the nodes; changes nothing"><${Button} icon="retry" onClick=${answer.reload}>Look again</${Button}></${PageHead}>
        <${Loaded} resource=${answer}>${(data) => {
        const rows = [...rowsOf(data, "findings")].sort((a, b) => WEIGHT[a.severity] - WEIGHT[b.severity]);
        const bad = rows.filter((row) => row.severity !== "ok");
        const good = rows.filter((row) => row.severity === "ok");
        return html`<div class="stack">${!bad.length && html`<p class="all-well big"><${Icon} name="check" size=${22} />Nothing is wrong: ${plural(good.length, "check")} found nothing.</p>`}
            ${bad.length > 0 && html`<${Card} flush><ul>${bad.map((row, i) => html`<${Finding} key=${i} row=${row} />`)}</ul></${Card}>`}
            ${good.length > 0 && html`<${Card} title="Looked at, and well" note=${plural(good.length, "check")} flush><ul class="checks">${good.map((row, i) => html`<li key=${i}><${Icon} name="check" size=${15} /><span><b>${row.check_name.replace(/_/g, " ")}</b> <span class="muted">${row.finding}</span></span></li>`)}</ul></${Card}>`}</div>`;
    }}</${Loaded}>`;
}

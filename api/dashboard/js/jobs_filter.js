// SPDX-License-Identifier: MIT
// Jobs filter: what the address of the page says about which jobs, as parameters of the list and as the filter of actions on all of them.

/** The parameters that are filters, with what they are called. */
export const FILTERS = [["job_type", "type"], ["queue", "queue"], ["owner", "owner"], ["tag", "tag"], ["group_key", "group"], ["batch", "batch"],
    ["idempotency_key", "key"], ["search", "payload has"], ["error_group", "error"], ["created_after", "created after"], ["created_before", "created before"],
    ["finished_after", "finished after"], ["finished_before", "finished before"]];
const WORDS = { type: "job_type", queue: "queue", owner: "owner", tag: "tag", group: "group_key", batch: "batch", key: "idempotency_key" };

/** The filters in an address. @returns {Object<string, string>} */
export function filtersOf(query) {
    const chosen = {};
    for (const [name] of FILTERS) if (query[name]) chosen[name] = query[name];
    return chosen;
}

/** The same jobs as the filter of an action on all of them. */
export function filterBody(query) {
    const filter = {};
    const statuses = (query.status || "").split(",").filter(Boolean);
    if (statuses.length) filter.status = statuses.length === 1 ? statuses[0] : statuses;
    for (const name of ["job_type", "queue", "owner", "group_key", "batch", "idempotency_key", "error_group"]) if (query[name]) filter[name] = query[name];
    if (query.tag) filter.tags = [query.tag];
    if (query.search) filter.search = JSON.parse(query.search);
    for (const column of ["created", "finished"]) {
        const range = {};
        if (query[column + "_after"]) range.gte = query[column + "_after"];
        if (query[column + "_before"]) range.lt = query[column + "_before"];
        if (Object.keys(range).length) filter[column + "_at"] = range;
    }
    return filter;
}

/**
 * What somebody wrote into the search field, as filters: "queue:mail tag:x", JSON is looked for in payloads, one plain word is a job type,
 * a number a job.
 * @param {string} text
 * @returns {{id?: string, filters: Object<string, string>, problem?: string}}
 */
export function readSearch(text) {
    let rest = text.trim();
    const filters = {};
    if (/^#?\d+$/.test(rest)) return { id: rest.replace("#", ""), filters };
    rest = rest.replace(/(?:^|\s)(type|queue|owner|tag|group|batch|key):("[^"]*"|\S+)/g, (all, word, value) => {
        filters[WORDS[word]] = value.replace(/^"|"$/g, "");
        return " ";
    }).trim();
    if (!rest) return { filters };
    if (/^[[{"]/.test(rest)) {
        try { JSON.parse(rest); } catch (error) { return { filters, problem: "This is not JSON: " + error.message }; }
        filters.search = rest;
    } else if (/^[\w.\-/]+=.+$/.test(rest)) {
        const [, key, value] = /^([\w.\-/]+)=(.+)$/.exec(rest);
        filters.search = JSON.stringify({ [key]: /^(-?\d+(\.\d+)?|true|false|null)$/.test(value) ? JSON.parse(value) : value });
    } else if (/^\S+$/.test(rest)) filters.job_type = rest;
    else return { filters, problem: "Write an id, a job type, queue:mail, customer=7, or JSON that the payload has" };
    return { filters };
}

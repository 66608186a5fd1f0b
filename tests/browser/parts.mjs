// SPDX-License-Identifier: MIT
// Parts: the modules that compute without drawing, called inside the browser.
import { openPage, goTo, same, test } from "./harness.mjs";

const CASES = [
    ["format.js", "seconds", [[0.0001], "100 µs"], [[0.25], "250 ms"], [[59.94], "60 s"], [[61], "1m 1s"], [[90061], "1d 1h"], [[null], "–"]],
    ["format.js", "intervalSeconds", [["00:01:30.5"], 90.5], [["1 day 02:00:00"], 93600], [["PT1M30S"], 90], [["-00:00:01"], -1], [["what"], null]],
    ["format.js", "bytes", [[512], "512 B"], [[1536], "1.5 KiB"], [[10485760], "10 MiB"]],
    ["format.js", "short", [[9999], "9,999"], [[12345], "12k"], [[1500000], "1.5M"]],
    ["router.js", "link", [[["jobs", "a/b c"], { x: "1&2", y: "" }], "#/jobs/a%2Fb%20c?x=1%262"]],
    ["router.js", "parseHash", [["#/types/a%2Fb?x=1%262"], { path: ["types", "a/b"], query: { x: "1&2" } }], [["#/%zz"], { path: ["%zz"], query: {} }]],
    ["jobs_filter.js", "readSearch", [["#17"], { id: "17", filters: {} }], [["tag:a queue:\"b c\" echo"], { filters: { tag: "a", queue: "b c", job_type: "echo" } }],
        [["n=3"], { filters: { search: '{"n":3}' } }], [["who=ann"], { filters: { search: '{"who":"ann"}' } }]],
    ["jobs_filter.js", "filterBody", [[{ status: "failed,cancelled", tag: "t", search: '{"a":1}', created_after: "2030-01-01" }],
        { status: ["failed", "cancelled"], tags: ["t"], search: { a: 1 }, created_at: { gte: "2030-01-01" } }]],
    ["live.js", "parseStream", [["id: 1\nevent: added\ndata: {\"a\":1}\n\n: hello\n\nid: 2\nda"], { events: [{ id: "1", event: "added", data: '{"a":1}' }], rest: "id: 2\nda" }]],
    ["format.js", "dayAndTime", [["2030-01-31T12:00:00Z"], "01-31 21:00 GMT+9"]],
    ["pages/overview.js", "pendingNote", [[{ runnable: 5 }], "all of them could run"], [[{ scheduled: 7, runnable: 9, limited: 0 }], "9 runnable, 7 scheduled"],
        [[{ scheduled: 7, runnable: 9, limited: 2, paused: 3 }], "9 runnable, 7 scheduled and 5 more"], [[{}], "none waits to be run"]],
    ["pages/batches.js", "cancelledOf", [[{ total: 4, completed: 1, failed: 0, cancelled: true }], 0], [[{ total: 4, completed: 1, failed: 1, cancelled: false, finished_at: "2030-01-01" }], 2],
        [[{ total: 4, completed: 1, failed: 1, cancelled: true, finished_at: "2030-01-01", items: [{ status: "processing" }, { status: "cancelled" }] }], 1]],
    ["pages/job_attempts.js", "causeOf", [[{ outcome: "timeout", signal: 9 }], "ran past its time limit, stopped by SIGKILL (signal 9)"], [[{ outcome: "crashed", signal: 11, error: "e" }], "ended by SIGSEGV (signal 11): e"],
        [[{ outcome: "error", exit_code: 3, error: "exit code 3: no" }], "exit code 3: no"]]
];

export async function testParts(browser) {
    const page = await openPage(browser, { timezoneId: "Asia/Tokyo" });
    await goTo(page, "#/");
    for (const [file, name, ...cases] of CASES) {
        await test("part: " + name, async () => {
            for (const [input, wanted] of cases) {
                const got = await page.evaluate(async ([path, fn, values]) => (await import("/js/" + path))[fn](...values), [file, name, input]);
                same(JSON.stringify(got), JSON.stringify(wanted), name + JSON.stringify(input));
            }
        });
    }
    await page.context().close();
}

// SPDX-License-Identifier: MIT
// Actions: everything that can be clicked and changes something, looked at in the database afterwards.
import { openPage, goTo, sql, untilSql, same, check, test } from "./harness.mjs";

const newest = (where) => sql(`select max(id) from ganger.jobs where ${where}`);
const button = (page, name) => page.getByRole("button", { name, exact: true });
const inDialog = (page, name) => page.locator("dialog").getByRole("button", { name, exact: true });

async function jobActions(page) {
    await test("retry a failed job", async () => {
        const id = newest("job_type = 'charge_card' and status = 'failed'");
        await goTo(page, "#/jobs/" + id);
        await button(page, "Retry").click();
        await page.getByText(`Job ${id} runs again`).waitFor();
        await untilSql(`select last_retried_at is not null from ganger.jobs where id = ${id}`, "t");
    });
    await test("edit a pending job; a wrong value is told at its field", async () => {
        const id = newest("tags @> '{digest}'");
        await goTo(page, "#/jobs/" + id);
        await button(page, "Edit").click();
        await page.locator("dialog input[name=max_attempts]").fill("0");
        await inDialog(page, "Save").click();
        await page.locator("dialog [role=alert]").waitFor();
        same(await page.locator("dialog .field.wrong").count(), 1, "marked fields");
        await page.locator("dialog input[name=max_attempts]").fill("4");
        await page.locator("dialog input[name=priority]").fill("9");
        await page.locator("dialog textarea[name=payload]").fill('{"to": "else@example.org"}');
        await inDialog(page, "Save").click();
        await page.getByText(`Job ${id} is changed`).waitFor();
        same(sql(`select priority || ' ' || max_attempts || ' ' || (payload ->> 'to') from ganger.jobs where id = ${id}`), "9 4 else@example.org", "the job");
    });
    await test("edit: a mistake is seen, its field has the focus; typed changes are not lost by a key; a change of another is not written over", async () => {
        const id = newest("tags @> '{digest}'");
        await goTo(page, "#/jobs/" + id);
        await button(page, "Edit").click();
        await page.locator("dialog textarea[name=payload]").fill("not JSON");
        await inDialog(page, "Save").click();
        const box = await page.locator("dialog [role=alert]").boundingBox();
        check(box.y >= 0 && box.y + box.height <= 860, "the message is in sight: " + JSON.stringify(box));
        await page.waitForFunction(() => document.activeElement.name === "payload"); // the focus follows the message
        await page.locator("dialog textarea[name=payload]").fill("{}");
        let asked = 0;
        const answer = (dialog) => { asked++; return asked === 1 ? dialog.dismiss() : dialog.accept(); };
        page.on("dialog", answer);
        await page.keyboard.press("Escape");
        same(asked + " " + (await page.locator("dialog").count()), "1 1", "asked, and still open");
        sql(`select ganger.edit(${id}, '{"priority": 7}')`);
        await inDialog(page, "Save").click();
        await page.locator("dialog [role=alert]").getByText("Changed meanwhile").waitFor();
        same(sql(`select payload ->> 'to' from ganger.jobs where id = ${id}`), "else@example.org", "what was there");
        await page.keyboard.press("Escape");
        await page.locator("dialog").waitFor({ state: "detached" });
        page.off("dialog", answer);
        same(asked, 2, "questions");
    });
    await test("a new job without a type: the message is in sight", async () => {
        await goTo(page, "#/jobs");
        await button(page, "New job").click();
        await inDialog(page, "Enqueue").click();
        const box = await page.locator("dialog [role=alert]").boundingBox();
        check(box.y >= 0 && box.y + box.height <= 860, "the message is in sight: " + JSON.stringify(box));
        await page.waitForFunction(() => document.activeElement.name === "job_type"); // the focus follows the message
        await inDialog(page, "Back").click();
        await page.locator("dialog").waitFor({ state: "detached" });
    });
    await test("a job with thousands of attempts: the newest, and older ones when asked for", async () => {
        const id = sql(`with j as (select ganger.enqueue('echo', run_at => '2090-01-01', tags => '{often}') as id), a as (insert into ganger.attempt (job_id, attempt, outcome, started_at, finished_at)
            select j.id, n, 'error', now() + n * interval '1 s', now() + n * interval '1 s' from j, generate_series(1, 3000) n) select id from j`);
        await goTo(page, "#/jobs/" + id);
        await page.locator(".attempts li").nth(49).waitFor();
        same(await page.locator(".attempts li").count() + " " + (await page.locator(".events li").count()), "50 50", "attempts and events");
        same(await page.locator(".attempts li b").first().textContent(), "3000", "the newest");
        await button(page, "Show older attempts").click();
        await page.locator(".attempts li").nth(249).waitFor();
        same(await page.locator(".attempts li b").last().textContent(), "2751", "the oldest shown");
        sql(`select ganger.edit(${id}, '{"priority": 3}')`);
        await page.locator(".fact", { hasText: "Priority" }).getByText("3").waitFor();
        same(await page.locator(".attempts li").count(), 250, "they stay");
    });
    await test("clone a job", async () => {
        const id = newest("tags @> '{digest}'");
        await goTo(page, "#/jobs/" + id);
        await button(page, "Clone").click();
        await page.locator("dialog input[name=run_at]").fill("2999-01-01T00:00Z");
        await inDialog(page, "Enqueue").click();
        await page.waitForFunction((old) => location.hash !== "#/jobs/" + old, id);
        same(sql(`select job_type || ' ' || queue || ' ' || tags[1] from ganger.jobs where id = ${(await page.evaluate(() => location.hash)).split("/").pop()}`), "send_email mail digest", "the clone");
    });
    await test("cancel a job, after a question", async () => {
        const id = newest("status = 'pending' and run_at > '2998-01-01'");
        await goTo(page, "#/jobs/" + id);
        await button(page, "Cancel").click();
        await inDialog(page, "Back").click();
        same(sql(`select status from ganger.jobs where id = ${id}`), "pending", "after going back");
        await button(page, "Cancel").click();
        await inDialog(page, "Cancel the job").click();
        await untilSql(`select status from ganger.jobs where id = ${id}`, "cancelled");
        await page.locator(".status-cancelled").first().waitFor();
        await button(page, "Delete").click();
        await inDialog(page, "Delete").click();
        await untilSql(`select count(*) from ganger.jobs where id = ${id}`, "0");
    });
    await test("a new job appears, and is seen to complete without a reload", async () => {
        await goTo(page, "#/jobs");
        await button(page, "New job").click();
        await page.locator("dialog input[name=job_type]").fill("echo");
        await page.locator("dialog textarea[name=payload]").fill("not JSON");
        await inDialog(page, "Enqueue").click();
        await page.getByText("This is not JSON").waitFor();
        await page.locator("dialog textarea[name=payload]").fill('{"from": "the browser"}');
        await inDialog(page, "Enqueue").click();
        await page.waitForURL(/#\/jobs\/\d+/);
        await page.locator(".page-head .status-completed").waitFor();
        await page.getByText("the browser").first().waitFor();
    });
}

async function listActions(page) {
    await test("filters stand in the address, and survive a reload", async () => {
        await goTo(page, "#/jobs");
        await page.locator(".tab-failed").click();
        await page.waitForURL(/status=failed/);
        await page.getByLabel("Job type", { exact: true }).selectOption("resize_image");
        await page.waitForURL(/job_type=resize_image/);
        await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 2);
        await page.reload();
        await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 2);
        await page.getByRole("button", { name: "Without type resize_image" }).click();
        await page.waitForFunction(() => document.querySelectorAll("tbody tr").length > 2);
    });
    await test("search: a tag, a payload, a job, nonsense", async () => {
        await goTo(page, "#/jobs");
        const search = page.getByLabel("Search jobs");
        await search.fill("tag:pipeline");
        await search.press("Enter");
        await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 2);
        await goTo(page, "#/jobs");
        await search.fill("customer=3");
        await search.press("Enter");
        await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 1);
        await search.fill("{nonsense");
        await search.press("Enter");
        await page.getByText("This is not JSON").waitFor();
        const id = newest("true");
        await search.fill(id);
        await search.press("Enter");
        await page.waitForURL(new RegExp("#/jobs/" + id));
    });
    await test("all matching are cancelled, after their number was told", async () => {
        sql("select count(ganger.enqueue('echo', jsonb_build_object('n', n), tags => '{many}', run_at => now() + interval '1 day')) from generate_series(1, 60) n");
        await goTo(page, "#/jobs?tag=many&status=pending");
        await page.waitForFunction(() => document.querySelectorAll("tbody tr").length === 50);
        await page.getByLabel("Mark all shown jobs").click();
        await page.getByText("50 marked").waitFor();
        await button(page, "all 60 matching").click();
        await page.getByText("60 matching").waitFor();
        await page.locator(".bulk").getByRole("button", { name: "Cancel" }).click();
        await page.locator("dialog").getByText("all 60 jobs").waitFor();
        await inDialog(page, "Cancel").click();
        await page.getByText("60 jobs cancelled").waitFor();
        same(sql("select string_agg(distinct status::text, ',') from ganger.jobs where tags @> '{many}'"), "cancelled", "their status");
    });
    await test("marked ones are retried", async () => {
        await goTo(page, "#/jobs?tag=many&status=cancelled");
        await page.locator("tbody tr").nth(0).getByRole("checkbox").click();
        await page.locator("tbody tr").nth(1).getByRole("checkbox").click();
        await page.locator(".bulk").getByRole("button", { name: "Retry" }).click();
        await inDialog(page, "Retry").click();
        await page.getByText("2 jobs retried").waitFor();
        await untilSql("select count(*) from ganger.jobs where tags @> '{many}' and status = 'completed'", "2");
    });
    await test("older and newer pages", async () => {
        await goTo(page, "#/jobs?tag=many");
        const first = await page.locator("tbody tr a").first().getAttribute("href");
        await button(page, "Older").click();
        await page.getByText("page 2").waitFor();
        await page.waitForFunction((old) => document.querySelector("tbody tr a").getAttribute("href") !== old, first);
        await button(page, "Newer").click();
        await page.waitForFunction((old) => document.querySelector("tbody tr a").getAttribute("href") === old, first);
    });
    await test("a group of failures is retried whole", async () => {
        await goTo(page, "#/failures");
        await page.locator(".failure", { hasText: "SIGSEGV" }).getByRole("button", { name: "Retry all" }).click();
        await inDialog(page, "Retry all of them").click();
        await page.getByText("2 jobs retried").waitFor();
        await untilSql("select count(*) from ganger.jobs where job_type = 'resize_image' and last_retried_at is not null", "2");
    });
}

async function operatorActions(page) {
    await test("pause, resume and limit a queue", async () => {
        await goTo(page, "#/queues");
        await button(page, "Pause images").click();
        await page.getByText("Queue images is paused").waitFor();
        same(sql("select paused from ganger.queues where name = 'images'"), "t", "paused");
        await button(page, "Resume images").click();
        await page.getByText("Queue images goes on").waitFor();
        await button(page, "Limits of images").click();
        await page.locator("dialog input[name=concurrency]").fill("7");
        await inDialog(page, "Save").click();
        await page.getByText("7 at once").waitFor();
        same(sql("select concurrency || ' ' || paused from ganger.queues where name = 'images'"), "7 false", "the queue");
        await button(page, "Limits of mail").click();
        await page.locator("dialog input[name=rate]").fill("-1");
        await inDialog(page, "Save").click();
        await page.locator("dialog [role=alert]").waitFor();
        check(!(await page.locator("dialog [role=alert]").textContent()).includes("Bad Request"), "the title is for people");
        await page.locator("dialog input[name=rate]").fill("500");
        await inDialog(page, "Save").click();
        await page.getByText("20 at once, 500 per 1m").waitFor();
    });
    await test("pause and limit a job type", async () => {
        await goTo(page, "#/types");
        await button(page, "Pause resize_image").click();
        await button(page, "Resume resize_image").click();
        await page.getByText("resize_image goes on").waitFor();
        await goTo(page, "#/types/send_email");
        await button(page, "Limits").click();
        await page.locator("dialog input[name=timeout]").fill("2 min");
        await inDialog(page, "Save").click();
        await page.getByText("time limit 2m").waitFor();
    });
    await test("run, pause and make a schedule", async () => {
        await goTo(page, "#/schedules");
        await button(page, "Run now: heartbeat").click();
        await page.getByText("of heartbeat is enqueued").waitFor();
        await untilSql("select count(*) from ganger.jobs where payload @> '{\"ping\": true}' and status = 'completed'", "1");
        await button(page, "Pause heartbeat").click();
        await button(page, "Resume heartbeat").waitFor();
        await button(page, "New schedule").click();
        await page.locator("dialog input[name=name]").fill("weekly");
        await page.locator("dialog input[name=cron]").fill("0 5 * * sun day");
        await page.locator("dialog input[name=job_type]").fill("echo");
        await inDialog(page, "Create").click();
        await page.locator("dialog [role=alert]").waitFor();
        await page.locator("dialog input[name=cron]").fill("0 5 * * sun");
        await inDialog(page, "Create").click();
        await page.locator("dialog").waitFor({ state: "detached" });
        await page.locator(".schedule", { hasText: "weekly" }).locator(".next-runs li").nth(4).waitFor();
    });
    await test("start a batch and see it end without a reload", async () => {
        await goTo(page, "#/batches/draft");
        await button(page, "Start draft").click();
        await page.locator(".page-head .status-completed").waitFor();
        await page.getByText("100 %").waitFor();
    });
    await test("a cancelled batch: its items are counted, in the list and on its page", async () => {
        sql(`select ganger.create_batch('given up', 'echo', '[1, 2, 3, 4]'), ganger.create_batch('none left', 'echo', '[]'); select ganger.cancel_batch(id) from unnest('{given up,none left}'::text[]) id`);
        await goTo(page, "#/batches");
        const bar = (place) => place.locator(".bar").getAttribute("aria-label");
        same(await bar(page.locator("tr", { hasText: "given up" })), "cancelled: 4", "the bar of four");
        same(await bar(page.locator("tr", { hasText: "none left" })), "nothing", "the bar of none");
        await page.getByRole("link", { name: "given up" }).click();
        await page.getByText("0 completed, 0 failed, 4 cancelled").waitFor();
        same((await bar(page.locator(".batch-progress"))) + ", " + (await page.locator(".batch-progress b").innerText()), "cancelled: 4, 100 %", "on its page");
    });
    await test("complete a wait token", async () => {
        await goTo(page, "#/tokens");
        const token = sql("select token from ganger.tokens where tags @> '{signature}'");
        await button(page, "Complete " + token).click();
        await page.locator("dialog textarea").fill('{"by": "ann"}');
        await inDialog(page, "Complete").click();
        await page.getByText("The token is completed").waitFor();
        same(sql(`select status || ' ' || (data ->> 'by') from ganger.tokens where token = '${token}'`), "completed ann", "the token");
        sql("select count(ganger.create_token('1 day')) from generate_series(1, 100)");
        await goTo(page, "#/tokens");
        await page.getByText("The newest 100.").waitFor();
        same(await page.getByText(token).count(), 0, "the token in the list");
        await goTo(page, "#/tokens?token=" + token);
        await page.locator("tr", { hasText: token }).locator(".status-completed").waitFor();
    });
    await test("stop a worker: its job ends as crashed, another worker comes", async () => {
        const [worker, job] = sql("select id || ' ' || job_id from ganger.workers where job_id in (select id from ganger.jobs where job_type = 'export_report')").split(" ");
        await goTo(page, "#/nodes");
        await button(page, "Stop worker " + worker).click();
        await page.locator("dialog").getByText("It runs job " + job).waitFor();
        await inDialog(page, "Stop the worker").click();
        await page.getByText(`Worker ${worker} is being stopped`).waitFor();
        await untilSql(`select outcome from ganger.attempts where job_id = ${job} and attempt = 1`, "crashed");
        await untilSql("select count(*) from ganger.workers where state <> 'dead'", "4");
    });
}

export async function testActions(browser) {
    const page = await openPage(browser, {}, /status of (400|409|412)/);
    await jobActions(page);
    await listActions(page);
    await operatorActions(page);
    await test("no complaint of the browser in all that", async () => same(page.complaints.join("\n"), "", "complaints"));
    await page.context().close();
}

// SPDX-License-Identifier: MIT
// Frame: what is around the pages: keys, colours, the stream of events, the menu of a phone, errors, and the token.
import { openPage, goTo, sql, untilSql, until, check, same, axe, test, base } from "./harness.mjs";

export async function testFrame(browser) {
    const page = await openPage(browser);
    await test("keys: go, search, walk, open, help", async () => {
        await goTo(page, "#/");
        await page.keyboard.press("g");
        await page.keyboard.press("j");
        await page.waitForURL(/#\/jobs$/);
        await page.locator("tbody tr").first().waitFor();
        await page.keyboard.press("/");
        await page.waitForFunction(() => document.activeElement.hasAttribute("data-search")); // / goes to the search
        await page.keyboard.press("Escape");
        await page.keyboard.press("j");
        await page.keyboard.press("j");
        await page.keyboard.press("k");
        await page.keyboard.press("x");
        await page.getByText("1 marked").waitFor();
        await page.keyboard.press("Enter");
        await page.waitForURL(/#\/jobs\/\d+/);
        await page.keyboard.press("?");
        await page.locator("dialog").getByText("Overview").waitFor();
        await page.locator("dialog").getByText("retry the job").waitFor();
        check(!(await axe(page)).length, "the list of keys is readable");
        await page.keyboard.press("Escape");
        await page.locator("dialog").waitFor({ state: "detached" });
    });
    await test("colours: light and dark are kept", async () => {
        await page.emulateMedia({ colorScheme: "light" });
        await goTo(page, "#/");
        const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
        const light = await ground();
        await page.keyboard.press("t");
        await page.getByRole("button", { name: "Colours: light" }).click();
        await page.getByRole("button", { name: "Colours: dark" }).waitFor();
        check((await ground()) !== light, "dark is another colour");
        await page.reload();
        check((await ground()) !== light, "it is still dark after a reload");
        await page.getByRole("button", { name: "Colours: dark" }).click();
        same(await ground(), light, "back to the system's");
    });
    const other = await openPage(browser); // goes on when the first does not
    const asked = []; // by the first
    page.on("request", (request) => asked.push(new URL(request.url()).pathname));
    // Both look at these alone: the newest of all jobs are those of other tests.
    const addOne = (tag) => sql(`select ganger.enqueue('echo', tags => '{seen,${tag}}', run_at => now() + interval '1 day')`);
    // The other page sees two events, one after the other, of which the first page is told nothing.
    const unseen = async (tag) => {
        addOne(tag);
        await other.getByText(tag).waitFor();
        addOne(tag + "-too");
        await other.getByText(tag + "-too").waitFor();
        same(await page.getByText(tag).count(), 0, "what the first page shows of it");
    };
    await test("live: a job of somebody else appears by itself, and not while stopped", async () => {
        await goTo(other, "#/jobs?tag=seen");
        await goTo(page, "#/jobs?tag=seen");
        await page.locator(".live-live").waitFor();
        addOne("seen-live");
        await page.getByText("seen-live").waitFor();
        await page.locator(".live").click();
        await page.locator(".live-paused").waitFor();
        await unseen("seen-later");
        await page.locator(".live").click();
        await page.getByText("seen-later-too").waitFor();
    });
    await test("live: a tab that is not looked at has no stream and asks for nothing", async () => {
        const look = (hidden) => page.evaluate((value) => {
            Object.defineProperty(document, "hidden", { value, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }, hidden);
        await page.locator(".live-live").waitFor();
        await Promise.all([page.waitForEvent("requestfailed", (request) => request.url().endsWith("/api/events")), look(true)]);
        asked.length = 0;
        await unseen("seen-last");
        same(asked.join(), "", "what was asked for");
        await look(false);
        await page.getByText("seen-last-too").waitFor();
        await page.locator(".live-live").waitFor();
        check(asked.includes("/api/events"), "there is a stream again");
    });
    await other.context().close();
    await test("live: events of now on the first page", async () => {
        await goTo(page, "#/");
        await page.locator(".live-live").waitFor();
        sql("select ganger.enqueue('echo')");
        await page.locator(".feed li").first().waitFor();
    });
    await test("live: events have the first page asked for again, but not the doctor", async () => {
        const times = (path) => asked.filter((one) => one === path).length;
        asked.length = 0;
        await goTo(page, "#/");
        await page.locator(".live-live").waitFor();
        await until(() => { sql("select ganger.enqueue('echo')"); return times("/api/throughput") >= 3; }, () => "the figures were asked for " + times("/api/throughput") + " times");
        same(times("/api/doctor"), 1, "how often the doctor was asked");
    });
    await test("no complaint of the browser in all that", async () => same(page.complaints.join("\n"), "", "complaints"));
    await page.context().close();
}

export async function testPhone(browser) {
    const page = await openPage(browser, { viewport: { width: 360, height: 740 }, hasTouch: true });
    await test("phone: the menu opens, and closes behind the page", async () => {
        await goTo(page, "#/");
        await page.getByRole("button", { name: "Pages" }).tap();
        await page.getByRole("link", { name: "Queues", exact: true }).tap();
        await page.waitForURL(/#\/queues/);
        await page.locator(".nav").waitFor({ state: "hidden" });
    });
    await test("phone: a form fits", async () => {
        await goTo(page, "#/jobs");
        await page.getByRole("button", { name: "New job" }).tap();
        await page.locator("dialog form").waitFor();
        same(await page.evaluate(() => document.documentElement.scrollWidth), 360, "width");
        check(await page.evaluate(() => document.querySelector("dialog").getBoundingClientRect().right <= 360), "the form is inside");
    });
    await test("phone: the events of a job have their times", async () => {
        await goTo(page, "#/jobs/" + sql("select max(id) from ganger.jobs where job_type = 'charge_card'"));
        await page.locator(".events time").first().waitFor();
        same(await page.evaluate(() => document.documentElement.scrollWidth), 360, "width");
        check(!(await page.locator("main").textContent()).includes("ganger.retry("), "a button retries it");
    });
    await test("phone: no complaint of the browser", async () => same(page.complaints.join("\n"), "", "complaints"));
    await page.context().close();
}

export async function testErrors(browser) {
    const page = await openPage(browser, {}, /ERR_FAILED|ERR_ABORTED/);
    await test("no server: the page says so, and comes back by itself", async () => {
        await page.route("**/api/**", (route) => route.abort());
        await page.goto(base + "/#/queues");
        await page.getByText("The server does not answer").waitFor();
        await page.locator(".live-lost").getByText("No connection").waitFor();
        await page.unroute("**/api/**");
        await page.getByText("20 at once").waitFor();
        await page.locator(".live-live").waitFor();
        same(page.complaints.join("\n"), "", "complaints");
    });
    await page.context().close();
}

/** With http.auth: tokens. */
export async function testLogin(browser) {
    const reader = process.env.GANGER_READ_TOKEN;
    // The stream of a token that is revoked is cut; whether the page has left it by then is chance.
    const page = await openPage(browser, {}, /status of (401|403)|ERR_INCOMPLETE_CHUNKED_ENCODING/);
    await test("login: no token, a wrong one, a good one", async () => {
        await page.goto(base + "/#/queues");
        await page.getByLabel("Token").waitFor();
        const found = await axe(page);
        check(!found.length, "the login page is readable: " + found.join());
        await page.getByLabel("Token").fill("gng_" + "x".repeat(43));
        await page.getByRole("button", { name: "Open" }).click();
        await page.getByText("This token is not accepted").waitFor();
        await page.getByLabel("Token").fill(reader);
        await page.getByRole("button", { name: "Open" }).click();
        await page.getByText("20 at once").waitFor();
        check(!(await page.evaluate((secret) => JSON.stringify(localStorage).includes(secret) || document.cookie.includes(secret) || location.href.includes(secret), reader)), "the token is kept in the tab only");
    });
    await test("login: the stream works with a token", async () => {
        await page.locator(".live-live").waitFor();
        sql("select ganger.enqueue('echo', queue => 'come live', run_at => now() + interval '1 day')");
        await page.locator("tr", { hasText: "come live" }).waitFor();
    });
    await test("login: what the token may not is told", async () => {
        await page.getByRole("button", { name: "Pause images" }).click();
        await page.locator(".toast.error").getByText(/operate/).first().waitFor();
        same(sql("select paused from ganger.queues where name = 'images'"), "f", "nothing was done");
        await page.goto(base + "/#/tokens?kind=api");
        await page.getByText("Only for administrators").waitFor();
    });
    await test("login: a revoked token leads back to the login", async () => {
        sql("select ganger.revoke_api_token(id) from ganger.api_tokens where name = 'reader'");
        for (let i = 0; i < 100 && !(await page.getByText("no longer accepted").isVisible()); i++) {
            await page.evaluate((hash) => { location.hash = hash; }, i % 2 ? "#/queues" : "#/nodes");
            await page.waitForTimeout(100);
        }
        await page.getByText("no longer accepted").waitFor();
    });
    await test("login: an administrator makes and revokes a token", async () => {
        await page.getByLabel("Token").fill(process.env.GANGER_ADMIN_TOKEN);
        await page.getByRole("button", { name: "Open" }).click();
        await page.locator("nav").first().waitFor();
        await page.evaluate(() => { location.hash = "#/tokens?kind=api"; });
        await page.getByRole("button", { name: "New token" }).click();
        await page.locator("dialog input[name=name]").fill("from the browser");
        await page.locator("dialog").getByRole("button", { name: "Create" }).click();
        await page.locator("dialog .once code").waitFor();
        const token = await page.locator("dialog .once code").innerText();
        const known = async () => (await fetch(base + "/api/queues", { headers: { Authorization: "Bearer " + token } })).status === 200;
        await until(known, () => "the new token is not known", 1000); // few wrong tokens are let pass
        await page.getByRole("button", { name: "I have it" }).click();
        const row = page.locator("tr", { hasText: "from the browser" });
        same(await row.locator(".status").innerText(), "valid", "its state");
        same(await page.getByText("Last used").count(), 0, "columns of what nobody counts");
        await page.getByRole("button", { name: "Revoke from the browser" }).click();
        await page.locator("dialog").getByRole("button", { name: "Revoke" }).click();
        await untilSql("select revoked_at is not null from ganger.api_tokens where name = 'from the browser'", "t");
    });
    await test("login: no complaint of the browser", async () => same(page.complaints.join("\n"), "", "complaints"));
    await page.context().close();
}

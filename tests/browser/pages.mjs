// SPDX-License-Identifier: MIT
// Pages: each is drawn without a complaint of the browser, readable in both schemes by axe, as wide as a phone, and takes no text for code.
import { openPage, goTo, sql, check, same, axe, test } from "./harness.mjs";

const HOSTILE = '<img src=x onerror="window.hurt=1">';

function jobOf(where) {
    return sql(`select min(id) from ganger.jobs where ${where}`);
}

// Drawn by the same code as another page of the list.
const LIKE_OTHERS = ["failed jobs", "blocked job", "hostile job", "hostile type", "hostile batch"];

async function readable(page) {
    const light = await axe(page);
    check(!light.length, "axe, light: " + light.join("\n  "));
    await page.emulateMedia({ colorScheme: "dark" });
    const dark = await axe(page, ["color-contrast"]);
    check(!dark.length, "axe, dark: " + dark.join("\n  "));
}

/** Every page, with the words that must be on it. */
function pages() {
    const segment = encodeURIComponent;
    return [["overview", "#/", "Completed / min"], ["jobs", "#/jobs", "charge_card"], ["failed jobs", "#/jobs?status=failed", "killed by SIGSEGV"], ["no jobs", "#/jobs?queue=nowhere", "No job matches"],
        ["failed job", "#/jobs/" + jobOf("job_type = 'charge_card' and status = 'failed'"), "What happened"], ["running job", "#/jobs/" + jobOf("job_type = 'export_report'"), "page 41 of 103"],
        ["blocked job", "#/jobs/" + jobOf("pending_reason = 'blocked'"), "Why it is not running"], ["waiting job", "#/jobs/" + jobOf("job_type = 'ask_approval'"), "approval"],
        ["hostile job", "#/jobs/" + jobOf(`job_type = '${HOSTILE}'`), HOSTILE], ["no job", "#/jobs/999999999", "There is no job 999999999"], ["failures", "#/failures", "card of customer"],
        ["queues", "#/queues", "20 at once"], ["job types", "#/types", "send_email"], ["job type", "#/types/send_email", "Run times"], ["hostile type", "#/types/" + segment(HOSTILE), HOSTILE],
        ["schedules", "#/schedules", "nightly report"], ["batches", "#/batches", "import-7"], ["batch", "#/batches/import-7", "Items"], ["hostile batch", "#/batches/" + segment('"><img src=x onerror=window.hurt=1>'), "onerror"],
        ["nodes", "#/nodes", "oak"], ["wait tokens", "#/tokens", "signature"], ["no wait token", "#/tokens?token=nobody's", "There is no such token"], ["API tokens", "#/tokens?kind=api", "API token"], ["doctor", "#/doctor", "Looked at, and well"], ["no page", "#/nowhere", "There is no such page"]];
}

/** All of them, in two tabs. */
export async function testPages(browser) {
    const all = pages();
    await Promise.all([0, 1].map((lane) => testSome(browser, all.filter((one, i) => i % 2 === lane))));
}

async function testSome(browser, some) {
    const page = await openPage(browser, {}, /status of 404.*(999999999|job-types.%3Cimg|nobody)/);
    for (const [name, hash, words] of some) {
        await test("page: " + name, async () => {
            page.complaints.length = 0;
            await page.emulateMedia({ colorScheme: "light" });
            await page.setViewportSize({ width: 1280, height: 860 });
            await goTo(page, hash);
            await page.locator("main").getByText(words).filter({ visible: true }).first().waitFor();
            if (!LIKE_OTHERS.includes(name)) await readable(page);
            await page.setViewportSize({ width: 360, height: 740 });
            await page.waitForFunction(() => document.documentElement.scrollWidth <= 360, null, { timeout: 5000 }).catch(() => {});
            same(await page.evaluate(() => document.documentElement.scrollWidth), 360, "width on a phone");
            check(!(await page.evaluate(() => window.hurt)), "a text was taken for code");
            check(!(await page.$("main img, main script, main iframe, main svg[onload]")), "a text became an element");
            same(page.complaints.join("\n"), "", "complaints of the browser");
        });
    }
    await page.context().close();
}

// SPDX-License-Identifier: MIT
// Harness: a browser, a page that complains of every console error, the database, and checks that say what they wanted.
import { createRequire } from "node:module";
import { execFileSync } from "node:child_process";
import fs from "node:fs";

const require = createRequire(process.env.GANGER_BROWSER_MODULES + "/");
const { chromium } = require("playwright-core");
const axeSource = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
export const base = process.env.GANGER_DASHBOARD_URL;
const WAIT_MS = 20000; // for what takes milliseconds, on a machine that is busy

let failed = 0;
let passed = 0;

/** Starts Chromium. */
export async function openBrowser() {
    return chromium.launch({ executablePath: process.env.CHROMIUM, args: process.getuid() === 0 ? ["--no-sandbox"] : [] });
}

/** A page that keeps what the console complains of in page.complaints; `expected` are those that are not. */
export async function openPage(browser, options = {}, expected = /$^/) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, reducedMotion: "reduce", ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(WAIT_MS);
    page.complaints = [];
    const complain = (text) => { if (!expected.test(text)) page.complaints.push(text); };
    page.on("console", (message) => { if (["error", "warning"].includes(message.type())) complain(message.text() + " " + message.location().url); });
    page.on("pageerror", (error) => complain(String(error.stack || error)));
    return page;
}

/** Goes to a page and waits until it is drawn. @param {string} hash "#/jobs" */
export async function goTo(page, hash) {
    await page.goto("about:blank");
    await page.goto(base + "/" + hash);
    await page.waitForSelector("h1");
    await page.waitForFunction(() => !document.querySelector("[aria-busy=true]"));
}

/** Rows of a statement, as text. */
export function sql(statement) {
    return execFileSync("psql", ["-XqAt", "-v", "ON_ERROR_STOP=1", "-d", process.env.DATABASE_URL, "-c", statement], { encoding: "utf8" }).trim();
}

/** Waits until it is so. @param {() => any} holds @param {() => string} what says what was not @param {number} [everyMs] looks so often */
export async function until(holds, what, everyMs = 100) {
    for (const end = Date.now() + WAIT_MS; !(await holds());) {
        if (Date.now() > end) throw new Error(what());
        await new Promise((done) => setTimeout(done, everyMs));
    }
}

/** Waits until a statement answers so. */
export async function untilSql(statement, wanted) {
    let got;
    await until(() => { got = sql(statement); return got === wanted; }, () => `${statement}\n  is "${got}", not "${wanted}"`);
}

/** Throws when it is not so. */
export function check(condition, what) {
    if (!condition) throw new Error(what);
}

/** Throws when two texts differ. */
export function same(got, wanted, what) {
    if (String(got) !== String(wanted)) throw new Error(`${what}: "${got}", not "${wanted}"`);
}

/** What axe finds serious or critical in what is shown now. @param {string[]} [rules] only these @returns {Promise<string[]>} */
export async function axe(page, rules) {
    await page.evaluate(axeSource);
    const found = await page.evaluate((only) => window.axe.run(document, only ? { runOnly: { type: "rule", values: only } } : {}), rules);
    return found.violations.filter((one) => ["serious", "critical"].includes(one.impact))
        .map((one) => one.id + ": " + one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160) + " " + node.failureSummary.split("\n").slice(1, 2).join(" ")).join(" | "));
}

/** Runs one test. */
export async function test(name, work) {
    const begun = Date.now();
    try {
        await work();
        passed++;
        console.log(`ok: ${name} (${Date.now() - begun} ms)`);
    } catch (error) {
        failed++;
        console.log(`not ok: ${name}\n  ${String(error.stack || error).split("\n").slice(0, 12).join("\n  ")}`);
    }
}

/** Says how it went. @returns {number} the exit code */
export function finish() {
    console.log(`${passed} passed, ${failed} failed`);
    return failed ? 1 : 0;
}

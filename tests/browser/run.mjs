// SPDX-License-Identifier: MIT
// Run: the tests of the pages, in a real browser. tests/system/test_dashboard.sh calls it, "open" without tokens, then "login" with them.
import { openBrowser, finish } from "./harness.mjs";
import { testPages } from "./pages.mjs";
import { testActions } from "./actions.mjs";
import { testFrame, testPhone, testErrors, testLogin } from "./frame.mjs";
import { testParts } from "./parts.mjs";

const browser = await openBrowser();
if (process.argv[2] === "login") {
    await testLogin(browser);
} else {
    await testParts(browser);
    await testPages(browser);
    await Promise.all([testActions(browser), testFrame(browser).then(() => testPhone(browser)).then(() => testErrors(browser))]);
}
await browser.close();
process.exitCode = finish();

// SPDX-License-Identifier: MIT
// Run: is the description sound, has it all routes, and does the server at $GANGER_API_URL keep to it?
import { compareRoutes, createClient, lint, readContract, uncovered } from "./contract.mjs";
import { runCases } from "./cases.mjs";

const source = process.env.GANGER_SOURCE_DIR;
const contract = readContract(`${source}/api/openapi.yaml`);
const mistakes = [...await lint(contract), ...compareRoutes(contract, `${source}/api/route_table.c`)];
if (process.env.GANGER_API_URL) {
    const call = createClient(contract, process.env.GANGER_API_URL, new Set(["GET /health", "GET /ready", "GET /metrics", "GET /api/events"]));
    try {
        await runCases(call);
    } catch (error) {
        mistakes.push(`the cases ended early: ${error.stack}`);
    }
    mistakes.push(...contract.mistakes, ...uncovered(contract));
}
for (const mistake of mistakes) console.error(`not so: ${mistake}`);
const calls = [...contract.operations.values()].reduce((sum, op) => sum + op.calls.length, 0);
console.log(`${contract.operations.size} operations, ${calls} calls, ${mistakes.length} mistakes`);
process.exit(mistakes.length > 0 ? 1 : 0);

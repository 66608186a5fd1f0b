// SPDX-License-Identifier: MIT
// Contract: the description of the API (openapi.yaml), and a client that holds every request and answer to it.
import { createRequire } from "node:module";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const modules = process.env.GANGER_OPENAPI_MODULES ?? path.dirname(fileURLToPath(import.meta.url));
const require = createRequire(path.join(modules, "package.json"));
const Ajv2020 = require("ajv/dist/2020").default;
const addFormats = require("ajv-formats").default;
const YAML = require("yaml");
const { lintFromString, createConfig } = require("@redocly/openapi-core");

const WAIT_MS = 20000;

/** Reads the description and compiles its schemas. @param {string} file */
export function readContract(file) {
    const text = fs.readFileSync(file, "utf8");
    const spec = YAML.parse(text);
    const ajv = new Ajv2020({ strict: false, allErrors: true }); // redocly looks for unknown keywords
    addFormats(ajv);
    ajv.addSchema({ ...spec, $id: "openapi" });
    return { text, spec, ajv, mistakes: [], operations: readOperations(spec) };
}

function resolve(spec, node) {
    return node?.$ref ? node.$ref.slice(2).split("/").reduce((at, key) => at[key], spec) : node;
}

function readOperations(spec) {
    const operations = new Map();
    for (const [template, item] of Object.entries(spec.paths)) {
        for (const method of ["get", "post", "put", "patch", "delete"].filter((one) => item[one])) {
            const operation = item[method];
            const parameters = [...(item.parameters ?? []), ...(operation.parameters ?? [])].map((one) => resolve(spec, one));
            const key = `${method.toUpperCase()} ${template}`;
            operations.set(key, {
                key, method: method.toUpperCase(), template, operation, calls: [],
                pointer: `openapi#/paths/${template.replace(/~/g, "~0").replace(/\//g, "~1")}/${method}`,
                query: parameters.filter((one) => one.in === "query").map((one) => one.name),
            });
        }
    }
    return operations;
}

/** What redocly's recommended rules find. */
export async function lint(contract) {
    // In /api/jobs/{id}/... the id is a number: nothing else is taken for it. /health refuses nobody.
    const config = await createConfig({ extends: ["recommended"], rules: { "no-ambiguous-paths": "off", "operation-4xx-response": "off" } });
    const found = await lintFromString({ source: contract.text, absoluteRef: "openapi.yaml", config });
    return found.map((one) => `${one.severity}: ${one.ruleId}: ${one.message} at ${one.location[0]?.pointer}`);
}

/** Routes of the table in C that the description lacks, and the other way round. @param {string} file api/route_table.c */
export function compareRoutes(contract, file) {
    const table = new Set();
    const scopes = new Map();
    for (const [, method, pattern, , scope] of fs.readFileSync(file, "utf8").matchAll(/\{"([A-Z]+)", "([^"]+)", (\w+), SCOPE_(\w+)/g)) {
        if (pattern !== "/" && pattern.endsWith("/")) continue; // a slash at the end changes nothing
        table.add(`${method} ${pattern}`);
        scopes.set(`${method} ${pattern}`, scope.toLowerCase());
    }
    if (table.size < 50) throw new Error(`${file} has ${table.size} routes that can be read`);
    const mistakes = [];
    for (const key of table) {
        const operation = contract.operations.get(key)?.operation;
        if (!operation) {
            mistakes.push(`${key} is in the table, and not described`);
            continue;
        }
        const scope = operation.security?.[0]?.token?.[0] ?? "none";
        if (scope !== scopes.get(key)) mistakes.push(`${key}: its scope is ${scope}, in the table it is ${scopes.get(key)}`);
    }
    for (const key of contract.operations.keys()) {
        if (!table.has(key)) mistakes.push(`${key} is described, and not in the table`);
    }
    return mistakes;
}

function validate(contract, pointer, value, what) {
    const check = contract.ajv.getSchema(pointer);
    if (!check) {
        contract.mistakes.push(`${what}: no schema at ${pointer}`);
    } else if (!check(value)) {
        const errors = check.errors.slice(0, 4).map((one) => `${one.instancePath || "/"} ${one.message} ${JSON.stringify(one.params)}`);
        contract.mistakes.push(`${what}: ${errors.join("; ")}`);
    }
}

function mediaPointer(contract, op, status, type) {
    const response = op.operation.responses[status];
    if (!response) return null;
    const inline = `${op.pointer}/responses/${status}`;
    const base = response.$ref ? `openapi${response.$ref}` : inline;
    const content = resolve(contract.spec, response).content ?? {};
    return content[type] ? `${base}/content/${type.replace("/", "~1")}/schema` : null;
}

function checkAnswer(contract, op, answer, what) {
    const documented = op.operation.responses[answer.status];
    if (!documented) {
        contract.mistakes.push(`${what}: status ${answer.status} is not described: ${answer.text.slice(0, 300)}`);
        return;
    }
    const content = resolve(contract.spec, documented).content;
    const type = answer.type.split(";")[0];
    if (!content) {
        if (answer.text !== "") contract.mistakes.push(`${what}: ${answer.status} has a body, none is described`);
        return;
    }
    const pointer = mediaPointer(contract, op, answer.status, type);
    if (!pointer) {
        contract.mistakes.push(`${what}: ${answer.status} is ${type}, described is ${Object.keys(content)}`);
    } else if (type.endsWith("json")) {
        validate(contract, pointer, answer.json, `${what}: answer ${answer.status}`);
    }
}

function checkRequest(contract, op, request, what) {
    for (const name of Object.keys(request.query ?? {})) {
        if (!op.query.includes(name)) contract.mistakes.push(`${what}: query parameter ${name} is not described`);
    }
    if (request.body !== undefined) {
        validate(contract, `${op.pointer}/requestBody/content/application~1json/schema`, request.body, `${what}: request`);
    }
}

/**
 * A client of the server at `base` whose requests and answers must be those of the description. The first success of each operation but
 * those in `plain` is followed by what it must refuse.
 */
export function createClient(contract, base, plain) {
    return async function call(key, request = {}, wanted = 200) {
        const op = contract.operations.get(key);
        if (!op) throw new Error(`${key} is not described`);
        let url = base + op.template.replace(/\{(\w+)\}/g, (_, name) => {
            if (request.path?.[name] === undefined) throw new Error(`${key} needs ${name}`);
            return encodeURIComponent(request.path[name]);
        });
        if (request.query) url += `?${new URLSearchParams(request.query)}`;
        const init = { method: op.method, headers: { ...request.headers }, signal: AbortSignal.timeout(WAIT_MS) };
        if (request.body !== undefined || request.text !== undefined) {
            init.headers["Content-Type"] ??= "application/json";
            init.body = request.text ?? JSON.stringify(request.body);
        }
        const response = await fetch(url, init);
        const answer = { status: response.status, type: response.headers.get("content-type") ?? "", headers: response.headers, text: "" };
        if (answer.type.startsWith("text/event-stream")) {
            await response.body.cancel();
        } else {
            answer.text = await response.text();
        }
        const what = `${key}${request.query ? ` ${JSON.stringify(request.query)}` : ""}`;
        try {
            answer.json = /json/.test(answer.type) ? JSON.parse(answer.text) : undefined;
        } catch (error) {
            contract.mistakes.push(`${what}: ${answer.status} is no JSON: ${answer.text.slice(0, 200)}`);
            return answer.json;
        }
        if (answer.status !== wanted) contract.mistakes.push(`${what}: ${answer.status}, not ${wanted}: ${answer.text.slice(0, 400)}`);
        if (wanted < 400) checkRequest(contract, op, request, what);
        checkAnswer(contract, op, answer, what);
        const isFirst = answer.status < 400 && !op.calls.some((one) => one.status < 400);
        op.calls.push({ status: answer.status, wanted });
        if (isFirst && !plain.has(key)) await probeNames(contract, call, op, request);
        if (process.env.SHOW) console.log(`--- ${what} ${answer.status} ${answer.text.slice(0, Number(process.env.SHOW))}`);
        return answer.json ?? answer;
    };
}

/** The names a refusal lists: "There are a, b." "Keys are a, b." */
function listed(problem) {
    if (/^There is none/.test(problem?.hint ?? "")) return [];
    return /^(?:There are|Keys are) (.*)\.$/.exec(problem?.hint ?? "")?.[1].split(", ");
}

function compareNames(contract, what, described, problem) {
    const known = listed(problem)?.filter((name) => name !== "progress");
    if (!known) {
        contract.mistakes.push(`${what}: the refusal names no keys: ${JSON.stringify(problem)}`);
        return;
    }
    const lacking = known.filter((name) => !described.includes(name));
    const odd = described.filter((name) => !known.includes(name));
    if (lacking.length > 0) contract.mistakes.push(`${what}: not described: ${lacking}`);
    if (odd.length > 0) contract.mistakes.push(`${what}: described, not known to the server: ${odd}`);
}

function bodyNames(contract, op) {
    let schema = op.operation.requestBody?.content["application/json"].schema;
    schema = resolve(contract.spec, schema);
    const isAlias = (one) => resolve(contract.spec, one).description?.startsWith("Another name of");
    return schema?.properties ? Object.keys(schema.properties).filter((name) => !isAlias(schema.properties[name])) : null;
}

/** Sends an operation something it cannot know, and compares the names in its refusal with those described. */
async function probeNames(contract, call, op, good) {
    const { path: names, body } = good;
    const bad = { path: names, query: { no_such_parameter: "1" } };
    if (op.method !== "GET" && body !== undefined) bad.body = body;
    compareNames(contract, `${op.key}: query`, op.query, await call(op.key, bad, 400));
    const keys = bodyNames(contract, op);
    if (keys) compareNames(contract, `${op.key}: body`, keys, await call(op.key, { path: names, body: { no_such_key: 1 } }, 400));
}

/** Operations that were not called with success, or never with an error though one is described. */
export function uncovered(contract) {
    const mistakes = [];
    for (const op of contract.operations.values()) {
        if (!op.calls.some((one) => one.status === one.wanted && one.status < 400)) mistakes.push(`${op.key} was never called with success`);
        const hasError = ["400", "404", "409"].some((status) => op.operation.responses[status]);
        if (hasError && !op.calls.some((one) => one.status === one.wanted && one.status >= 400)) mistakes.push(`${op.key} was never called with an error`);
    }
    return mistakes;
}

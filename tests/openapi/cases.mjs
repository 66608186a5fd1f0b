// SPDX-License-Identifier: MIT
// Cases: every operation of the API, in an order in which each finds what it needs.

const until = async (what, done) => {
    const end = Date.now() + 20000;
    while (!(await done())) {
        if (Date.now() > end) throw new Error(`never: ${what}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
};

async function jobs(call) {
    const job = await call("POST /api/jobs", {
        body: {
            job_type: "echo", payload: { n: 1 }, priority: 5, max_attempts: 2, timeout: "30s", kill_grace: "5s", retry_delay: "1 min", retry_backoff: true,
            retry_delay_max: "1 h", tags: ["a", "b"], unique_key: "u1", unique_for: "1 h", on_conflict: "ignore", owner: "shop", metadata: { from: "test" },
        },
        query: { wait: "10s" },
    }, 201);
    const path = { id: job.id };
    await call("POST /api/jobs", { body: { job_type: "echo", request_data: { n: 2 } }, headers: { "Idempotency-Key": "k1" } }, 201);
    await call("POST /api/jobs", { body: { job_type: "echo", request_data: { n: 2 } }, headers: { "Idempotency-Key": "k1" } }, 200);
    await call("POST /api/jobs", { body: { job_type: "echo", priority: 99999 } }, 400);
    await call("POST /api/jobs", { text: "{" }, 400);
    await call("POST /api/jobs", { text: "{}", headers: { "Content-Type": "text/plain" } }, 415);
    const bulk = await call("POST /api/jobs/bulk", { body: [{ job_type: "echo" }, { job_type: "echo", depends_on: [-1] }] }, 201);
    await call("POST /api/jobs/bulk", { body: [{ job_type: "" }] }, 400);
    await call("GET /api/jobs", {
        query: { status: "completed,pending", job_type: "echo", queue: "default", owner: "shop", tag: "a", priority: "5", search: '{"n": 1}',
            created_after: "2020-01-01T00:00:00Z", limit: "10", total: "true" },
    });
    await call("GET /api/jobs", { query: { limit: "1" } });
    await call("GET /api/jobs", { query: { limit: "0" } }, 400);
    await call("GET /api/jobs/count", { query: { job_type: "echo" } });
    await until("the jobs have ended", async () => (await call("GET /api/jobs/{id}", { path: { id: bulk.ids[1] } })).status === "completed");
    await call("GET /api/jobs/{id}", { path, query: { wait: "1s" } });
    await call("GET /api/jobs/{id}", { path: { id: 999999999 } }, 404);
    for (const part of ["events", "attempts", "explain", "progress", "steps", "dependencies"]) {
        await call(`GET /api/jobs/{id}/${part}`, { path });
        await call(`GET /api/jobs/{id}/${part}`, { path: { id: 999999999 } }, 404);
    }
    await call("GET /api/jobs/{id}/dependencies", { path: { id: bulk.ids[1] } });
    await call("GET /api/jobs/{id}/log", { path, query: { attempt: "1" } });
    await call("GET /api/jobs/{id}/log", { path: { id: 999999999 } }, 404);
    await call("GET /api/jobs/stats");
    await call("GET /api/jobs/stats/{job_type}", { path: { job_type: "echo" } });

    const later = { job_type: "echo", run_at: "2099-01-01T00:00:00Z", queue: "later" };
    const put = await call("POST /api/jobs", { body: later }, 201);
    await call("PUT /api/jobs/{id}", { path: { id: put.id }, body: { priority: 7 } });
    await call("PATCH /api/jobs/{id}", { path: { id: put.id }, body: { payload: { a: 1 }, tags: ["x"] } });
    await call("PATCH /api/jobs/{id}", { path: { id: put.id }, body: { priority: 8 }, headers: { "If-Match": '"other"' } }, 412);
    await call("PATCH /api/jobs/{id}", { path, body: { priority: 8 } }, 409);
    await call("DELETE /api/jobs/{id}", { path: { id: put.id } }, 409);
    await call("POST /api/jobs/{id}/cancel", { path: { id: put.id } });
    await call("POST /api/jobs/{id}/cancel", { path }, 409);
    await call("POST /api/jobs/{id}/retry", { path: { id: put.id } });
    await call("POST /api/jobs/{id}/retry", { path: { id: put.id } }, 409);
    await call("POST /api/jobs/edit", { body: { filter: { queue: "later" }, changes: { run_at: "2099-01-02T00:00:00Z" } } });
    await call("POST /api/jobs/edit", { body: { filter: { queue: "later" } } }, 400);
    await call("POST /api/jobs/cancel", { body: { filter: { queue: "later" } } });
    await call("POST /api/jobs/cancel", { body: {} }, 400);
    await call("POST /api/jobs/retry", { body: { filter: { queue: "later", status: "cancelled" } } });
    await call("POST /api/jobs/retry", { body: { filter: { no: 1 } } }, 400);
    await call("POST /api/jobs/cancel", { body: { filter: { queue: "later" } } });
    await call("POST /api/jobs/delete", { body: { filter: { queue: "later" } } });
    await call("POST /api/jobs/delete", { body: {} }, 400);
    const gone = await call("POST /api/jobs", { body: { ...later, queue: "gone" } }, 201);
    await call("POST /api/jobs/{id}/cancel", { path: { id: gone.id } });
    await call("DELETE /api/jobs/{id}", { path: { id: gone.id } }, 204);
    await call("DELETE /api/jobs/{id}", { path: { id: gone.id } }, 404);
}

async function work(call) {
    let count = 0;
    const claim = async (options = {}) => { // from a queue of its own, in which there is no other job
        const queue = `outside ${++count}`;
        await call("POST /api/jobs", { body: { job_type: "outside", queue, max_attempts: 3, retry_delay: "0s", ...options } }, 201);
        let one;
        await until("a job to claim", async () => {
            [one] = await call("POST /api/claim", { body: { worker: "w1", queues: [queue], job_types: ["outside"], max_jobs: 1, lease: "1 min" } });
            return one;
        });
        return { path: { id: one.id }, lease_id: one.lease_id };
    };
    await call("POST /api/claim", { body: { worker: "w1", queues: ["nothing"] } });
    await call("POST /api/claim", { body: { worker: "w1", max_jobs: 0 } }, 400);
    const { path, lease_id } = await claim({ timeout: "1 h", group_key: "g", tags: ["t"], metadata: {} });
    const report = (what, body, at = path) => call(`POST /api/jobs/{id}/${what}`, { path: at, body: { lease_id, ...body } });
    await report("heartbeat", { extend: "2 min" });
    await report("progress", { percent: 50, message: "half", stage: "one" });
    await report("output", { output: { half: true } });
    await report("log", { line: "a line" });
    await call("PUT /api/jobs/{id}/steps/{step}", { path: { ...path, step: "one" }, body: { lease_id, result: 7 } });
    await call("GET /api/jobs/{id}/steps/{step}", { path: { ...path, step: "one" }, query: { lease_id } });
    await call("GET /api/jobs/{id}/steps/{step}", { path: { ...path, step: "two" }, query: { lease_id } }, 404);
    await call("GET /api/jobs/{id}/progress", { path });
    await report("complete", { output: { n: 1 } });
    const stale = { lease_id: "00000000-0000-4000-8000-000000000000" };
    for (const [what, more] of Object.entries({ complete: {}, fail: { error: "e" }, discard: { error: "e" }, snooze: { delay: "1s" }, release: {}, heartbeat: {},
        progress: { percent: 1 }, output: { output: 1 }, log: { line: "l" }, wait: { duration: "1s" } })) {
        await call(`POST /api/jobs/{id}/${what}`, { path, body: { ...stale, ...more } }, 409);
    }
    await call("PUT /api/jobs/{id}/steps/{step}", { path: { ...path, step: "one" }, body: { ...stale, result: 7 } }, 409);
    for (const [what, more] of [["fail", { error: "it broke", retryable: false }], ["discard", { error: "no" }], ["snooze", { delay: "1 h" }], ["release", {}]]) {
        const one = await claim();
        await call(`POST /api/jobs/{id}/${what}`, { path: one.path, body: { lease_id: one.lease_id, ...more } });
    }
    let one = await claim();
    await call("POST /api/jobs/{id}/wait", { path: one.path, body: { lease_id: one.lease_id, duration: "1 h" } });
    one = await claim();
    const token = await call("POST /api/tokens", { body: { timeout: "1 h", tags: ["t"], job_id: one.path.id } }, 201);
    await call("POST /api/jobs/{id}/wait", { path: one.path, body: { lease_id: one.lease_id, token: token.token } });
    await call("GET /api/tokens", { query: { status: "waiting", job_id: String(one.path.id), limit: "10" } });
    await call("GET /api/tokens/{token}", { path: { token: token.token } });
    await call("GET /api/tokens/{token}", { path: { token: "tok_none" } }, 404);
    await call("POST /api/tokens/{token}/complete", { path: { token: token.token }, body: { data: { yes: true } } });
    await call("POST /api/tokens/{token}/complete", { path: { token: token.token }, body: {} }, 409);
    const letter = await claim({ dead_letter_job_type: "letter", max_attempts: 1 });
    await call("POST /api/jobs/{id}/fail", { path: letter.path, body: { lease_id: letter.lease_id, error: "dead", retryable: false } });
    let dead;
    await until("a dead letter", async () => {
        dead = (await call("GET /api/jobs/{id}", { path: letter.path })).dead_letter_job_id;
        return dead;
    });
    await call("POST /api/jobs/{id}/redrive", { path: { id: dead } }, 201);
    await call("POST /api/jobs/{id}/redrive", { path }, 400);
}

async function places(call) {
    await call("GET /api/queues");
    const queue = { queue: "outside" };
    await call("PUT /api/queues/{queue}", { path: queue, body: { concurrency: 5, group_concurrency: 1, rate: 10, rate_period: "1 min", retention: "7 days" } });
    await call("PATCH /api/queues/{queue}", { path: queue, body: { concurrency: null } });
    await call("PUT /api/queues/{queue}", { path: queue, body: { rate: -1 } }, 400);
    await call("GET /api/queues/{queue}", { path: queue });
    await call("GET /api/queues/{queue}", { path: { queue: "no such queue" } }, 404);
    await call("POST /api/queues/{queue}/pause", { path: queue });
    await call("POST /api/queues/{queue}/resume", { path: queue });
    await call("GET /api/job-types");
    const type = { job_type: "echo" };
    await call("PUT /api/job-types/{job_type}", { path: type, body: { concurrency: 50, timeout: "1 h", max_crashes: 3 } });
    await call("PATCH /api/job-types/{job_type}", { path: type, body: { max_crashes: 4 } });
    await call("POST /api/job-types/{job_type}/pause", { path: type });
    await call("POST /api/job-types/{job_type}/resume", { path: type });
    await call("GET /api/job-types/{job_type}/durations", { path: type });
    await call("GET /api/job-types/{job_type}/durations", { path: { job_type: "no such type" } }, 404);
    await call("PUT /api/groups/{group_key}", { path: { group_key: "g" }, body: { concurrency: 2, rate: 10, rate_period: "1 min" } });
    await call("PATCH /api/groups/{group_key}", { path: { group_key: "g" }, body: { concurrency: 3 } });
    await call("GET /api/groups");
}

async function plans(call) {
    const path = { name: "nightly" };
    await call("POST /api/schedules", {
        body: { name: "nightly", cron: "0 3 * * *", job_type: "echo", payload: { a: 1 }, timezone: "Europe/Berlin", overlap: "skip", catch_up: "none", options: { queue: "later" } },
    }, 201);
    await call("POST /api/schedules", { body: { name: "nightly", cron: "0 3 * * *", job_type: "echo" } }, 409);
    await call("POST /api/schedules", { body: { name: "bad", cron: "x", job_type: "echo" } }, 400);
    await call("GET /api/schedules", { query: { next: "2" } });
    await call("GET /api/schedules/{name}", { path });
    await call("GET /api/schedules/{name}", { path: { name: "none" } }, 404);
    await call("PUT /api/schedules/{name}", { path, body: { cron: "@daily" } });
    await call("PATCH /api/schedules/{name}", { path, body: { payload: { a: 2 } } });
    await call("POST /api/schedules/{name}/pause", { path });
    await call("POST /api/schedules/{name}/resume", { path });
    await call("POST /api/schedules/{name}/run", { path }, 201);
    await call("GET /api/cron", { query: { cron: "*/5 * * * *", timezone: "UTC", next: "3" } });
    await call("GET /api/cron", { query: { cron: "x" } }, 400);

    const batch = { batch: "b1" };
    const items = [{ payload: { n: 1 } }, { payload: { n: 2 } }];
    await call("POST /api/batches", { body: { id: "b1", job_type: "echo", items, concurrency: 1, max_attempts: 2, retry_delay: "1s", options: { queue: "later" } } }, 201);
    await call("POST /api/batches", { body: { id: "b1", job_type: "echo", items } }, 409);
    await call("GET /api/batches", { query: { status: "pending", limit: "5" } });
    await call("GET /api/batches/stats");
    await call("GET /api/batches/{batch}", { path: batch });
    await call("GET /api/batches/{batch}", { path: { batch: "none" } }, 404);
    for (const what of ["start", "pause", "resume", "cancel"]) await call(`POST /api/batches/{batch}/${what}`, { path: batch });
    const ended = (name) => until(`the end of batch ${name}`, async () => (await call("GET /api/batches/{batch}", { path: { batch: name } })).finished_at);
    await ended("b1");
    await call("POST /api/batches/{batch}/clear", { path: batch }, 204);
    await call("POST /api/batches", { body: { id: "b2", job_type: "echo", items, on_finish: { job_type: "echo" } } }, 201);
    await call("DELETE /api/batches/{batch}", { path: { batch: "b2" } }, 409);
    await call("POST /api/batches/{batch}/cancel", { path: { batch: "b2" } });
    await ended("b2");
    await call("DELETE /api/batches/{batch}", { path: { batch: "b2" } }, 204);
    await call("POST /api/batches/{batch}/start", { path: { batch: "b2" } }, 404);
    await call("DELETE /api/schedules/{name}", { path }, 204);
    await call("DELETE /api/schedules/{name}", { path }, 404);
}

async function state(call) {
    await call("GET /health");
    await call("GET /ready");
    await call("GET /metrics");
    await call("GET /api/events", { query: { queue: "default" } });
    await call("GET /api/events", { query: { job: "x" } }, 400);
    await call("GET /api/events", { query: { jobs: "1" } }, 400);
    await call("GET /api/nodes", { query: { all: "true" } });
    const { workers } = await call("GET /api/workers", { query: { all: "true" } });
    await call("GET /api/doctor");
    await call("GET /api/overview");
    await call("GET /api/overview/job-types");
    await call("GET /api/throughput", { query: { since: "1h", by_type: "true" } });
    await call("GET /api/throughput", { query: { since: "1h", step: "1 min", job_type: "echo" } });
    await call("GET /api/throughput", { query: { since: "x" } }, 400);
    await call("GET /api/failures", { query: { since: "1h", limit: "5" } });
    await call("GET /api/failures", { query: { since: "x" } }, 400);
    await call("POST /api/workers/{id}/kill", { path: { id: workers.find((one) => one.ended_at === null).id } }, 202);
    await call("POST /api/workers/{id}/kill", { path: { id: 999999999 } }, 404);
    const made = await call("POST /api/api-tokens", { body: { name: "ci", scopes: ["read", "enqueue"], owner: "shop", queues: ["mail"], expires_in: "1 day" } }, 201);
    await call("POST /api/api-tokens", { body: { name: "bad", scopes: ["none"] } }, 400);
    await call("GET /api/api-tokens");
    await call("DELETE /api/api-tokens/{id}", { path: { id: made.id } }, 204);
    await call("DELETE /api/api-tokens/{id}", { path: { id: 999999999 } }, 404);
    const other = await call("POST /api/v1/collections/jobs", { body: { type: "echo", metadata: { a: 1 } } }, 201);
    await call("GET /api/v1/collections/jobs", { query: { limit: "5" } });
    await call("GET /api/v1/collections/jobs/{id}", { path: { id: other.id } });
    await call("GET /api/v1/collections/jobs/{id}", { path: { id: 999999999 } }, 404);
}

/** All of them. */
export async function runCases(call) {
    for (const part of [jobs, work, places, plans, state]) await part(call);
}

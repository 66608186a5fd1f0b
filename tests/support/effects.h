// SPDX-License-Identifier: MIT
// Effects: jobs that leave a row of journal_effect in the transaction of their completion, and the messages by which they do so.
#ifndef TESTS_SUPPORT_EFFECTS_H
#define TESTS_SUPPORT_EFFECTS_H

#include <stdbool.h>

#include "tests/support/daemon.h"
#include "tests/support/fault_proxy.h"

// A step of a job's way, known by the statement that begins it.
typedef struct EffectStep {
    const char *name;
    const char *job_type;
    FaultProxyMatch from;
    FaultProxyMatch done; // the server's word that all of it is committed
    bool may_be_empty;    // there may be one before, which has less messages
} EffectStep;

enum { EFFECT_STEPS = 4 };

static const EffectStep effect_steps[EFFECT_STEPS] = {
    {"claim",
     "journal_tx",
     {FAULT_PROXY_CLIENT, "PB", "ganger_claim_jobs"},
     FAULT_PROXY_READY,
     true},
    {"plugin: begin, its SQL, complete, COMMIT",
     "journal_tx",
     {FAULT_PROXY_CLIENT, "Q", "BEGIN"},
     FAULT_PROXY_COMMITTED,
     false},
    {"function",
     "by_function",
     {FAULT_PROXY_CLIENT, "B", "ganger_run_sql_handler"},
     FAULT_PROXY_READY,
     false},
    {"program, function",
     "by_program",
     {FAULT_PROXY_CLIENT, "B", "ganger_apply_output"},
     FAULT_PROXY_READY,
     false},
};

// The section `handlers` of these jobs, beside the plugin's.
#define EFFECT_HANDLERS                                                                            \
    "by_function: {sql: public.by_function}, by_program: {exec: [/bin/sh, -c, "                    \
    "'echo \"{\\\"attempt\\\": $GANGER_ATTEMPT}\"'], apply: public.by_program}"

// The table and the functions. With "fail_until" in the payload the functions fail, too, after their row is written.
static inline void effects_make(SystemTest *test)
{
    test_db_run(test->conn, "create table journal_effect (job_id bigint, attempt int)");
    test_db_run(test->conn,
                "create function fails(payload jsonb, attempt int) returns jsonb language plpgsql "
                "as $$ begin if attempt < (payload ->> 'fail_until')::int then raise 'told to "
                "fail'; end if; return '1'; end $$");
    test_db_run(test->conn,
                "create function by_function(payload jsonb, job ganger.jobs) returns jsonb "
                "language sql as $$ insert into public.journal_effect values (job.id, "
                "job.attempts); select public.fails(payload, job.attempts) $$");
    test_db_run(test->conn,
                "create function by_program(output jsonb, job ganger.jobs) returns void language "
                "sql as $$ insert into public.journal_effect values (job.id, (output ->> "
                "'attempt')::int); select public.fails(job.payload, job.attempts) $$");
}

#endif

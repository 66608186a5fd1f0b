// SPDX-License-Identifier: MIT
// The mix of jobs: see the header.
#include "tests/chaos/job_mix.h"

#include <inttypes.h>
#include <stdio.h>

static const char SET_UP[] =
    "create schema chaos;"
    "create table journal_effect (job_id bigint, attempt int);"
    "create table chaos.placed (op text);"
    "create table chaos.tick (name text, first_at timestamptz, next_at timestamptz);"
    // an SQL handler: its effect, its output and its completion are one transaction
    "create function chaos.effect(payload jsonb, job ganger.jobs) returns jsonb language plpgsql "
    "as $$ begin"
    "  insert into journal_effect values (job.id, job.attempts);"
    "  if job.attempts < (payload ->> 'fail_until')::int then raise exception 'told to fail'; end "
    "if;"
    "  return jsonb_build_object('id', job.id); end $$;"
    "select ganger.set_queue('narrow', 3);"
    "select ganger.set_group_limit('g' || g, g) from generate_series(1, 3) g;";

const char *job_mix_set_up(void)
{
    return SET_UP;
}

char *job_mix_handlers(const char *plugins)
{
    return mem_printf("journal_exec: {exec: [%s/journal_program]}, chaos_sql: {sql: chaos.effect}",
                      plugins);
}

static int below(const MixSource *source, int limit)
{
    return chaos_random_below(source->random, limit);
}

// What the handler does in the end: mostly it returns. Returns how many attempts are enough: who hangs does so each time.
static int add_fate(const MixSource *source, int attempts, StrBuf *payload, StrBuf *options)
{
    int fate = below(source, 1000);
    if (fate < 100) {
        strbuf_printf(payload, ", \"fail_until\": %d", 2 + below(source, 2));
    } else if (fate < 112) {
        strbuf_append(payload, ", \"crash_until\": 2");
    } else if (fate < 124) {
        strbuf_printf(payload, ", \"tick\": 15, \"deaf\": %d", below(source, 2));
        strbuf_printf(options, ", timeout => '%d ms', kill_grace => '60 ms'",
                      50 + below(source, 150));
        return attempts < 2 ? attempts : 2;
    } else if (fate < 139) {
        strbuf_append(payload, ", \"orphan\": 3000");
    }
    return attempts;
}

// The time it takes; one that is stopped takes its whole timeout.
static int pick_ms(const MixSource *source, const StrBuf *options)
{
    if (options->length > 0) {
        return 5000;
    }
    return below(source, 100) < 3 ? 200 + below(source, 600) : below(source, 12);
}

static void add_payload(const MixSource *source, StrBuf *sql, int ms, const char *more)
{
    strbuf_printf(sql, "{\"file\": \"%s\", \"op\": \"%d.%d\", \"ms\": %d%s}", source->journal,
                  source->producer, source->number, ms, more != NULL ? more : "");
}

// select ganger.enqueue(...) of a job of this type.
static void add_enqueue(const MixSource *source, StrBuf *sql, const char *type, int attempts,
                        const char *more)
{
    StrBuf payload = {0};
    StrBuf options = {0};
    strbuf_append(&payload, "");
    strbuf_append(&options, "");
    attempts = add_fate(source, attempts, &payload, &options);
    int ms = pick_ms(source, &options);
    strbuf_printf(sql, "select ganger.enqueue('%s', '", type);
    add_payload(source, sql, ms, payload.text);
    strbuf_printf(sql,
                  "', priority => %d, max_attempts => %d, retry_delay => '%d ms', retry_backoff "
                  "=> false%s%s)",
                  below(source, 3), attempts, 10 + below(source, 50), options.text, more);
    strbuf_free(&payload);
    strbuf_free(&options);
}

static void make_plain(const MixSource *source, MixedCall *call)
{
    bool is_short = below(source, 8) == 0; // of attempts
    add_enqueue(source, &call->sql, "journal", is_short ? 1 + below(source, 2) : 40, "");
}

static void make_transactional(const MixSource *source, MixedCall *call)
{
    add_enqueue(source, &call->sql, "journal_tx", 40, "");
}

static void make_program(const MixSource *source, MixedCall *call)
{
    add_enqueue(source, &call->sql, "journal_exec", 40, "");
}

static void make_sql(const MixSource *source, MixedCall *call)
{
    add_enqueue(source, &call->sql, "chaos_sql", 40, "");
}

// Producers share these keys: two and more calls have each.
static void make_keyed(const MixSource *source, MixedCall *call)
{
    char more[96];
    (void)snprintf(call->key, sizeof call->key, "k%d", source->number / 8);
    (void)snprintf(more, sizeof more, ", idempotency_key => '%s'", call->key);
    add_enqueue(source, &call->sql, "journal", 40, more);
}

static void make_unique(const MixSource *source, MixedCall *call)
{
    char more[96];
    (void)snprintf(more, sizeof more, ", unique_key => 'u%d'", below(source, 5));
    add_enqueue(source, &call->sql, "journal", 40, more);
}

static void make_delayed(const MixSource *source, MixedCall *call)
{
    char more[96];
    (void)snprintf(more, sizeof more, ", run_at => clock_timestamp() + interval '%d ms'",
                   below(source, 2500));
    add_enqueue(source, &call->sql, "journal", 40, more);
}

static void make_grouped(const MixSource *source, MixedCall *call)
{
    char more[96];
    (void)snprintf(more, sizeof more, ", group_key => 'g%d'", 1 + below(source, MIX_GROUPS));
    add_enqueue(source, &call->sql, "journal", 40, more);
}

static void make_narrow(const MixSource *source, MixedCall *call)
{
    add_enqueue(source, &call->sql, "journal", 40, ", queue => 'narrow'");
}

// The caller's own row, and the job: both, or neither.
static void make_order(const MixSource *source, MixedCall *call)
{
    call->kind = "order";
    strbuf_printf(&call->sql, "with o as (insert into chaos.placed values ('%d.%d')) ",
                  source->producer, source->number);
    add_enqueue(source, &call->sql, "journal", 40, "");
}

static void make_many(const MixSource *source, MixedCall *call)
{
    call->kind = "many";
    call->count = 5 + below(source, 16);
    strbuf_append(&call->sql, "select ganger.enqueue_many('[");
    for (int i = 0; i < call->count; i++) {
        strbuf_printf(&call->sql,
                      "%s{\"job_type\": \"journal\", \"max_attempts\": 40, \"retry_delay\": \"20 "
                      "ms\", \"retry_backoff\": false, \"payload\": ",
                      i > 0 ? ", " : "");
        add_payload(source, &call->sql, below(source, 10),
                    below(source, 10) == 0 ? ", \"fail_until\": 2" : NULL);
        strbuf_append(&call->sql, "}");
    }
    strbuf_append(&call->sql, "]')");
}

static void make_batch(const MixSource *source, MixedCall *call)
{
    call->kind = "batch";
    call->count = 5 + below(source, 16);
    (void)snprintf(call->key, sizeof call->key, "b%d.%d", source->producer, source->number);
    strbuf_printf(&call->sql, "select ganger.start_batch(ganger.create_batch('%s', 'journal', '[",
                  call->key);
    for (int i = 0; i < call->count; i++) {
        strbuf_append(&call->sql, i > 0 ? ", " : "");
        add_payload(source, &call->sql, below(source, 10), NULL);
    }
    strbuf_printf(&call->sql, "]', %d, 40, '20 ms'))", MIX_BATCH_CONCURRENCY);
}

static void make_undone(const MixSource *source, MixedCall *call)
{
    call->is_undone = true;
    add_enqueue(source, &call->sql, "journal", 40, "");
}

static void make_refused(const MixSource *source, MixedCall *call)
{
    call->expected_sqlstate = "22003";
    add_enqueue(source, &call->sql, "journal", 0, "");
}

static void make_cancel(const MixSource *source, MixedCall *call)
{
    call->kind = "cancel";
    call->count = 0;
    strbuf_printf(&call->sql, "select ganger.cancel(%" PRId64 ")", source->recent_id);
}

static void make_retry(const MixSource *source, MixedCall *call)
{
    call->kind = "retry";
    call->count = 0;
    strbuf_printf(&call->sql, "select ganger.retry(%" PRId64 ")", source->recent_id);
}

typedef struct Share {
    int weight; // of 1000
    bool needs_job;
    void (*make)(const MixSource *source, MixedCall *call);
} Share;

static const Share shares[] = {
    {330, false, make_plain},  {130, false, make_transactional}, {40, false, make_program},
    {70, false, make_sql},     {110, false, make_keyed},         {40, false, make_unique},
    {70, false, make_delayed}, {70, false, make_grouped},        {30, false, make_narrow},
    {30, false, make_order},   {10, false, make_many},           {4, false, make_batch},
    {16, false, make_undone},  {10, false, make_refused},        {30, true, make_cancel},
    {10, true, make_retry},
};
enum { SHARE_COUNT = sizeof shares / sizeof shares[0] };

void job_mix_next(const MixSource *source, MixedCall *call)
{
    int pick = below(source, 1000);
    int which = 0;
    while (which < SHARE_COUNT - 1 && pick >= shares[which].weight) {
        pick -= shares[which].weight;
        which++;
    }
    if (shares[which].needs_job && source->recent_id == 0) {
        which = 0;
    }
    *call = (MixedCall){.kind = "enqueue", .count = 1};
    shares[which].make(source, call);
}

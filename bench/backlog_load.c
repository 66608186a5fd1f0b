// SPDX-License-Identifier: MIT
// Backlog load: see the header.
#include "bench/backlog_load.h"

#include <stdio.h>

#include "bench/bench.h"
#include "bench/helper.h"
#include "bench/sql.h"

enum { LOADERS = 2, BULK = 50000 };

// Copies every column there is of the row, but those that are a job's own: so it need not know them.
static const char clone_text[] =
    "create table bench_prerequisite as"
    " select row_number() over () - 1 as n, e.id from ganger.enqueue_many((select jsonb_agg("
    "  jsonb_build_object('job_type', 'noop', 'run_at', now() + interval '1 day'))"
    "  from generate_series(1, 1000))) e (id);"
    "create function bench_clone(template bigint, jobs integer) returns void language plpgsql"
    " set jit = off as $$"
    " declare"
    "   ids    bigint[] := ganger._take_seqs(jobs);"
    "   others bigint[] := array(select p.id from bench_prerequisite p order by p.n);"
    "   names  text;"
    "   copies text;"
    " begin"
    "   select string_agg(quote_ident(a.attname), ', ' order by a.attnum),"
    "          string_agg(case a.attname"
    "            when 'id' then 'x.id'"
    "            when 'seq' then 'case when t.seq is not null then x.id end'"
    "            when 'run_at' then 't.run_at + x.id % 86400000 * interval ''1 ms'''"
    "            when 'due_at' then 't.due_at + x.id % 86400000 * interval ''1 ms'''"
    "            when 'depends_on' then"
    "                 'case when t.depends_on is not null then array[$3[1 + x.id % 1000]] end'"
    "            when 'group_key' then"
    "                 'case when t.group_key is not null then ''customer '' || x.id % 1000 end'"
    "            else 't.' || quote_ident(a.attname) end, ', ' order by a.attnum)"
    "   into names, copies"
    "   from pg_attribute a"
    "   where a.attrelid = 'ganger.job'::regclass and a.attnum > 0 and not a.attisdropped"
    "     and a.attgenerated = '';"
    "   execute format('with made as (insert into ganger.job (%s) select %s from ganger.job t,"
    "     unnest($1) x (id) where t.id = $2 returning id, depends_on)"
    "     insert into ganger.dependency (prerequisite_id, job_id)"
    "     select m.depends_on[1], m.id from made m where m.depends_on is not null', names, copies)"
    "   using ids, template, others;"
    " end $$";

// Each leaves one job of the kind and returns its id.
static const char *const template_texts[BACKLOG_KINDS] = {
    [BACKLOG_RUNNABLE] = "select ganger.enqueue('noop', '{\"n\": 0}')",
    [BACKLOG_SCHEDULED] =
        "select ganger.enqueue('noop', '{\"n\": 0}', run_at => now() + interval '1 day')",
    [BACKLOG_BLOCKED] =
        "select ganger.enqueue('noop', '{\"n\": 0}',"
        " depends_on => array(select p.id from bench_prerequisite p where p.n = 0))",
    [BACKLOG_LIMITED] = "select ganger.enqueue('noop', '{\"n\": 0}', group_key => 'customer 0')",
};

typedef struct Loader {
    const char *conninfo;
    int64_t template_id;
    int64_t jobs;
} Loader;

void backlog_load_prepare(PGconn *conn)
{
    sql_run(conn, clone_text);
    sql_run(conn,
            "select ganger.set_group_limit('customer ' || i, 0) from generate_series(0, 999) i");
    while (sql_number(conn, "select count(*) from ganger.signal", NULL) > 0) {
        sql_run(conn, "select ganger.maintain()");
    }
}

static void run_loader(const HelperSide *side, void *data)
{
    const Loader *loader = data;
    PGconn *conn = sql_connect(loader->conninfo);
    sql_run(conn, "set synchronous_commit = off");
    sql_prepare(conn, "clone", "select bench_clone($1::bigint, $2::integer)");
    helper_ready(side);
    char template_id[24];
    (void)snprintf(template_id, sizeof template_id, "%lld", (long long)loader->template_id);
    for (int64_t left = loader->jobs; left > 0; left -= BULK) {
        char jobs[24];
        (void)snprintf(jobs, sizeof jobs, "%lld", (long long)(left < BULK ? left : BULK));
        const char *const values[] = {template_id, jobs};
        PQclear(sql_execute(conn, "clone", 2, values));
    }
    PQfinish(conn);
}

void backlog_load_add(PGconn *conn, const char *conninfo, BacklogKind kind, int64_t jobs)
{
    int64_t template_id = sql_number(conn, template_texts[kind], NULL);
    Helper helpers[LOADERS];
    Loader loaders[LOADERS];
    for (int i = 0; i < LOADERS; i++) {
        loaders[i] = (Loader){.conninfo = conninfo,
                              .template_id = template_id,
                              .jobs = (jobs - 1) / LOADERS + (i < (jobs - 1) % LOADERS ? 1 : 0)};
        helper_start(&helpers[i], run_loader, &loaders[i]);
    }
    for (int i = 0; i < LOADERS; i++) {
        helper_join(&helpers[i]);
    }
}

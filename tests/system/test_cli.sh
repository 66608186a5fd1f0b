#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The ganger command from outside: exit codes, what is printed and what is said, against a database without gangerd.
set -euo pipefail

. "$GANGER_SOURCE_DIR/tests/system/cli_frame.sh"

test_migrate_sql() {
    make_database empty
    expect 1 "status of an empty database" migrate status
    expect 0 "sql" migrate sql
    psql -Xq -v ON_ERROR_STOP=1 -d "$DATABASE_URL" -f "$place/out" >/dev/null 2>&1
    expect 0 "status after psql" migrate status
    says_not out pending
    says_not out changed
    expect 0 "up after psql" migrate up
    says out "nothing to do"
}

# Installed, ganger-bench stands in libexec/ganger and gangerd in bin. A gangerd that ends at once shows it was found.
test_bench_finds_gangerd() {
    make_database create
    mkdir -p "$place/bin" "$place/libexec/ganger"
    cp "$GANGER_BIN_DIR/ganger" "$place/bin"
    cp "$GANGER_BIN_DIR/ganger-bench" "$place/libexec/ganger"
    printf '#!/bin/sh\nexit 1\n' >"$place/bin/gangerd"
    chmod +x "$place/bin/gangerd"
    ganger=$place/bin/ganger expect 70 "bench, installed" bench --quick latency
    says err "gangerd has ended"
}

test_usage_errors() {
    make_database create
    expect 64 "priority out of range" enqueue echo --priority 99999
    says err "--priority '99999' is not accepted"
    says err "priority must be between"
    expect 64 "no attempts" enqueue echo --max-attempts 0
    says err "--max-attempts '0'"
    expect 64 "no time" enqueue echo --timeout 0s
    says err "--timeout '0s'"
    expect 64 "payload" enqueue echo --payload '{bad'
    says err "--payload is no JSON"
    expect 64 "search" jobs list --search '{bad'
    says err "--search is no JSON"
    expect 64 "month 13" enqueue echo --run-at 2030-13-01
    says err "--run-at '2030-13-01' is no instant"
    says_not err datestyle
    expect 64 "since" jobs list --since yesterdy
    says err "--since 'yesterdy'"
    expect 64 "a sample is YAML" config --sample --json
    expect 64 "dev knows its database" dev --database x
    says_not err "did you mean"
    expect 64 "help for what is not there" help nope
    says err "Try 'ganger help'."
    expect 64 "help for half of it" help jobs nope
    says err "Try 'ganger help jobs'."
}

test_configuration_errors() {
    expect 78 "malformed" --database 'host=x foo' stats
    expect 78 "no such state folder" --state /nonexistent stats
    HOME=/nonexistent DATABASE_URL='' XDG_STATE_HOME=$place expect_no_database
}

expect_no_database() {
    # As root the usual state folder is the system's.
    [ "$(id -u)" -eq 0 ] || expect 78 "no database" stats
}

test_enqueue() {
    make_database create
    expect 0 "one" enqueue echo --retry-delay 1s --retry-delay-max 10s --no-retry-backoff --idempotency-key k
    [ "$(run_sql "select retry_delay || ' ' || retry_delay_max || ' ' || retry_backoff from ganger.jobs")" = \
        "00:00:01 00:00:10 false" ] || complain "the options of the retry delay have no effect"
    expect 0 "json" enqueue echo --json
    grep -qE '^\{"id": [0-9]+\}$' "$place/out" || complain "the id as JSON"
    if "$ganger" enqueue echo >/dev/full 2>"$place/err"; then complain "a full disk"; fi
    says err "is enqueued, but its id could not be written"
    [ "$(run_sql 'select count(*) from ganger.jobs')" = 3 ] || complain "3 jobs"
}

test_enqueue_many() {
    make_database create
    printf '\xef\xbb\xbf{"job_type": "echo"}\n' >"$place/one"
    expect 0 "one line with a byte order mark" enqueue --many "$place/one"
    says out "enqueued 1 job in"
    printf '{"job_type": "echo"}\n\n{"job_type": "echo"}\n' >"$place/two"
    expect 0 "ids" enqueue --many "$place/two" --json
    grep -qE '^\{"ids": \[[0-9]+, [0-9]+\], "enqueued": 2\}$' "$place/out" || complain "ids as JSON"
    : >"$place/none"
    expect 0 "nothing" enqueue --many "$place/none"
    says err "nothing is enqueued"

    printf '{"job_type": "echo"}\n{"job_type": "echo", "priority": 99999}\n' >"$place/bad"
    expect 1 "a bad value" enqueue --many "$place/bad"
    says err "$place/bad:2: priority must be between"
    says err "nothing is enqueued"
    printf '{"job_type": "echo"}\n"x"\n' >"$place/bad"
    expect 1 "no object" enqueue --many "$place/bad"
    says err "$place/bad:2: is a JSON string, not an object"
    printf '{"job_type": "echo"\n' >"$place/bad"
    expect 1 "no JSON" enqueue --many "$place/bad"
    says err "$place/bad:1: no JSON:"
    { for ((i = 0; i < 1000; i++)); do echo '{"job_type": "echo"}'; done && echo '{}'; } >"$place/long"
    expect 1 "the second thousand" enqueue --many "$place/long"
    says err "1000 jobs are enqueued"
    says err "tail -n +1001 '$place/long' | ganger enqueue --many -"
}

test_jobs_list() {
    make_database create
    run_sql "select ganger.enqueue('a', priority => 5), ganger.enqueue('b', idempotency_key => 'k'), ganger.enqueue('c')" >/dev/null
    run_sql "select ganger.cancel(max(id)) from ganger.jobs" >/dev/null
    expect 0 "two statuses" jobs list --status cancelled,pending --json
    [ "$(grep -c '"id": ' "$place/out")" -eq 3 ] || complain "three jobs"
    expect 0 "one status" jobs list --status cancelled --json
    [ "$(grep -c '"id": ' "$place/out")" -eq 1 ] || complain "one job"
    expect 0 "priority" jobs list --priority 5
    says out " a "
    says_not out " b "
    expect 0 "key" jobs list --key k
    says out " b "
    says_not out " a "
    expect 0 "since" jobs list --since 1h --until 2999-01-01
    says out " a "
    expect 0 "until" jobs list --until 1h
    says err "no such jobs"
    expect 0 "show" jobs show "$(run_sql "select id from ganger.jobs where job_type = 'a'")"
    says out "waits for        a free worker that handles its type, since 2"
    run_sql "insert into ganger.attempt (job_id, attempt, outcome, error, started_at, finished_at)
             select j.id, n, 'error', 'error-' || n || '.', t.at, t.at + interval '1 s' from ganger.jobs j, generate_series(1, 30) n,
                    lateral (select now() - interval '1 h' + n * interval '1 min') t (at) where j.job_type = 'a'" >/dev/null
    expect 0 "show with many attempts" jobs show "$(run_sql "select id from ganger.jobs where job_type = 'a'")"
    says out "the newest 20 of 30 attempts"
    says out "error-30."
    says out "error-11."
    says_not out "error-10."
    run_sql "delete from ganger.attempt" >/dev/null
}

# Lines of what a terminal of 80 columns gets, longer than it.
too_wide() {
    script -qec "stty cols 80; '$ganger' --no-color $*" /dev/null </dev/null |
        sed 's|\r||; s|…|.|g' | awk 'length > 80'
}

test_80_columns() {
    make_database create
    run_sql "do \$\$ begin perform ganger.enqueue('a_rather_long_type', queue => 'a_rather_long_queue', run_at => now() + '9 min')
                from generate_series(1, 3); end \$\$;
             update ganger.job set error = repeat('a long error message ', 20), attempts = 3;
             insert into ganger.node (name, host, boot_id, pid, process_start, lease, version)
             values ('worker-01.example.org', 'worker-01.example.org', 'x', 1234567, 1, '60 s', '0.1.0');
             select ganger.set_queue('a_rather_long_queue', 100, 10, 1000, '1 min', '30 days'),
                    ganger.set_job_type('a_rather_long_type', 100, '30 s', 3), ganger.set_group_limit('a_rather_long_group', 1),
                    ganger.create_schedule('a_rather_long_schedule', '*/15 8-18 * * mon-fri', 'a_rather_long_type',
                                           timezone => 'America/New_York'),
                    ganger.create_batch('a_rather_long_batch', 'a_rather_long_type', '[1, 2, 3]'),
                    ganger.create_token('1 h', '{a_rather_long_tag, another_long_tag}')" >/dev/null
    local command id
    id=$(run_sql "select min(id) from ganger.jobs")
    for command in "jobs list" nodes queues workers stats "jobs events $id" "help enqueue" help types groups schedules \
        "schedules next a_rather_long_schedule" batches "batches stats" tokens "tokens --all" "help jobs" "help jobs cancel" \
        "help schedules create"; do
        [ -z "$(too_wide "$command")" ] || {
            too_wide "$command" >"$place/out"
            complain "'$command' is wider than 80 columns"
        }
    done
}

test_another_schema() {
    make_database create
    run_sql "insert into ganger.migration values (9999, '9999_later', 'x', now(), 0)"
    expect 1 "status of a newer schema" migrate status
    expect 0 "reading a newer schema" stats
    says err "warning: the schema is at 9999"
    expect 78 "writing to a newer schema" enqueue echo
    says err "the schema is at 9999"
    expect 78 "cancelling" jobs cancel 1
    expect 78 "many" enqueue --many "$place/one"
}

test_stopped_node() {
    make_database create
    run_sql "with n as (insert into ganger.node (name, host, boot_id, pid, process_start, lease, version, state, ended_at)
                        values ('gone', 'h', 'x', 1, 1, '60 s', '0.1.0', 'stopped', now()) returning id)
             update ganger.duty d set node_id = n.id, until = now() + '1 h' from n" >/dev/null
    expect 0 "nodes" nodes
    says err "--all shows those that stopped"
    expect 0 "all nodes" nodes --all
    says out gone
    says_not out leader
}

# PostgreSQL dies as in a crash and comes back while somebody waits for a job.
test_wait_over_a_restart() {
    local cluster=$GANGER_SOURCE_DIR/tests/support/pg_cluster.sh id waiting code=0
    "$cluster" start "$place/pg"
    private=$place/pg
    DATABASE_URL="$(cat "$place/pg/conninfo") dbname=postgres"
    expect 0 "up" migrate up
    id=$("$ganger" enqueue echo)
    "$ganger" jobs wait "$id" --timeout 60s >"$place/wait.out" 2>"$place/wait.err" &
    waiting=$!
    until [ "$(run_sql "select count(*) from pg_stat_activity where application_name = 'ganger'")" -gt 0 ]; do
        sleep 0.05
    done
    "$cluster" halt "$place/pg"
    "$cluster" resume "$place/pg"
    expect 0 "cancel" jobs cancel "$id"
    wait "$waiting" || code=$?
    mv "$place/wait.out" "$place/out"
    mv "$place/wait.err" "$place/err"
    [ "$code" -eq 1 ] || complain "jobs wait over a restart: exit code $code"
    says out cancelled
    says_not err lost
}

test_migrate_sql
test_usage_errors
test_configuration_errors
test_enqueue
test_enqueue_many
test_jobs_list
test_80_columns
test_another_schema
test_stopped_node
test_wait_over_a_restart
test_bench_finds_gangerd

finish

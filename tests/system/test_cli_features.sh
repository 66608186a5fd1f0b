#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The ganger command from outside: keys, groups, dependencies, limits, pauses, schedules, batches, tokens, bulk changes, events.
set -euo pipefail

. "$GANGER_SOURCE_DIR/tests/system/cli_frame.sh"

# one COLUMN CONDITION: of ganger.jobs
one() {
    run_sql "select $1 from ganger.jobs where $2"
}

test_enqueue_options() {
    make_database create
    local first second
    first=$("$ganger" enqueue echo --tags t)
    second=$("$ganger" enqueue echo --depends-on "$first" --depends-on "$first,$first" --depends-on-tags a,b --group-key g \
        --expires-at 1h --unique-key u --unique-for 90m --dead-letter-job-type dead --run-at 2999-01-01)
    [ "$(one "depends_on::text || depends_on_tags::text || group_key || unique_key || dead_letter_job_type" "id = $second")" = \
        "{$first}{a,b}gudead" ] || complain "the options have an effect"
    [ "$(one "expires_at - created_at between '59 min' and '61 min'" "id = $second")" = t ] || complain "expires in an hour"
    [ "$("$ganger" enqueue echo --unique-key u)" = "$second" ] || complain "the unique key is taken"
    expect 1 "conflict" enqueue echo --unique-key u --on-conflict error
    says err "unique_key \"u\" is taken by job $second"
    expect 64 "a way nobody knows" enqueue echo --unique-key u --on-conflict eror
    says err "is none of: ignore replace reschedule error"
    expect 64 "expiry" enqueue echo --expires-at tomorow
    says err "--expires-at 'tomorow' is no instant"
    expect 64 "no id" enqueue echo --depends-on "$first,x"
    says err "--depends-on 'x' is not a whole number"
    expect 1 "nobody's prerequisite" enqueue echo --depends-on 999999
    says err "there is no job 999999"
    expect 64 "for how long of what" enqueue echo --unique-for 1h
    says err "--unique-for '1h' is not accepted"

    expect 0 "show" jobs show "$second"
    says out "depends on       $first"
    says out "depends on tags  a, b"
    says out "unique key       u"
    says out "group            g"
    says out "dead letter as   dead"
    says out "waits for        its time, at 2999"
    second=$("$ganger" enqueue echo --depends-on "$first")
    expect 0 "show a blocked one" jobs show "$second"
    says out "waits for        the end of job $first"
    expect 0 "explain" jobs explain "$second"
    says out "it waits until job $first has completed"
    expect 0 "explain as JSON" jobs explain "$second" --json
    as_json "j ->> 'id'" "$second"
    expect 1 "explain nothing" jobs explain 999999
    says err "there is no job 999999"
}

test_bulk() {
    make_database create
    run_sql "select ganger.enqueue('a', group_key => 'g'), ganger.enqueue('a', queue => 'q'), ganger.enqueue('b', tags => '{t}')" >/dev/null
    expect 0 "by group" jobs list --group-key g --json
    as_json "jsonb_array_length(j)" 1
    expect 0 "edit by filter" jobs edit --job-type a --set '{"priority": 7}'
    says out "2 jobs changed"
    [ "$(one "count(*)" "priority = 7")" = 2 ] || complain "two are changed"
    expect 64 "bad edit" jobs edit --all --set '{"prio": 7}'
    says err "--set '{\"prio\": 7}' is not accepted"
    expect 0 "cancel by filter" jobs cancel --queue q --status pending
    says out "1 job cancelled; running ones"
    [ "$(one "count(*)" "status = 'cancelled'")" = 1 ] || complain "one is cancelled"
    expect 0 "cancel all" jobs cancel --all --json
    as_json "j" '{"cancelled": 2}'
    expect 0 "nothing is left" jobs cancel --all
    says out "0 jobs cancelled"
    says_not out "running ones"
    expect 0 "retry by filter" jobs retry --status failed,cancelled --tag t
    says out "1 job will run again"
    expect 64 "which ones" jobs cancel
    says err "say which jobs"
    expect 64 "ids and filter" jobs retry 1 --queue q
    says err "job ids and --queue exclude one another"
    expect 64 "all and filter" jobs retry --all --queue q
    says err "--all and --queue exclude one another"
    expect 64 "edit what" jobs edit --all
    says err "--set"
}

# What a bulk command leaves as it is, since somebody's open transaction holds it, is told.
test_left_over() {
    make_database create
    local id
    id=$("$ganger" enqueue a)
    coproc holder { psql -XqAt -d "$DATABASE_URL"; }
    echo "begin; select 'held' from ganger.job where id = $id for update;" >&"${holder[1]}"
    read -r <&"${holder[0]}"
    expect 0 "a held job" jobs cancel --all
    says out "0 jobs cancelled"
    says err "warning: 1 jobs were left as they are"
    echo '\q' >&"${holder[1]}"
    wait "$holder_PID" || true
    expect 0 "a free job" jobs cancel --all
    says out "1 job cancelled"
    says_not err warning
}

test_redrive() {
    make_database create
    local id letter
    id=$("$ganger" enqueue a --payload '{"n": 1}' --max-attempts 1 --dead-letter-job-type dead)
    run_sql "select ganger.fail(id, lease_id, 'broken') from ganger.claim('w')" >/dev/null
    letter=$(one dead_letter_job_id "id = $id")
    expect 0 "show the failed one" jobs show "$id"
    says out "dead letter      $letter"
    expect 0 "show the letter" jobs show "$letter"
    says out "dead letter of   $id"
    expect 0 "redrive" jobs redrive "$letter"
    says out "job $letter is enqueued again, as job "
    [ "$(one "count(*)" "job_type = 'a' and status = 'pending' and payload = '{\"n\": 1}'")" = 1 ] || complain "a job like the first"
    expect 64 "no letter" jobs redrive "$id"
    says err "is not a dead letter"
}

test_limits() {
    make_database create
    expect 0 "no queues" queues
    says err "no queues"
    expect 0 "set" queues set mail --concurrency 5 --rate 100 --rate-period 1m --retention 30d
    says out "5 at once, 100 starts in 1m, kept 30d"
    expect 0 "set one more" queues set mail --group-concurrency 1
    says out "5 at once, 1 of each group, 100 starts in 1m, kept 30d"
    expect 0 "take away" queues set mail --rate none --json
    as_json "j ->> 'concurrency' || coalesce(j ->> 'rate', '') || coalesce(j ->> 'rate_period', '')" 5
    expect 0 "the list as JSON" queues list --json
    as_json "j #>> '{0,retention}'" "30 days"
    expect 64 "half a rate" queues set other --rate 10
    says err "--rate '10' is not accepted"
    expect 64 "out of range" queues set mail --concurrency -1
    says err "--concurrency '-1' is not accepted"
    expect 64 "no duration" queues set mail --retention 3x
    says err "--retention '3x'"
    expect 64 "nothing" queues set mail
    says err "say what to set"
    expect 0 "a type" types set echo --concurrency 2 --timeout 90s --max-crashes 1
    says out "2 at once, timeout 90s, max crashes 1"
    expect 0 "types" types
    says out "echo"
    expect 0 "a group" groups set g --concurrency 1
    says out "1 at once"
    expect 0 "groups" groups --json
    as_json "j #>> '{0,concurrency}'" 1
    expect 0 "no limit of a group" groups set g --concurrency none
    says err "no limits any more"
    [ "$(run_sql "select count(*) from ganger.groups")" = 0 ] || complain "the group has no limit"
}

test_pause() {
    make_database create
    "$ganger" enqueue a --queue mail >/dev/null
    expect 0 "pause" pause queue mail mial
    says out "queue 'mail' is paused"
    says err "queue 'mial' has no jobs"
    says_not err "queue 'mail'"
    expect 0 "again" pause queue mail
    says out "queue 'mail' was paused already"
    expect 0 "list" jobs list
    says out "pending (paused)"
    expect 0 "queues" queues
    says out "mail  paused"
    expect 0 "resume" resume queue mail --json
    as_json "j #>> '{0,changed}'" true
    expect 0 "resume again" resume queue mail
    says out "queue 'mail' was not paused"
    expect 0 "a type" pause type a
    says out "job type 'a' is paused"
    says_not err "no known job"
    expect 0 "resume it" resume type a b
    says out "job type 'a' goes on"
    says err "job type 'b' is a type that no known job has"
    expect 64 "what" pause mail
    says err "one of queue, type"
    says err "Try 'ganger help pause'"
}

test_schedules() {
    make_database create
    expect 0 "create" schedules create nightly '0 3 * * *' report --timezone Europe/Berlin --queue q --timeout 10m --payload '{"n": 1}'
    says out "03:00:00 (Europe/Berlin)"
    [ "$(run_sql "select options::text from ganger.schedules")" = '{"queue": "q", "timeout": "10 min"}' ] || complain "options"
    expect 1 "create again" schedules create nightly '0 3 * * *' report
    expect 64 "no cron" schedules create x '61 * * * *' report
    expect 64 "an option" schedules create x '@daily' report --priority 99999
    says err "--priority '99999' is not accepted"
    expect 64 "a zone" schedules create x '@daily' report --timezone Mars
    says err "--timezone 'Mars'"
    expect 0 "edit" schedules edit nightly --cron '0 4 * * *' --set '{"overlap": "allow"}'
    expect 0 "show" schedules show nightly
    says out "cron             0 4 * * *"
    says out "overlap          allow"
    says out 'payload          {"n": 1}'
    expect 1 "edit nothing" schedules edit nope --cron '@daily'
    says err "there is no schedule 'nope'"
    expect 64 "edit what" schedules edit nightly
    expect 1 "pause" schedules pause nightly nope
    says out "schedule 'nightly' is paused"
    says err "there is no schedule 'nope'"
    expect 0 "list" schedules
    says out "nightly  paused  0 4 * * *"
    expect 0 "resume" schedules resume nightly
    expect 0 "run" schedules run nightly
    [ "$(one job_type "id = $(cat "$place/out")")" = report ] || complain "the schedule's job"
    expect 1 "run nothing" schedules run nope
    expect 0 "next" schedules next nightly --limit 3 --json
    as_json "jsonb_array_length(j)" 3
    expect 0 "next of an expression" schedules next --cron '@daily'
    [ "$(wc -l <"$place/out")" -eq 11 ] || complain "ten ticks"
    expect 64 "of which" schedules next
    expect 64 "of both" schedules next nightly --cron '@daily'
    expect 1 "next of nothing" schedules next nope
    expect 0 "delete" schedules delete nightly
    expect 0 "no schedules" schedules
    says err "no schedules"
}

test_batches() {
    make_database create
    printf '{"n": 1}\n{"n": 2}\n3\n' >"$place/items"
    expect 0 "create" batches create echo --items "$place/items" --id b --concurrency 2 --tags t --max-attempts 1 \
        --on-finish '{"job_type": "report"}'
    says out b
    [ "$(one "count(*)" "batch_id = 'b' and status = 'pending' and tags = '{t}'")" = 3 ] || complain "three items"
    expect 0 "items" jobs list --batch b --json
    as_json "jsonb_array_length(j)" 3
    expect 1 "the same id" batches create echo --items "$place/items" --id b
    expect 1 "too early" batches pause b
    says err "batch 'b' cannot be paused: it is pending"
    expect 1 "start" batches start b nope
    says out "batch 'b' started"
    says err "there is no batch 'nope'"
    expect 1 "too early to be deleted" batches clear b
    says err "batch 'b' cannot be deleted: it is running"
    expect 0 "pause" batches pause b
    expect 0 "list" batches
    says out "b      paused"
    expect 0 "resume" batches resume b
    while [ "$(run_sql "select count(ganger.fail(id, lease_id, 'broken')) from ganger.claim('w', max_jobs => 10)")" != 0 ]; do
        run_sql "select ganger.maintain()" >/dev/null
    done
    expect 0 "show" batches show b
    says out "status           completed_with_errors"
    says out "failed           3"
    says out "broken"
    expect 0 "show as JSON" batches show b --json
    as_json "jsonb_array_length(j -> 'items')" 3
    expect 0 "clear" batches clear b
    expect 1 "show nothing" batches show b
    expect 0 "an array, started at once" batches create echo --items - --start --json </dev/null
    as_json "j ->> 'started'" true
    echo 'x' >"$place/items"
    expect 1 "no JSON" batches create echo --items "$place/items"
    says err "$place/items: line 1 is no JSON"
    expect 64 "no items" batches create echo
    says err "--items"
    expect 64 "no place" batches create echo --items /dev/null --concurrency 0
    says err "--concurrency '0' is not accepted"
    expect 64 "what follows" batches create echo --items /dev/null --on-finish '{"a": 1}'
    says err "--on-finish"
    expect 0 "cancel" batches cancel "$("$ganger" batches create echo --items /dev/null)"
    expect 0 "stats" batches stats
    says out "total      2"
}

test_tokens() {
    make_database create
    local token
    expect 0 "none" tokens
    says err "no tokens are waiting"
    token=$("$ganger" tokens create --timeout 1h --tags a,b)
    expect 0 "list" tokens
    says out "$token  waiting"
    expect 0 "complete" tokens complete "$token" --data '{"by": "ann"}'
    expect 1 "complete again" tokens complete "$token"
    says err "cannot be completed: it is completed"
    expect 0 "show" tokens show "$token"
    says out 'data             {"by": "ann"}'
    expect 0 "those that have ended" tokens list --all --json
    as_json "j #>> '{0,status}'" completed
    run_sql "select ganger.enqueue('a'); select ganger.wait_for(id, lease_id, '1 h') from ganger.claim('w')" >/dev/null
    expect 0 "a job that waits" jobs show "$(one id "status = 'waiting'")"
    says out "waits for        its time, at "
    says_not out took
    expect 1 "nobody's" tokens complete nope
    says err "there is no token 'nope'"
    expect 64 "no JSON" tokens complete "$token" --data '{'
    says err "--data is no JSON"
    expect 1 "of no job" tokens create --job 999999
    says err "there is no job 999999"
}

test_stats() {
    make_database create
    "$ganger" enqueue a >/dev/null
    "$ganger" enqueue b >/dev/null
    run_sql "select ganger.complete(id, lease_id) from ganger.claim('w')" >/dev/null
    expect 0 "stats" stats
    says out "average run"
    says out "p95 run"
    says out "last minute     1 completed"
    grep -qE '^a  .* 1 ' "$place/out" || complain "a row for each type"
    expect 0 "of one type" stats b
    says_not out TYPE
    says_not err known
    expect 0 "of a type that never was" stats nosuch
    says err 'no job of type "nosuch" is known'
}

# wait_for FILE TEXT
wait_for() {
    until grep -qF -- "$2" "$1"; do
        kill -0 "$following" 2>/dev/null || {
            complain "'$2' never came"
            return
        }
        sleep 0.05
        run_sql "select ganger.maintain()" >/dev/null # moves the end of the feed on
    done
}

# Background jobs of a script ignore SIGINT from the start; a program that asks for it gets it all the same.
test_rights() {
    make_database create
    PGOPTIONS='-c role=ganger_producer' expect 1 "not a producer's business" stats
    says err "permission denied for function stats"
    says err "  You connect as \""
    PGOPTIONS='-c role=ganger_reader' expect 0 "a reader's" stats
}

test_tail() {
    make_database create
    local id code=0
    id=$("$ganger" enqueue a)
    "$ganger" jobs tail >"$place/all" 2>&1 &
    following=$!
    "$ganger" jobs tail "$id" >"$place/one" 2>&1 &
    local one=$!
    until grep -q added "$place/one"; do sleep 0.05; done
    run_sql "select ganger.complete(id, lease_id) from ganger.claim('w')" >/dev/null
    wait "$one" || complain "following one job: exit code $?"
    [ "$(awk '{ print $3 }' "$place/one" | tr '\n' ' ')" = "added processing completed " ] || {
        cp "$place/one" "$place/out"
        complain "the events of one job"
    }
    wait_for "$place/all" completed
    kill -INT "$following"
    wait "$following" || code=$?
    [ "$code" -eq 0 ] || complain "Ctrl-C: exit code $code"
    expect 0 "one that has ended, as JSON lines" jobs tail "$id" --json
    [ "$(grep -c '^{"at": .*}$' "$place/out")" -eq 3 ] || complain "three lines"
    expect 1 "nobody's" jobs tail 999999
    expect 64 "from where" jobs tail "$id" --after 1
    "$ganger" jobs tail --after 0 --json >"$place/all" 2>&1 &
    following=$!
    wait_for "$place/all" '"event": "completed"'
    kill -INT "$following"
    wait "$following" || complain "Ctrl-C: exit code $?"
}

test_enqueue_options
test_bulk
test_left_over
test_redrive
test_limits
test_pause
test_schedules
test_batches
test_tokens
test_stats
test_rights
test_tail

finish

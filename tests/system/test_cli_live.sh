#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The ganger command while things happen: enqueue --wait, events that come late, the live view.
set -euo pipefail

. "$GANGER_SOURCE_DIR/tests/system/cli_frame.sh"

# waiting NAME ARGUMENTS...: runs `ganger enqueue --wait ARGUMENTS` beside us, and waits for its job: $id. The end of it: ended CODE.
waiting() {
    name=$1
    local before
    shift
    before=$(run_sql "select coalesce(max(id), 0) from ganger.jobs")
    "$ganger" enqueue --wait "$@" >"$place/out" 2>"$place/err" </dev/null &
    waiter=$!
    id=$before
    until [ "$id" != "$before" ]; do
        id=$(run_sql "select coalesce(max(id), 0) from ganger.jobs")
    done
}

ended() {
    local code=0
    wait "$waiter" || code=$?
    [ "$code" -eq "$1" ] || complain "$name: exit code $code, not $1"
}

test_wait() {
    make_database create
    waiting "completed" echo
    run_sql "select ganger.complete(id, lease_id, '{\"sum\": 3}') from ganger.claim('w')" >/dev/null
    ended 0
    [ "$(cat "$place/out")" = '{"sum": 3}' ] || complain "the output is printed"
    waiting "completed without an output" echo
    run_sql "select ganger.complete(id, lease_id) from ganger.claim('w')" >/dev/null
    ended 0
    [ ! -s "$place/out" ] || complain "there is nothing to print"
    waiting "failed" echo --max-attempts 1
    run_sql "select ganger.fail(id, lease_id, E'no ink\\nleft') from ganger.claim('w')" >/dev/null
    ended 1
    says err "job $id failed: no ink"
    [ ! -s "$place/out" ] || complain "an error is no output"
    waiting "cancelled, as JSON" echo --json
    run_sql "select ganger.cancel($id)" >/dev/null
    ended 1
    says err "job $id was cancelled"
    as_json "j ->> 'status'" cancelled
    expect 1 "not in time" enqueue echo --wait --wait-timeout 100ms
    says err "is pending, and goes on; \`ganger jobs wait"
    run_sql "select ganger.set_queue('brief', retention => '0 s')" >/dev/null
    waiting "not kept" echo -q brief
    run_sql "select ganger._finish_completed(array[id], array[lease_id], '{null}', '{1}', '{0}', '{null}', '{null}', '{null}')
             from ganger.claim('w', '{brief}')" >/dev/null
    ended 76
    says err "job $id has ended, and is not kept"
    expect 64 "for how long of what" enqueue echo --wait-timeout 1s
    says err "--wait-timeout is for --wait"
    expect 64 "many" enqueue --many - --wait
    says err "--wait has no place there"
}

# An event that comes late has a lower number than one that was told.
test_late_event() {
    make_database create
    local job told
    job=$("$ganger" enqueue a)
    "$ganger" jobs tail "$job" >"$place/out" 2>"$place/err" &
    told=$!
    until grep -q added "$place/out"; do sleep 0.02; done
    run_sql "select ganger._take_seqs(10); insert into ganger.event (id, job_id, event) select 1 + max(id) + 8, $job, 'edited' from ganger.jobs" >/dev/null
    until grep -q edited "$place/out"; do sleep 0.02; done
    run_sql "insert into ganger.event (id, job_id, event) select 1 + max(id), $job, 'progress' from ganger.jobs" >/dev/null
    until grep -q progress "$place/out"; do
        kill -0 "$told" 2>/dev/null || break
        sleep 0.02
    done
    run_sql "select ganger.cancel($job)" >/dev/null
    wait "$told" || complain "following: exit code $?"
    [ "$(awk '{ print $3 }' "$place/out" | tr '\n' ' ')" = "added edited progress cancelled " ] || complain "each event once, the late one too"
}

test_wait
test_late_event

finish

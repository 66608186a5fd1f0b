# SPDX-License-Identifier: MIT
# Counts test functions in the output of `ctest -V`: TAP lines where a test writes them, the test itself otherwise.
# Prints "<passed> <failed> <skipped>"; what failed goes to `failures`, if that names a file.
#
# A program that ends before its plan is fulfilled fails for every function it did not reach.

function note(what) {
    if (failures != "") {
        print what >> failures
    }
}

/^[0-9]+: / {
    id = $0
    sub(/:.*/, "", id)
    line = substr($0, length(id) + 3)
    if (line ~ /^1\.\.[0-9]+/) {
        plan[id] += substr(line, 4) + 0
    } else if (line ~ /^(not )?ok [0-9]+.*# *[Ss][Kk][Ii][Pp]/) {
        skip[id]++
    } else if (line ~ /^ok [0-9]+/) {
        ok[id]++
    } else if (line ~ /^not ok [0-9]+/) {
        bad[id]++
        bad_text[id] = bad_text[id] "\n    " line
    }
    next
}

match($0, /^ *[0-9]+\/[0-9]+ Test +#[0-9]+: /) {
    id = $0
    sub(/.*Test +#/, "", id)
    sub(/:.*/, "", id)
    name = substr($0, RLENGTH + 1)
    sub(/ .*/, "", name)
    is_passed = $0 ~ / Passed +[0-9.]+ sec/
    is_skipped = $0 ~ /\*\*\*Skipped/
    done = ok[id] + bad[id] + skip[id]
    if (done == 0 && plan[id] == 0) {
        is_fixture = name ~ /^pg_cluster\./
        passed += is_passed && !is_fixture
        skipped += is_skipped
        if (!is_passed && !is_skipped) {
            failed++
            note(name)
        }
        next
    }
    passed += ok[id]
    skipped += skip[id]
    lost = plan[id] > done ? plan[id] - done : 0
    if (!is_passed && bad[id] + lost == 0) {
        lost = 1
    }
    failed += bad[id] + lost
    if (bad[id] + lost > 0) {
        note(name bad_text[id] (lost > 0 ? "\n    " lost " not reached: the program ended before" : ""))
    }
}

END {
    printf "%d %d %d\n", passed, failed, skipped
}

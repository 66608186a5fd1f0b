#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Prints what is wrong by the logs in a folder: bad_valgrind_logs.sh FOLDER. Descriptors that a program was born with may be open at
# its end; any other line that valgrind has written is a finding. The exit status is 1 when there is one.
set -euo pipefail

cd "$1"
awk '
    /Open file descriptor/ { head = $0; next }
    head != "" && /<inherited from parent>/ { head = ""; next }
    head != "" { found(head); head = "" }
    /^==[0-9]+== *$/ || /FILE DESCRIPTORS: / || /^$/ { next }
    { found($0) }
    function found(line) { print FILENAME ": " line; bad = 1 }
    END { exit bad }' ./gangerd.* ./reaper.*

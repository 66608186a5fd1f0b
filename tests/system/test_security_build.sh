#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# How the programs and plugins are built and run: position independent, with nothing writable that is code, stacks that notice; and a
# systemd unit that leaves the service little to lose.
set -euo pipefail

build=$(dirname "$GANGER_BIN_DIR")
failures=0
complain() {
    echo "not ok: $*"
    failures=$((failures + 1))
}

option() {
    sed -n "s/^$1:[A-Z]*=//p" "$build/CMakeCache.txt"
}

if [ -n "$(option GANGER_SANITIZE)" ] || [ "$(option GANGER_COVERAGE)" = ON ]; then
    echo "skipped: a build with sanitizers or for coverage is not hardened"
    exit 77
fi
command -v readelf >/dev/null || {
    echo "skipped: there is no readelf (binutils)"
    exit 77
}

# What strcpy and its like are called in a program that is linked.
banned='strcpy|strcat|stpcpy|sprintf|vsprintf|strtok|atoi|atol|atoll|gets|system|popen|tmpnam|tempnam|mktemp'

# hardened FILE: what checksec looks at.
hardened() {
    local file=$1 headers dynamic symbols
    headers=$(readelf -hlW "$file")
    dynamic=$(readelf -dW "$file")
    symbols=$(readelf --dyn-syms -W "$file" | awk '$7 == "UND" { sub(/@.*/, "", $8); print $8 }')
    grep -qE '^ *Type: *DYN' <<<"$headers" || complain "$file is not position independent"
    grep -q 'GNU_RELRO' <<<"$headers" || complain "$file: no RELRO"
    grep -qE '\((BIND_NOW|FLAGS(_1)?)\).*NOW|\(BIND_NOW\)' <<<"$dynamic" || complain "$file: bound lazily, so its function table stays writable"
    grep -E 'GNU_STACK' <<<"$headers" | grep -q 'RWE' && complain "$file: its stack is executable"
    grep -qE '^ *LOAD .* RWE ' <<<"$headers" && complain "$file: a segment is writable and executable"
    grep -q 'TEXTREL' <<<"$dynamic" && complain "$file: its code is written to when it is loaded"
    grep -qE '\((RPATH|RUNPATH)\)' <<<"$dynamic" && complain "$file: it brings a path of its own for libraries"
    grep -qxE "$banned" <<<"$symbols" && complain "$file calls $(grep -xE "$banned" <<<"$symbols" | tr '\n' ' ')"
    return 0
}

# What the compiler puts in where there is something to protect.
protected() {
    local file=$1 symbols
    symbols=$(readelf --dyn-syms -W "$file" | awk '$7 == "UND" { sub(/@.*/, "", $8); print $8 }')
    grep -qx '__stack_chk_fail' <<<"$symbols" || complain "$file: no stack protector"
    if [ "$(option CMAKE_BUILD_TYPE)" != Debug ]; then
        grep -qE '^__.*_chk$' <<<"$(grep -vx '__stack_chk_fail' <<<"$symbols")" || complain "$file: _FORTIFY_SOURCE is off"
    fi
    if [ "$(uname -m)" = x86_64 ] && grep -q 'HAVE_fcf_protection:INTERNAL=1' "$build/CMakeCache.txt"; then
        # The C library's start files decide, too; where they have it, we have it.
        readelf -nW "$file" | grep -qE 'IBT|SHSTK' || echo "note: $file: not marked for control flow protection"
    fi
}

count=0
for file in "$GANGER_BIN_DIR"/{gangerd,ganger,ganger-worker,ganger-reaper}; do
    hardened "$file"
    protected "$file"
    count=$((count + 1))
done
for file in "$build"/handlers/*.so; do
    hardened "$file"
    count=$((count + 1))
done
[ "$count" -ge 5 ] || complain "only $count files were found"
# The process that everything depends on has neither the database nor the handlers in it.
readelf -dW "$GANGER_BIN_DIR/gangerd" | grep -qE 'NEEDED.*(libpq|libssl|libcrypto)' && complain "gangerd is linked with libpq"
echo "# $count files, $failures complaints"

unit=$GANGER_SOURCE_DIR/conf/ganger.service
if command -v systemd-analyze >/dev/null && systemd-analyze --help 2>/dev/null | grep -q -- '--offline'; then
    level=$(SYSTEMD_COLORS=0 systemd-analyze security --no-pager --offline=true "$unit" 2>&1 | sed -nE 's/.*exposure level for .*: ([0-9.]+) .*/\1/p')
    echo "# exposure level of the unit: ${level:-unknown}"
    [ -n "$level" ] || complain "systemd-analyze says nothing of $unit"
    awk -v level="${level:-10}" 'BEGIN { exit !(level <= 3.0) }' || complain "the unit's exposure level is $level, more than 3.0"
else
    echo "# the unit was not looked at: no systemd-analyze with --offline"
fi
for wanted in NoNewPrivileges=yes ProtectSystem=strict PrivateTmp=yes CapabilityBoundingSet= RestrictAddressFamilies= SystemCallFilter= User=ganger; do
    grep -q "^$wanted" "$unit" || complain "$wanted is not in the unit"
done

[ "$failures" -eq 0 ]

#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What is no payload, by the ganger command: refused with an exit code that stays the same, before it costs memory, and never a job.
set -euo pipefail
. "$(dirname "$0")/cli_frame.sh"
make_database create

count=0
limit=262144 # KiB; sanitizers need more than there is
(ulimit -v $limit && "$ganger" help >/dev/null 2>&1) || limit=unlimited
# refused CODE NAME: standard input is the payload. In 256 MiB of address space, libraries and all.
refused() {
    local wanted=$1 name=$2 code=0
    (ulimit -v $limit && exec "$ganger" enqueue echo --payload -) >"$place/out" 2>"$place/err" || code=$?
    [ "$code" -eq "$wanted" ] || complain "$name: exit code $code, not $wanted"
    [ -s "$place/err" ] || complain "$name: nothing is said"
    [ ! -s "$place/out" ] || complain "$name: there is an id"
    [ "$(wc -c <"$place/err")" -lt 2000 ] || complain "$name: the message is as long as what it is about"
    count=$((count + 1))
}

while IFS= read -r text; do
    refused 64 "$text" < <(printf '%b' "$text")
done <<'TEXTS'

{
[
"
nul
True
NaN
Infinity
-
+1
01
.5
1.
1e
0x10
1 2
[1,]
[1 2]
{"a":}
{"a" 1}
{"a":1,}
{1:2}
{a:1}
{'a':1}
"\\x"
"\\u12"
"a\tb"
"a\nb"
/* c */ 1
<a/>
"\xff"
"\xc0\xaf"
"\xed\xa0\x80"
"\xf5\x80\x80\x80"
"half \xe2\x82
TEXTS

repeated() {
    head -c "$2" /dev/zero | tr '\0' "$1"
}
text_of() {
    printf '"' && repeated x "$1" && printf '"'
}
refused 1 "a NUL" < <(printf '"a\0b"')
refused 64 "a NUL as an escape" < <(printf '%s' '"\u0000"')
refused 64 "a number without end" < <(printf '1e400000')
refused 64 "1 MiB and a byte" < <(text_of 1048575)
refused 64 "16 MiB and a byte" < <(text_of 16777215)
refused 64 "depth without end" < <(repeated '[' 100000)
refused 64 "depth of 100,000" < <(repeated '[' 100000 && repeated ']' 100000)
# 1 GB: it is read no further than a payload can be
refused 1 "1 GB" < <(repeated x 1073741824 2>/dev/null || true)

[ "$count" -ge 40 ] || complain "only $count inputs"
[ "$(run_sql 'select count(*) from ganger.jobs')" = 0 ] || complain "one of them is a job"
echo "# $count inputs, $failures failures"
finish

#!/bin/sh
# Example handler as a program: asks somebody for an approval and goes on when the answer is there. Each wait ends the program; it
# is started again from the top, and finds in its steps what is done.
#   approval: {exec: [/path/to/approval.sh]}
set -e

if [ -n "$GANGER_WAITED" ]; then # the last run: {"token": ..., "status": "completed" or "timed_out", "data": ...}
    cat "$GANGER_WAITED"
    exit
fi

token=$(sed -n 's/.*"approval": "\([^"]*\)".*/\1/p' "$GANGER_STEPS")
if [ -z "$token" ]; then # the first run: have a token made, and come back for it at once
    echo '{"create_token": {"step": "approval", "timeout": "7d"}, "wait": "0s"}' >&3
    exit
fi

echo "please approve: ganger.complete_token('$token')" >&2 # a mail, in real life
echo "{\"wait_token\": \"$token\"}" >&3

#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Stands in for ganger-reaper, by GANGER_REAPER, and runs it under valgrind. What valgrind says of each goes to a file of
# $GANGER_VALGRIND_LOGS: errors, lost memory, and descriptors that are still open at its end. bad_valgrind_logs.sh reads them.
set -euo pipefail
exec valgrind -q --leak-check=full --errors-for-leak-kinds=definite --track-fds=yes --child-silent-after-fork=yes \
    --log-file="${GANGER_VALGRIND_LOGS:?}/reaper.%p" "${GANGER_BIN_DIR:?}/ganger-reaper" "$@"

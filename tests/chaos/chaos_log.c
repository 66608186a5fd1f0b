// SPDX-License-Identifier: MIT
// Logs of the chaos tests: see the header.
#include "tests/chaos/chaos_log.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/clock.h"

enum { LINE_BYTES = 256 };

int chaos_log_open(const char *path)
{
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (file < 0) {
        (void)fprintf(stderr, "cannot write %s\n", path);
        exit(EXIT_FAILURE);
    }
    return file;
}

// Evidence that is not written would be a promise that is not checked.
static void write_line(int file, const char *line, int length)
{
    if (length < 0 || length >= LINE_BYTES || write(file, line, (size_t)length) != length) {
        (void)fprintf(stderr, "cannot write to a log\n");
        exit(EXIT_FAILURE);
    }
}

static const char *or_dash(const char *text)
{
    return text != NULL ? text : "-";
}

// Columns of chaos.op in evidence.sql.
static void write_op(int file, const char *what, const ProducerOp *op, int64_t id, const char *code)
{
    char line[LINE_BYTES];
    char id_text[24] = "-";
    if (id != 0) {
        (void)snprintf(id_text, sizeof id_text, "%" PRId64, id);
    }
    write_line(file, line,
               snprintf(line, sizeof line, "%s %d %d %" PRId64 " %s %s %d %s %s\n", what,
                        op->producer, op->number, clock_boot_us(), op->kind, or_dash(op->key),
                        op->count, id_text, or_dash(code)));
}

void producer_log_invoke(int file, const ProducerOp *op)
{
    write_op(file, "invoke", op, 0, NULL);
}

void producer_log_ok(int file, const ProducerOp *op, int64_t id, const char *answer)
{
    write_op(file, "ok", op, id, answer);
}

void producer_log_fail(int file, const ProducerOp *op, const char *code)
{
    write_op(file, "fail", op, 0, code);
}

void producer_log_unknown(int file, const ProducerOp *op, int64_t id)
{
    write_op(file, "unknown", op, id, NULL);
}

void nemesis_log_strike(int file, const char *victim, int pid)
{
    char line[LINE_BYTES];
    write_line(file, line,
               snprintf(line, sizeof line, "%" PRId64 " %s %d\n", clock_boot_us(), victim, pid));
}

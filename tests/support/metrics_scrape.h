// SPDX-License-Identifier: MIT
// Scrapes: GET /metrics of a real node, by the names of its series.
#ifndef TESTS_SUPPORT_METRICS_SCRAPE_H
#define TESTS_SUPPORT_METRICS_SCRAPE_H

#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "tests/support/daemon.h"
#include "tests/support/http_client.h"

enum { SERIES_MAX = 8000 };

static char address[64];

typedef struct Scrape {
    char *text;
    int count;
    char *names[SERIES_MAX]; // with their labels, into text, in order
    double values[SERIES_MAX];
} Scrape;

static inline int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static inline char *fetch(SystemTest *test)
{
    HttpAnswer answer = http_ask(address, "GET", "/metrics", NULL, NULL);
    if (answer.status != 200) { // its process may just be another one
        http_answer_free(&answer);
        CHECK(test, http_await(address, "/metrics", 200, DAEMON_PATIENCE_MS));
        answer = http_ask(address, "GET", "/metrics", NULL, NULL);
    }
    CHECK(test, answer.status == 200);
    char *text = mem_strdup(answer.body);
    http_answer_free(&answer);
    return text;
}

// Splits the text into series; each is there once.
static inline void scrape(SystemTest *test, Scrape *out)
{
    memset(out, 0, sizeof *out);
    out->text = fetch(test);
    static char *lines[SERIES_MAX];
    char *place = NULL;
    for (char *line = strtok_r(out->text, "\n", &place); line != NULL;
         line = strtok_r(NULL, "\n", &place)) {
        if (*line != '#') {
            CHECK(test, out->count < SERIES_MAX);
            lines[out->count++] = line;
        }
    }
    qsort(lines, (size_t)out->count, sizeof lines[0], compare_names);
    for (int i = 0; i < out->count; i++) {
        char *end = strrchr(lines[i], ' ');
        CHECK(test, end != NULL);
        *end = '\0';
        out->names[i] = lines[i];
        out->values[i] = strtod(end + 1, NULL);
    }
    qsort(lines, (size_t)out->count, sizeof lines[0], compare_names);
    for (int i = 1; i < out->count; i++) {
        if (str_equal(lines[i - 1], lines[i])) {
            (void)fprintf(stderr, "twice: %s\n", lines[i]);
            system_fail(test, "a series is there twice");
        }
    }
}

static inline void scrape_free(Scrape *self)
{
    free(self->text);
    self->text = NULL;
}

// -1: there is no such series.
static inline double value_of(const Scrape *self, const char *name)
{
    for (int i = 0; i < self->count; i++) {
        if (str_equal(self->names[i], name)) {
            return self->values[i];
        }
    }
    return -1;
}

// Waits until a series has at least this value.
static inline void await_value(SystemTest *test, const char *name, double value)
{
    static Scrape now;
    for (int64_t until = clock_boot_ms() + DAEMON_PATIENCE_MS;; pause_ms(20)) {
        scrape(test, &now);
        const double found = value_of(&now, name);
        scrape_free(&now);
        if (found >= value) {
            return;
        }
        if (clock_boot_ms() > until) {
            (void)fprintf(stderr, "%s is %g, not %g\n", name, found, value);
            system_fail(test, "a metric does not come");
        }
    }
}

static inline Daemon *run_node(SystemTest *test, const char *name, int workers)
{
    http_free_address(address, sizeof address);
    char *http = mem_printf("{listen: \"%s\", auth: none}", address);
    char *pools = mem_printf("{default: {processes: %d}}", workers);
    Daemon *daemon =
        daemon_run(test, name, workers,
                   &(DaemonOptions){.http = http,
                                    .pools = pools,
                                    .handlers = "bad: {exec: [/bin/sh, -c, \"exit 1\"]}, "
                                                "drop: {exec: [/bin/sh, -c, \"exit 100\"]}"});
    free(http);
    free(pools);
    CHECK(test, http_await(address, "/metrics", 200, DAEMON_PATIENCE_MS));
    return daemon;
}

#define FINISHED(job_type, outcome)                                                                \
    "ganger_runs_finished_total{job_type=\"" job_type "\",outcome=\"" outcome "\"}"

#endif

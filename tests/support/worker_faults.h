// SPDX-License-Identifier: MIT
// What the tests of the faults of workers share: a gangerd whose handler misbehaves, counts for the suite and at length, and figures.
//
// GANGER_FAULTS=full: with the counts of docs/reliability.md, which takes minutes (long/long_faults_worker_*).
#ifndef TESTS_SUPPORT_WORKER_FAULTS_H
#define TESTS_SUPPORT_WORKER_FAULTS_H

#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "tests/support/daemon.h"

enum { FIGURES_MAX = 2000 };

static const char one_worker[] = "{default: {processes: 1}}";

static inline bool is_full(void)
{
    const char *wanted = getenv("GANGER_FAULTS");
    return wanted != NULL && str_equal(wanted, "full");
}

static inline int times(int in_suite, int full)
{
    return is_full() ? full : in_suite;
}

// $GANGER_FAULTS_ONLY: only the tests whose names are like it.
static inline void choose_tests(void)
{
    const char *only = getenv("GANGER_FAULTS_ONLY");
    cmocka_set_test_filter(only != NULL ? only : "*");
}

static inline Daemon *run(SystemTest *test, int workers, const char *limits,
                          const DaemonOptions *more)
{
    DaemonOptions options = *more;
    char *handlers = mem_printf("misbehave: {plugin: %s/misbehave.so%s%s}%s%s",
                                getenv("GANGER_TEST_PLUGINS"), limits != NULL ? ", " : "",
                                limits != NULL ? limits : "", more->handlers != NULL ? ", " : "",
                                more->handlers != NULL ? more->handlers : "");
    options.handlers = handlers;
    Daemon *daemon = daemon_run(test, "faults", workers, &options);
    free(handlers);
    return daemon;
}

static inline int64_t act(SystemTest *test, const char *what, int number, const char *options)
{
    return job_add(test, "'misbehave', '{\"do\": \"%s\", \"n\": %d}'%s%s", what, number,
                   options != NULL ? ", " : "", options != NULL ? options : "");
}

// A job that dies, and one that does not: a pool that does nothing but die is held back.
static inline void die_once(SystemTest *test, const char *what, int number)
{
    job_await(test, act(test, what, number, "max_attempts => 1"), "failed");
    job_await(test, job_add(test, "'noop'"), "completed");
}

// --- figures

// What a figure may be: that of docs/reliability.md where there are enough of them, else with room for a busy machine.
static inline double pass_ms(int64_t ms)
{
    return (double)slow_ms(is_full() ? ms : 4 * ms);
}

static double figures[FIGURES_MAX];
static int figure_count;

static inline void note_figure(double value)
{
    assert_true(figure_count < FIGURES_MAX);
    figures[figure_count++] = value;
}

static inline int compare_figures(const void *a, const void *b)
{
    const double left = *(const double *)a;
    const double right = *(const double *)b;
    return (left > right) - (left < right);
}

// Prints what was measured, and forgets it; the p99 (the greatest of few).
static inline double tell_figures(const char *what, const char *unit)
{
    assert_true(figure_count > 0);
    qsort(figures, (size_t)figure_count, sizeof figures[0], compare_figures);
    const double p99 = figures[(figure_count * 99 + 99) / 100 - 1];
    (void)fprintf(stderr, "figure: %s: p50 %.1f p99 %.1f max %.1f %s (%d)\n", what,
                  figures[figure_count / 2], p99, figures[figure_count - 1], unit, figure_count);
    figure_count = 0;
    return p99;
}

#endif

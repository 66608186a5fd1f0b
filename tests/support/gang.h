// SPDX-License-Identifier: MIT
// Gang: a supervisor inside the test process, with fake children (fake_child.c), driven step by step.
#ifndef TESTS_SUPPORT_GANG_H
#define TESTS_SUPPORT_GANG_H

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/unit.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/proc_tree.h"
#include "supervisor/reap.h"
#include "supervisor/supervisor.h"

enum { GANG_PACE_MS = 2 };

typedef struct Gang {
    Supervisor *supervisor;
    char folder[64]; // scratch, removed at the end
    char trace[96];
    char survivors[96];
    char config[96];
    ev_timer pace; // keeps the loop turning where a test waits for what wakes nobody
} Gang;

typedef bool (*GangCondition)(Gang *gang);

static inline void gang_on_pace(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)loop;
    (void)watcher;
    (void)events;
}

// Path of a program of this build, seen from tests/unit.
static inline void gang_program(char out[PATH_MAX], const char *relative)
{
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(length > 0);
    self[length] = '\0';
    *strrchr(self, '/') = '\0';
    assert_true(snprintf(out, PATH_MAX, "%.3000s/%.1000s", self, relative) > 0);
}

static inline void gang_write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static inline void gang_make_folder(Gang *gang)
{
    *gang = (Gang){.folder = "/tmp/ganger-test-XXXXXX"};
    assert_non_null(mkdtemp(gang->folder));
    (void)snprintf(gang->trace, sizeof gang->trace, "%s/trace", gang->folder);
    (void)snprintf(gang->survivors, sizeof gang->survivors, "%s/survivors", gang->folder);
    (void)snprintf(gang->config, sizeof gang->config, "%s/ganger.yaml", gang->folder);
}

static inline void gang_remove_folder(Gang *gang)
{
    (void)unlink(gang->trace);
    (void)unlink(gang->survivors);
    (void)unlink(gang->config);
    (void)rmdir(gang->folder);
}

static inline void gang_set_environment(const Gang *gang, const char *mode)
{
    char fake[PATH_MAX];

    gang_program(fake, "../support/fake_child");
    (void)setenv("GANGER_WORKER", fake, 1);
    (void)setenv("GANGER_REAPER", fake, 1);
    (void)setenv("GANGER_API", fake, 1);
    (void)setenv("FAKE_WORKER", mode, 1);
    (void)setenv("FAKE_TRACE", gang->trace, 1);
    (void)setenv("FAKE_SURVIVORS", gang->survivors, 1);
    (void)setenv("DATABASE_URL", "postgresql:///nowhere", 1);
    (void)unsetenv("FAKE_API");
    (void)unsetenv("FAKE_SOFT_MS");
    (void)unsetenv("FAKE_GRACE_MS");
    (void)unsetenv("FAKE_BUSY_MS");
    (void)unsetenv("FAKE_NO_NODE");
    (void)unsetenv("FAKE_NO_SETTLE");
}

// A supervisor whose workers behave as `mode` says. `yaml` is its configuration file.
static inline void gang_begin(Gang *gang, const char *mode, const char *yaml)
{
    Config *config = NULL;
    StrBuf errors = {0};
    User nobody = {.is_set = false};

    gang_make_folder(gang);
    gang_set_environment(gang, mode);
    gang_write_file(gang->config, yaml);
    log_init("test", LOG_FORMAT_TEXT, getenv("GANG_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_FATAL);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    Status status = config_load(&config, gang->config, &errors);
    if (status != STATUS_OK) {
        fail_msg("%s", errors.text);
    }
    strbuf_free(&errors);
    SupervisorOptions options = {.config_path = gang->config};
    assert_int_equal(supervisor_create(&gang->supervisor, config, &options, &nobody), STATUS_OK);
    ev_timer_init(&gang->pace, gang_on_pace, GANG_PACE_MS / 1000., GANG_PACE_MS / 1000.);
}

static inline void gang_end(Gang *gang)
{
    ev_timer_stop(gang->supervisor->loop, &gang->pace);
    reap_everything(gang->supervisor);
    supervisor_destroy(gang->supervisor);
    gang_remove_folder(gang);
}

static inline bool gang_loop_until(Gang *gang, GangCondition condition, int64_t limit_ms)
{
    int64_t until = clock_boot_ms() + limit_ms;

    supervisor_step(gang->supervisor);
    while (!condition(gang)) {
        if (clock_boot_ms() > until) {
            return false;
        }
        ev_run(gang->supervisor->loop, EVRUN_ONCE);
        supervisor_step(gang->supervisor);
    }
    return true;
}

// Runs the loop until the condition holds, looking at it all the time.
#define gang_wait(gang, condition, limit_ms)                                                       \
    do {                                                                                           \
        ev_timer_again((gang)->supervisor->loop, &(gang)->pace);                                   \
        assert_true(gang_loop_until(gang, condition, limit_ms));                                   \
        ev_timer_stop((gang)->supervisor->loop, &(gang)->pace);                                    \
    } while (0)

// The same, turning only when the supervisor itself wants to.
#define gang_wait_unaided(gang, condition, limit_ms)                                               \
    assert_true(gang_loop_until(gang, condition, limit_ms))

static inline Slot *gang_slot(Gang *gang, int index)
{
    return scoreboard_slot(gang->supervisor->shared.board, index);
}

static inline Child *gang_child(Gang *gang, int index)
{
    return &gang->supervisor->children[index];
}

static inline int gang_count_workers(Gang *gang)
{
    int count = 0;
    for (int i = 1; i < scoreboard_api_slot(gang->supervisor->shared.board); i++) {
        count += gang_child(gang, i)->life == CHILD_ALIVE;
    }
    return count;
}

static inline bool gang_is_running(Gang *gang)
{
    return gang_child(gang, 1)->life == CHILD_ALIVE &&
           atomic_load(&gang_slot(gang, 1)->state) == SLOT_RUNNING;
}

static inline bool gang_is_ready(Gang *gang)
{
    return gang->supervisor->is_ready;
}

static inline bool gang_is_done(Gang *gang)
{
    return gang->supervisor->phase == SHUTDOWN_DONE;
}

// Number of lines of a file, 0 when there is none.
static inline int gang_count_lines(const char *path)
{
    FILE *file = fopen(path, "r");
    int lines = 0;
    if (file == NULL) {
        return 0;
    }
    for (int c; (c = fgetc(file)) != EOF;) {
        lines += c == '\n';
    }
    (void)fclose(file);
    return lines;
}

// --- two workers, the only processes beside the reaper

static const char TWO_WORKERS[] = "pools: {default: {processes: 2}}\n"
                                  "supervisor: {kill_grace: 200ms, shutdown_timeout: 20s}\n";

static inline bool has_two_workers(Gang *gang)
{
    return gang_is_ready(gang) && gang_count_workers(gang) == 2;
}

static inline bool has_new_reaper(Gang *gang)
{
    return gang_child(gang, 0)->life == CHILD_ALIVE && gang_child(gang, 0)->generation == 2;
}

#endif

// SPDX-License-Identifier: MIT
// Processes and files, as tests of the real gangerd look at them: see daemon.h.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/base/proc_stat.h"
#include "tests/support/daemon.h"

enum { LOOK_MS = 5, PROCESS_MAX = 4096 };

// --- files

char *read_file(const char *path)
{
    StrBuf text = {0};
    FILE *file = fopen(path, "re");
    char chunk[4096];
    for (size_t got; file != NULL && (got = fread(chunk, 1, sizeof chunk, file)) > 0;) {
        strbuf_append_bytes(&text, chunk, got);
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return strbuf_take(&text);
}

void remove_tree(const char *path)
{
    DIR *folder = opendir(path);
    for (const struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        if (str_equal(entry->d_name, ".") || str_equal(entry->d_name, "..")) {
            continue;
        }
        char *below = mem_printf("%s/%s", path, entry->d_name);
        struct stat st;
        if (lstat(below, &st) == 0 && S_ISDIR(st.st_mode)) {
            remove_tree(below);
        } else {
            (void)unlink(below);
        }
        free(below);
    }
    if (folder != NULL) {
        (void)closedir(folder);
    }
    (void)rmdir(path);
}

// --- processes

// Parent and state of a process; false when there is none.
static bool read_stat(pid_t pid, pid_t *parent, char *state, char *program, size_t size)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    char *text = read_file(path);
    const char *open = strchr(text, '(');
    char *close = strrchr(text, ')');
    bool is_read = open != NULL && close != NULL && strlen(close) > 4;
    if (is_read) {
        *state = close[2];
        *parent = (pid_t)strtol(close + 4, NULL, 10);
        *close = '\0';
        is_read = str_copy(program, size, open + 1);
    }
    free(text);
    return is_read;
}

bool process_is_of(pid_t pid, const char *program)
{
    pid_t parent = 0;
    char state = 0;
    char name[64];
    return read_stat(pid, &parent, &state, name, sizeof name) && str_equal(name, program);
}

bool process_is_alive(pid_t pid)
{
    pid_t parent = 0;
    char state = 0;
    char program[64];
    return pid > 0 && read_stat(pid, &parent, &state, program, sizeof program) && state != 'Z' &&
           state != 'X';
}

void process_reap(const pid_t *pids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        (void)waitpid(pids[i], NULL, WNOHANG);
    }
}

bool process_await_end(pid_t pid, int64_t limit_ms)
{
    for (int64_t until = clock_boot_ms() + limit_ms; process_is_alive(pid); pause_ms(LOOK_MS)) {
        if (clock_boot_ms() > until) {
            return false;
        }
    }
    return true;
}

bool process_await_stop(pid_t pid, int64_t limit_ms)
{
    ProcStat stat = {0};
    for (int64_t until = clock_boot_ms() + limit_ms; stat.state != 'T'; pause_ms(LOOK_MS)) {
        if (!proc_stat_read(pid, &stat) || clock_boot_ms() > until) {
            return false;
        }
    }
    return true;
}

static size_t all_processes(pid_t *pids, size_t max)
{
    size_t count = 0;
    DIR *folder = opendir("/proc");
    for (const struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid > 0 && count < max) {
            pids[count++] = pid;
        }
    }
    if (folder != NULL) {
        (void)closedir(folder);
    }
    return count;
}

size_t process_descendants(pid_t root, pid_t *pids, size_t max)
{
    static pid_t all[PROCESS_MAX];
    static pid_t parents[PROCESS_MAX];
    size_t total = all_processes(all, PROCESS_MAX);
    for (size_t i = 0; i < total; i++) {
        char state = 0;
        char program[64];
        if (!read_stat(all[i], &parents[i], &state, program, sizeof program) || state == 'Z') {
            parents[i] = -1;
        }
    }
    size_t count = 0;
    for (size_t done = 0; done <= count; done++) {
        pid_t parent = done == 0 ? root : pids[done - 1];
        for (size_t i = 0; i < total && count < max; i++) {
            if (parents[i] == parent) {
                pids[count++] = all[i];
            }
        }
    }
    return count;
}

pid_t daemon_child(const Daemon *daemon, const char *wanted, int nth)
{
    static pid_t all[PROCESS_MAX];
    size_t total = all_processes(all, PROCESS_MAX);
    for (size_t i = 0; i < total; i++) {
        pid_t parent = 0;
        char state = 0;
        char program[64];
        if (read_stat(all[i], &parent, &state, program, sizeof program) && parent == daemon->pid &&
            state != 'Z' && (wanted == NULL || str_equal(program, wanted)) && nth-- == 0) {
            return all[i];
        }
    }
    return 0;
}

// SPDX-License-Identifier: MIT
// ProcessState: see the header.
#include "worker/process_state.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/inherited_fd.h"
#include "common/base/log.h"
#include "common/base/memory.h"

typedef struct Users {
    uid_t user[3];
    gid_t group[3];
} Users;

// Taken once, so that a run costs few questions.
static struct {
    int folder;
    mode_t mode;
    sigset_t signals;
    struct rlimit limits[RLIM_NLIMITS];
    Users users;
    char *locale;
    char **variables;   // what environ pointed to, with its NULL
    char **environment; // the copy of it that environ points to
    size_t variables_bytes;
} initial = {.folder = -1};

// Those by which a neighbour could fail at once are looked at after each run that may have changed them; the others take their time.
static const __rlimit_resource_t urgent[] = {RLIMIT_CPU,  RLIMIT_AS,    RLIMIT_NOFILE, RLIMIT_FSIZE,
                                             RLIMIT_DATA, RLIMIT_STACK, RLIMIT_NPROC};

static int64_t limits_seen_us; // all of them; 0 = never
static bool is_limit_unseen;   // there was a run since that may have changed one

static const char *spoiled;

static Users users_now(void)
{
    Users users = {0};
    (void)getresuid(&users.user[0], &users.user[1], &users.user[2]);
    (void)getresgid(&users.group[0], &users.group[1], &users.group[2]);
    return users;
}

// setenv and its like change either the array or what environ points to, never the texts.
static void take_environment(void)
{
    size_t count = 0;
    while (environ != NULL && environ[count] != NULL) {
        count++;
    }
    initial.variables_bytes = (count + 1) * sizeof(char *);
    initial.variables = mem_alloc(initial.variables_bytes);
    initial.environment = mem_alloc(initial.variables_bytes);
    if (count > 0) {
        memcpy(initial.variables, environ, count * sizeof(char *));
    }
    memcpy(initial.environment, initial.variables, initial.variables_bytes);
    environ = initial.environment;
}

// One that cannot be opened, as that of a root who became somebody else, cannot be come back to, and is of no use to a handler either.
static void take_folder(void)
{
    initial.folder = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (initial.folder >= 0) {
        return;
    }
    log_info("worker.folder", "folder=/ error=\"its own cannot be opened: %s\"", strerror(errno));
    if (chdir("/") == 0) {
        initial.folder = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    }
}

void process_state_take(void)
{
    take_folder();
    initial.mode = umask(0);
    (void)umask(initial.mode);
    (void)alarm(0); // of a plugin's constructor
    (void)pthread_sigmask(SIG_SETMASK, NULL, &initial.signals);
    for (int i = 0; i < RLIM_NLIMITS; i++) {
        (void)getrlimit((__rlimit_resource_t)i, &initial.limits[i]);
    }
    initial.users = users_now();
    initial.locale = mem_strdup(setlocale(LC_ALL, NULL));
    take_environment();
}

static void spoil(const char *why)
{
    spoiled = spoiled != NULL ? spoiled : why;
}

void process_state_put_back_memory(void)
{
    if (environ != initial.environment ||
        memcmp(initial.environment, initial.variables, initial.variables_bytes) != 0) {
        memcpy(initial.environment, initial.variables, initial.variables_bytes);
        environ = initial.environment;
    }
    (void)uselocale(LC_GLOBAL_LOCALE);
    if (!str_equal(setlocale(LC_ALL, NULL), initial.locale) &&
        setlocale(LC_ALL, initial.locale) == NULL) {
        spoil("locale");
    }
}

// What was lowered below its old hard limit can be raised by root only.
static void put_back_limit(__rlimit_resource_t resource)
{
    const struct rlimit *wanted = &initial.limits[resource];
    struct rlimit now;
    if (getrlimit(resource, &now) == 0 &&
        (now.rlim_cur != wanted->rlim_cur || now.rlim_max != wanted->rlim_max) &&
        setrlimit(resource, wanted) != 0) {
        spoil("limits");
    }
}

static void put_back_all_limits(int64_t now_us)
{
    for (int i = 0; i < RLIM_NLIMITS; i++) {
        put_back_limit((__rlimit_resource_t)i);
    }
    limits_seen_us = now_us;
    is_limit_unseen = false;
}

static void put_back_limits(void)
{
    const int64_t now_us = clock_boot_us();
    if (now_us - limits_seen_us >= PROCESS_STATE_RARE_US) {
        put_back_all_limits(now_us);
        return;
    }
    for (size_t i = 0; i < sizeof urgent / sizeof urgent[0]; i++) {
        put_back_limit(urgent[i]);
    }
    is_limit_unseen = true;
}

const char *process_state_spoiled(void)
{
    if (is_limit_unseen) {
        const int64_t now_us = clock_boot_us();
        if (now_us - limits_seen_us >= PROCESS_STATE_RARE_US) {
            put_back_all_limits(now_us);
        }
    }
    return spoiled;
}

// The lowest free number is that of the open files at least, and all of them where none was closed. Mostly the one that was free
// last time still is, which is cheaper to ask.
static void look_at_files(int64_t files_limit)
{
    static int free_once = -1;
    const rlim_t own = initial.limits[RLIMIT_NOFILE].rlim_cur;
    const rlim_t limit = files_limit > 0 && (rlim_t)files_limit < own ? (rlim_t)files_limit : own;
    const rlim_t most =
        limit / 100 * PROCESS_STATE_FILES_PERCENT + limit % 100 * PROCESS_STATE_FILES_PERCENT / 100;
    if (free_once >= 0 && (rlim_t)free_once <= most && fcntl(free_once, F_GETFD) < 0) {
        return;
    }
    free_once = fcntl(FD_WAKE, F_DUPFD_CLOEXEC, 0);
    if (free_once < 0 || (rlim_t)free_once > most) {
        spoil("files");
    }
    if (free_once >= 0) {
        (void)close(free_once);
    }
}

void process_state_put_back(int64_t files_limit)
{
    (void)alarm(0);
    (void)umask(initial.mode);
    if (fchdir(initial.folder) != 0) {
        log_debug("worker.chdir", "error=%d", errno);
        spoil("folder");
    }
    (void)pthread_sigmask(SIG_SETMASK, &initial.signals, NULL);
    put_back_limits();
    const Users users = users_now();
    if (memcmp(&users, &initial.users, sizeof users) != 0) {
        spoil("user");
    }
    look_at_files(files_limit);
}

bool process_state_has_own_files(void)
{
    struct stat lifeline;
    struct stat wake;
    // An event has no type of file.
    return fstat(FD_LIFELINE, &lifeline) == 0 && S_ISFIFO(lifeline.st_mode) &&
           fstat(FD_WAKE, &wake) == 0 && (wake.st_mode & S_IFMT) == 0;
}

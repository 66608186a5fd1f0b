// SPDX-License-Identifier: MIT
// Starts a child program the way posix_spawn does inside glibc: the child shares our memory until
// it executes (so nothing is copied, and its error number is simply written where we read it), and
// we stand still meanwhile. posix_spawn itself cannot set the death signal, limits, or close what
// is open.
#include "worker/exec_child.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/signals.h"
#include "worker/exec_text.h"
#include "worker/process_guard.h"
#include "worker/sandbox.h"
#include "worker/trace_context.h"

enum {
    CHILD_STACK_BYTES = 64 * 1024, // the few calls below need far less
    FD_COUNT = EXEC_FD_WAITED + 1, // the numbers the child gives away
    TEXT_MAX_BYTES = 32 * 1024     // the kernel takes 128 KiB for one variable at most
};

_Static_assert((int)FD_COUNT <= (int)EXEC_FD_FLOOR, "our ends stay clear of the child's numbers");

static const char DEFAULT_PATH[] = "/usr/local/bin:/usr/bin:/bin";

typedef struct ChildStart { // what the child reads and writes in our memory
    const char *path;
    char *const *argv;
    char *const *environment;
    const HandlerLimits *limits;
    bool has_sandbox;
    int ends[FD_COUNT]; // its files by their numbers; -1 = not open
    pid_t parent;
    int error; // errno of the call that failed; 0 = the program runs
    const char *failed;
} ChildStart;

static const char *search_path(void)
{
    const char *path = getenv("PATH");
    return path != NULL && path[0] != '\0' ? path : DEFAULT_PATH;
}

static bool is_program(const char *path, int *error)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        return false;
    }
    if (!S_ISREG(st.st_mode) || faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) != 0) {
        *error = EACCES;
        return false;
    }
    return true;
}

bool exec_find_program(const char *name, char **path, StrBuf *why)
{
    int error = ENOENT;
    char *found = NULL;
    if (strchr(name, '/') != NULL) {
        found = is_program(name, &error) ? mem_strdup(name) : NULL;
    } else {
        const char *folder = search_path();
        while (found == NULL) {
            const size_t length = strcspn(folder, ":");
            char *candidate = length == 0 ? mem_printf("./%s", name)
                                          : mem_printf("%.*s/%s", (int)length, folder, name);
            if (name[0] != '\0' && is_program(candidate, &error)) {
                found = candidate;
                break;
            }
            free(candidate);
            if (folder[length] == '\0') {
                break;
            }
            folder += length + 1;
        }
    }
    if (found == NULL) {
        strbuf_printf(why, "program '%s': %s", name,
                      error == EACCES             ? "not an executable file"
                      : strchr(name, '/') != NULL ? "no such file"
                                                  : "not found in PATH");
        return false;
    }
    if (path == NULL) {
        free(found);
    } else {
        *path = found;
    }
    return true;
}

// --- environment

typedef struct Environment {
    StrBuf text; // NAME=value, NUL, NAME=value, NUL
    size_t count;
} Environment;

static void add(Environment *environment, const char *name, const char *value)
{
    if (value != NULL) {
        strbuf_printf(&environment->text, "%s=%s", name, value);
        strbuf_append_char(&environment->text, '\0');
        environment->count++;
    }
}

static void add_int(Environment *environment, const char *name, int64_t value)
{
    char digits[24];
    (void)snprintf(digits, sizeof digits, "%" PRId64, value);
    add(environment, name, digits);
}

// JSON of any size: what is too long is left out.
static void add_json(Environment *environment, const char *name, const char *value)
{
    if (value != NULL && strlen(value) <= TEXT_MAX_BYTES) {
        add(environment, name, value);
    }
}

static void add_trace(Environment *environment, const Job *job)
{
    TraceContext trace = trace_context_read(job);
    add(environment, "TRACEPARENT", trace.parent);
    add(environment, "TRACESTATE", trace.state);
    trace_context_free(&trace);
}

char **exec_environment(const Job *job, bool has_waited)
{
    Environment environment = {0};
    add(&environment, "PATH", search_path());
    add(&environment, "HOME", getenv("HOME"));
    add(&environment, "LANG", getenv("LANG"));
    add(&environment, "TZ", getenv("TZ"));
    add_int(&environment, "GANGER_JOB_ID", job->id);
    add(&environment, "GANGER_JOB_TYPE", job->job_type);
    add_int(&environment, "GANGER_ATTEMPT", job->attempt);
    add_int(&environment, "GANGER_MAX_ATTEMPTS", job->max_attempts);
    add(&environment, "GANGER_QUEUE", job->queue);
    add_int(&environment, "GANGER_PRIORITY", job->priority);
    add(&environment, "GANGER_OWNER", job->owner);
    add(&environment, "GANGER_GROUP_KEY", job->group_key);
    add_json(&environment, "GANGER_TAGS", job->tags);
    add_json(&environment, "GANGER_METADATA", job->metadata);
    add_trace(&environment, job);
    add(&environment, "GANGER_STEPS", "/dev/fd/4");
    add(&environment, "GANGER_WAITED", has_waited ? "/dev/fd/5" : NULL);
    if (job->timeout_ms > 0) {
        add_int(&environment, "GANGER_TIMEOUT_MS", job->timeout_ms);
    }
    // Pointers and texts in one block.
    const size_t pointers = (environment.count + 1) * sizeof(char *);
    char **block = mem_alloc(pointers + environment.text.length);
    char *text = (char *)block + pointers;
    memcpy(text, environment.text.text, environment.text.length);
    for (size_t i = 0; i < environment.count; i++) {
        block[i] = text;
        text += strlen(text) + 1;
    }
    strbuf_free(&environment.text);
    return block;
}

// --- the child; everything below runs in the parent's memory, on a stack of its own

static int give_up(ChildStart *start, const char *what)
{
    start->error = errno;
    start->failed = what;
    return 127;
}

__attribute__((no_sanitize("address", "undefined"))) static int child_main(void *argument)
{
    ChildStart *start = argument;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || setpgid(0, 0) != 0) {
        return give_up(start, "setpgid");
    }
    if (getppid() != start->parent) {
        _exit(127); // the worker died before the death signal was set
    }
    for (int fd = 0; fd < FD_COUNT; fd++) {
        if (start->ends[fd] < 0) {
            (void)close(fd);
        } else if (dup2(start->ends[fd], fd) < 0) {
            return give_up(start, "dup2");
        }
    }
    (void)close_range(FD_COUNT, UINT_MAX, 0);
    if (!process_limits_apply(start->limits)) {
        return give_up(start, "setrlimit");
    }
    signals_reset_for_exec();
    if (start->has_sandbox && !sandbox_enter()) {
        return give_up(start, "sandbox");
    }
    (void)execve(start->path, start->argv, start->environment);
    return give_up(start, "exec");
}

// --- the parent

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

void exec_child_let_go(ExecChild *child)
{
    for (size_t i = 0; i < sizeof child->held / sizeof child->held[0]; i++) {
        close_fd(&child->held[i]);
    }
}

void exec_child_close(ExecChild *child)
{
    exec_child_let_go(child);
    close_fd(&child->pidfd);
    close_fd(&child->in);
    close_fd(&child->out);
    close_fd(&child->err);
    close_fd(&child->commands);
}

// A pipe with both ends close-on-exec and above the child's numbers; ours does not block.
static bool open_pipe(int *ours, int *theirs, bool we_write)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return false;
    }
    *ours = exec_fd_above_floor(ends[we_write ? 1 : 0]);
    *theirs = exec_fd_above_floor(ends[we_write ? 0 : 1]);
    return *ours >= 0 && *theirs >= 0 && fcntl(*ours, F_SETFL, O_NONBLOCK) == 0;
}

static bool open_pipes(ExecChild *child, int *its_in)
{
    return open_pipe(&child->in, its_in, true) && open_pipe(&child->out, &child->held[0], false) &&
           open_pipe(&child->err, &child->held[1], false) &&
           open_pipe(&child->commands, &child->held[2], false);
}

// One stack for all children: a worker starts one at a time.
static char *child_stack_top(void)
{
    static char *stack = NULL;
    if (stack == NULL) {
        void *memory = mmap(NULL, CHILD_STACK_BYTES, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
        if (memory == MAP_FAILED) {
            return NULL;
        }
        stack = memory;
    }
    return stack + CHILD_STACK_BYTES;
}

// No signal handler of ours may run in the child, which shares our memory.
static void clone_child(ExecChild *child, ChildStart *start)
{
    char *stack = child_stack_top();
    if (stack == NULL) {
        (void)give_up(start, "mmap");
        return;
    }
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    child->pid = clone(child_main, stack, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, start,
                       &child->pidfd);
    if (child->pid < 0) {
        (void)give_up(start, "clone");
        child->pidfd = -1;
    } else if (start->error != 0) {
        (void)waitpid(child->pid, NULL, 0);
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

bool exec_child_start(ExecChild *child, const ExecStart *wanted, StrBuf *why)
{
    const StringList *argv = wanted->argv;
    *child = (ExecChild){.pid = -1,
                         .pidfd = -1,
                         .in = -1,
                         .out = -1,
                         .err = -1,
                         .commands = -1,
                         .held = {-1, -1, -1}};
    char *path = NULL;
    if (!exec_find_program(argv->items[0], &path, why)) {
        return false;
    }
    char **arguments = mem_alloc((argv->count + 1) * sizeof *arguments);
    memcpy(arguments, argv->items, argv->count * sizeof *arguments);
    int its_in = -1;
    ChildStart start = {.path = path,
                        .argv = arguments,
                        .environment = wanted->environment,
                        .limits = wanted->limits,
                        .has_sandbox = wanted->has_sandbox,
                        .parent = getpid()};
    if (!open_pipes(child, &its_in)) {
        (void)give_up(&start, "pipe");
    } else {
        const int ends[FD_COUNT] = {its_in,         child->held[0], child->held[1],
                                    child->held[2], wanted->steps,  wanted->waited};
        memcpy(start.ends, ends, sizeof ends);
        clone_child(child, &start);
    }
    close_fd(&its_in);
    if (start.error != 0) {
        strbuf_printf(why, "cannot start '%s': %s: %s", path, start.failed, strerror(start.error));
        exec_child_close(child);
    }
    free(arguments);
    free(path);
    return start.error == 0;
}

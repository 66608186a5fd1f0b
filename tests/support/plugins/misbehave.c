// SPDX-License-Identifier: MIT
// Handlers that do what handlers must not do. {"do": "<act>", "n": <number>}: see the table at the end.
#include <ganger/handler.h>

#include <errno.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    LIFELINE = 4,
    FILES_MAX = 1024,
    CHUNK_BYTES = 8 << 20,
    KEPT_BYTES = 1 << 20,
    CHUNKS_MAX = 512,
    JUNK_BYTES = 64
};

// MISBEHAVE_START=die: dies while it is loaded, but not in the trial, where the worker's files are closed.
__attribute__((constructor)) static void start(void)
{
    const char *wanted = getenv("MISBEHAVE_START");
    if (wanted != NULL && strcmp(wanted, "die") == 0 && fcntl(LIFELINE, F_GETFD) >= 0) {
        abort();
    }
}

static long number_of(const ganger_job *job)
{
    const char *at = strstr(job->payload, "\"n\": ");
    return at != NULL ? strtol(at + 5, NULL, 10) : 0;
}

// --- deaths

// A sanitizer would take the signal, and exit.
static void let_die(int number)
{
    (void)signal(number, SIG_DFL);
}

__attribute__((no_sanitize("address", "undefined"))) static enum ganger_result
die_of_segv(const ganger_job *job, ganger_context *context)
{
    (void)context;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): 0, where the compiler does not see it
    volatile char *nowhere = (volatile char *)number_of(job);
    let_die(SIGSEGV);
    *nowhere = 1; // NOLINT(clang-analyzer-core.NullDereference): that is the point
    return GANGER_OK;
}

// A file that is shorter than its mapping.
__attribute__((no_sanitize("address", "undefined"))) static enum ganger_result
die_of_bus(const ganger_job *job, ganger_context *context)
{
    (void)job;
    (void)context;
    const int file = memfd_create("short", MFD_CLOEXEC);
    volatile char *bytes = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    let_die(SIGBUS);
    return bytes[0] == 1 ? GANGER_ERROR : GANGER_OK;
}

// Raised: a division by zero is no trap on every machine.
static enum ganger_result die_of_fpe(const ganger_job *job, ganger_context *context)
{
    (void)job;
    (void)context;
    let_die(SIGFPE);
    (void)raise(SIGFPE);
    return GANGER_OK;
}

static enum ganger_result die_of_abort(const ganger_job *job, ganger_context *context)
{
    (void)job;
    (void)context;
    let_die(SIGABRT);
    abort();
}

static enum ganger_result call_exit(const ganger_job *job, ganger_context *context)
{
    (void)context;
    exit((int)number_of(job));
}

static enum ganger_result call_exit_at_once(const ganger_job *job, ganger_context *context)
{
    (void)context;
    _exit((int)number_of(job));
}

static enum ganger_result call_quick_exit(const ganger_job *job, ganger_context *context)
{
    (void)context;
    quick_exit((int)number_of(job));
}

// --- too much

// Touches n MiB; an error when there is no more.
static enum ganger_result take_memory(const ganger_job *job, ganger_context *context)
{
    static char *chunks[CHUNKS_MAX];
    const long count = number_of(job) * 1024 * 1024 / CHUNK_BYTES;
    enum ganger_result result = GANGER_OK;
    for (long i = 0; i < count && i < CHUNKS_MAX && result == GANGER_OK; i++) {
        chunks[i] = malloc(CHUNK_BYTES);
        if (chunks[i] == NULL) {
            ganger_set_error(context, strerror(errno));
            result = GANGER_ERROR;
        } else {
            memset(chunks[i], 1, CHUNK_BYTES);
        }
    }
    for (int i = 0; i < CHUNKS_MAX; i++) {
        free(chunks[i]);
        chunks[i] = NULL;
    }
    return result;
}

// Keeps 1 MiB for good. Its output: {"kib": <what the worker has in memory now>}.
static enum ganger_result keep_memory(const ganger_job *job, ganger_context *context)
{
    static char *kept;
    (void)job;
    char *more = malloc(KEPT_BYTES);
    if (more == NULL) {
        ganger_set_error(context, strerror(errno));
        return GANGER_ERROR;
    }
    memset(more, 1, KEPT_BYTES);
    memcpy(more, &kept, sizeof kept); // a chain, so that it is no leak
    kept = more;

    char text[64] = "";
    FILE *file = fopen("/proc/self/statm", "re"); // pages: total, resident, ...
    const bool is_read = file != NULL && fgets(text, sizeof text, file) != NULL;
    if (file != NULL) {
        (void)fclose(file);
    }
    const char *resident = is_read ? strchr(text, ' ') : NULL;
    const long pages = resident != NULL ? strtol(resident, NULL, 10) : 0;
    const int length =
        snprintf(text, sizeof text, "{\"kib\": %ld}", pages * (sysconf(_SC_PAGESIZE) / 1024));
    return ganger_output(context, text, (size_t)length) == GANGER_DONE ? GANGER_OK : GANGER_ERROR;
}

// Opens n files and leaves them open.
static enum ganger_result leak_files(const ganger_job *job, ganger_context *context)
{
    for (long i = 0; i < number_of(job); i++) {
        if (open("/dev/null", O_RDONLY | O_CLOEXEC) < 0) {
            ganger_set_error(context, strerror(errno));
            return GANGER_ERROR;
        }
    }
    return GANGER_OK;
}

static _Noreturn void fork_for_ever(void)
{
    for (;;) {
        (void)fork();
        const struct timespec pause = {.tv_nsec = 100000};
        (void)nanosleep(&pause, NULL);
    }
}

static enum ganger_result fork_bomb(const ganger_job *job, ganger_context *context)
{
    (void)job;
    (void)context;
    fork_for_ever();
}

// --- no end

static _Noreturn void stay(void)
{
    for (;;) {
        (void)pause();
    }
}

static enum ganger_result spin(const ganger_job *job, ganger_context *context)
{
    (void)context;
    for (volatile long i = number_of(job); i >= 0; i = 0) {
    }
    return GANGER_OK;
}

static enum ganger_result sleep_for_ever(const ganger_job *job, ganger_context *context)
{
    (void)job;
    (void)context;
    stay();
}

static enum ganger_result lock_twice(const ganger_job *job, ganger_context *context)
{
    (void)job;
    (void)context;
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    (void)pthread_mutex_lock(&mutex);
    (void)pthread_mutex_lock(&mutex);
    return GANGER_OK;
}

static enum ganger_result hear_nothing(const ganger_job *job, ganger_context *context)
{
    sigset_t all;
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, NULL);
    return spin(job, context);
}

// --- other people's files

// n = 1: and opens other files, which get their numbers.
static enum ganger_result close_all(const ganger_job *job, ganger_context *context)
{
    (void)context;
    (void)close_range(3, ~0U, 0);
    for (int i = 0; number_of(job) == 1 && i < 20; i++) {
        const int file = memfd_create("other", MFD_CLOEXEC);
        (void)!write(file, "junk", 4);
    }
    return GANGER_OK;
}

static void write_junk(int file)
{
    unsigned char bytes[JUNK_BYTES];
    (void)!getrandom(bytes, sizeof bytes, 0);
    (void)!write(file, bytes, sizeof bytes);
}

// Into every socket, which are its worker's connections.
static enum ganger_result write_into_sockets(const ganger_job *job, ganger_context *context)
{
    if (number_of(job) == 1 && ganger_connection(context) == NULL) {
        return GANGER_ERROR;
    }
    for (int i = 3; i < FILES_MAX; i++) {
        struct stat st;
        if (fstat(i, &st) == 0 && S_ISSOCK(st.st_mode)) {
            write_junk(i);
        }
    }
    return GANGER_OK;
}

// --- what stays behind

// n = 0: a child; 1: in a session of its own; 2: forked twice; 3: daemon().
static enum ganger_result leave_child(const ganger_job *job, ganger_context *context)
{
    (void)context;
    const long kind = number_of(job);
    if (fork() != 0) {
        const struct timespec moment = {.tv_nsec = 5000000}; // so that they are there
        (void)nanosleep(&moment, NULL);
        return GANGER_OK;
    }
    if (kind == 3) {
        (void)!daemon(0, 0);
        stay();
    }
    if (kind >= 1) {
        (void)setsid();
    }
    if (kind == 2 && fork() != 0) {
        _exit(0);
    }
    stay();
}

// --- state

static enum ganger_result change_state(const ganger_job *job, ganger_context *context)
{
    struct rlimit limit;
    sigset_t mask;
    (void)context;
    switch (number_of(job)) {
    case 0:
        return chdir("/proc") == 0 ? GANGER_OK : GANGER_ERROR;
    case 1:
        (void)umask(0333);
        return GANGER_OK;
    case 2:
        sigfillset(&mask);
        (void)pthread_sigmask(SIG_SETMASK, &mask, NULL);
        return GANGER_OK;
    case 3:
        return setlocale(LC_ALL, "C.UTF-8") != NULL ? GANGER_OK : GANGER_ERROR;
    case 4:
        (void)setenv("MISBEHAVE", "yes", 1);
        (void)setenv("PATH", "/nowhere", 1);
        return GANGER_OK;
    case 5:
        (void)clearenv();
        return GANGER_OK;
    case 6: // soft
        (void)getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = 100;
        return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? GANGER_OK : GANGER_ERROR;
    case 7: // hard
        (void)getrlimit(RLIMIT_MSGQUEUE, &limit);
        limit.rlim_cur = 4096;
        limit.rlim_max = 4096;
        return setrlimit(RLIMIT_MSGQUEUE, &limit) == 0 ? GANGER_OK : GANGER_ERROR;
    case 8:
        (void)alarm(1000);
        return GANGER_OK;
    case 9:
        return seteuid(65534) == 0 ? GANGER_OK : GANGER_ERROR;
    default:
        return GANGER_DISCARD;
    }
}

static enum ganger_result tell_state(const ganger_job *job, ganger_context *context)
{
    char text[1024];
    char folder[256] = "";
    char signals[65] = "";
    sigset_t mask;
    struct rlimit files;
    struct rlimit queues;
    (void)job;
    (void)!getcwd(folder, sizeof folder);
    const mode_t mode = umask(0);
    (void)umask(mode);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
    for (int i = 1; i < 65; i++) {
        signals[i - 1] = sigismember(&mask, i) == 1 ? '1' : '0';
    }
    (void)getrlimit(RLIMIT_NOFILE, &files);
    (void)getrlimit(RLIMIT_MSGQUEUE, &queues);
    const char *added = getenv("MISBEHAVE");
    const char *path = getenv("PATH");
    const int length = snprintf(
        text, sizeof text,
        "{\"folder\": \"%s\", \"umask\": %o, \"signals\": \"%s\", \"locale\": \"%s\", "
        "\"added\": \"%s\", \"path\": \"%s\", \"files\": %llu, \"queues\": %llu, \"alarm\": "
        "%u, \"user\": %u}",
        folder, (unsigned)mode, signals, setlocale(LC_ALL, NULL), added != NULL ? added : "",
        path != NULL ? path : "", (unsigned long long)files.rlim_cur,
        (unsigned long long)queues.rlim_max, alarm(0), (unsigned)geteuid());
    return ganger_output(context, text, (size_t)length) == GANGER_DONE ? GANGER_OK : GANGER_ERROR;
}

// --- the table

static const struct {
    const char *name;
    enum ganger_result (*run)(const ganger_job *job, ganger_context *context);
} acts[] = {
    {"segv", die_of_segv},
    {"bus", die_of_bus},
    {"fpe", die_of_fpe},
    {"abort", die_of_abort},
    {"exit", call_exit},
    {"_exit", call_exit_at_once},
    {"quick_exit", call_quick_exit},
    {"memory", take_memory},
    {"keep", keep_memory},
    {"leak", leak_files},
    {"bomb", fork_bomb},
    {"spin", spin},
    {"sleep", sleep_for_ever},
    {"deadlock", lock_twice},
    {"blocked", hear_nothing},
    {"close", close_all},
    {"junk", write_into_sockets},
    {"child", leave_child},
    {"change", change_state},
    {"tell", tell_state},
};

static enum ganger_result run_misbehave(const ganger_job *job, ganger_context *context)
{
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++) {
        char wanted[64];
        (void)snprintf(wanted, sizeof wanted, "\"do\": \"%s\"", acts[i].name);
        if (strstr(job->payload, wanted) != NULL) {
            return acts[i].run(job, context);
        }
    }
    ganger_set_error(context, "no such act");
    return GANGER_DISCARD;
}

static const ganger_handler handlers[] = {{"misbehave", run_misbehave, NULL}, {NULL, NULL, NULL}};

const struct ganger_plugin ganger_plugin_v1 = GANGER_PLUGIN("misbehave", handlers);

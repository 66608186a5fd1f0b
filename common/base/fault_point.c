// SPDX-License-Identifier: MIT
// Fault points: see the header.
#include "common/base/fault_point.h"

#include "common/base/status.h"

#ifdef GANGER_FAULT_POINTS

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/base/exit_code.h"
#include "common/base/log.h"
#include "common/base/memory.h"

enum { FAULT_MAX = 16, FAULT_NUMBER_MAX = 1000000, FAULT_SOCKET_MAX = 8, FAULT_PATH_BYTES = 512 };

static const char *const fault_names[] = {
#define FAULT_NAME(name) #name,
    FAULT_POINTS(FAULT_NAME) FAULT_ERRORS(FAULT_NAME)
#undef FAULT_NAME
};

// The first of FAULT_ERRORS.
#define FAULT_NAME(name) +1 // NOLINT(bugprone-macro-parentheses): summed up
enum { FAULT_FIRST_ERROR = 0 FAULT_POINTS(FAULT_NAME) };
#undef FAULT_NAME

_Static_assert(sizeof fault_names / sizeof fault_names[0] == FAULT_NAME_COUNT, "a name for each");

typedef enum FaultAction {
    FAULT_KILL,
    FAULT_STOP,
    FAULT_EXIT,
    FAULT_SLEEP,
    FAULT_DROP,
    FAULT_FAIL
} FaultAction;

typedef struct Fault {
    FaultName name;
    long hit;
    FaultAction action;
    long sleep_ms;
    atomic_long passed;
} Fault;

static Fault faults[FAULT_MAX];
static int fault_count;
static pthread_once_t faults_armed = PTHREAD_ONCE_INIT;
// Number + 1, 0 = free. Connections are opened and closed by one thread, and cut by whichever meets the fault.
static atomic_int fault_sockets[FAULT_SOCKET_MAX];

static _Noreturn void refuse_spec(const char *spec)
{
    log_fatal("fault.refused", "spec=\"%s\"", spec);
    _exit(EXIT_CODE_USAGE);
}

static long parse_number(const char *text, const char *spec)
{
    char *end = NULL;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || number < 0 || number > FAULT_NUMBER_MAX) {
        refuse_spec(spec);
    }
    return number;
}

static void parse_action(Fault *fault, const char *action, const char *spec)
{
    static const char sleep_prefix[] = "sleep=";
    if (str_equal(action, "kill")) {
        fault->action = FAULT_KILL;
    } else if (str_equal(action, "stop")) {
        fault->action = FAULT_STOP;
    } else if (str_equal(action, "exit")) {
        fault->action = FAULT_EXIT;
    } else if (str_equal(action, "drop")) {
        fault->action = FAULT_DROP;
    } else if (str_equal(action, "error") && fault->name >= (FaultName)FAULT_FIRST_ERROR) {
        fault->action = FAULT_FAIL;
    } else if (strncmp(action, sleep_prefix, sizeof sleep_prefix - 1) == 0) {
        fault->action = FAULT_SLEEP;
        fault->sleep_ms = parse_number(action + sizeof sleep_prefix - 1, spec);
    } else {
        refuse_spec(spec);
    }
}

static FaultName parse_name(const char *name, const char *spec)
{
    for (int i = 0; i < FAULT_NAME_COUNT; i++) {
        if (str_equal(fault_names[i], name)) {
            return (FaultName)i;
        }
    }
    refuse_spec(spec);
}

// item: name:hit:action, cut up in place.
static void parse_fault(char *item, const char *spec)
{
    char *rest = item;
    const char *name = strsep(&rest, ":");
    const char *hit = strsep(&rest, ":");
    if (hit == NULL || rest == NULL || fault_count == FAULT_MAX) {
        refuse_spec(spec);
    }
    Fault *fault = &faults[fault_count++];
    fault->name = parse_name(name, spec);
    fault->hit = parse_number(hit, spec);
    parse_action(fault, rest, spec);
}

static void arm_faults(void)
{
    const char *spec = getenv("GANGER_FAULT");
    if (spec == NULL || *spec == '\0') {
        return;
    }
    char *copy = mem_strdup(spec);
    char *rest = copy;
    while (rest != NULL) {
        parse_fault(strsep(&rest, ","), spec);
    }
    free(copy);
}

// Among several processes exactly one wins the file, as unlink succeeds once.
static bool may_strike(const Fault *fault)
{
    const char *once = getenv("GANGER_FAULT_ONCE");
    if (once == NULL) {
        return true;
    }
    char path[FAULT_PATH_BYTES];
    const bool is_alone = fault_count == 1;
    const int length = snprintf(path, sizeof path, "%s%s%s", once, is_alone ? "" : ".",
                                is_alone ? "" : fault_names[fault->name]);
    return length > 0 && (size_t)length < sizeof path && unlink(path) == 0;
}

static void sleep_fully(long ms)
{
    struct timespec rest = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    while (nanosleep(&rest, &rest) != 0 && errno == EINTR) {
    }
}

void fault_point_add_socket(int socket)
{
    for (int i = 0; i < FAULT_SOCKET_MAX; i++) {
        int free_place = 0;
        if (atomic_compare_exchange_strong(&fault_sockets[i], &free_place, socket + 1)) {
            return;
        }
    }
}

void fault_point_remove_socket(int socket)
{
    for (int i = 0; i < FAULT_SOCKET_MAX; i++) {
        int known = socket + 1;
        if (atomic_compare_exchange_strong(&fault_sockets[i], &known, 0)) {
            return;
        }
    }
}

static void drop_connections(void)
{
    for (int i = 0; i < FAULT_SOCKET_MAX; i++) {
        int known = atomic_load(&fault_sockets[i]);
        if (known > 0) {
            (void)shutdown(known - 1, SHUT_RDWR);
        }
    }
}

static bool strike(const Fault *fault)
{
    log_warn("fault.strike", "name=%s", fault_names[fault->name]);
    switch (fault->action) {
    case FAULT_KILL:
        (void)raise(SIGKILL);
        break;
    case FAULT_STOP:
        (void)raise(SIGSTOP);
        break;
    case FAULT_EXIT:
        _exit(EXIT_CODE_FAILED);
    case FAULT_SLEEP:
        sleep_fully(fault->sleep_ms);
        break;
    case FAULT_DROP:
        drop_connections();
        break;
    case FAULT_FAIL:
        return true;
    }
    return false;
}

bool fault_point(FaultName name)
{
    bool is_to_fail = false;
    (void)pthread_once(&faults_armed, arm_faults);
    for (int i = 0; i < fault_count; i++) {
        Fault *fault = &faults[i];
        if (fault->name == name && atomic_fetch_add(&fault->passed, 1) + 1 == fault->hit &&
            may_strike(fault)) {
            is_to_fail = strike(fault) || is_to_fail;
        }
    }
    return is_to_fail;
}

#endif

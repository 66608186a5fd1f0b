// SPDX-License-Identifier: MIT
// Waiting for the server, with a deadline that holds.
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/db/db_internal.h"

typedef enum WaitEnd { WAIT_READY, WAIT_TIMEOUT, WAIT_LOST } WaitEnd;

int64_t db_deadline(int64_t timeout_ms)
{
    int64_t now = clock_boot_ms();
    return timeout_ms > INT64_MAX - now ? INT64_MAX : now + timeout_ms;
}

static int poll_time(const Db *db, int64_t deadline)
{
    int64_t slice = db->on_wait != NULL ? DB_WAITING_SLICE_MS : DB_POLL_SLICE_MS;
    int64_t left = deadline - clock_boot_ms();
    if (left <= 0) {
        return 0;
    }
    return (int)(left > slice ? slice : left);
}

// Reading goes on while there is something to write: a server that waits for us to read would
// otherwise wait for ever.
static WaitEnd wait_for_result(Db *db, int64_t deadline)
{
    for (;;) {
        int unsent = PQflush(db->conn);
        if (unsent == 0 && !PQisBusy(db->conn)) {
            return WAIT_READY;
        }
        if (PQsocket(db->conn) < 0 || !db_socket_is_ours(db)) {
            return WAIT_LOST;
        }
        struct pollfd pfd = {.fd = db->socket, .events = POLLIN};
        if (unsent > 0) {
            pfd.events |= POLLOUT;
        }
        if (db->on_wait != NULL) {
            db->on_wait(db->on_wait_data);
        }
        int time_ms = poll_time(db, deadline);
        int ready = poll(&pfd, 1, time_ms);
        if (ready < 0 && errno != EINTR) {
            return WAIT_LOST;
        }
        if (ready == 0 && clock_boot_ms() >= deadline) {
            return WAIT_TIMEOUT;
        }
        if (ready <= 0 || pfd.revents == POLLOUT) {
            continue;
        }
        // A server that closes the connection says why first; PQisBusy finds that message.
        if ((pfd.revents & POLLNVAL) != 0 ||
            (PQconsumeInput(db->conn) == 0 && PQisBusy(db->conn))) {
            return WAIT_LOST;
        }
    }
}

static void *cancel_main(void *argument)
{
    PGcancel *cancel = argument;
    char reason[256];
    if (PQcancel(cancel, reason, (int)sizeof reason) == 0) {
        log_debug("db.cancel", "sent=no reason=\"%s\"", reason);
    }
    PQfreeCancel(cancel);
    return NULL;
}

// PQcancel opens a connection of its own and waits for its end, without any limit when the network or
// the server is stuck; hence a thread. It must be over before the next statement is sent, as a
// late cancel would hit that one: false when it is not.
static bool cancel_statement(Db *db, int64_t deadline)
{
    PGcancel *cancel = PQgetCancel(db->conn);
    if (cancel == NULL) {
        return false;
    }
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_t thread;
    pthread_sigmask(SIG_SETMASK, &all, &before); // signals belong to the program's own threads
    int failed = pthread_create(&thread, NULL, cancel_main, cancel);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0) {
        PQfreeCancel(cancel);
        return false;
    }
    int64_t left_ms = deadline - clock_boot_ms();
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(left_ms / 1000);
    until.tv_nsec += (long)(left_ms % 1000) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    if (pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until) == 0) {
        return true;
    }
    pthread_detach(thread);
    return false;
}

Status db_cancel(Db *db)
{
    if (cancel_statement(db, db_deadline(DB_CANCEL_LIMIT_MS))) {
        return STATUS_OK;
    }
    return db_fail_lost(db, "cancel", "the server did not react to a cancel request");
}

Status db_wait_result(Db *db, int64_t deadline)
{
    WaitEnd end = wait_for_result(db, deadline);
    if (end == WAIT_TIMEOUT) {
        log_debug("db.timeout", "backend=%d cancel=yes", PQbackendPID(db->conn));
        int64_t last = db_deadline(DB_CANCEL_LIMIT_MS);
        if (!cancel_statement(db, last)) {
            return db_fail_lost(db, "cancel", "the server did not react to a cancel request");
        }
        end = wait_for_result(db, last);
        if (end == WAIT_TIMEOUT) {
            return db_fail_lost(db, "cancel", "the statement did not end when cancelled");
        }
    }
    return end == WAIT_READY ? STATUS_OK : db_fail_lost(db, "wait", NULL);
}

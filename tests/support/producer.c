// SPDX-License-Identifier: MIT
// Producer: see the header.
#include "tests/support/producer.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/memory.h"

enum { PRODUCED_MAX = 200000 };

struct Producer {
    pthread_t thread;
    char *url;
    char *sql;
    atomic_bool is_stopped;
    atomic_bool has_ended;
    atomic_int count;
    int64_t ids[PRODUCED_MAX];
};

static void *produce(void *argument)
{
    Producer *self = argument;
    PGconn *conn = PQconnectdb(self->url);
    while (!atomic_load(&self->is_stopped) && atomic_load(&self->count) < PRODUCED_MAX) {
        PGresult *result = PQexec(conn, self->sql);
        bool is_told = PQresultStatus(result) == PGRES_TUPLES_OK;
        if (is_told) {
            int at = atomic_load(&self->count);
            self->ids[at] = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
            atomic_store(&self->count, at + 1);
        }
        PQclear(result);
        if (!is_told) {
            break;
        }
    }
    PQfinish(conn);
    atomic_store(&self->has_ended, true);
    return NULL;
}

Producer *producer_start(const SystemTest *test, const char *url, int ms)
{
    Producer *self = mem_alloc(sizeof *self);
    self->url = mem_strdup(url);
    self->sql =
        mem_printf("select ganger.enqueue('journal', '{\"file\": \"%s/journal\", \"ms\": %d}')",
                   test->folder, ms);
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&self->thread, NULL, produce, self) != 0) {
        abort();
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return self;
}

int producer_count(const Producer *self)
{
    return atomic_load(&self->count);
}

void producer_await(SystemTest *test, const Producer *self, int count)
{
    for (int64_t until = clock_boot_ms() + 6 * DAEMON_PATIENCE_MS;
         producer_count(self) < count && !atomic_load(&self->has_ended); pause_ms(5)) {
        CHECK(test, clock_boot_ms() < until);
    }
}

void producer_stop(Producer *self)
{
    atomic_store(&self->is_stopped, true);
    (void)pthread_join(self->thread, NULL);
}

int64_t producer_id(const Producer *self, int at)
{
    return self->ids[at];
}

char *producer_ids(const Producer *self)
{
    StrBuf ids = {0};
    for (int i = 0; i < producer_count(self); i++) {
        strbuf_printf(&ids, "%s%" PRId64, i > 0 ? "," : "", self->ids[i]);
    }
    return ids.text != NULL ? strbuf_take(&ids) : mem_strdup("-1");
}

void producer_free(Producer *self)
{
    free(self->url);
    free(self->sql);
    free(self);
}

// SPDX-License-Identifier: MIT
// Crew: threads that each repeat one step on a connection of their own, until the test says that it is over or one of them fails.
#ifndef TESTS_SUPPORT_CREW_H
#define TESTS_SUPPORT_CREW_H

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/memory.h"
#include "tests/support/test_db.h"

enum { CREW_MAX = 24, CREW_SQL_MAX = 4000 };

typedef struct Crew Crew;

typedef struct CrewMember {
    Crew *crew;
    pthread_t thread;
    PGconn *conn;
    int number;
    int64_t worker; // ganger.worker.id, 0: not one of gangerd's
    int64_t steps;
    uint64_t random;
    void (*step)(struct CrewMember *member);
} CrewMember;

struct Crew {
    const TestDb *db;
    atomic_bool is_over;
    atomic_bool
        is_calm; // no more work is made, nothing is disturbed any more: what is there is to end
    atomic_int failures;
    int count;
    CrewMember members[CREW_MAX];
};

static inline void crew_pause_ms(int64_t ms)
{
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

// 0 .. below - 1.
static inline int crew_dice(CrewMember *member, int below)
{
    member->random = member->random * 6364136223846793005ULL + 1442695040888963407ULL;
    return (int)((member->random >> 33) % (uint64_t)below);
}

static inline void crew_fail(CrewMember *member, const char *sql, const char *why)
{
    fprintf(stderr, "member %d: %s\n  in %s\n", member->number, why, sql);
    atomic_fetch_add(&member->crew->failures, 1);
    atomic_store(&member->crew->is_over, true);
}

// Runs SQL; the first value of the last statement as text ("" for null or none); caller frees. An error fails the crew, but for
// `allowed` (an SQLSTATE, or null).
static inline __attribute__((format(printf, 3, 4))) char *
crew_ask(CrewMember *member, const char *allowed, const char *format, ...)
{
    char sql[CREW_SQL_MAX];
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(sql, sizeof sql, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof sql) {
        crew_fail(member, format, "too long");
        return mem_strdup("");
    }
    PGresult *result = PQexec(member->conn, sql);
    const ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
        const char *code = PQresultErrorField(result, PG_DIAG_SQLSTATE);
        if (allowed == NULL || code == NULL || strcmp(code, allowed) != 0) {
            crew_fail(member, sql, PQresultErrorMessage(result));
        }
    }
    char *text = mem_strdup(
        status == PGRES_TUPLES_OK && PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    return text;
}

static inline int64_t crew_ask_int(CrewMember *member, const char *sql)
{
    char *text = crew_ask(member, NULL, "%s", sql);
    const int64_t value = strtoll(text, NULL, 10);
    free(text);
    return value;
}

static inline void *crew_run(void *argument)
{
    CrewMember *member = argument;
    while (!atomic_load(&member->crew->is_over)) {
        member->step(member);
        member->steps++;
    }
    return NULL;
}

static inline void crew_add(Crew *crew, void (*step)(CrewMember *member), int count)
{
    for (int i = 0; i < count && crew->count < CREW_MAX; i++) {
        CrewMember *member = &crew->members[crew->count];
        *member = (CrewMember){
            .crew = crew, .conn = test_db_connect(crew->db), .number = crew->count, .step = step};
        const char *seed = getenv("GANGER_CREW_SEED");
        member->random =
            (seed != NULL ? (uint64_t)strtoull(seed, NULL, 10) : (uint64_t)time(NULL)) * 1000 +
            (uint64_t)crew->count;
        crew->count++;
    }
}

static inline void crew_start(Crew *crew)
{
    for (int i = 0; i < crew->count; i++) {
        if (pthread_create(&crew->members[i].thread, NULL, crew_run, &crew->members[i]) != 0) {
            abort();
        }
    }
}

// Returns how many have failed.
static inline int crew_end(Crew *crew)
{
    atomic_store(&crew->is_over, true);
    for (int i = 0; i < crew->count; i++) {
        pthread_join(crew->members[i].thread, NULL);
        PQfinish(crew->members[i].conn);
    }
    return atomic_load(&crew->failures);
}

#endif

// SPDX-License-Identifier: MIT
// The nemesis of the chaos test: what is done to which process, server or connection. The strikes are a deck, dealt in an order that
// follows from the seed; each is written to a log.
#ifndef TESTS_CHAOS_NEMESIS_H
#define TESTS_CHAOS_NEMESIS_H

#include <stdbool.h>

#include "tests/chaos/chaos_random.h"
#include "tests/support/daemon.h"

typedef struct Nemesis Nemesis;

typedef struct NemesisPlan {
    const char *log; // path
    long strikes;    // of all kinds; of each kind that is in the tier at least one
    bool is_gentle;  // only what leaves supervisors and reapers alive: workers and connections
    bool is_quiet;   // only SIGKILL to workers
    uint64_t seed;
} NemesisPlan;

Nemesis *nemesis_create(SystemTest *test, const NemesisPlan *plan);
// How many strikes the deck has.
long nemesis_strikes(const Nemesis *nemesis);
// The next one. It may take a while: a server that was stopped is up again when this returns.
void nemesis_strike(Nemesis *self);
// Connects test->conn anew, once the server is there.
void nemesis_reconnect(SystemTest *test);
// Prints how many of each kind there were.
void nemesis_report(const Nemesis *nemesis);
void nemesis_destroy(Nemesis *nemesis);

#endif

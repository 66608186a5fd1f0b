// SPDX-License-Identifier: MIT
// Producers of the chaos test: threads, each with a connection and a log of its own, which make the calls of the mix while the
// database is among the victims.
#ifndef TESTS_CHAOS_PRODUCERS_H
#define TESTS_CHAOS_PRODUCERS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Producers Producers;

typedef struct ProducerPlan {
    const char *urls[2]; // of the even ones, and the others
    const char *folder;  // the logs are producer.0, producer.1, ... in it
    const char *journal; // path, for the handlers
    int threads;
    uint64_t seed;
} ProducerPlan;

// Starts them; they do nothing until they may.
Producers *producers_start(const ProducerPlan *plan);
// They may have made this many jobs, all together.
void producers_allow(Producers *producers, long jobs);
// So many they have made: answered, or asked for and not answered.
long producers_made(const Producers *producers);
// What went wrong that nobody has caused (a deadlock, a refusal of something right), NULL: nothing.
const char *producers_problem(const Producers *producers);
// Waits until all have ended, and frees them.
void producers_stop(Producers *producers);

#endif

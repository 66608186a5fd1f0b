// SPDX-License-Identifier: MIT
// Random numbers of the chaos tests: what is chosen follows from the seed alone.
#ifndef TESTS_CHAOS_CHAOS_RANDOM_H
#define TESTS_CHAOS_CHAOS_RANDOM_H

#include <stdint.h>

typedef struct ChaosRandom {
    uint64_t state;
} ChaosRandom;

// splitmix64
static inline uint64_t chaos_random_next(ChaosRandom *random)
{
    random->state += 0x9e3779b97f4a7c15U;
    uint64_t mixed = random->state;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9U;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebU;
    return mixed ^ (mixed >> 31);
}

// 0 .. limit - 1
static inline int chaos_random_below(ChaosRandom *random, int limit)
{
    return (int)(chaos_random_next(random) % (uint64_t)limit);
}

#endif

// SPDX-License-Identifier: MIT
// Smuggling: requests that two readers could read differently, or that no client sends. Each is a carrier (a POST that would add a job)
// with one thing wrong.
#ifndef TESTS_SUPPORT_SMUGGLING_H
#define TESTS_SUPPORT_SMUGGLING_H

#include <stddef.h>

#include "common/base/memory.h"

typedef struct SmugglingVector {
    char name[80];
    StrBuf bytes; // may hold NULs
} SmugglingVector;

typedef struct SmugglingSet {
    SmugglingVector *items;
    size_t count;
} SmugglingSet;

// The carriers themselves, with nothing wrong: a job in the queue `smuggled`.
extern const char SMUGGLING_CARRIER[];
extern const char SMUGGLING_CARRIER_CHUNKED[];

SmugglingSet smuggling_set(void);
void smuggling_set_free(SmugglingSet *set);

#endif

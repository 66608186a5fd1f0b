// SPDX-License-Identifier: MIT
// Fail alloc: what a test and the program it starts with libfail_alloc.so preloaded share: a file, named by $GANGER_FAIL_ALLOC.
//
// The library counts the allocations of that one program, not those of its children, and lets the chosen ones fail. The test may
// change the choice while the program runs.
#ifndef TESTS_SUPPORT_FAIL_ALLOC_H
#define TESTS_SUPPORT_FAIL_ALLOC_H

#include <stdatomic.h>

#define FAIL_ALLOC_VARIABLE "GANGER_FAIL_ALLOC"

typedef struct FailAlloc {
    atomic_llong count;     // allocations since it was last set to 0
    atomic_llong fail_at;   // this one fails; 0 none
    atomic_llong fail_more; // and so many after it
    atomic_llong failed;    // how many have
} FailAlloc;

#endif

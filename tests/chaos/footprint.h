// SPDX-License-Identifier: MIT
// Memory and descriptors of supervisors and reapers over a long run: they must not grow.
#ifndef TESTS_CHAOS_FOOTPRINT_H
#define TESTS_CHAOS_FOOTPRINT_H

#include <stdbool.h>

#include "tests/support/daemon.h"

typedef struct Footprint Footprint;

Footprint *footprint_create(SystemTest *test);
// Looks at the processes there are; cheap enough for each strike.
void footprint_sample(Footprint *self);
// Prints how each has grown: from its first quarter of looks to its last.
void footprint_report(const Footprint *footprint);
// None has grown by more than a mebibyte or four descriptors. A process that was restarted begins anew.
bool footprint_is_flat(const Footprint *footprint);
void footprint_destroy(Footprint *footprint);

#endif

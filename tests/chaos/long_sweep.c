// SPDX-License-Identifier: MIT
// The whole sweep: every fault point is struck with every action.
#include "tests/chaos/sweep.h"

#ifdef GANGER_FAULT_POINTS

int main(void)
{
    size_t count = 0;
    const SweepCase *all = sweep_all(&count);
    return sweep_run(all, count);
}

#else

#include <stdio.h>

int main(void)
{
    (void)fprintf(stderr, "there are no fault points in this build\n");
    return 77;
}

#endif

// SPDX-License-Identifier: MIT
// A part of the sweep that fits into the suite: for each process what changes most, and what no other test strikes at. The whole
// of it is long_sweep.c.
#include "tests/chaos/sweep.h"

#ifdef GANGER_FAULT_POINTS

int main(void)
{
    static const SweepCase cases[] = {
        {"claim_sending", "drop"},
    };
    return sweep_run(cases, sizeof cases / sizeof cases[0]);
}

#else

#include <stdio.h>

int main(void)
{
    (void)fprintf(stderr, "there are no fault points in this build\n");
    return 77;
}

#endif

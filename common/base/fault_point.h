// SPDX-License-Identifier: MIT
// Fault points: places where a crash test may strike. Compiled in only with GANGER_FAULT_POINTS.
//
// GANGER_FAULT="name:hit:action[,...]" arms them: at the hit-th time (1 = first) the point is passed,
// action is `kill` (SIGKILL to this process), `stop` (SIGSTOP), `exit` (_exit(1)) or `sleep=<ms>`.
// GANGER_FAULT_ONCE=<path>: strike only while that file exists, and remove it when striking, so that
// a respawned process does not strike again.
#ifndef COMMON_BASE_FAULT_POINT_H
#define COMMON_BASE_FAULT_POINT_H

#ifdef GANGER_FAULT_POINTS
void fault_point(const char *name);
#define FAULT_POINT(name) fault_point(name)
#else
#define FAULT_POINT(name) ((void)0)
#endif

#endif

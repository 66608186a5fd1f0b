// SPDX-License-Identifier: MIT
// The processor time that a process and all its living descendants have used.
#ifndef TESTS_SUPPORT_TREE_CPU_H
#define TESTS_SUPPORT_TREE_CPU_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "tests/support/daemon.h"

enum { TREE_CPU_PROCESS_MAX = 256 };

static inline int64_t process_cpu_ms(pid_t pid)
{
    char path[64];
    char line[1024] = "";
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    const char *rest =
        file != NULL && fgets(line, sizeof line, file) != NULL ? strrchr(line, ')') : NULL;
    unsigned long long user = 0;
    unsigned long long kernel = 0;
    if (rest != NULL) { // state, 10 numbers, then the two
        // NOLINTNEXTLINE(cert-err34-c): the kernel's own numbers
        (void)sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user,
                     &kernel);
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return (int64_t)((user + kernel) * 1000 / (unsigned long long)sysconf(_SC_CLK_TCK));
}

static inline int64_t tree_cpu_ms(pid_t root)
{
    pid_t pids[TREE_CPU_PROCESS_MAX];
    size_t count = process_descendants(root, pids, TREE_CPU_PROCESS_MAX);
    int64_t sum_ms = process_cpu_ms(root);
    for (size_t i = 0; i < count; i++) {
        sum_ms += process_cpu_ms(pids[i]);
    }
    return sum_ms;
}

#endif

// SPDX-License-Identifier: MIT
// Control groups of version 1, as tests set them up.
#ifndef TESTS_SUPPORT_CGROUP_H
#define TESTS_SUPPORT_CGROUP_H

#include <stdbool.h>
#include <stdio.h>

// False where there is no such file, or it does not take the text.
static inline bool cgroup_write(const char *folder, const char *name, const char *text)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    bool is_written = file != NULL && fputs(text, file) >= 0;
    if (file != NULL) {
        is_written = fclose(file) == 0 && is_written;
    }
    return is_written;
}

#endif

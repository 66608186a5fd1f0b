// SPDX-License-Identifier: MIT
// User: the account that gangerd and its children give their rights up for.
#ifndef SUPERVISOR_USER_H
#define SUPERVISOR_USER_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/status.h"

enum { USER_GROUPS_MAX = 64, USER_NAME_BYTES = 256, USER_HOME_BYTES = 1024 };

typedef struct User {
    bool is_set; // false: stay who we are
    uid_t uid;
    gid_t gid;
    gid_t groups[USER_GROUPS_MAX];
    int group_count;
    char name[USER_NAME_BYTES];
    char home[USER_HOME_BYTES];
} User;

// Looks the account up once, so that no child needs the name service after fork. `name` NULL: stay.
// STATUS_REFUSED (logged) when there is no such account or we may not become it.
MUST_CHECK Status user_find(User *out, const char *name);
// For a look at the configuration: STATUS_REFUSED (logged) when there is no such account. Who looks need not be who starts, so whether
// it can be become is not asked.
MUST_CHECK Status user_check(const char *name);
// Becomes the user for good and makes sure of it; HOME, USER and LOGNAME are then that user's, and
// XDG_RUNTIME_DIR, which belongs to a login, is gone. True when nothing is to be done. Safe after fork, as gangerd
// has one thread.
bool user_become(const User *user);

#endif

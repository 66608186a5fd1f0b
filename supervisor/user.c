// SPDX-License-Identifier: MIT
// User: see user.h.
#include "supervisor/user.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/memory.h"

static const struct passwd *look_up(const char *name);
static bool set_environment(const User *user);

Status user_find(User *out, const char *name)
{
    *out = (User){.is_set = false};
    if (name == NULL) {
        return STATUS_OK;
    }

    const struct passwd *account = look_up(name);
    if (account == NULL) {
        return STATUS_REFUSED;
    }
    if (geteuid() != 0) {
        if (account->pw_uid == geteuid()) {
            return STATUS_OK;
        }
        log_fatal("user.refused", "user=\"%s\" error=\"only root can become another user\"", name);
        return STATUS_REFUSED;
    }
    if (!str_copy(out->name, sizeof out->name, account->pw_name) ||
        !str_copy(out->home, sizeof out->home, account->pw_dir)) {
        log_fatal("user.refused", "user=\"%s\" error=\"its name or home is too long\"", name);
        return STATUS_REFUSED;
    }
    out->uid = account->pw_uid;
    out->gid = account->pw_gid;
    out->group_count = USER_GROUPS_MAX;
    if (getgrouplist(name, account->pw_gid, out->groups, &out->group_count) < 0) {
        log_warn("user.groups", "user=\"%s\" kept=%d", name, USER_GROUPS_MAX);
        out->group_count = USER_GROUPS_MAX;
    }
    out->is_set = out->uid != 0;
    return STATUS_OK;
}

Status user_check(const char *name)
{
    return name == NULL || look_up(name) != NULL ? STATUS_OK : STATUS_REFUSED;
}

static const struct passwd *look_up(const char *name)
{
    errno = 0;
    const struct passwd *account = getpwnam(name);
    if (account == NULL) {
        log_fatal("user.unknown", "user=\"%s\" error=\"%s\"", name,
                  errno != 0 ? strerror(errno) : "no such user");
    }
    return account;
}

bool user_become(const User *user)
{
    if (!user->is_set || geteuid() == user->uid) {
        return true;
    }
    if (setgroups((size_t)user->group_count, user->groups) != 0 ||
        setresgid(user->gid, user->gid, user->gid) != 0 ||
        setresuid(user->uid, user->uid, user->uid) != 0) {
        return false;
    }
    // A drop that can be taken back is none.
    return setuid(0) != 0 && geteuid() == user->uid && getegid() == user->gid &&
           set_environment(user);
}

// libpq looks for certificates and passwords below HOME, and so do the programs of handlers: root's are closed to
// them.
static bool set_environment(const User *user)
{
    return setenv("HOME", user->home, 1) == 0 && setenv("USER", user->name, 1) == 0 &&
           setenv("LOGNAME", user->name, 1) == 0 && unsetenv("XDG_RUNTIME_DIR") == 0;
}

// SPDX-License-Identifier: MIT
// Fixtures of clusters that lack something: connections, or room on their disk (a small tmpfs, which takes root to mount).
#ifndef TESTS_SUPPORT_ROOM_H
#define TESTS_SUPPORT_ROOM_H

#include "tests/support/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include "tests/support/database_faults.h"
#include "tests/support/private_cluster.h"

enum { SMALL_CLUSTER_CONNECTIONS = 20 };

static inline int small_cluster_setup(void **state)
{
    (void)setenv("GANGER_TEST_CONF", "max_connections = 20", 1);
    int failed = private_cluster_setup(state);
    (void)unsetenv("GANGER_TEST_CONF");
    return failed;
}

// May this process mount a tmpfs?
static inline bool room_is_possible(void)
{
    char folder[] = "/tmp/ganger-room-XXXXXX";
    if (mkdtemp(folder) == NULL) {
        return false;
    }
    bool is_possible = mount("ganger-test", folder, "tmpfs", 0, "size=1m") == 0;
    if (is_possible) {
        (void)umount(folder);
    }
    (void)rmdir(folder);
    return is_possible;
}

static inline int room_setup(void **state)
{
    if (!room_is_possible()) {
        return 0;
    }
    (void)setenv("GANGER_TEST_ROOM", "220M", 1);
    (void)setenv("GANGER_TEST_CONF", "max_wal_size = 48MB\nmin_wal_size = 32MB", 1);
    int failed = private_cluster_setup(state);
    (void)unsetenv("GANGER_TEST_ROOM");
    (void)unsetenv("GANGER_TEST_CONF");
    return failed;
}

static inline int room_teardown(void **state)
{
    return private_cluster_is_there() ? private_cluster_teardown(state) : 0;
}

static inline int room_test_setup(void **state)
{
    *state = NULL;
    return private_cluster_is_there() ? system_setup(state) : 0;
}

static inline int room_test_teardown(void **state)
{
    return *state != NULL ? system_teardown(state) : 0;
}

static inline void room_run(SystemTest *test)
{
    char home[128];
    if (test == NULL) {
        (void)printf("skipped: no tmpfs can be mounted here\n");
        skip();
    }
    private_cluster_home(home, sizeof home);
    fault_disk_full(test, home);
}

#endif

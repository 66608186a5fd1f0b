// SPDX-License-Identifier: MIT
// PrivateCluster: see the header.
#include "tests/support/private_cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "tests/support/daemon.h"

static char place[] = "/tmp/gpl.XXXXXX";

void private_cluster(const char *action)
{
    const char *source = getenv("GANGER_SOURCE_DIR");
    char *script = mem_printf("%s/tests/support/pg_cluster.sh", source != NULL ? source : ".");
    pid_t pid = fork();
    if (pid == 0) {
        (void)execl(script, script, action, place, (char *)NULL);
        _exit(127);
    }
    int status = -1;
    (void)waitpid(pid, &status, 0);
    free(script);
    if (status != 0) {
        (void)fprintf(stderr, "pg_cluster.sh %s failed\n", action);
        exit(EXIT_FAILURE);
    }
}

int private_cluster_setup(void **state)
{
    (void)state;
    if (mkdtemp(place) == NULL || setenv("GANGER_TEST_PG", place, 1) != 0) {
        (void)fprintf(stderr, "no temporary folder\n");
        exit(EXIT_FAILURE);
    }
    private_cluster("start");
    return 0;
}

int private_cluster_teardown(void **state)
{
    (void)state;
    private_cluster("stop");
    remove_tree(place);
    return 0;
}

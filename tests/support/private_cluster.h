// SPDX-License-Identifier: MIT
// A PostgreSQL of one test program's own, for tests that stop it or kill its processes; databases made later are in it.
#ifndef TESTS_SUPPORT_PRIVATE_CLUSTER_H
#define TESTS_SUPPORT_PRIVATE_CLUSTER_H

// Actions as of pg_cluster.sh: halt, resume.
void private_cluster(const char *action);

// cmocka fixtures of a group of tests.
int private_cluster_setup(void **state);
int private_cluster_teardown(void **state);

#endif

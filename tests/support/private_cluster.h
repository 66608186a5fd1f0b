// SPDX-License-Identifier: MIT
// A PostgreSQL of one test program's own, for tests that stop it or kill its processes; databases made later are in it. A PgBouncer
// before it for tests that want one.
#ifndef TESTS_SUPPORT_PRIVATE_CLUSTER_H
#define TESTS_SUPPORT_PRIVATE_CLUSTER_H

#include <stdbool.h>
#include <stddef.h>

#include "tests/support/test_db.h"
#include "tests/support/wall_clock.h"

// Runs a script of tests/support for the place `where`, with one more argument or NULL: its exit code.
int private_script(const char *name, const char *action, const char *where, const char *more);

// Actions as of pg_cluster.sh: halt, resume, kill.
void private_cluster(const char *action);
// From the next start or resume on the server runs in a namespace of netns.h, where it listens on all addresses; 0 = no more.
void private_cluster_network(int network);
// ... and sees this wall clock; NULL = no more.
void private_cluster_clock(const WallClock *clock);

// cmocka fixtures of a group of tests.
int private_cluster_setup(void **state);
int private_cluster_teardown(void **state);
bool private_cluster_is_there(void);
// The folder it is in.
void private_cluster_home(char *home, size_t size);

// How many lines of the server's log have both texts.
int private_cluster_log_count(const char *text, const char *other);

bool private_pooler_is_installed(void);
// Actions as of pgbouncer.sh: halt, resume.
void private_pooler(const char *action);
// The same with the PgBouncer.
int private_pooler_setup(void **state);
int private_pooler_teardown(void **state);
// How a role reaches a database through it; with no database's name its console.
void private_pooler_url(const char *database, const char *role, char *url, size_t size);

#endif

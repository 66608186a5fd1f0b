// SPDX-License-Identifier: MIT
// Where the chaos takes place: the server or servers, and how nodes and producers reach them. CHAOS_ARENA chooses.
//
//   plain  one server; one node and every other producer reach it through a FaultProxy, which cuts at messages
//   pair   a primary and its synchronous standby, which change places
//   net    one server and nodes on machines of their own, which are cut off from it
#ifndef TESTS_CHAOS_ARENA_H
#define TESTS_CHAOS_ARENA_H

#include <stdbool.h>

#include "tests/chaos/chaos_random.h"
#include "tests/support/daemon.h"

typedef enum ArenaKind { ARENA_PLAIN, ARENA_PAIR, ARENA_NET } ArenaKind;

// The kind that was asked for. An unknown word ends the program.
ArenaKind arena_kind(void);
const char *arena_name(void);
// Whether this machine has what it needs; says why not.
bool arena_is_possible(void);

// cmocka fixtures of a group of tests.
int arena_setup(void **state);
int arena_teardown(void **state);

// Once the test's database is there; closed before the test's teardown.
void arena_open(const SystemTest *test);
void arena_close(void);
// How the test and its producers reach the database (either of two ways), and a node, with what else its configuration needs.
const char *arena_client_url(void);
const char *arena_producer_url(int way);
const char *arena_node_url(int node);
int arena_node_network(int node); // 0: the test's own
const char *arena_node_settings(void);

// Stops the primary as a crash does ("halt"), and starts it again ("resume").
void arena_server(const char *action);
// pair: the primary dies, the standby takes over, and the old one becomes its standby.
void arena_failover(void);
// plain: cuts a connection at a message.
void arena_cut(ChaosRandom *random);
// net: a node is cut off, in one direction or both, shorter or longer than its lease.
void arena_partition(ChaosRandom *random, int nodes);

#endif

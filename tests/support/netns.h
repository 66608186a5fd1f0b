// SPDX-License-Identifier: MIT
// Machines of a test: network namespaces for nodes and for PostgreSQL, with a router between them that can lose packets.
//
//   node 0 --.
//   node 1 ---- router -- database        Every node reaches the database by an address of its own.
//
// A cut is silent, as a dead switch is: no packet comes back, not even a refusal. The namespaces have no name and no mount: they go with the
// last descriptor and process in them, so nothing stays when a test dies. Files and unix sockets are shared as before.
#ifndef TESTS_SUPPORT_NETNS_H
#define TESTS_SUPPORT_NETNS_H

#include <stdbool.h>

enum { NETNS_NODE_MAX = 8, NETNS_ADDRESS_BYTES = 32 };

typedef enum NetnsCut {
    NETNS_TO_DATABASE = 1, // what the node sends is lost
    NETNS_TO_NODE = 2,     // what the database sends is lost
    NETNS_BOTH_WAYS = 3
} NetnsCut;

typedef struct Netns Netns;

// Whether this machine lets us make them; says on standard error why not.
bool netns_is_possible(void);
// Makes the machines; the program ends with a message when that fails. Destroyed by netns_destroy.
Netns *netns_create(int nodes);
// The processes in them are the caller's to end.
void netns_destroy(Netns *net);

// Descriptors of the namespaces, for setns and for Daemon.network; valid as long as `net`.
int netns_database(const Netns *net);
int netns_node(const Netns *net, int node);
// Where a node finds the database.
const char *netns_address(const Netns *net, int node);

// Loses, from now on, what goes this way, on top of what is lost already.
void netns_cut(Netns *net, int node, NetnsCut what);
// Loses nothing of this node any more.
void netns_heal(Netns *net, int node);

#endif

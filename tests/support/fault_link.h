// SPDX-License-Identifier: MIT
// Fault link: one connection through the FaultProxy, as two directions of messages. Does what it is told at a message; who tells it is
// not its business. Used by the proxy's thread only.
#ifndef TESTS_SUPPORT_FAULT_LINK_H
#define TESTS_SUPPORT_FAULT_LINK_H

#include <poll.h>

#include "common/base/memory.h"
#include "tests/support/fault_rules.h"

// One direction. What was read stands in `in` until it is a whole message and its time has come.
typedef struct FaultPipe {
    StrBuf in;
    StrBuf out;
    bool is_at_end;    // its sender has closed
    bool is_cut;       // what its sender says goes nowhere any more
    bool is_swallowed; // the same, and its receiver does not learn that the sender has closed
    bool is_shut;      // its receiver has been told the end
    bool is_delayed;   // the message in front has had its delay
    int64_t held_until;
} FaultPipe;

typedef struct FaultLink FaultLink;

// Asked for each message: the rule that strikes, or NULL. `call` carries its callback out; `done` says that it was carried out.
typedef struct FaultJudge {
    const FaultProxyRule *(*judge)(void *data, FaultLink *link, const FaultMessage *message,
                                   int *number);
    void (*call)(void *data, const FaultProxyRule *rule);
    void (*done)(void *data, int number);
    void *data;
} FaultJudge;

struct FaultLink {
    int client; // -1 closed
    int server;
    FaultPipe to_server;
    FaultPipe to_client;
    bool has_begun; // the startup message has been seen
    bool is_ending; // both ends are to be closed when what is in `out` has gone
    char application[64];
    FaultAnchor anchors[FAULT_PROXY_RULE_MAX];
};

// Takes both descriptors over.
FaultLink *fault_link_create(int client, int server);
void fault_link_destroy(FaultLink *self);

// What to wait for: fds[0] is the client, fds[1] the server. Returns the milliseconds until a held message is due, -1 = none.
int fault_link_poll(const FaultLink *self, int64_t now_ms, struct pollfd fds[2]);
// Moves what can be moved. False: nothing is left of it, destroy it.
bool fault_link_step(FaultLink *self, const struct pollfd fds[2], const FaultJudge *judge);
void fault_link_cut(FaultLink *self);

#endif

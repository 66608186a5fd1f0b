// SPDX-License-Identifier: MIT
// FaultProxy: stands between programs and PostgreSQL, and does harm at a chosen message.
//
// A thread of the test listens on a unix socket and on a port of 127.0.0.1, and forwards each connection to the server of a TestDb.
// It knows the protocol's messages, so that a rule can name one: the third COMMIT, the first message of the worker's second claim, the
// server's answer to a Sync. What no rule names goes through unchanged; requests to cancel do, too. It takes no part in
// encryption: it refuses it, as a server without would.
//
//   FaultProxy *proxy = fault_proxy_create(&test->db);
//   int rule = fault_proxy_add(proxy, &(FaultProxyRule){.application = "ganger-worker", .at = FAULT_PROXY_COMMIT,
//                                                       .is_after = true, .action = FAULT_PROXY_CUT});
//   ... a program that connects to fault_proxy_url() ...
//   assert_true(fault_proxy_await(proxy, rule, limit_ms));
//   fault_proxy_destroy(proxy);
//
// With GANGER_PROXY_TRACE set, every message goes to standard error. Failures of the proxy itself end the program with a message.
#ifndef TESTS_SUPPORT_FAULT_PROXY_H
#define TESTS_SUPPORT_FAULT_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/support/test_db.h"

typedef struct FaultProxy FaultProxy;

enum { FAULT_PROXY_RULE_MAX = 32, FAULT_PROXY_CONNECTION_MAX = 128 };

// Whose message it is; also a direction: a client's messages go to the server.
typedef enum FaultProxySide {
    FAULT_PROXY_ANY = 0, // in a match: either; in `sides` of an action: both
    FAULT_PROXY_CLIENT = 1,
    FAULT_PROXY_SERVER = 2,
    FAULT_PROXY_BOTH = 3
} FaultProxySide;

// Types of messages that have none in the protocol.
#define FAULT_PROXY_TYPE_STARTUP '*'
#define FAULT_PROXY_TYPE_CANCEL  '!'

// Which messages. Empty (all zero): every one.
typedef struct FaultProxyMatch {
    FaultProxySide side;
    const char *types; // its type is one of these letters of the protocol: "QP", "S", "Z"; NULL any
    const char *text;  // and its body has this, in this case: "COMMIT", "claim_jobs"; NULL anything
} FaultProxyMatch;

// A COMMIT sent as such; the end of an implicit transaction is a Sync; what the server says of either.
#define FAULT_PROXY_COMMIT                                                                         \
    {                                                                                              \
        FAULT_PROXY_CLIENT, "QP", "COMMIT"                                                         \
    }
#define FAULT_PROXY_SYNC                                                                           \
    {                                                                                              \
        FAULT_PROXY_CLIENT, "S", NULL                                                              \
    }
#define FAULT_PROXY_COMMITTED                                                                      \
    {                                                                                              \
        FAULT_PROXY_SERVER, "C", "COMMIT"                                                          \
    }
#define FAULT_PROXY_READY                                                                          \
    {                                                                                              \
        FAULT_PROXY_SERVER, "Z", NULL                                                              \
    }

typedef enum FaultProxyAction {
    FAULT_PROXY_CUT,     // both ends are closed; what was forwarded before still arrives
    FAULT_PROXY_RESET,   // the same, but the client sees RST on the port
    FAULT_PROXY_HALF,    // `sides` are closed, the other direction goes on
    FAULT_PROXY_SWALLOW, // from here on nothing goes through in `sides`, nor does a close
    FAULT_PROXY_DELAY,   // this message, and those behind it in this direction, wait delay_ms
    FAULT_PROXY_CALL     // `call` is called by the proxy's thread; nothing moves until it returns
} FaultProxyAction;

// Strings and data are borrowed until the proxy is destroyed or the rule removed.
typedef struct FaultProxyRule {
    const char *application; // connections of this application_name only; NULL all
    // Anchored when it has a text, types or a side: then messages are counted in one connection, from the message that matches `from`
    // (itself the first, when it also matches `at`) up to the next ReadyForQuery that says that no transaction is open, and anew from the
    // next one that matches.
    // Otherwise all matching messages of all connections are counted together.
    FaultProxyMatch from;
    FaultProxyMatch at;
    int hit;       // strikes at the hit-th; 0 = 1
    bool is_after; // the message is forwarded first
    FaultProxyAction action;
    FaultProxySide sides;
    int delay_ms;
    int times; // how often it strikes; 0 = once, -1 = at every message from the hit-th on
    void (*call)(void *data); // may use fault_proxy_add and fault_proxy_remove only
    void *data;
} FaultProxyRule;

// Starts it. Owned by the caller.
FaultProxy *fault_proxy_create(const TestDb *db);
// Closes all connections and ends the thread.
void fault_proxy_destroy(FaultProxy *self);

// Conninfo of that database through the proxy: by the socket, or by the port.
const char *fault_proxy_url(const FaultProxy *self);
const char *fault_proxy_tcp_url(const FaultProxy *self);

// The number by which the rule is known, valid until fault_proxy_clear. It holds for connections that exist, too.
int fault_proxy_add(FaultProxy *self, const FaultProxyRule *rule);
// It does not strike any more; should it be striking, that is over when this returns (not for a callback).
void fault_proxy_remove(FaultProxy *self, int rule);
// Removes all rules and lets swallowed connections go: they are cut.
void fault_proxy_clear(FaultProxy *self);

// How often it has struck; how many messages it has counted; how many anchored exchanges have ended without a strike, which
// says that there are less than `hit` messages in one.
int fault_proxy_strikes(FaultProxy *self, int rule);
int fault_proxy_counted(FaultProxy *self, int rule);
int fault_proxy_missed(FaultProxy *self, int rule);
// Waits until it has struck (a callback: has returned); false after limit_ms.
bool fault_proxy_await(FaultProxy *proxy, int rule, int64_t limit_ms);
// The same, or until it has missed.
bool fault_proxy_await_or_miss(FaultProxy *proxy, int rule, int64_t limit_ms);

// Now: cuts all connections of an application (NULL all), and returns how many there were.
int fault_proxy_cut(FaultProxy *self, const char *application);
// While true, new connections are closed at once, and those that exist are cut.
void fault_proxy_refuse(FaultProxy *self, bool is_refusing);
int fault_proxy_connections(FaultProxy *self, const char *application);

#endif

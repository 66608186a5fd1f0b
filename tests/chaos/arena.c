// SPDX-License-Identifier: MIT
// Arena: see the header.
#include "tests/chaos/arena.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/memory.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/netns.h"
#include "tests/support/private_cluster.h"
#include "tests/support/standby.h"

enum {
    URL_BYTES = 512,
    NODES_MAX = 4,
    CUT_LIMIT_MS = 1000,
    CUT_HITS = 8,
    PARTITION_SHORT_MS = 900, // as a self-fence
    PARTITION_LONG_MS = 9000  // more than a lease and a scan
};

static const char *const names[] = {
    [ARENA_PLAIN] = "plain", [ARENA_PAIR] = "pair", [ARENA_NET] = "net"};

static struct {
    char client[URL_BYTES];
    char nodes[NODES_MAX][URL_BYTES];
    FaultProxy *proxy;
    Netns *net;
} arena;

ArenaKind arena_kind(void)
{
    const char *wanted = getenv("CHAOS_ARENA");
    if (wanted == NULL || *wanted == '\0') {
        return ARENA_PLAIN;
    }
    for (int kind = ARENA_PLAIN; kind <= ARENA_NET; kind++) {
        if (str_equal(wanted, names[kind])) {
            return (ArenaKind)kind;
        }
    }
    (void)fprintf(stderr, "CHAOS_ARENA: there is no %s\n", wanted);
    exit(EXIT_FAILURE);
}

const char *arena_name(void)
{
    return names[arena_kind()];
}

bool arena_is_possible(void)
{
    return arena_kind() != ARENA_NET || netns_is_possible();
}

int arena_setup(void **state)
{
    (void)setenv("GANGER_TEST_FSYNC", "on", 1);
    switch (arena_kind()) {
    case ARENA_PAIR:
        return standby_setup(state);
    case ARENA_NET:
        arena.net = netns_create(NODES_MAX);
        private_cluster_network(netns_database(arena.net));
        return private_cluster_setup(state);
    case ARENA_PLAIN:
        break;
    }
    return private_cluster_setup(state);
}

int arena_teardown(void **state)
{
    int code =
        arena_kind() == ARENA_PAIR ? standby_teardown(state) : private_cluster_teardown(state);
    if (arena.net != NULL) {
        netns_destroy(arena.net);
        arena.net = NULL;
    }
    return code;
}

static void must_fit(int length)
{
    if (length < 0 || length >= URL_BYTES) {
        (void)fprintf(stderr, "the url of the arena is too long\n");
        exit(EXIT_FAILURE);
    }
}

void arena_open(const SystemTest *test)
{
    char both[256];
    if (arena_kind() == ARENA_PLAIN) {
        arena.proxy = fault_proxy_create(&test->db);
    } else if (arena_kind() == ARENA_PAIR) {
        standby_set_synchronous(true);
        standby_url(test->db.name, both, sizeof both);
    }
    must_fit(arena_kind() == ARENA_PAIR
                 ? snprintf(arena.client, URL_BYTES, "%s target_session_attrs=read-write", both)
                 : snprintf(arena.client, URL_BYTES, "%s", test->db.url));
    for (int i = 0; i < NODES_MAX; i++) {
        char *url = arena.nodes[i];
        if (arena.net != NULL) {
            must_fit(snprintf(url, URL_BYTES, "host=%s user=postgres dbname=%s",
                              netns_address(arena.net, i), test->db.name));
        } else if (arena_kind() == ARENA_PAIR) {
            must_fit(snprintf(url, URL_BYTES, "%s", both));
        } else {
            must_fit(snprintf(url, URL_BYTES, "%s",
                              i % 2 == 1 ? fault_proxy_url(arena.proxy) : test->db.url));
        }
    }
}

void arena_close(void)
{
    if (arena.proxy != NULL) {
        fault_proxy_destroy(arena.proxy);
        arena.proxy = NULL;
    }
}

const char *arena_client_url(void)
{
    return arena.client;
}

const char *arena_producer_url(int way)
{
    return arena.proxy != NULL && way % 2 == 1 ? fault_proxy_url(arena.proxy) : arena.client;
}

const char *arena_node_url(int node)
{
    return arena.nodes[node];
}

int arena_node_network(int node)
{
    return arena.net != NULL ? netns_node(arena.net, node) : 0;
}

// Where nodes are cut off, the shortest lease there is: a test has no minutes to wait for it.
const char *arena_node_settings(void)
{
    return arena.net != NULL ? "heartbeat: 200ms, self_fence: 1s, lease: 6s" : NULL;
}

void arena_server(const char *action)
{
    if (arena_kind() == ARENA_PAIR) {
        standby_primary_action(action);
    } else {
        private_cluster(action);
    }
}

void arena_failover(void)
{
    standby_kill_primary();
    (void)standby_promote();
    standby_reclone();
    standby_set_synchronous(true);
}

void arena_cut(ChaosRandom *random)
{
    static const FaultProxyMatch messages[] = {FAULT_PROXY_COMMIT,
                                               FAULT_PROXY_SYNC,
                                               FAULT_PROXY_READY,
                                               {FAULT_PROXY_CLIENT, "Q", NULL},
                                               {FAULT_PROXY_SERVER, "C", "SELECT"}};
    static const char *const applications[] = {NULL, "ganger-worker", "ganger-reaper"};
    const FaultProxyRule rule = {
        .application = applications[chaos_random_below(random, 3)],
        .at = messages[chaos_random_below(random, 5)],
        .hit = 1 + chaos_random_below(random, CUT_HITS),
        .is_after = chaos_random_below(random, 2) == 1,
        .action = chaos_random_below(random, 2) == 1 ? FAULT_PROXY_CUT : FAULT_PROXY_RESET,
    };
    int number = fault_proxy_add(arena.proxy, &rule);
    (void)fault_proxy_await(arena.proxy, number, CUT_LIMIT_MS); // there may be no such message
    fault_proxy_remove(arena.proxy, number);
}

void arena_partition(ChaosRandom *random, int nodes)
{
    static const NetnsCut cuts[] = {NETNS_TO_DATABASE, NETNS_TO_NODE, NETNS_BOTH_WAYS};
    int node = chaos_random_below(random, nodes);
    netns_cut(arena.net, node, cuts[chaos_random_below(random, 3)]);
    pause_ms(chaos_random_below(random, 2) == 0 ? chaos_random_below(random, PARTITION_SHORT_MS)
                                                : PARTITION_LONG_MS);
    netns_heal(arena.net, node);
}

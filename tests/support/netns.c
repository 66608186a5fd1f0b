// SPDX-License-Identifier: MIT
// Netns: see the header. By iproute2 alone, as not every machine has nft or tc.
#include "tests/support/netns.h"

#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/memory.h"

typedef struct Machine {
    int fd; // its namespace
    char address[NETNS_ADDRESS_BYTES];
    char database[NETNS_ADDRESS_BYTES]; // the database's, as this machine knows it
    NetnsCut cut;
} Machine;

struct Netns {
    int router;
    int database;
    int node_count;
    Machine nodes[NETNS_NODE_MAX];
};

_Noreturn static void fail_hard(const char *what)
{
    (void)fprintf(stderr, "netns: %s failed\n", what);
    exit(EXIT_FAILURE);
}

// --- in a namespace

static bool wait_for(pid_t pid)
{
    int status = -1;
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

static _Noreturn void become_ip(int network, int commands)
{
    if (setns(network, CLONE_NEWNET) != 0 || dup2(commands, STDIN_FILENO) < 0) {
        perror("netns");
        _exit(126);
    }
    (void)execlp("ip", "ip", "-batch", "-", (char *)NULL);
    (void)execl("/usr/sbin/ip", "ip", "-batch", "-", (char *)NULL);
    perror("netns: ip");
    _exit(127);
}

// Runs commands of `ip`, one a line, in a namespace.
static bool try_ip(int network, const char *commands)
{
    int pipes[2];
    if (pipe2(pipes, O_CLOEXEC) != 0) {
        return false;
    }
    pid_t pid = fork();
    if (pid == 0) {
        become_ip(network, pipes[0]);
    }
    (void)close(pipes[0]);
    bool is_written = dprintf(pipes[1], "%s\n", commands) > 0; // far less than a pipe holds
    (void)close(pipes[1]);
    return wait_for(pid) && is_written;
}

__attribute__((format(printf, 2, 3))) static void run_ip(int network, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&text, format, args) < 0 || !try_ip(network, text)) {
        fail_hard(text);
    }
    va_end(args);
    free(text);
}

static bool write_setting(const char *path, const char *value)
{
    int file = open(path, O_WRONLY | O_CLOEXEC);
    bool is_written = file >= 0 && write(file, value, 1) == 1;
    if (file >= 0) {
        (void)close(file);
    }
    return is_written;
}

// Forwards, and does not mind that there is no way back to a sender: a cut is of one direction.
static void make_router(int network)
{
    pid_t pid = fork();
    if (pid == 0) {
        bool is_done = setns(network, CLONE_NEWNET) == 0 &&
                       write_setting("/proc/sys/net/ipv4/ip_forward", "1") &&
                       write_setting("/proc/sys/net/ipv4/conf/all/rp_filter", "0") &&
                       write_setting("/proc/sys/net/ipv4/conf/default/rp_filter", "0");
        _exit(is_done ? 0 : 1);
    }
    if (!wait_for(pid)) {
        fail_hard("making a router");
    }
}

// -1 when it may not be made.
static int make_namespace(void)
{
    int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    int made = home >= 0 && unshare(CLONE_NEWNET) == 0
                   ? open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)
                   : -1;
    if (home < 0 || setns(home, CLONE_NEWNET) != 0) {
        made = -1;
    }
    if (home >= 0) {
        (void)close(home);
    }
    return made;
}

// --- machines

bool netns_is_possible(void)
{
    int made = geteuid() == 0 ? make_namespace() : -1;
    if (made < 0) {
        (void)fprintf(stderr, "network namespaces need root and CAP_SYS_ADMIN: skipped\n");
        return false;
    }
    bool has_veth = try_ip(made, "link add name one type veth peer name other");
    (void)close(made);
    if (!has_veth) {
        (void)fprintf(stderr, "no 'ip' (iproute2), or a kernel without veth: skipped\n");
    }
    return has_veth;
}

// A cable from the router's `port` to the machine's `uplink`, in a network 198.18.SUBNET.0/24 (set aside for benchmarks).
static void plug_in(const Netns *net, int machine, int subnet)
{
    run_ip(net->router,
           "link add port%d type veth peer name uplink netns /proc/%d/fd/%d\n"
           "address add 198.18.%d.1/24 dev port%d\n"
           "link set port%d up",
           subnet, (int)getpid(), machine, subnet, subnet, subnet);
    run_ip(machine,
           "link set lo up\n"
           "address add 198.18.%d.2/24 dev uplink\n"
           "link set uplink up\n"
           "route add default via 198.18.%d.1",
           subnet, subnet);
}

Netns *netns_create(int nodes)
{
    enum { SUBNET = 100 };
    Netns *net = mem_alloc(sizeof *net);
    *net = (Netns){.router = make_namespace(), .database = make_namespace(), .node_count = nodes};
    if (nodes > NETNS_NODE_MAX || net->router < 0 || net->database < 0) {
        fail_hard("making a namespace");
    }
    make_router(net->router);
    run_ip(net->router, "link set lo up");
    plug_in(net, net->database, SUBNET);
    for (int i = 0; i < nodes; i++) {
        Machine *node = &net->nodes[i];
        node->fd = make_namespace();
        if (node->fd < 0) {
            fail_hard("making a namespace");
        }
        plug_in(net, node->fd, i);
        (void)snprintf(node->address, sizeof node->address, "198.18.%d.2", i);
        (void)snprintf(node->database, sizeof node->database, "198.18.%d.%d", SUBNET, 10 + i);
        run_ip(net->database, "address add %s/32 dev uplink", node->database);
    }
    return net;
}

void netns_destroy(Netns *net)
{
    for (int i = 0; i < net->node_count; i++) {
        (void)close(net->nodes[i].fd);
    }
    (void)close(net->database);
    (void)close(net->router);
    free(net);
}

int netns_database(const Netns *net)
{
    return net->database;
}

int netns_node(const Netns *net, int node)
{
    return net->nodes[node].fd;
}

const char *netns_address(const Netns *net, int node)
{
    return net->nodes[node].database;
}

// --- cuts

void netns_cut(Netns *net, int node, NetnsCut what)
{
    Machine *machine = &net->nodes[node];
    NetnsCut fresh = (NetnsCut)((unsigned)what & ~(unsigned)machine->cut);
    if ((fresh & NETNS_TO_DATABASE) != 0) {
        run_ip(net->router, "route add blackhole %s/32", machine->database);
    }
    if ((fresh & NETNS_TO_NODE) != 0) {
        run_ip(net->router, "route add blackhole %s/32", machine->address);
    }
    machine->cut = (NetnsCut)((unsigned)what | (unsigned)machine->cut);
}

void netns_heal(Netns *net, int node)
{
    Machine *machine = &net->nodes[node];
    if ((machine->cut & NETNS_TO_DATABASE) != 0) {
        run_ip(net->router, "route del blackhole %s/32", machine->database);
    }
    if ((machine->cut & NETNS_TO_NODE) != 0) {
        run_ip(net->router, "route del blackhole %s/32", machine->address);
    }
    machine->cut = (NetnsCut)0;
}

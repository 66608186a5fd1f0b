// SPDX-License-Identifier: MIT
// FaultProxy: see the header.
#include "tests/support/fault_proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "tests/support/fault_link.h"

enum { LOOK_MS = 2, BACKLOG = 64, SHOWN_BYTES = 60 };

enum { POLL_WAKE, POLL_SOCKET, POLL_PORT, POLL_LINKS };

struct FaultProxy {
    pthread_t thread;
    int wake;
    int listeners[2]; // unix socket, port
    char folder[64];
    struct sockaddr_un server;
    char url[640];
    char tcp_url[640];
    bool is_traced;

    // Below `lock`, which the thread holds but while it waits, or calls.
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_over;
    bool is_refusing;
    FaultRules rules;
    FaultLink *links[FAULT_PROXY_CONNECTION_MAX];
    int count;
};

static _Noreturn void fail_hard(const char *what)
{
    (void)fprintf(stderr, "fault_proxy: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static void hold(FaultProxy *self)
{
    if (pthread_mutex_lock(&self->lock) != 0) {
        abort();
    }
}

static void let_go(FaultProxy *self)
{
    if (pthread_mutex_unlock(&self->lock) != 0) {
        abort();
    }
}

// --- the thread

static void trace(const FaultLink *link, const FaultMessage *message, int struck)
{
    char text[SHOWN_BYTES + 1];
    size_t length = message->length < SHOWN_BYTES ? message->length : SHOWN_BYTES;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)message->body[i];
        text[i] = c < ' ' || c > '~' ? '.' : (char)c;
    }
    text[length] = '\0';
    (void)fprintf(stderr, "proxy %p %s %s %c %zu %s%s\n", (const void *)link, link->application,
                  message->side == FAULT_PROXY_CLIENT ? ">" : "<", message->type, message->length,
                  text, struck >= 0 ? " STRUCK" : "");
}

static const FaultProxyRule *judge(void *data, FaultLink *link, const FaultMessage *message,
                                   int *number)
{
    FaultProxy *self = data;
    *number = fault_rules_judge(&self->rules, link->anchors, link->application, message);
    if (self->is_traced) {
        trace(link, message, *number);
    }
    return *number < 0 ? NULL : &self->rules.rules[*number].rule;
}

static void call(void *data, const FaultProxyRule *rule)
{
    FaultProxy *self = data;
    let_go(self);
    rule->call(rule->data);
    hold(self);
}

static void done(void *data, int number)
{
    FaultProxy *self = data;
    self->rules.rules[number].finished++;
    (void)pthread_cond_broadcast(&self->changed);
}

static int connect_server(const FaultProxy *self)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&self->server, sizeof self->server) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static void accept_client(FaultProxy *self, int listener)
{
    int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0) {
        return;
    }
    int server =
        self->is_refusing || self->count == FAULT_PROXY_CONNECTION_MAX ? -1 : connect_server(self);
    if (server < 0) {
        (void)close(client); // as a server does that is starting or gone
        return;
    }
    self->links[self->count++] = fault_link_create(client, server);
}

static int wait_for_something(const FaultProxy *self, struct pollfd *fds)
{
    fds[POLL_WAKE] = (struct pollfd){.fd = self->wake, .events = POLLIN};
    fds[POLL_SOCKET] = (struct pollfd){.fd = self->listeners[0], .events = POLLIN};
    fds[POLL_PORT] = (struct pollfd){.fd = self->listeners[1], .events = POLLIN};
    int64_t now = clock_boot_ms();
    int patience = -1;
    for (int i = 0; i < self->count; i++) {
        int due = fault_link_poll(self->links[i], now, &fds[POLL_LINKS + 2 * i]);
        patience = due >= 0 && (patience < 0 || due < patience) ? due : patience;
    }
    return patience;
}

static void step_links(FaultProxy *self, const struct pollfd *fds, int polled)
{
    const FaultJudge how = {judge, call, done, self};
    bool is_alive[FAULT_PROXY_CONNECTION_MAX];
    for (int i = 0; i < polled; i++) { // others may look at the links while one of them calls
        is_alive[i] = fault_link_step(self->links[i], &fds[POLL_LINKS + 2 * i], &how);
    }
    int kept = 0;
    for (int i = 0; i < polled; i++) {
        if (is_alive[i]) {
            self->links[kept++] = self->links[i];
        } else {
            fault_link_destroy(self->links[i]);
        }
    }
    self->count = kept;
}

static void *run(void *argument)
{
    FaultProxy *self = argument;
    struct pollfd fds[POLL_LINKS + 2 * FAULT_PROXY_CONNECTION_MAX];
    hold(self);
    while (!self->is_over) {
        int polled = self->count;
        int patience = wait_for_something(self, fds);
        let_go(self);
        int ready = poll(fds, POLL_LINKS + (nfds_t)2 * (nfds_t)polled, patience);
        hold(self);
        if (ready < 0) {
            continue;
        }
        eventfd_t wakeups;
        if (fds[POLL_WAKE].revents != 0) {
            (void)eventfd_read(self->wake, &wakeups);
        }
        step_links(self, fds, polled);
        for (int i = 0; i < 2; i++) {
            if (fds[POLL_SOCKET + i].revents != 0) {
                accept_client(self, self->listeners[i]);
            }
        }
        (void)pthread_cond_broadcast(&self->changed);
    }
    for (int i = 0; i < self->count; i++) {
        fault_link_destroy(self->links[i]);
    }
    let_go(self);
    return NULL;
}

// --- begin, end

static void find_server(FaultProxy *self, const TestDb *db)
{
    char folder[256] = "";
    char port[16] = "5432";
    PQconninfoOption *options = PQconninfoParse(db->url, NULL);
    for (const PQconninfoOption *o = options; o != NULL && o->keyword != NULL; o++) {
        if (o->val != NULL && str_equal(o->keyword, "host")) {
            (void)snprintf(folder, sizeof folder, "%s", o->val);
        } else if (o->val != NULL && str_equal(o->keyword, "port")) {
            (void)snprintf(port, sizeof port, "%s", o->val);
        }
    }
    PQconninfoFree(options);
    self->server.sun_family = AF_UNIX;
    int length = snprintf(self->server.sun_path, sizeof self->server.sun_path, "%s/.s.PGSQL.%s",
                          folder, port);
    if (folder[0] != '/' || length < 0 || (size_t)length >= sizeof self->server.sun_path) {
        errno = EINVAL;
        fail_hard(db->url);
    }
}

static void listen_at_socket(FaultProxy *self)
{
    struct sockaddr_un place = {.sun_family = AF_UNIX};
    (void)snprintf(self->folder, sizeof self->folder, "/tmp/gfp.XXXXXX");
    if (mkdtemp(self->folder) == NULL || chmod(self->folder, 0755) != 0) {
        fail_hard("folder");
    }
    (void)snprintf(place.sun_path, sizeof place.sun_path, "%s/.s.PGSQL.5432", self->folder);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&place, sizeof place) != 0 ||
        chmod(place.sun_path, 0777) != 0 || listen(fd, BACKLOG) != 0) {
        fail_hard(place.sun_path);
    }
    self->listeners[0] = fd;
}

static int listen_at_port(FaultProxy *self)
{
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof place;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&place, sizeof place) != 0 ||
        listen(fd, BACKLOG) != 0 || getsockname(fd, (struct sockaddr *)&place, &size) != 0) {
        fail_hard("port");
    }
    self->listeners[1] = fd;
    return ntohs(place.sin_port);
}

FaultProxy *fault_proxy_create(const TestDb *db)
{
    FaultProxy *self = mem_alloc(sizeof *self);
    find_server(self, db);
    listen_at_socket(self);
    int port = listen_at_port(self);
    // The last one of a name counts.
    (void)snprintf(self->url, sizeof self->url, "%.512s host=%s port=5432", db->url, self->folder);
    (void)snprintf(self->tcp_url, sizeof self->tcp_url, "%.512s host=127.0.0.1 port=%d", db->url,
                   port);
    self->is_traced = getenv("GANGER_PROXY_TRACE") != NULL;
    self->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (self->wake < 0 || pthread_mutex_init(&self->lock, NULL) != 0 ||
        pthread_cond_init(&self->changed, NULL) != 0 ||
        pthread_create(&self->thread, NULL, run, self) != 0) {
        fail_hard("thread");
    }
    return self;
}

static void wake(FaultProxy *self)
{
    (void)eventfd_write(self->wake, 1);
}

void fault_proxy_destroy(FaultProxy *self)
{
    hold(self);
    self->is_over = true;
    let_go(self);
    wake(self);
    (void)pthread_join(self->thread, NULL);
    (void)pthread_cond_destroy(&self->changed);
    (void)pthread_mutex_destroy(&self->lock);
    char *path = mem_printf("%s/.s.PGSQL.5432", self->folder);
    (void)unlink(path);
    (void)rmdir(self->folder);
    free(path);
    (void)close(self->listeners[0]);
    (void)close(self->listeners[1]);
    (void)close(self->wake);
    free(self);
}

const char *fault_proxy_url(const FaultProxy *self)
{
    return self->url;
}

const char *fault_proxy_tcp_url(const FaultProxy *self)
{
    return self->tcp_url;
}

// --- rules

int fault_proxy_add(FaultProxy *self, const FaultProxyRule *rule)
{
    hold(self);
    int number = fault_rules_add(&self->rules, rule);
    for (int i = 0; i < self->count && number >= 0; i++) {
        self->links[i]->anchors[number] = (FaultAnchor){.is_down = false};
    }
    let_go(self);
    if (number < 0) {
        errno = ENOSPC;
        fail_hard("too many rules");
    }
    return number;
}

void fault_proxy_remove(FaultProxy *self, int rule)
{
    hold(self);
    FaultRuleState *state = &self->rules.rules[rule];
    state->is_set = false;
    while (state->strikes > state->finished && pthread_equal(pthread_self(), self->thread) == 0) {
        (void)pthread_cond_wait(&self->changed, &self->lock);
    }
    let_go(self);
}

static bool is_of(const FaultLink *link, const char *application)
{
    return application == NULL || str_equal(link->application, application);
}

static int cut(FaultProxy *self, const char *application, bool only_swallowed)
{
    int count = 0;
    for (int i = 0; i < self->count; i++) {
        FaultLink *link = self->links[i];
        bool is_meant = only_swallowed
                            ? link->to_server.is_swallowed || link->to_client.is_swallowed
                            : is_of(link, application) && !link->is_ending;
        if (is_meant) {
            fault_link_cut(link);
            count++;
        }
    }
    return count;
}

void fault_proxy_clear(FaultProxy *self)
{
    hold(self);
    self->rules.count = 0;
    (void)cut(self, NULL, true);
    let_go(self);
    wake(self);
}

static int read_count(FaultProxy *self, const int *count)
{
    hold(self);
    int value = *count;
    let_go(self);
    return value;
}

int fault_proxy_strikes(FaultProxy *self, int rule)
{
    return read_count(self, &self->rules.rules[rule].finished);
}

int fault_proxy_counted(FaultProxy *self, int rule)
{
    return read_count(self, &self->rules.rules[rule].counted);
}

int fault_proxy_missed(FaultProxy *self, int rule)
{
    return read_count(self, &self->rules.rules[rule].missed);
}

static bool await_rule(FaultProxy *self, int rule, int64_t limit_ms, bool or_miss)
{
    int64_t until = clock_boot_ms() + limit_ms;
    const FaultRuleState *state = &self->rules.rules[rule];
    hold(self);
    bool is_so = false;
    while (!(is_so = state->finished > 0 || (or_miss && state->missed > 0)) &&
           clock_boot_ms() < until) {
        struct timespec at;
        (void)clock_gettime(CLOCK_REALTIME, &at);
        at.tv_nsec += LOOK_MS * 1000000L;
        if (at.tv_nsec >= 1000000000L) {
            at.tv_sec++;
            at.tv_nsec -= 1000000000L;
        }
        (void)pthread_cond_timedwait(&self->changed, &self->lock, &at);
    }
    let_go(self);
    return is_so;
}

bool fault_proxy_await(FaultProxy *self, int rule, int64_t limit_ms)
{
    return await_rule(self, rule, limit_ms, false);
}

bool fault_proxy_await_or_miss(FaultProxy *self, int rule, int64_t limit_ms)
{
    return await_rule(self, rule, limit_ms, true);
}

// --- now

int fault_proxy_cut(FaultProxy *self, const char *application)
{
    hold(self);
    int count = cut(self, application, false);
    let_go(self);
    wake(self);
    return count;
}

void fault_proxy_refuse(FaultProxy *self, bool is_refusing)
{
    hold(self);
    self->is_refusing = is_refusing;
    if (is_refusing) {
        (void)cut(self, NULL, false);
    }
    let_go(self);
    wake(self);
}

int fault_proxy_connections(FaultProxy *self, const char *application)
{
    hold(self);
    int count = 0;
    for (int i = 0; i < self->count; i++) {
        count += is_of(self->links[i], application) && !self->links[i]->is_ending;
    }
    let_go(self);
    return count;
}

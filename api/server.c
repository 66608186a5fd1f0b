// SPDX-License-Identifier: MIT
// Server: see the header.
#include "api/server.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "api/http_internal.h"
#include "common/base/clock.h"
#include "common/base/log.h"

enum {
    DESCRIPTORS_OF_OURS = 128,
    DRAIN_SWEEP_MS = 20, // leaving: two seconds are all there is at a shutdown
    // A connection is resumed, told the end of its answer and closed in a turn of libmicrohttpd each; two are to spare.
    DRAIN_LAST_PUMPS = 5
};

static void on_log(void *data, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

// --- libmicrohttpd's calls

static void on_log(void *data, const char *format, va_list arguments)
{
    (void)data;
    char text[256];
    vsnprintf(text, sizeof text, format, arguments);
    log_debug("http.library", "message=\"%s\"", text);
}

// Paths are decoded by target.c, which refuses what cannot be.
static size_t on_unescape(void *data, struct MHD_Connection *mhd, char *text)
{
    (void)data;
    (void)mhd;
    return strlen(text);
}

static void *on_request_line(void *data, const char *target, struct MHD_Connection *mhd)
{
    return exchange_create(data, mhd, target);
}

static void on_completed(void *data, struct MHD_Connection *mhd, void **context,
                         enum MHD_RequestTerminationCode how)
{
    (void)data;
    (void)mhd;
    (void)how;
    if (*context != NULL) {
        exchange_destroy(*context);
        *context = NULL;
    }
}

static bool is_half_a_request(const Exchange *exchange)
{
    return exchange->phase == EXCHANGE_HEADERS || exchange->phase == EXCHANGE_BODY;
}

static enum MHD_Result suspend(Exchange *exchange)
{
    MHD_suspend_connection(exchange->mhd);
    exchange->is_suspended = true;
    return MHD_YES;
}

// What is answered before the body has been read ends the connection; without a body there is no need to.
static enum MHD_Result let_in(Exchange *exchange, bool is_in)
{
    if (exchange->phase == EXCHANGE_CALLER) {
        return suspend(exchange);
    }
    return is_in || (!exchange->has_body && !exchange->closes) ? MHD_YES : exchange_send(exchange);
}

static enum MHD_Result work(Exchange *exchange)
{
    exchange->phase = EXCHANGE_WORKING;
    exchange->connection->deadline = INT64_MAX;
    dispatch(exchange);
    return exchange->phase == EXCHANGE_WORKING ? suspend(exchange) : exchange_send(exchange);
}

static enum MHD_Result on_access(void *data, struct MHD_Connection *mhd, const char *url,
                                 const char *method, const char *version, const char *upload,
                                 size_t *upload_size, void **context)
{
    (void)data;
    (void)mhd;
    (void)url;
    Exchange *exchange = *context;
    const Server *server = exchange->server;
    if (server->is_stopping && is_half_a_request(exchange)) {
        return MHD_NO;
    }
    switch (exchange->phase) {
    case EXCHANGE_HEADERS:
        if (!str_copy(exchange->method, sizeof exchange->method, method)) {
            log_debug("http.method", "cut=yes");
        }
        return let_in(exchange, admission_check(exchange, version));
    case EXCHANGE_CALLER:
        return let_in(exchange, admission_go_on(exchange));
    case EXCHANGE_BODY:
        if (*upload_size > 0) {
            bool is_taken = admission_take_body(exchange, upload, *upload_size);
            *upload_size = 0;
            return is_taken ? MHD_YES : MHD_NO;
        }
        return admission_finish(exchange) ? work(exchange) : exchange_send(exchange);
    case EXCHANGE_ANSWERED:
        return exchange_send(exchange);
    case EXCHANGE_ABANDONED:
        return MHD_NO;
    case EXCHANGE_WORKING:
    case EXCHANGE_SENDING:
        break;
    }
    *upload_size = 0;
    return MHD_YES;
}

// --- inside libev

static void pump(Server *server)
{
    server->needs_pump = false;
    MHD_run(server->mhd);
    MHD_UNSIGNED_LONG_LONG ms = 0;
    if (MHD_get_timeout(server->mhd, &ms) == MHD_YES) {
        server->timeout.repeat = ms > 0 ? (double)ms / 1e3 : 1e-9;
        ev_timer_again(server->api->loop, &server->timeout);
    } else {
        ev_timer_stop(server->api->loop, &server->timeout);
    }
}

static void on_epoll(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)loop;
    (void)events;
    ((Server *)watcher->data)->needs_pump = true;
}

static void on_timeout(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)events;
    ev_timer_stop(loop, watcher);
    ((Server *)watcher->data)->needs_pump = true;
}

// Once for all that has happened in this turn of the loop.
static void on_pump(struct ev_loop *loop, ev_prepare *watcher, int events)
{
    (void)loop;
    (void)events;
    Server *server = watcher->data;
    if (server->needs_pump) {
        pump(server);
    }
}

static void go_on_draining(Server *server);

static void on_sweep(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)events;
    Server *server = watcher->data;
    bool has_connections = http_connections_sweep(server);
    if (server->drain_until != 0) {
        go_on_draining(server);
    } else if (!has_connections) {
        ev_timer_stop(loop, watcher);
    }
}

static void start_watchers(Server *server)
{
    struct ev_loop *loop = server->api->loop;
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(server->mhd, MHD_DAEMON_INFO_EPOLL_FD);
    ev_io_init(&server->epoll, on_epoll, info->epoll_fd, EV_READ);
    ev_init(&server->timeout, on_timeout);
    ev_prepare_init(&server->pump, on_pump);
    ev_init(&server->sweep, on_sweep);
    server->sweep.repeat = HTTP_SWEEP_MS / 1e3;
    server->epoll.data = server->timeout.data = server->pump.data = server->sweep.data = server;
    ev_io_start(loop, &server->epoll);
    ev_prepare_start(loop, &server->pump);
}

// --- beginning and end

// As many connections as descriptors allow, with some left for the database and ourselves.
static int connection_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return HTTP_CONNECTION_MAX / 4;
    }
    if (limit.rlim_cur < limit.rlim_max) {
        rlim_t wanted = HTTP_CONNECTION_MAX + DESCRIPTORS_OF_OURS + 64;
        limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
        (void)getrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur >= HTTP_CONNECTION_MAX + DESCRIPTORS_OF_OURS) {
        return HTTP_CONNECTION_MAX;
    }
    return limit.rlim_cur > (rlim_t)2 * DESCRIPTORS_OF_OURS
               ? (int)limit.rlim_cur - DESCRIPTORS_OF_OURS
               : DESCRIPTORS_OF_OURS;
}

static void collect_hosts(Server *server)
{
    const Config *config = server->api->config;
    size_t count = config->http_hosts.count + config->http_listen.count;
    server->hosts.items = mem_alloc((count + 1) * sizeof(char *));
    for (size_t i = 0; i < config->http_hosts.count; i++) {
        server->hosts.items[server->hosts.count++] = config->http_hosts.items[i];
    }
    for (size_t i = 0; i < config->http_listen.count; i++) {
        if (strncmp(config->http_listen.items[i], "unix:", 5) != 0) {
            server->hosts.items[server->hosts.count++] = config->http_listen.items[i];
        }
    }
}

static Status start_library(Server *server)
{
    server->connection_max = connection_limit();
    server->mhd = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ERROR_LOG, 0,
        NULL, NULL, on_access, server, MHD_OPTION_EXTERNAL_LOGGER, on_log, server,
        MHD_OPTION_URI_LOG_CALLBACK, on_request_line, server, MHD_OPTION_UNESCAPE_CALLBACK,
        on_unescape, server, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
        MHD_OPTION_NOTIFY_CONNECTION, http_connection_notify, server, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)server->connection_max + 64, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)HTTP_CONNECTION_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT, 0U,
#if MHD_VERSION >= 0x00097701
        MHD_OPTION_CLIENT_DISCIPLINE_LVL, 1,
#else
        MHD_OPTION_STRICT_FOR_CLIENT, 1,
#endif
        MHD_OPTION_END);
    if (server->mhd == NULL) {
        log_error("http.start_failed",
                  "reason=\"libmicrohttpd did not start\" hint=\"it needs epoll\"");
        return STATUS_FATAL;
    }
    return STATUS_OK;
}

Status server_create(Server **out, Api *api)
{
    Server *server = mem_alloc(sizeof *server);
    *out = server;
    server->api = api;
    server->routes = route_table(&server->route_count);
    collect_hosts(server);
    TRY(start_library(server));
    start_watchers(server);
    return listeners_open(server);
}

int server_connection_count(const Server *server)
{
    return server->connection_count;
}

// Connections without a request are cut, streams are told to end; requests that have come are answered. Of a request that does not
// go on coming nothing has been done, and nobody is served while it is waited for. True: no connection is left.
static bool quiet_down(Server *server)
{
    bool is_quiet = true;
    bool is_late = clock_boot_ms() >= server->drain_since + HTTP_DRAIN_HALF_MS;
    for (HttpConnection *at = server->connections; at != NULL; at = at->next) {
        Exchange *exchange = at->exchange;
        if (exchange == NULL ? http_connection_is_idle(at)
                             : is_late && is_half_a_request(exchange)) {
            http_connection_cut(at);
        } else if (exchange != NULL && exchange->stream != NULL) {
            http_stream_end(exchange->stream);
        }
        is_quiet = false;
    }
    return is_quiet;
}

static void go_on_draining(Server *server)
{
    if (server->on_drained == NULL) {
        return;
    }
    bool is_quiet = quiet_down(server);
    if (is_quiet || clock_boot_ms() >= server->drain_until) {
        void (*on_drained)(void *) = server->on_drained;
        server->on_drained = NULL;
        on_drained(server->drained_data);
    }
}

void server_drain(Server *server, int64_t limit_ms, void (*on_drained)(void *data), void *data)
{
    listeners_close(server);
    server->drain_since = clock_boot_ms();
    server->drain_until = server->drain_since + limit_ms;
    server->on_drained = on_drained;
    server->drained_data = data;
    server->sweep.repeat = DRAIN_SWEEP_MS / 1e3;
    ev_timer_again(server->api->loop, &server->sweep);
    (void)quiet_down(server);
}

// libmicrohttpd must not be stopped with suspended connections.
static void resume_all(Server *server)
{
    for (HttpConnection *at = server->connections; at != NULL; at = at->next) {
        Exchange *exchange = at->exchange;
        if (exchange != NULL && exchange->stream != NULL) {
            http_stream_drop(exchange->stream);
        } else if (exchange != NULL && exchange->is_suspended) {
            exchange_abandon(exchange);
        }
    }
}

void server_destroy(Server *server)
{
    struct ev_loop *loop = server->api->loop;
    listeners_close(server);
    server->is_stopping = true;
    if (server->mhd != NULL) {
        for (int i = 0; i < DRAIN_LAST_PUMPS; i++) {
            resume_all(server);
            MHD_run(server->mhd);
        }
        ev_io_stop(loop, &server->epoll);
        ev_timer_stop(loop, &server->timeout);
        ev_timer_stop(loop, &server->sweep);
        ev_prepare_stop(loop, &server->pump);
        MHD_stop_daemon(server->mhd);
    }
    free(server->hosts.items);
    free(server);
}

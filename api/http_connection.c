// SPDX-License-Identifier: MIT
// Connections of clients: who they are, how long each may take for what, and who goes when there are too many.
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "api/http_internal.h"
#include "common/base/clock.h"
#include "common/base/log.h"

static void name_peer(HttpConnection *connection, const struct sockaddr *address)
{
    const void *bytes = NULL;
    connection->is_unix = address == NULL || address->sa_family == AF_UNIX;
    if (address != NULL && address->sa_family == AF_INET) {
        bytes = &((const struct sockaddr_in *)(const void *)address)->sin_addr;
    } else if (address != NULL && address->sa_family == AF_INET6) {
        bytes = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    }
    if (bytes != NULL) {
        inet_ntop(address->sa_family, bytes, connection->peer, sizeof connection->peer);
    }
}

static void begin(Server *server, struct MHD_Connection *mhd, void **context)
{
    HttpConnection *connection = mem_alloc(sizeof *connection);
    connection->server = server;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    connection->fd = info == NULL ? -1 : info->connect_fd;
    info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    name_peer(connection, info == NULL ? NULL : info->client_addr);
    connection->deadline = clock_boot_ms() + HTTP_HEADER_LIMIT_MS;
    connection->next = server->connections;
    if (server->connections != NULL) {
        server->connections->before = connection;
    }
    server->connections = connection;
    server->connection_count++;
    if (!ev_is_active(&server->sweep)) {
        ev_timer_again(server->api->loop, &server->sweep);
    }
    *context = connection;
}

static void end(Server *server, HttpConnection *connection)
{
    if (connection->before != NULL) {
        connection->before->next = connection->next;
    } else {
        server->connections = connection->next;
    }
    if (connection->next != NULL) {
        connection->next->before = connection->before;
    }
    server->connection_count--;
    free(connection);
}

void http_connection_notify(void *data, struct MHD_Connection *mhd, void **context,
                            enum MHD_ConnectionNotificationCode what)
{
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        begin(data, mhd, context);
    } else if (*context != NULL) {
        end(data, *context);
        *context = NULL;
    }
}

HttpConnection *http_connection_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info == NULL ? NULL : info->socket_context;
}

// The descriptor is libmicrohttpd's to close: it reads the end, and does.
void http_connection_cut(HttpConnection *connection)
{
    shutdown(connection->fd, SHUT_RDWR);
    connection->deadline = INT64_MAX;
    connection->server->needs_pump = true;
}

bool http_connection_is_gone(const HttpConnection *connection)
{
    char byte;
    ssize_t length = recv(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return length == 0 || (length < 0 && errno != EAGAIN && errno != EINTR);
}

bool http_connection_is_idle(const HttpConnection *connection)
{
    char byte;
    return recv(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

// What an answer takes longer for than a moment is not for somebody who has gone. A write is: it may be half done.
static void look_after(HttpConnection *connection, int64_t now)
{
    Exchange *exchange = connection->exchange;
    if (exchange == NULL || !exchange->is_suspended ||
        now - exchange->began_us / 1000 < HTTP_GONE_LOOK_MS) {
        return;
    }
    if (exchange->stream != NULL) {
        if (now >= connection->look_at) {
            connection->look_at = now + HTTP_STREAM_LOOK_MS;
            if (http_connection_is_gone(connection)) {
                http_stream_drop(exchange->stream);
            }
        }
        return;
    }
    bool is_write = exchange->ticket != NULL && exchange->match.route != NULL &&
                    !route_is_read(exchange->match.route);
    if (!is_write && http_connection_is_gone(connection)) {
        exchange_abandon(exchange);
    }
}

bool http_connections_sweep(Server *server)
{
    int64_t now = clock_boot_ms();
    HttpConnection *next = NULL;
    for (HttpConnection *connection = server->connections; connection != NULL; connection = next) {
        next = connection->next;
        if (connection->deadline <= now) {
            log_debug("http.timeout", "peer=%s", connection->peer);
            http_connection_cut(connection);
        } else {
            look_after(connection, now);
        }
    }
    return server->connections != NULL;
}

// Of those that ask for nothing the one that has done so longest.
static HttpConnection *idlest(const Server *server)
{
    HttpConnection *found = NULL;
    for (HttpConnection *at = server->connections; at != NULL; at = at->next) {
        bool asks = at->exchange != NULL && at->exchange->phase != EXCHANGE_HEADERS;
        if (!asks && at->deadline != INT64_MAX &&
            (found == NULL || at->deadline < found->deadline)) {
            found = at;
        }
    }
    return found;
}

bool http_connections_admit(Server *server, const struct sockaddr *address)
{
    HttpConnection who = {0};
    name_peer(&who, address);
    if (!who.is_unix && !server->api->config->http_behind_proxy) {
        int of_peer = 0;
        for (const HttpConnection *at = server->connections; at != NULL; at = at->next) {
            of_peer += str_equal(at->peer, who.peer) ? 1 : 0;
        }
        if (of_peer >= server->connection_max / 2) {
            return false;
        }
    }
    if (server->connection_count >= server->connection_max) {
        HttpConnection *connection = idlest(server);
        if (connection == NULL) {
            return false;
        }
        http_connection_cut(connection);
    }
    return true;
}

// SPDX-License-Identifier: MIT
// Server: libmicrohttpd inside libev, and the sockets it serves.
#ifndef API_SERVER_H
#define API_SERVER_H

#include "api/api.h"
#include "common/base/status.h"

typedef struct Server Server;

// Binds all addresses of the configuration. STATUS_FATAL: one is not to be had (logged, with what to do).
MUST_CHECK Status server_create(Server **out, Api *api);
// Takes no new connection, finishes what runs within limit_ms, ends streams; then calls `on_drained` once.
void server_drain(Server *server, int64_t limit_ms, void (*on_drained)(void *data), void *data);
// Whatever is left is cut. The pool has been closed before.
void server_destroy(Server *server);
int server_connection_count(const Server *server);

#endif

// SPDX-License-Identifier: MIT
// What the files around libmicrohttpd share: the server, its connections, an exchange, and the calls between them.
#ifndef API_HTTP_INTERNAL_H
#define API_HTTP_INTERNAL_H

#include <microhttpd.h>
#include <stdint.h>

#include "api/exchange.h"
#include "api/guard.h"
#include "api/router.h"
#include "api/server.h"
#include "api/target.h"
#include "api/throttle.h"
#include "api/token_cache.h"
#include "common/base/listen_address.h"
#include "common/base/memory.h"

enum {
    HTTP_CONNECTION_MAX = 2048,
    HTTP_CONNECTION_MEMORY = 48 * 1024, // request line, headers, and the answer's
    HTTP_HEADER_LIMIT_MS = 10000, // from the first byte of a request to the end of its headers
    HTTP_BODY_LIMIT_MS = 30000,
    HTTP_ANSWER_LIMIT_MS = 30000, // and a second for each HTTP_SLOWEST_BYTES of it
    HTTP_SLOWEST_BYTES = 64 * 1024,
    HTTP_IDLE_LIMIT_MS = 30000,
    HTTP_GONE_LOOK_MS = 300, // an answer that takes longer: is the client still there?
    HTTP_STREAM_LOOK_MS = 2000,
    HTTP_SWEEP_MS = 250,
    HTTP_DRAIN_HALF_MS = 1000,                  // leaving: how long the rest of a request may take
    HTTP_BODIES_BYTES_MAX = 64 * 1024 * 1024,   // held at once, of all requests
    HTTP_ANSWERS_BYTES_MAX = 128 * 1024 * 1024, // the same of answers, until they are sent
    HTTP_SMALL_ANSWER_BYTES = 4096,             // has room always
    HTTP_EXTRA_HEADER_MAX = 12,
    HTTP_PEER_BYTES = THROTTLE_ADDRESS_BYTES
};

typedef struct Listener {
    Server *server;
    ListenAddress address;
    int fd;
    ev_io io;
} Listener;

// One connection of a client.
typedef struct HttpConnection {
    Server *server;
    struct HttpConnection *next;
    struct HttpConnection *before;
    Exchange *exchange; // the request it is about; NULL between two
    int fd;             // libmicrohttpd's
    bool is_unix;
    char peer[HTTP_PEER_BYTES]; // address without port; "" for a unix socket
    int64_t deadline;           // cut when past it; INT64_MAX none
    int64_t look_at;            // of a stream: when to see whether the client is still there
} HttpConnection;

typedef enum ExchangePhase {
    EXCHANGE_HEADERS, // the request line has been read
    EXCHANGE_CALLER,  // the tokens are read once more
    EXCHANGE_BODY,
    EXCHANGE_WORKING,  // its handler has been called
    EXCHANGE_ANSWERED, // the response is there
    EXCHANGE_SENDING,
    EXCHANGE_ABANDONED // the client has gone
} ExchangePhase;

typedef struct ExtraHeader {
    char *name;
    char *value;
} ExtraHeader;

struct Exchange {
    Server *server;
    HttpConnection *connection;
    struct MHD_Connection *mhd;
    ExchangePhase phase;
    bool is_suspended;
    GuardBody announced;
    bool has_body;
    bool closes; // the connection ends with the answer
    char *raw_target;
    char method[16];
    Target target;
    RouterMatch match;
    PoolActor actor;             // role NULL: the connection's own user
    char token[TOKEN_HEX_BYTES]; // digest of the actor's
    TokenWait token_wait;
    char *actor_texts[2]; // owner, queues: a newer token cache may have others
    StrBuf body;
    StrBuf request_json;
    PoolTicket *ticket;
    void (*on_ask)(Exchange *exchange, const PoolAnswer *answer);
    void (*on_gone)(void *data);
    void *gone_data;
    ExtraHeader headers[HTTP_EXTRA_HEADER_MAX];
    int header_count;
    struct MHD_Response *response;
    int status;
    int64_t answer_bytes;
    int64_t held_bytes; // of them, in a copy of our own
    HttpStream *stream;
    int64_t began_us;
};

struct Server {
    Api *api;
    struct MHD_Daemon *mhd;
    ev_io epoll;
    ev_timer timeout;
    ev_prepare pump;
    ev_timer sweep;
    bool needs_pump;
    Listener *listeners;
    size_t listener_count;
    HttpConnection *connections;
    int connection_count;
    int connection_max;
    int64_t body_bytes;   // of all requests
    int64_t answer_bytes; // of all answers that are held
    const Route *routes;
    size_t route_count;
    StringList hosts;    // what a Host may be, beside loopback
    int64_t drain_until; // 0: not leaving
    int64_t drain_since;
    bool is_stopping; // what has not been taken up never will be
    void (*on_drained)(void *data);
    void *drained_data;
};

// --- http_connection.c
void http_connection_notify(void *data, struct MHD_Connection *mhd, void **context,
                            enum MHD_ConnectionNotificationCode what);
HttpConnection *http_connection_of(struct MHD_Connection *mhd);
void http_connection_cut(HttpConnection *connection);
// Nothing to read but the end, or an error.
bool http_connection_is_gone(const HttpConnection *connection);
// Nothing has come that was not read yet.
bool http_connection_is_idle(const HttpConnection *connection);
// Cuts what is over its time. False: there is no connection.
bool http_connections_sweep(Server *server);
// Makes room for one more; false: this client has too many.
bool http_connections_admit(Server *server, const struct sockaddr *address);

// --- listener.c
MUST_CHECK Status listeners_open(Server *server);
void listeners_close(Server *server);

// --- exchange.c
Exchange *exchange_create(Server *server, struct MHD_Connection *mhd, const char *target);
void exchange_destroy(Exchange *exchange);
void exchange_abandon(Exchange *exchange);
enum MHD_Result exchange_send(Exchange *exchange);
// What is suspended is looked at again.
void exchange_wake(Exchange *exchange);
void exchange_reply_response(Exchange *exchange, int status, struct MHD_Response *response);

// --- admission.c
// The first look at a request: false when it has been answered, or waits as EXCHANGE_CALLER.
bool admission_check(Exchange *exchange, const char *version);
// Phase EXCHANGE_CALLER: more is known now.
bool admission_go_on(Exchange *exchange);
// A part of the body; false: the connection is to be cut.
bool admission_take_body(Exchange *exchange, const char *data, size_t length);
// The body is there: false when the request has been answered.
bool admission_finish(Exchange *exchange);

// --- http_stream.c
void http_stream_destroy(HttpStream *stream);

// --- dispatch.c
void dispatch(Exchange *exchange);

#endif

// SPDX-License-Identifier: MIT
// Exchange: one request and its answer.
//
// A route's handler (dispatch.c) is called once, with the whole request. It answers at once or later, exactly once, by one of the
// exchange_reply_* calls, exchange_run or exchange_open_stream; what has not answered when the handler returns waits without holding
// a thread or a connection of the database. A client that goes away meanwhile ends the exchange: exchange_on_gone says so, and the
// pointer is not to be used after that call. After an answer it is not to be used either.
#ifndef API_EXCHANGE_H
#define API_EXCHANGE_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>

#include "api/api.h"
#include "api/pool.h"
#include "api/problem.h"
#include "api/route.h"

typedef struct Exchange Exchange;
typedef struct HttpStream HttpStream;

// --- the request; texts live as long as the exchange

Api *exchange_api(const Exchange *exchange);
const Route *exchange_route(const Exchange *exchange);
const char *exchange_method(const Exchange *exchange);
// What {name} of the pattern stands for; NULL when the pattern has none.
const char *exchange_variable(const Exchange *exchange, const char *name);
// The index-th value of a query parameter, decoded; NULL when there are not so many.
const char *exchange_query(const Exchange *exchange, const char *name, size_t index);
// The first query parameter that is not among `known` (ended by NULL); NULL when there is none.
const char *exchange_unknown_query(const Exchange *exchange, const char *const *known);
// The header's value, whatever the case of its name; NULL when it is not there.
const char *exchange_header(const Exchange *exchange, const char *name);
// For whom statements are run; NULL (http.auth is none): the connection's own user. What it is bound to is in it.
const PoolActor *exchange_actor(const Exchange *exchange);
// The digest of the token that was shown, as token_cache_has takes it; "" none.
const char *exchange_token(const Exchange *exchange);

// --- waiting

// Called when the client has gone before the answer. Not called after an answer.
void exchange_on_gone(Exchange *exchange, void (*on_gone)(void *data), void *data);

// --- the answer

// A header of the answer, before it.
void exchange_add_header(Exchange *exchange, const char *name, const char *value);
// `body` is copied.
void exchange_reply(Exchange *exchange, int status, const char *content_type, const char *body,
                    size_t length);
// application/problem+json. `code` is a word for programs, `detail` a sentence for people that says what to do.
void exchange_reply_problem(Exchange *exchange, int status, const char *code, const char *format,
                            ...) __attribute__((format(printf, 4, 5)));
void exchange_reply_described(Exchange *exchange, const Problem *problem);
// 400 for a parameter of the query that cannot be taken, told as the SQL API tells it: the code is its SQLSTATE (22023).
void exchange_refuse_parameter(Exchange *exchange, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// 503 with Retry-After: what cannot be had now.
void exchange_reply_busy(Exchange *exchange, int retry_after_sec, const char *code,
                         const char *detail);
// What a statement of the contract in route.h has answered: its row, or its error.
void exchange_reply_answer(Exchange *exchange, const PoolAnswer *answer);
// Asks the route's statement and replies with what it answers.
void exchange_run(Exchange *exchange);
// Asks the route's statement; `on_answer` decides, and replies.
void exchange_ask(Exchange *exchange,
                  void (*on_answer)(Exchange *exchange, const PoolAnswer *answer));

// --- an answer without an end

// Status 200 and an open body. `on_closed` is called once, when the client has gone, was dropped, or the process is leaving; the
// stream is not to be used after that call. At most `limit` bytes wait for a client that reads slowly.
HttpStream *exchange_open_stream(Exchange *exchange, const char *content_type, size_t limit,
                                 void (*on_closed)(void *data), void *data);
// False: it does not fit. The client is too slow; http_stream_drop is due.
bool http_stream_write(HttpStream *stream, const char *bytes, size_t length);
// Bytes the client has not taken yet.
size_t http_stream_pending(const HttpStream *stream);
// Ends the answer when what was written has been sent. on_closed is called later.
void http_stream_end(HttpStream *stream);
// Cuts the connection. on_closed is called later.
void http_stream_drop(HttpStream *stream);

#endif

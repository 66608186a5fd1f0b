// SPDX-License-Identifier: MIT
// Stream: GET /api/events, server-sent events for as long as the client stays. docs/http-api.md says what it is told.
//
// One follower of the feed of events serves all streams of the process, and asks the database only while there are any. A stream
// that is not where the follower is (it resumes, or its client was slow) reads for itself, in small portions and as fast as the client
// takes them, until it has caught up. So each event is told once and in order, whatever happens on the way.
#ifndef API_STREAM_H
#define API_STREAM_H

#include "api/api.h"
#include "api/exchange.h"

enum { STREAM_MAX = 500, STREAM_BUFFER_BYTES = 64 * 1024 };

typedef struct StreamHub StreamHub;

// `api` has loop and pool, and outlives it.
StreamHub *stream_hub_create(Api *api);
// After the server, which closes the streams; before the pool is destroyed.
void stream_hub_destroy(StreamHub *hub);
// How many streams are open.
int stream_hub_count(const StreamHub *hub);

// Of ROUTE_EVENTS.
void stream_answer(Exchange *exchange);

#endif

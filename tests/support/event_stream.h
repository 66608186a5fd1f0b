// SPDX-License-Identifier: MIT
// Event stream: a client of GET /api/events for tests. It reads what really comes, event by event.
#ifndef TESTS_SUPPORT_EVENT_STREAM_H
#define TESTS_SUPPORT_EVENT_STREAM_H

#include "tests/support/http_client.h"

typedef struct EventStream {
    HttpClient client;
    StrBuf text;     // came, and is no whole event yet
    int64_t last_id; // as a browser would send it when it comes back; -1: none yet
    bool is_ended;
} EventStream;

typedef struct StreamedEvent {
    int64_t id;
    char event[64];
    char data[1024]; // cut when longer
} StreamedEvent;

// Opens one: its status, 200 when it is there; 0: no answer. `last_id` -1: without Last-Event-ID. `headers`: further ones, whole lines.
int event_stream_open(EventStream *stream, const char *address, const char *target, int64_t last_id,
                      const char *headers);
void event_stream_close(EventStream *stream);
// The next event with data; false when none comes in time, or the stream has ended.
bool event_stream_next(EventStream *stream, StreamedEvent *event, int64_t limit_ms);

#endif

// SPDX-License-Identifier: MIT
// What the files of stream.h share.
#ifndef API_STREAM_INTERNAL_H
#define API_STREAM_INTERNAL_H

#include "api/stream.h"
#include "api/stream_filter.h"
#include "api/token_cache.h"

enum {
    STREAM_POLL_MS = 250,
    STREAM_ALIVE_MS = 15000, // something is said at least so often: proxies cut what is silent
    STREAM_SLOW_MS = 20000, // a client that takes nothing for so long, of what waits for it, is cut
    STREAM_ROWS = 500,      // of the follower, at once
    STREAM_OWN_ROWS = 200,  // of a stream that reads for itself,
    STREAM_OWN_ASKS = 2,    // of which so many at a time
    STREAM_BEHIND_MAX = 100000, // numbers of the feed: who is further behind begins anew
    STREAM_EVENT_BYTES = STREAM_BUFFER_BYTES / 2 // what is longer is told without its data
};

typedef enum StreamMode {
    STREAM_JOINING, // waits to hear where the feed is
    STREAM_OWN,     // reads for itself, from its cursor on
    STREAM_LIVE     // is told what the follower reads
} StreamMode;

typedef struct Stream {
    StreamHub *hub;
    struct Stream *next;
    struct Stream *before;
    HttpStream *http;
    StreamFilter filter;
    char token[TOKEN_HEX_BYTES]; // what it was opened with; "" none
    StreamMode mode;
    bool is_welcomed;   // has been told `ready`
    bool is_cut;        // and will be closed
    int64_t cursor;     // of what it was told, or what was not for it
    int64_t written_at; // the last time it was told anything
    int64_t taken_at;   // the last time that nothing waited for its client, or less than before
    size_t pending;     // bytes that waited then, with what was written since
} Stream;

typedef struct StreamAsk { // a stream reads for itself
    StreamHub *hub;
    PoolTicket *ticket; // NULL: free
    Stream *stream;     // NULL: has gone meanwhile
} StreamAsk;

struct StreamHub {
    Api *api;
    Stream *first;
    int count;
    ev_timer timer;
    int64_t cursor; // of the follower; -1: not known
    PoolTicket *ticket;
    StreamAsk asks[STREAM_OWN_ASKS];
    int64_t complained_at;
};

// --- stream_feed.c
// Asks for what has come since, and for what streams that are behind want, unless that has been done.
void stream_feed_ask(StreamHub *hub);
// Nobody follows any more.
void stream_feed_stop(StreamHub *hub);

// --- stream.c
// False: it does not fit now.
bool stream_write(Stream *stream, const char *text, size_t length);
// "id: N", and, where `event` is not NULL, that event with its place in the feed. False: it does not fit now.
bool stream_tell_place(Stream *stream, const char *event, int64_t place);

#endif

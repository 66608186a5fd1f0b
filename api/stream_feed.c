// SPDX-License-Identifier: MIT
// Stream feed: reads the feed of events, once for all streams that are where it ends, and for each that is behind.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/stream_internal.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "sql_queries.h"

enum { // columns of api_feed.sql
    COLUMN_MARK,
    COLUMN_EVENT_ID,
    COLUMN_JOB_ID,
    COLUMN_EVENT,
    COLUMN_JOB_TYPE,
    COLUMN_QUEUE,
    COLUMN_BATCH_ID,
    COLUMN_OWNER,
    COLUMN_JSON
};

static const char *text_at(const PGresult *rows, int row, int column)
{
    return PQgetisnull(rows, row, column) ? NULL : PQgetvalue(rows, row, column);
}

static int64_t mark_of(const PGresult *rows)
{
    return strtoll(PQgetvalue(rows, 0, COLUMN_MARK), NULL, 10);
}

// The row that stands for "there is none" has no event.
static int count_events(const PGresult *rows)
{
    return PQgetisnull(rows, 0, COLUMN_EVENT_ID) ? 0 : PQntuples(rows);
}

static StreamEvent event_at(const PGresult *rows, int row)
{
    return (StreamEvent){.id = strtoll(PQgetvalue(rows, row, COLUMN_EVENT_ID), NULL, 10),
                         .job_id = text_at(rows, row, COLUMN_JOB_ID),
                         .event = text_at(rows, row, COLUMN_EVENT),
                         .job_type = text_at(rows, row, COLUMN_JOB_TYPE),
                         .queue = text_at(rows, row, COLUMN_QUEUE),
                         .batch_id = text_at(rows, row, COLUMN_BATCH_ID),
                         .owner = text_at(rows, row, COLUMN_OWNER)};
}

// Where the feed had been read to with these rows.
static int64_t reached(const PGresult *rows, int asked)
{
    int count = count_events(rows);
    return count < asked ? mark_of(rows) : event_at(rows, count - 1).id;
}

// What does not fit, as an error's message may be long, is told without its data: the job has them.
static void write_event(StrBuf *out, const StreamEvent *event, const char *json)
{
    strbuf_printf(out, "id: %" PRId64 "\nevent: %s\ndata: ", event->id, event->event);
    if (strlen(json) < STREAM_EVENT_BYTES) {
        strbuf_append(out, json);
    } else {
        strbuf_printf(
            out, "{\"event_id\": %" PRId64 ", \"job_id\": %s, \"event\": \"%s\", \"data\": null}",
            event->id, event->job_id != NULL ? event->job_id : "null", event->event);
    }
    strbuf_append(out, "\n\n");
}

// `text`: the event as it is sent, written when the first stream wants it. False: its client has not taken enough; from there on it reads
// for itself.
static bool deliver(Stream *stream, const StreamEvent *event, const char *json, StrBuf *text)
{
    if (event->id <= stream->cursor) {
        return true;
    }
    bool fits = true;
    if (stream_filter_matches(&stream->filter, event)) {
        if (text->length == 0) {
            write_event(text, event, json);
        }
        fits = stream_write(stream, text->text, text->length);
    }
    stream->cursor = fits ? event->id : event->id - 1;
    return fits;
}

// Too far behind to be read through, or of another feed than this: what happened meanwhile is to be looked up otherwise.
static void begin_anew(Stream *stream, int64_t place)
{
    if (stream_tell_place(stream, "reset", place)) {
        stream->cursor = place;
    }
}

// `ready` is told once for each connection: from here on events come as they happen. What does not fit now is tried again: who is not
// welcomed is not live.
static void welcome(Stream *stream)
{
    stream->is_welcomed = stream->is_welcomed || stream_tell_place(stream, "ready", stream->cursor);
    if (stream->is_welcomed) {
        stream->mode = STREAM_LIVE;
    }
}

static bool is_lost(int64_t cursor, int64_t mark)
{
    return cursor > mark || mark - cursor > STREAM_BEHIND_MAX;
}

// `is_urgent`: the follower, whom all others hear. Who is behind waits its turn among the requests.
static PoolTicket *ask_feed(StreamHub *hub, int64_t after, int rows, bool is_urgent,
                            void (*on_answer)(void *data, const PoolAnswer *answer), void *data)
{
    char from[24];
    char most[24];
    (void)snprintf(from, sizeof from, "%" PRId64, after);
    (void)snprintf(most, sizeof most, "%d", rows);
    const PoolAsk wanted = {
        .statement = &SQL_api_feed,
        .count = 2,
        .values = {after >= 0 ? from : NULL, most},
        // What a stream is told is up to its filter.
        .actor = hub->api->tokens != NULL ? &POOL_READER : NULL,
        .is_urgent = is_urgent,
        .on_answer = on_answer,
        .data = data,
    };
    return pool_ask(hub->api->pool, &wanted);
}

// --- the follower

static void tell_live(StreamHub *hub, const PGresult *rows, int64_t place)
{
    StrBuf text = {0};
    int count = count_events(rows);
    for (int i = 0; i < count; i++) {
        const StreamEvent event = event_at(rows, i);
        strbuf_clear(&text);
        for (Stream *stream = hub->first; stream != NULL; stream = stream->next) {
            if (stream->mode == STREAM_LIVE &&
                !deliver(stream, &event, PQgetvalue(rows, i, COLUMN_JSON), &text)) {
                stream->mode = STREAM_OWN;
            }
        }
    }
    strbuf_free(&text);
    for (Stream *stream = hub->first; stream != NULL; stream = stream->next) {
        if (stream->mode == STREAM_LIVE && stream->cursor < place) {
            stream->cursor = place;
        }
    }
}

// Who waited to hear where the feed is begins there.
static void let_join(StreamHub *hub)
{
    for (Stream *stream = hub->first; stream != NULL; stream = stream->next) {
        if (stream->mode == STREAM_JOINING) {
            stream->cursor = hub->cursor;
            welcome(stream);
        }
    }
}

static void ask_live(StreamHub *hub);
static void ask_own(StreamHub *hub);

static void on_live(void *data, const PoolAnswer *answer)
{
    StreamHub *hub = data;
    hub->ticket = NULL;
    if (answer->outcome != POOL_DONE || hub->api->is_leaving) {
        pool_complain("http.feed_failed", &hub->complained_at, answer);
        return;
    }
    int64_t mark = mark_of(answer->result);
    if (hub->cursor < 0 || !is_lost(hub->cursor, mark)) {
        int64_t place = hub->cursor < 0 ? mark : reached(answer->result, STREAM_ROWS);
        tell_live(hub, answer->result, place);
        hub->cursor = place;
    } else { // more happens than can be told, or the server is another one now: each looks for itself what that means to it
        for (Stream *stream = hub->first; stream != NULL; stream = stream->next) {
            stream->mode = stream->mode == STREAM_LIVE ? STREAM_OWN : stream->mode;
        }
        hub->cursor = mark;
    }
    let_join(hub);
    if (hub->cursor < mark) {
        ask_live(hub);
    }
    ask_own(hub);
}

static void ask_live(StreamHub *hub)
{
    hub->ticket = ask_feed(hub, hub->cursor, STREAM_ROWS, true, on_live, hub);
}

// --- a stream that reads for itself

// False: not all of them fit.
static bool deliver_all(Stream *stream, const PGresult *rows)
{
    bool fits = true;
    StrBuf text = {0};
    int count = count_events(rows);
    for (int i = 0; i < count && fits; i++) {
        const StreamEvent event = event_at(rows, i);
        strbuf_clear(&text);
        fits = deliver(stream, &event, PQgetvalue(rows, i, COLUMN_JSON), &text);
    }
    strbuf_free(&text);
    return fits;
}

static void tell_own(StreamHub *hub, Stream *stream, const PGresult *rows)
{
    int64_t mark = mark_of(rows);
    if (is_lost(stream->cursor, mark)) {
        begin_anew(stream, mark);
    } else if (!deliver_all(stream, rows)) {
        return;
    } else {
        stream->cursor = reached(rows, STREAM_OWN_ROWS);
    }
    // What is between the two places of the feed would be told by neither.
    if (stream->cursor >= hub->cursor) {
        welcome(stream);
    }
}

static void on_own(void *data, const PoolAnswer *answer)
{
    StreamAsk *ask = data;
    StreamHub *hub = ask->hub;
    Stream *stream = ask->stream;
    ask->ticket = NULL;
    ask->stream = NULL;
    if (answer->outcome != POOL_DONE) {
        pool_complain("http.feed_failed", &hub->complained_at, answer);
        return;
    }
    if (stream != NULL && !hub->api->is_leaving) {
        tell_own(hub, stream, answer->result);
    }
    ask_own(hub);
}

static bool is_asked_for(const StreamHub *hub, const Stream *stream)
{
    for (int i = 0; i < STREAM_OWN_ASKS; i++) {
        if (hub->asks[i].stream == stream) {
            return true;
        }
    }
    return false;
}

// Of those that are behind the one that is furthest, and whose client has taken all it was told.
static Stream *find_behind(const StreamHub *hub)
{
    Stream *found = NULL;
    for (Stream *stream = hub->first; stream != NULL; stream = stream->next) {
        if (stream->mode == STREAM_OWN && (found == NULL || stream->cursor < found->cursor) &&
            http_stream_pending(stream->http) == 0 && !is_asked_for(hub, stream)) {
            found = stream;
        }
    }
    return found;
}

static void ask_own(StreamHub *hub)
{
    bool is_ready = hub->cursor >= 0 && !hub->api->is_leaving;
    for (int i = 0; is_ready && i < STREAM_OWN_ASKS; i++) {
        StreamAsk *ask = &hub->asks[i];
        if (ask->ticket != NULL) {
            continue;
        }
        Stream *stream = find_behind(hub);
        if (stream == NULL) {
            return;
        }
        ask->stream = stream;
        ask->ticket = ask_feed(hub, stream->cursor, STREAM_OWN_ROWS, false, on_own, ask);
    }
}

void stream_feed_ask(StreamHub *hub)
{
    if (hub->ticket == NULL) {
        ask_live(hub);
    }
    ask_own(hub);
}

void stream_feed_stop(StreamHub *hub)
{
    if (hub->ticket != NULL) {
        pool_forget(hub->ticket);
        hub->ticket = NULL;
    }
    for (int i = 0; i < STREAM_OWN_ASKS; i++) {
        if (hub->asks[i].ticket != NULL) {
            pool_forget(hub->asks[i].ticket);
        }
        hub->asks[i].ticket = NULL;
        hub->asks[i].stream = NULL;
    }
    hub->cursor = -1;
}

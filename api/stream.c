// SPDX-License-Identifier: MIT
// Stream: opening and closing, and who is still there. stream_feed.c reads the feed.
#include "api/stream.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/stream_internal.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/memory.h"

bool stream_write(Stream *stream, const char *text, size_t length)
{
    if (!http_stream_write(stream->http, text, length)) {
        return false;
    }
    stream->written_at = clock_boot_ms();
    stream->pending += length;
    return true;
}

bool stream_tell_place(Stream *stream, const char *event, int64_t place)
{
    char text[192];
    int length = event == NULL
                     ? snprintf(text, sizeof text, "id: %" PRId64 "\n\n", place)
                     : snprintf(text, sizeof text,
                                "id: %" PRId64 "\nevent: %s\ndata: {\"event_id\": %" PRId64 "}\n\n",
                                place, event, place);
    return stream_write(stream, text, (size_t)length);
}

// --- who is still there

static bool is_slow(Stream *stream, int64_t now)
{
    size_t pending = http_stream_pending(stream->http);
    if (pending == 0 || pending < stream->pending) {
        stream->taken_at = now;
    }
    stream->pending = pending;
    return now - stream->taken_at >= STREAM_SLOW_MS;
}

// A comment keeps the connection, the number brings the client on: should it have to come back, less is looked through.
static void say_alive(Stream *stream)
{
    static const char ALIVE[] = ": alive\n";
    if (stream_write(stream, ALIVE, sizeof ALIVE - 1)) {
        (void)stream_tell_place(stream, NULL, stream->cursor);
    }
}

static bool is_revoked(const Stream *stream)
{
    const TokenCache *tokens = stream->hub->api->tokens;
    return tokens != NULL && !stream->is_cut && !token_cache_has(tokens, stream->token);
}

static void look_at_streams(StreamHub *hub, int64_t now)
{
    for (Stream *stream = hub->first, *next = NULL; stream != NULL; stream = next) {
        next = stream->next;
        if (is_revoked(stream)) {
            log_info("http.stream_revoked", "effect=\"its token was revoked or has expired\"");
            stream->is_cut = true;
            http_stream_drop(stream->http);
        } else if (is_slow(stream, now)) {
            log_info("http.stream_slow", "pending=%zu for_ms=%lld", stream->pending,
                     (long long)(now - stream->taken_at));
            stream->taken_at = now;
            http_stream_drop(stream->http);
        } else if (stream->mode != STREAM_JOINING && now - stream->written_at >= STREAM_ALIVE_MS) {
            say_alive(stream);
        }
    }
}

static void on_timer(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)loop;
    (void)events;
    StreamHub *hub = watcher->data;
    if (!hub->api->is_leaving) {
        look_at_streams(hub, clock_boot_ms());
        stream_feed_ask(hub);
    }
}

// --- opening and closing

static void on_closed(void *data)
{
    Stream *stream = data;
    StreamHub *hub = stream->hub;
    for (int i = 0; i < STREAM_OWN_ASKS; i++) {
        if (hub->asks[i].stream == stream) {
            hub->asks[i].stream = NULL;
        }
    }
    *(stream->before != NULL ? &stream->before->next : &hub->first) = stream->next;
    if (stream->next != NULL) {
        stream->next->before = stream->before;
    }
    stream_filter_free(&stream->filter);
    free(stream);
    if (--hub->count == 0) {
        ev_timer_stop(hub->api->loop, &hub->timer);
        stream_feed_stop(hub);
    }
}

static void join(StreamHub *hub, Stream *stream, int64_t after)
{
    stream->next = hub->first;
    if (hub->first != NULL) {
        hub->first->before = stream;
    }
    hub->first = stream;
    stream->mode = after >= 0 ? STREAM_OWN : STREAM_JOINING;
    stream->cursor = after;
    if (stream->mode == STREAM_JOINING && hub->cursor >= 0) {
        stream->mode = STREAM_LIVE;
        stream->cursor = hub->cursor;
        stream->is_welcomed = stream_tell_place(stream, "ready", stream->cursor);
    }
    if (hub->count++ == 0) {
        ev_timer_again(hub->api->loop, &hub->timer);
    }
    stream_feed_ask(hub);
}

static void open_stream(Exchange *exchange, StreamFilter *filter, int64_t after)
{
    static const char RETRY[] = "retry: 2000\n\n";
    StreamHub *hub = exchange_api(exchange)->streams;
    Stream *stream = mem_alloc(sizeof *stream);
    stream->hub = hub;
    memcpy(stream->token, exchange_token(exchange), sizeof stream->token);
    stream->filter = *filter;
    stream->taken_at = clock_boot_ms();
    exchange_add_header(exchange, "X-Accel-Buffering", "no"); // a proxy is not to collect it
    stream->http =
        exchange_open_stream(exchange, "text/event-stream", STREAM_BUFFER_BYTES, on_closed, stream);
    (void)stream_write(stream, RETRY, sizeof RETRY - 1);
    join(hub, stream, after);
}

static const char *query_of(const void *exchange, const char *name, size_t index)
{
    return exchange_query(exchange, name, index);
}

// The header is what a browser that comes back has seen last, the parameter only where it once began: so the header counts. -1:
// from now on. False: it has been answered.
static bool read_after(Exchange *exchange, int64_t *after)
{
    const char *text = exchange_header(exchange, "Last-Event-ID");
    const char *field = "Last-Event-ID";
    if (text == NULL || text[0] == '\0') {
        text = exchange_query(exchange, "after", 0);
        field = "after";
    }
    *after = -1;
    if (text == NULL || text[0] == '\0' || stream_number_parse(text, after)) {
        return true;
    }
    exchange_refuse_parameter(exchange, field,
                              "%s must be the number of an event (event_id), not \"%.40s\"", field,
                              text);
    return false;
}

// A misspelt filter would be no filter. False: it has been answered.
static bool knows_query(Exchange *exchange)
{
    static const char *const known[] = {"job",   "batch", "queue", "job_type",
                                        "event", "after", NULL};
    const char *unknown = exchange_unknown_query(exchange, known);
    if (unknown != NULL) {
        exchange_refuse_parameter(exchange, unknown,
                                  "there is no parameter \"%.40s\": there are job, batch, queue, "
                                  "job_type, event, after",
                                  unknown);
    }
    return unknown == NULL;
}

void stream_answer(Exchange *exchange)
{
    const Api *api = exchange_api(exchange);
    StreamFilter filter;
    const char *field = NULL;
    int64_t after = -1;
    const char *why = stream_filter_read(&filter, query_of, exchange, &field);
    bool is_answered = !knows_query(exchange);
    if (!is_answered && why != NULL) {
        exchange_refuse_parameter(exchange, field, "%s %s", field, why);
        is_answered = true;
    }
    if (is_answered || !read_after(exchange, &after)) {
        // has been answered
    } else if (str_equal(exchange_method(exchange), "HEAD")) {
        exchange_reply(exchange, 200, "text/event-stream", "", 0);
    } else if (api->streams->count >= STREAM_MAX || api->is_leaving) {
        exchange_reply_busy(exchange, 10, "too_many_streams",
                            "there are 500 event streams already: close some, or ask again later");
    } else {
        const PoolActor *actor = exchange_actor(exchange);
        if (actor != NULL) {
            stream_filter_bind(&filter, actor->owner, actor->queues);
        }
        open_stream(exchange, &filter, after);
        return;
    }
    stream_filter_free(&filter);
}

// --- the hub

StreamHub *stream_hub_create(Api *api)
{
    StreamHub *hub = mem_alloc(sizeof *hub);
    hub->api = api;
    hub->cursor = -1;
    ev_init(&hub->timer, on_timer);
    hub->timer.repeat = STREAM_POLL_MS / 1e3;
    hub->timer.data = hub;
    for (int i = 0; i < STREAM_OWN_ASKS; i++) {
        hub->asks[i].hub = hub;
    }
    return hub;
}

int stream_hub_count(const StreamHub *hub)
{
    return hub->count;
}

void stream_hub_destroy(StreamHub *hub)
{
    if (hub == NULL) {
        return;
    }
    ev_timer_stop(hub->api->loop, &hub->timer);
    stream_feed_stop(hub);
    free(hub);
}

// SPDX-License-Identifier: MIT
// Answers without an end: a bounded buffer that libmicrohttpd reads from, suspended while it is empty.
#include <stdlib.h>
#include <string.h>

#include "api/http_internal.h"
#include "common/base/clock.h"

enum { STREAM_BLOCK_BYTES = 4096 };

struct HttpStream {
    Exchange *exchange;
    StrBuf buffer;
    size_t taken; // of the buffer
    size_t limit;
    bool is_ended;
    void (*on_closed)(void *data);
    void *data;
};

static ssize_t on_read(void *data, uint64_t position, char *to, size_t size)
{
    (void)position;
    HttpStream *stream = data;
    Exchange *exchange = stream->exchange;
    size_t length = http_stream_pending(stream);
    if (length > 0) {
        length = length < size ? length : size;
        memcpy(to, stream->buffer.text + stream->taken, length);
        stream->taken += length;
        if (stream->taken == stream->buffer.length) {
            strbuf_free(&stream->buffer);
            stream->taken = 0;
        }
        return (ssize_t)length;
    }
    if (stream->is_ended) {
        return MHD_CONTENT_READER_END_OF_STREAM;
    }
    MHD_suspend_connection(exchange->mhd);
    exchange->is_suspended = true;
    return 0;
}

HttpStream *exchange_open_stream(Exchange *exchange, const char *content_type, size_t limit,
                                 void (*on_closed)(void *data), void *data)
{
    HttpStream *stream = mem_alloc(sizeof *stream);
    stream->exchange = exchange;
    stream->limit = limit;
    stream->on_closed = on_closed;
    stream->data = data;
    exchange->stream = stream;
    exchange_add_header(exchange, "Content-Type", content_type);
    exchange_reply_response(exchange, 200,
                            MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK_BYTES,
                                                              on_read, stream, NULL));
    return stream;
}

bool http_stream_write(HttpStream *stream, const char *bytes, size_t length)
{
    if (stream->is_ended || http_stream_pending(stream) + length > stream->limit) {
        return false;
    }
    if (stream->taken > 0) {
        size_t left = http_stream_pending(stream);
        memmove(stream->buffer.text, stream->buffer.text + stream->taken, left);
        stream->buffer.length = left;
        stream->taken = 0;
    }
    strbuf_append_bytes(&stream->buffer, bytes, length);
    exchange_wake(stream->exchange);
    return true;
}

size_t http_stream_pending(const HttpStream *stream)
{
    return stream->buffer.length - stream->taken;
}

void http_stream_end(HttpStream *stream)
{
    stream->is_ended = true;
    stream->exchange->connection->deadline = clock_boot_ms() + HTTP_IDLE_LIMIT_MS;
    exchange_wake(stream->exchange);
}

void http_stream_drop(HttpStream *stream)
{
    stream->is_ended = true;
    http_connection_cut(stream->exchange->connection);
    exchange_wake(stream->exchange);
}

void http_stream_destroy(HttpStream *stream)
{
    if (stream->on_closed != NULL) {
        stream->on_closed(stream->data);
    }
    strbuf_free(&stream->buffer);
    free(stream);
}

// SPDX-License-Identifier: MIT
// Event stream: see the header.
#include "tests/support/event_stream.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/clock.h"

enum { CHUNK_BYTES = 65536, HEAD_LIMIT_MS = 10000 };

static void drop(StrBuf *buf, size_t count)
{
    memmove(buf->text, buf->text + count, buf->length - count);
    buf->length -= count;
    buf->text[buf->length] = '\0';
}

static bool take_in(EventStream *stream, int64_t until)
{
    static char chunk[CHUNK_BYTES];
    while (!stream->is_ended) {
        int64_t left = until - clock_boot_ms();
        struct pollfd readable = {.fd = stream->client.fd, .events = POLLIN};
        if (left <= 0 || poll(&readable, 1, (int)left) < 0) {
            return false;
        }
        ssize_t got = recv(stream->client.fd, chunk, sizeof chunk, MSG_DONTWAIT);
        if (got > 0) {
            strbuf_append_bytes(&stream->raw, chunk, (size_t)got);
            return true;
        }
        stream->is_ended = got == 0 || (errno != EAGAIN && errno != EINTR);
    }
    return false;
}

// Moves whole chunks over.
static void decode(EventStream *stream)
{
    const char *end = NULL;
    while (stream->raw.length > 0 && (end = strstr(stream->raw.text, "\r\n")) != NULL) {
        size_t size = strtoul(stream->raw.text, NULL, 16);
        size_t head = (size_t)(end - stream->raw.text) + 2;
        if (size == 0) {
            stream->is_ended = true;
            return;
        }
        if (stream->raw.length < head + size + 2) {
            return;
        }
        strbuf_append_bytes(&stream->text, stream->raw.text + head, size);
        drop(&stream->raw, head + size + 2);
    }
}

int event_stream_open(EventStream *stream, const char *address, const char *target, int64_t last_id,
                      const char *headers)
{
    char resume[64] = "";
    int status = 0;
    const char *end = NULL;
    *stream = (EventStream){.last_id = last_id};
    if (!http_connect(&stream->client, address)) {
        return 0;
    }
    if (last_id >= 0) {
        (void)snprintf(resume, sizeof resume, "Last-Event-ID: %lld\r\n", (long long)last_id);
    }
    char *request =
        mem_printf("GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n%s%s\r\n",
                   target, resume, headers != NULL ? headers : "");
    (void)http_send_text(&stream->client, request);
    free(request);
    int64_t until = clock_boot_ms() + HEAD_LIMIT_MS;
    while (stream->raw.length == 0 || (end = strstr(stream->raw.text, "\r\n\r\n")) == NULL) {
        if (!take_in(stream, until)) {
            return 0;
        }
    }
    // NOLINTNEXTLINE(cert-err34-c): three digits
    if (sscanf(stream->raw.text, "HTTP/1.1 %3d", &status) != 1) {
        return 0;
    }
    drop(&stream->raw, (size_t)(end - stream->raw.text) + 4);
    return status;
}

void event_stream_close(EventStream *stream)
{
    http_close(&stream->client);
    strbuf_free(&stream->raw);
    strbuf_free(&stream->text);
}

// One block of lines, up to an empty one. False: it dispatches nothing, as comments and lone ids do.
static bool read_block(EventStream *stream, const char *block, StreamedEvent *event)
{
    char id[32] = "";
    *event = (StreamedEvent){.id = -1};
    for (const char *line = block; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        if (strncmp(line, "id: ", 4) == 0) {
            (void)snprintf(id, sizeof id, "%.*s", (int)length - 4, line + 4);
            stream->last_id = strtoll(id, NULL, 10);
        } else if (strncmp(line, "event: ", 7) == 0) {
            (void)snprintf(event->event, sizeof event->event, "%.*s", (int)length - 7, line + 7);
        } else if (strncmp(line, "data: ", 6) == 0) {
            (void)snprintf(event->data, sizeof event->data, "%.*s", (int)length - 6, line + 6);
        }
        line += length + (line[length] == '\n' ? 1 : 0);
    }
    event->id = stream->last_id;
    return event->data[0] != '\0';
}

bool event_stream_next(EventStream *stream, StreamedEvent *event, int64_t limit_ms)
{
    int64_t until = clock_boot_ms() + limit_ms;
    for (;;) {
        const char *end = stream->text.length > 0 ? strstr(stream->text.text, "\n\n") : NULL;
        if (end == NULL) {
            decode(stream);
            end = stream->text.length > 0 ? strstr(stream->text.text, "\n\n") : NULL;
        }
        if (end == NULL) {
            if (!take_in(stream, until)) {
                return false;
            }
            continue;
        }
        char *block = mem_strndup(stream->text.text, (size_t)(end - stream->text.text));
        bool is_event = read_block(stream, block, event);
        free(block);
        drop(&stream->text, (size_t)(end - stream->text.text) + 2);
        if (is_event) {
            return true;
        }
    }
}

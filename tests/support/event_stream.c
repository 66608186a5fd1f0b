// SPDX-License-Identifier: MIT
// Event stream: see the header.
#include "tests/support/event_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"

enum { HEAD_LIMIT_MS = 10000 };

int event_stream_open(EventStream *stream, const char *address, const char *target, int64_t last_id,
                      const char *headers)
{
    char resume[64] = "";
    HttpAnswer answer;
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
    bool is_answered = http_read_head(&stream->client, &answer, HEAD_LIMIT_MS);
    int status = is_answered ? answer.status : 0;
    http_answer_free(&answer);
    return status;
}

void event_stream_close(EventStream *stream)
{
    http_close(&stream->client);
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
            size_t size = 0;
            if (stream->is_ended ||
                !http_read_chunk(&stream->client, &stream->text, &size, until)) {
                return false;
            }
            stream->is_ended = size == 0;
            continue;
        }
        char *block = mem_strndup(stream->text.text, (size_t)(end - stream->text.text));
        bool is_event = read_block(stream, block, event);
        free(block);
        http_drop(&stream->text, (size_t)(end - stream->text.text) + 2);
        if (is_event) {
            return true;
        }
    }
}

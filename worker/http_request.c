// SPDX-License-Identifier: MIT
// HTTP request: see the header.
#include "worker/http_request.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/base/json_line.h"
#include "worker/http_signature.h"
#include "worker/trace_context.h"

static void add(HttpRequest *self, char *line)
{
    if (self->header_count < HTTP_REQUEST_HEADERS_MAX) {
        self->headers[self->header_count++] = line;
    } else {
        free(line);
    }
}

// A name that others choose, as a header can hold it: whatever is not plain ASCII becomes %XX.
static void add_name(HttpRequest *self, const char *header, const char *name)
{
    StrBuf line = {0};
    strbuf_printf(&line, "%s: ", header);
    for (const char *at = name; *at != '\0'; at++) {
        if (*at <= ' ' || *at > '~' || *at == '%') {
            strbuf_printf(&line, "%%%02X", (unsigned)(unsigned char)*at);
        } else {
            strbuf_append_char(&line, *at);
        }
    }
    add(self, strbuf_take(&line));
}

static void add_trace(HttpRequest *self, const Job *job)
{
    TraceContext trace = trace_context_read(job);
    if (trace.parent != NULL) {
        add(self, mem_printf("traceparent: %s", trace.parent));
    }
    if (trace.state != NULL) {
        add(self, mem_printf("tracestate: %s", trace.state));
    }
    trace_context_free(&trace);
}

static void add_headers(HttpRequest *self, const HttpHandler *handler, const Job *job,
                        const char *token, int64_t unix_s)
{
    add(self, mem_strdup("Content-Type: application/json"));
    add(self, mem_printf("Idempotency-Key: ganger-%" PRId64, job->id));
    add(self, mem_printf("X-Ganger-Job-Id: %" PRId64, job->id));
    add(self, mem_printf("X-Ganger-Attempt: %d", job->attempt));
    add_name(self, "X-Ganger-Job-Type", job->job_type);
    add_trace(self, job);
    if (token != NULL) {
        add(self, mem_printf("X-Ganger-Callback-Token: %s", token));
    }
    if (handler->secret != NULL) {
        char signature[HTTP_SIGNATURE_BYTES];
        http_signature_make(handler->secret, unix_s, job->payload, job->payload_length, signature);
        add(self, mem_printf("X-Ganger-Signature: %s", signature));
    }
    const StringList *further = &handler->config->headers;
    for (size_t i = 0; i < further->count; i++) {
        add(self, mem_strdup(further->items[i]));
    }
}

static bool find_target(HttpRequest *self, const HttpHandler *handler, const Job *job, StrBuf *why)
{
    const char *configured = handler->config->url;
    char *named = configured != NULL ? NULL : json_member_text(job->metadata, "url");
    if (configured == NULL && named == NULL) {
        strbuf_append(why, "the job names no URL: its metadata needs {\"url\": \"https://...\"}");
        return false;
    }
    StrBuf cause = {0};
    const bool is_sound =
        http_target_parse(&self->target, configured != NULL ? configured : named, &cause);
    if (!is_sound) {
        strbuf_printf(why, "the URL in the job's metadata cannot be sent to: %s", cause.text);
    }
    strbuf_free(&cause);
    free(named);
    return is_sound;
}

HttpRequestMade http_request_make(HttpRequest *out, const HttpHandler *handler, const Job *job,
                                  const char *token, int64_t unix_s, StrBuf *why)
{
    static const char *const methods[] = {
        [WEBHOOK_POST] = "POST", [WEBHOOK_PUT] = "PUT", [WEBHOOK_PATCH] = "PATCH"};
    memset(out, 0, sizeof *out);
    if (!find_target(out, handler, job, why)) {
        return HTTP_REQUEST_NOWHERE;
    }
    if (!http_handler_allows(handler, &out->target, why)) {
        return handler->config->url == NULL ? HTTP_REQUEST_NOWHERE : HTTP_REQUEST_REFUSED;
    }
    out->method = methods[handler->config->method];
    out->body = job->payload;
    out->body_length = job->payload_length;
    add_headers(out, handler, job, token, unix_s);
    return HTTP_REQUEST_MADE;
}

void http_request_free(HttpRequest *self)
{
    for (size_t i = 0; i < self->header_count; i++) {
        free(self->headers[i]);
    }
    self->header_count = 0;
}

// SPDX-License-Identifier: MIT
// Trace context: see the header.
#include "worker/trace_context.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json_line.h"

enum {
    PARENT_BYTES = 55, // version, trace, span, flags: 2 + 32 + 16 + 2 digits and three '-'
    TRACE_AT = 3,
    TRACE_BYTES = 32,
    SPAN_AT = 36,
    SPAN_BYTES = 16,
    STATE_MAX_BYTES = 512
};

static bool is_parent(const char *text)
{
    if (strlen(text) != PARENT_BYTES) {
        return false;
    }
    for (int i = 0; i < PARENT_BYTES; i++) {
        const bool is_dash = i == TRACE_AT - 1 || i == SPAN_AT - 1 || i == SPAN_AT + SPAN_BYTES;
        if (is_dash ? text[i] != '-' : strchr("0123456789abcdef", text[i]) == NULL) {
            return false;
        }
    }
    return strspn(text + TRACE_AT, "0") < TRACE_BYTES && strspn(text + SPAN_AT, "0") < SPAN_BYTES;
}

static bool is_state(const char *text)
{
    size_t length = 0;
    for (; text[length] != '\0'; length++) {
        if (text[length] < ' ' || text[length] > '~') {
            return false;
        }
    }
    return length > 0 && length <= STATE_MAX_BYTES;
}

TraceContext trace_context_read(const Job *job)
{
    TraceContext self = {.parent = json_member_text(job->metadata, "traceparent")};
    if (self.parent != NULL && !is_parent(self.parent)) {
        trace_context_free(&self);
    }
    if (self.parent != NULL) { // the state without its parent means nothing
        self.state = json_member_text(job->metadata, "tracestate");
    }
    if (self.state != NULL && !is_state(self.state)) {
        free(self.state);
        self.state = NULL;
    }
    return self;
}

void trace_context_free(TraceContext *self)
{
    free(self->parent);
    free(self->state);
    *self = (TraceContext){0};
}

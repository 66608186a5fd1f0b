// SPDX-License-Identifier: MIT
// Stream filter: see the header.
#include "api/stream_filter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/memory.h"

static const char TOO_MANY[] = "has more than 100 values";

bool stream_number_parse(const char *text, int64_t *number)
{
    if (text[0] == '\0' || strspn(text, "0123456789") != strlen(text)) {
        return false;
    }
    errno = 0;
    *number = strtoll(text, NULL, 10);
    return errno == 0;
}

static void add(StreamNames *names, const char *text, size_t length)
{
    names->items = mem_realloc(names->items, (names->count + 1) * sizeof *names->items);
    names->items[names->count++] = mem_strndup(text, length);
}

static void free_names(StreamNames *names)
{
    for (size_t i = 0; i < names->count; i++) {
        free(names->items[i]);
    }
    free(names->items);
    *names = (StreamNames){0};
}

// An empty parameter is as none.
static const char *read_names(StreamNames *out, StreamQuery query, const void *data,
                              const char *name, bool is_list)
{
    const char *value = NULL;
    for (size_t i = 0; (value = query(data, name, i)) != NULL; i++) {
        while (*value != '\0') {
            size_t length = is_list ? strcspn(value, ",") : strlen(value);
            if (out->count == STREAM_FILTER_VALUES_MAX) {
                return TOO_MANY;
            }
            if (length > 0) {
                add(out, value, length);
            }
            value += length + (value[length] == ',' ? 1 : 0);
        }
    }
    return NULL;
}

static const char *check_ids(const StreamNames *jobs)
{
    int64_t id = 0;
    for (size_t i = 0; i < jobs->count; i++) {
        if (!stream_number_parse(jobs->items[i], &id) || jobs->items[i][0] == '0') {
            return "must be the id of a job, a positive whole number";
        }
    }
    return NULL;
}

const char *stream_filter_read(StreamFilter *out, StreamQuery query, const void *data,
                               const char **field)
{
    *out = (StreamFilter){0};
    const struct {
        const char *name;
        StreamNames *names;
        bool is_list;
    } parameters[] = {
        {"job", &out->jobs, true},      {"batch", &out->batches, false},
        {"queue", &out->queues, false}, {"job_type", &out->job_types, false},
        {"event", &out->events, true},
    };
    for (size_t i = 0; i < sizeof parameters / sizeof parameters[0]; i++) {
        *field = parameters[i].name;
        const char *why =
            read_names(parameters[i].names, query, data, parameters[i].name, parameters[i].is_list);
        if (why != NULL) {
            return why;
        }
    }
    *field = "job";
    return check_ids(&out->jobs);
}

// {mail,"two words","a \"quoted\" one"}, as PostgreSQL writes it; there are no nulls in it.
static void read_array(StreamNames *out, const char *literal)
{
    const char *at = literal + (*literal == '{' ? 1 : 0);
    while (*at != '\0' && *at != '}') {
        StrBuf item = {0};
        bool is_quoted = *at == '"';
        at += is_quoted ? 1 : 0;
        while (*at != '\0' && (is_quoted ? *at != '"' : *at != ',' && *at != '}')) {
            at += *at == '\\' && at[1] != '\0' ? 1 : 0;
            strbuf_append_char(&item, *at++);
        }
        at += is_quoted && *at == '"' ? 1 : 0;
        at += *at == ',' ? 1 : 0;
        add(out, item.length > 0 ? item.text : "", item.length);
        strbuf_free(&item);
    }
}

void stream_filter_bind(StreamFilter *filter, const char *owner, const char *queues)
{
    if (owner[0] != '\0') {
        filter->owner = mem_strdup(owner);
    }
    if (queues[0] != '\0') {
        read_array(&filter->allowed, queues);
        if (filter->allowed.count == 0) {
            add(&filter->allowed, "", 0); // bound to none: no queue has an empty name
        }
    }
}

static bool is_among(const StreamNames *names, const char *text)
{
    if (names->count == 0) {
        return true;
    }
    for (size_t i = 0; text != NULL && i < names->count; i++) {
        if (str_equal(names->items[i], text)) {
            return true;
        }
    }
    return false;
}

bool stream_filter_matches(const StreamFilter *filter, const StreamEvent *event)
{
    if (filter->owner != NULL &&
        (event->owner == NULL || !str_equal(event->owner, filter->owner))) {
        return false;
    }
    return is_among(&filter->allowed, event->queue) && is_among(&filter->jobs, event->job_id) &&
           is_among(&filter->batches, event->batch_id) && is_among(&filter->queues, event->queue) &&
           is_among(&filter->job_types, event->job_type) && is_among(&filter->events, event->event);
}

void stream_filter_free(StreamFilter *filter)
{
    free_names(&filter->jobs);
    free_names(&filter->batches);
    free_names(&filter->queues);
    free_names(&filter->job_types);
    free_names(&filter->events);
    free_names(&filter->allowed);
    free(filter->owner);
    filter->owner = NULL;
}

// SPDX-License-Identifier: MIT
// Stream filter: which events a stream of GET /api/events is about. Pure.
#ifndef API_STREAM_FILTER_H
#define API_STREAM_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct StreamEvent { // texts NULL: none
    int64_t id;
    const char *job_id;
    const char *event;
    const char *job_type;
    const char *queue;
    const char *batch_id;
    const char *owner;
} StreamEvent;

typedef struct StreamNames { // empty: all are
    char **items;
    size_t count;
} StreamNames;

typedef struct StreamFilter {
    StreamNames jobs;
    StreamNames batches;
    StreamNames queues;
    StreamNames job_types;
    StreamNames events;
    char *owner;         // the only one whose jobs are told; NULL: all are
    StreamNames allowed; // the only queues whose jobs are told
} StreamFilter;

enum { STREAM_FILTER_VALUES_MAX = 100 }; // of one parameter

// The index-th value of a query parameter; NULL when there are not so many.
typedef const char *(*StreamQuery)(const void *data, const char *name, size_t index);

// Reads job, batch, queue, job_type and event, each of which may be given several times; ids and events also separated by commas.
// NULL, or what is wrong (static text), and *field says where. `out` is zeroed before; stream_filter_free in any case.
const char *stream_filter_read(StreamFilter *out, StreamQuery query, const void *data,
                               const char **field);
// Narrows it to what a token is bound to: an owner, and queues as the text of a text[]; "" = not bound.
void stream_filter_bind(StreamFilter *filter, const char *owner, const char *queues);
bool stream_filter_matches(const StreamFilter *filter, const StreamEvent *event);
void stream_filter_free(StreamFilter *filter);

// A number of the feed: digits only, fitting into int64.
bool stream_number_parse(const char *text, int64_t *number);

#endif

// SPDX-License-Identifier: MIT
// Probe file: reads what the probe handlers, and the raw paths beside them, have noted.
#ifndef BENCH_PROBE_FILE_H
#define BENCH_PROBE_FILE_H

#include "bench/bench.h"
#include "bench/probe_record.h"

typedef struct ProbeFile {
    char *path;
    int fd;
    int64_t
        next; // where reading goes on: the descriptor's own offset is shared with forked writers
} ProbeFile;

// A new empty file in the bench's folder.
void probe_file_open(ProbeFile *file, const Bench *bench, const char *name);
// Appends a record as a handler would.
void probe_file_note(const ProbeFile *file, int64_t given);
// The next record; false when none comes within `timeout_ms`.
bool probe_file_next(ProbeFile *file, ProbeRecord *record, int timeout_ms);
// How many records there are, read or not.
int probe_file_count(const ProbeFile *file);
void probe_file_close(ProbeFile *file);

#endif

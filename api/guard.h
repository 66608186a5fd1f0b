// SPDX-License-Identifier: MIT
// Guard: refuses requests that two readers could read differently (request smuggling), before anything is done with them.
//
// What libmicrohttpd lets pass and another server on the way might understand otherwise is an error here, and the connection ends.
#ifndef API_GUARD_H
#define API_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/target.h"

enum {
    GUARD_TARGET_BYTES_MAX = TARGET_BYTES_MAX,
    GUARD_HEADER_BYTES_MAX = 16384, // all names and values, with ": " and the end of line
    GUARD_HEADER_COUNT_MAX = 100
};

typedef struct GuardHeader {
    const char *name;
    size_t name_length;
    const char *value;
    size_t value_length;
} GuardHeader;

typedef struct GuardRequest {
    const char *method;
    const char *target;
    const char *version;
    const GuardHeader *headers;
    size_t header_count;   // as it came, even where `headers` has fewer
    size_t received_bytes; // of the request line and the headers on the wire; 0 = not known
} GuardRequest;

typedef enum GuardVerdict {
    GUARD_OK = 0,
    GUARD_BAD = 400,
    GUARD_TARGET_LONG = 414,
    GUARD_HEADERS_LARGE = 431
} GuardVerdict;

typedef struct GuardBody {
    bool is_chunked;
    bool has_length;
    int64_t length;
} GuardBody;

// *why says in a few words what is wrong. `body` is filled when all is well.
GuardVerdict guard_check(const GuardRequest *request, GuardBody *body, const char **why);

#endif

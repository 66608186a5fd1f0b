// SPDX-License-Identifier: MIT
// Problem: what went wrong, as application/problem+json (RFC 9457).
#ifndef API_PROBLEM_H
#define API_PROBLEM_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "common/base/memory.h"

typedef struct Problem {
    int status;
    const char *code;   // a word for programs: one of ours, or an SQLSTATE
    const char *detail; // a sentence for people
    const char *hint;   // NULL none
    const char *field;  // what it is about; NULL not known
} Problem;

// The HTTP status an error of the server stands for; 500: it is a mistake of ours.
int problem_status(const char *sqlstate);
// At a first start, or while the migrations of another version run. Should that never end, /ready and doctor say so.
bool problem_is_schema_missing(const PGresult *error);
void problem_write(StrBuf *out, const Problem *problem);

#endif

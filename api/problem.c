// SPDX-License-Identifier: MIT
// Problem: see the header.
#include "api/problem.h"

#include <string.h>

typedef struct StatusTitle {
    int status;
    const char *title;
} StatusTitle;

static const StatusTitle TITLES[] = {
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {409, "Conflict"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {503, "Service Unavailable"},
};

typedef struct StateStatus {
    const char *prefix; // of the SQLSTATE; the first that fits counts
    int status;
} StateStatus;

static const StateStatus STATES[] = {
    {"22", 400},    // data
    {"23505", 409}, // unique
    {"23", 400},    // other constraints
    {"42501", 403}, // rights
    {"42704", 404}, // undefined object
    {"P0002", 404}, // no data found
    {"42883", 400}, // a function that is not there, named by the caller
    {"0A000", 400}, // not supported
    {"54", 400},    // beyond a limit of the server
    {"GG001", 409}, // the worker is not alive
    {"GG002", 409}, // the lease is no longer valid
    {"57014", 503}, // took too long
    {"55P03", 503}, // a lock is not to be had
    {"40001", 503}, // serialization
    {"40P01", 503}, // deadlock
    {"53", 503},    // resources
    // The pool gives a connection up for these, and tells no more of them; should one come, it is nobody's mistake.
    {"57P", 503},   // the server is going away
    {"08", 503},    // the connection
    {"25006", 503}, // a standby
};

static const char *title_of(int status)
{
    for (size_t i = 0; i < sizeof TITLES / sizeof TITLES[0]; i++) {
        if (TITLES[i].status == status) {
            return TITLES[i].title;
        }
    }
    return "Error";
}

int problem_status(const char *sqlstate)
{
    for (size_t i = 0; i < sizeof STATES / sizeof STATES[0]; i++) {
        if (strncmp(sqlstate, STATES[i].prefix, strlen(STATES[i].prefix)) == 0) {
            return STATES[i].status;
        }
    }
    return 500;
}

// The functions are named by our statements only, in any language of the server's messages.
bool problem_is_schema_missing(const PGresult *error)
{
    const char *sqlstate = PQresultErrorField(error, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(error, PG_DIAG_MESSAGE_PRIMARY);
    return sqlstate != NULL &&
           (str_equal(sqlstate, "3F000") || (str_equal(sqlstate, "42883") && message != NULL &&
                                             strstr(message, "ganger._") != NULL));
}

static void write_member(StrBuf *out, const char *name, const char *value)
{
    if (value == NULL || value[0] == '\0') {
        return;
    }
    strbuf_append(out, ", ");
    strbuf_append_json(out, name);
    strbuf_append(out, ": ");
    strbuf_append_json(out, value);
}

void problem_write(StrBuf *out, const Problem *problem)
{
    strbuf_append(out, "{\"type\": \"about:blank\", \"title\": ");
    strbuf_append_json(out, title_of(problem->status));
    strbuf_printf(out, ", \"status\": %d", problem->status);
    write_member(out, "detail", problem->detail);
    write_member(out, "hint", problem->hint);
    write_member(out, "field", problem->field);
    write_member(out, "code", problem->code);
    strbuf_append(out, "}\n");
}

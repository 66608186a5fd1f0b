// SPDX-License-Identifier: MIT
// Answer: see the header.
#include "api/answer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/exchange.h"
#include "api/problem.h"
#include "common/base/json_line.h"
#include "common/base/log.h"
#include "common/base/memory.h"

enum { COLUMN_STATUS, COLUMN_BODY, COLUMN_HEADERS, COLUMN_COUNT };

static const char JSON_TYPE[] = "application/json";

static const char *bare_tag(const char *tag)
{
    return strncmp(tag, "W/", 2) == 0 ? tag + 2 : tag;
}

bool answer_is_known(const char *if_none_match, const char *etag)
{
    const char *wanted = bare_tag(etag);
    size_t length = strlen(wanted);
    for (const char *at = if_none_match; *at != '\0';) {
        at += strspn(at, " \t,");
        if (at[0] == '*') {
            return true;
        }
        const char *tag = bare_tag(at);
        if (strncmp(tag, wanted, length) == 0 && strchr(" \t,", tag[length]) != NULL) {
            return true;
        }
        at += strcspn(at, ",");
    }
    return false;
}

// --- errors

// The server speaks of timeouts of its own; ganger's functions say with the same code what they have found.
static const char *plain_words(const PGresult *error, const char *sqlstate, const char *message)
{
    const char *function = PQresultErrorField(error, PG_DIAG_SOURCE_FUNCTION);
    if (str_equal(sqlstate, "57014")) {
        return "this took longer than 5 seconds, and was stopped";
    }
    if (str_equal(sqlstate, "55P03") && function != NULL &&
        str_equal(function, "ProcessInterrupts")) {
        return "an open transaction has held what this needs for a second: nothing was done, try "
               "again";
    }
    return message;
}

static void reply_error(Exchange *exchange, const PGresult *error)
{
    const char *sqlstate = PQresultErrorField(error, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(error, PG_DIAG_MESSAGE_PRIMARY);
    const char *detail = PQresultErrorField(error, PG_DIAG_MESSAGE_DETAIL);
    const char *hint = PQresultErrorField(error, PG_DIAG_MESSAGE_HINT);
    sqlstate = sqlstate == NULL ? "" : sqlstate;
    message = message == NULL ? "" : message;
    if (problem_is_schema_missing(error)) {
        exchange_reply_busy(
            exchange, 2, "schema",
            "the schema of ganger is not complete in this database: ganger migrate makes it");
        return;
    }
    int status = problem_status(sqlstate);
    const Route *route = exchange_route(exchange);
    if (status == 500) {
        log_error("http.error", "route=%s sqlstate=%s message=\"%s\"", route->pattern, sqlstate,
                  message);
        exchange_reply_problem(
            exchange, 500, "internal",
            "the server could not do this; the log of ganger says why (http.error, %s)", sqlstate);
        return;
    }
    log_debug("http.problem", "route=%s sqlstate=%s", route->pattern, sqlstate);
    StrBuf text = {0};
    strbuf_append(&text, plain_words(error, sqlstate, message));
    if (detail != NULL) {
        strbuf_printf(&text, ": %s", detail);
    }
    const Problem problem = {
        .status = status,
        .code = sqlstate,
        .detail = text.text,
        .hint = hint,
        .field = PQresultErrorField(error, PG_DIAG_COLUMN_NAME),
    };
    if (status == 503) {
        exchange_add_header(exchange, "Retry-After", "1");
    }
    exchange_reply_described(exchange, &problem);
    strbuf_free(&text);
}

static void reply_not_done(Exchange *exchange, const PoolAnswer *answer)
{
    if (answer->outcome == POOL_BUSY) {
        exchange_reply_busy(exchange, 1, "busy",
                            "too many requests wait for the database: try again");
    } else if (answer->outcome == POOL_UNKNOWN && answer->is_write) {
        exchange_reply_busy(
            exchange, 2, "unknown",
            "the connection to the database went away meanwhile: it is not known whether this was "
            "done. Look, or ask again with the same Idempotency-Key");
    } else {
        exchange_reply_busy(exchange, 2, "database_down",
                            "the database cannot be reached now: nothing was done, try again");
    }
}

// --- rows

// The object of further headers is flat. False: it is not what the contract says.
static bool add_row_headers(Exchange *exchange, const char *text, char **content_type, char **etag)
{
    JsonLine line;
    const char *why = NULL;
    if (!json_line_parse(&line, text, strlen(text), &why)) {
        return false;
    }
    for (size_t i = 0; i < line.count; i++) {
        char *value = json_field_text(&line.fields[i]);
        if (value == NULL || strpbrk(value, "\r\n") != NULL) {
            free(value);
            return false;
        }
        if (strcasecmp(line.fields[i].name, "Content-Type") == 0) {
            free(*content_type);
            *content_type = value;
            continue;
        }
        exchange_add_header(exchange, line.fields[i].name, value);
        if (strcasecmp(line.fields[i].name, "ETag") == 0) {
            free(*etag);
            *etag = value;
            continue;
        }
        free(value);
    }
    return true;
}

static void reply_row(Exchange *exchange, const PGresult *row)
{
    int status = (int)strtol(PQgetvalue(row, 0, COLUMN_STATUS), NULL, 10);
    char *content_type = NULL;
    char *etag = NULL;
    bool is_well = PQnfields(row) >= COLUMN_COUNT && status >= 200 && status <= 599;
    if (is_well && !PQgetisnull(row, 0, COLUMN_HEADERS)) {
        is_well =
            add_row_headers(exchange, PQgetvalue(row, 0, COLUMN_HEADERS), &content_type, &etag);
    }
    if (!is_well) {
        log_error("http.error",
                  "route=%s message=\"the statement answered no status, body, headers\"",
                  exchange_route(exchange)->pattern);
        exchange_reply_problem(
            exchange, 500, "internal",
            "the server could not do this; the log of ganger says why (http.error)");
    } else {
        const char *if_none_match =
            etag == NULL || status != 200 || !route_is_read(exchange_route(exchange))
                ? NULL
                : exchange_header(exchange, "If-None-Match");
        if (etag != NULL) {
            exchange_add_header(exchange, "Cache-Control", "no-cache");
        }
        const char *usual = status >= 400 ? "application/problem+json" : JSON_TYPE;
        if (if_none_match != NULL && answer_is_known(if_none_match, etag)) {
            exchange_reply(exchange, 304, usual, "", 0);
        } else {
            exchange_reply(exchange, status, content_type == NULL ? usual : content_type,
                           PQgetvalue(row, 0, COLUMN_BODY),
                           (size_t)PQgetlength(row, 0, COLUMN_BODY));
        }
    }
    free(content_type);
    free(etag);
}

void exchange_reply_answer(Exchange *exchange, const PoolAnswer *answer)
{
    if (answer->outcome == POOL_ERROR) {
        reply_error(exchange, answer->result);
    } else if (answer->outcome != POOL_DONE) {
        reply_not_done(exchange, answer);
    } else if (PQntuples(answer->result) == 0) {
        exchange_reply_problem(exchange, 404, "not_found", "there is nothing of that %s",
                               exchange_variable(exchange, "id") != NULL ? "id" : "name");
    } else {
        reply_row(exchange, answer->result);
    }
}

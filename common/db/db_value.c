// SPDX-License-Identifier: MIT
// Values on their way in (parameters) and out (fields of a result).
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/log.h"
#include "common/db/db.h"

void db_params_init(DbParams *params)
{
    params->count = 0;
}

static int next_param(DbParams *params)
{
    if (params->count >= DB_PARAM_MAX) {
        panic("more than %d parameters", (int)DB_PARAM_MAX);
    }
    int index = params->count++;
    params->lengths[index] = 0;
    params->formats[index] = 0;
    return index;
}

void db_param_text(DbParams *params, const char *text)
{
    int index = next_param(params);
    params->values[index] = text;
}

void db_param_int(DbParams *params, int64_t value)
{
    int index = next_param(params);
    snprintf(params->numbers[index], sizeof params->numbers[index], "%" PRId64, value);
    params->values[index] = params->numbers[index];
}

void db_param_bool(DbParams *params, bool value)
{
    db_param_text(params, value ? "t" : "f");
}

void db_param_null(DbParams *params)
{
    db_param_text(params, NULL);
}

void db_param_int_or_null(DbParams *params, int64_t value, bool is_known)
{
    if (is_known) {
        db_param_int(params, value);
    } else {
        db_param_null(params);
    }
}

void db_param_binary(DbParams *params, const char *bytes, size_t length)
{
    if (length > INT_MAX) {
        panic("a parameter of %zu bytes", length);
    }
    int index = next_param(params);
    params->values[index] = bytes;
    params->lengths[index] = (int)length;
    params->formats[index] = 1;
}

// A column that is not there is a mismatch between our statement and our code.
static int column_number(const PGresult *result, const char *column)
{
    int number = PQfnumber(result, column);
    if (number < 0) {
        panic("no column \"%s\" in the result", column);
    }
    return number;
}

const char *db_text(const PGresult *result, int row, const char *column)
{
    int number = column_number(result, column);
    return PQgetisnull(result, row, number) ? NULL : PQgetvalue(result, row, number);
}

int64_t db_int(const PGresult *result, int row, const char *column, int64_t if_null)
{
    const char *text = db_text(result, row, column);
    return text == NULL ? if_null : strtoll(text, NULL, 10);
}

bool db_bool(const PGresult *result, int row, const char *column)
{
    const char *text = db_text(result, row, column);
    return text != NULL && text[0] == 't';
}

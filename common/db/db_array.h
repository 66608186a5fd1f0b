// SPDX-License-Identifier: MIT
// Arrays in PostgreSQL's binary form, so that no quoting question arises.
#ifndef COMMON_DB_DB_ARRAY_H
#define COMMON_DB_DB_ARRAY_H

#include <stdint.h>

#include "common/base/memory.h"
#include "common/db/db.h"

typedef enum DbElement {
    DB_ELEMENT_INT8 = 20,
    DB_ELEMENT_TEXT = 25,
    DB_ELEMENT_UUID = 2950
} DbElement; // type OIDs of pg_type.dat

typedef struct DbArray {
    StrBuf bytes;
    int count;
    DbElement element;
} DbArray;

void db_array_begin(DbArray *array, DbElement element);
void db_array_add_int8(DbArray *array, int64_t value);
void db_array_add_text(DbArray *array, const char *text); // NULL = null element
void db_array_add_uuid(DbArray *array, const uint8_t uuid[16]);
void db_array_add_null(DbArray *array);
// Binds it as the next parameter; the array must outlive the call. db_array_free afterwards.
void db_param_array(DbParams *params, DbArray *array);
void db_array_free(DbArray *array);

#endif

// SPDX-License-Identifier: MIT
// Arrays in PostgreSQL's binary form, so that no quoting question arises.
#include "common/db/db_array.h"

#include <stddef.h>

// array_recv's layout, all big-endian int32: dimensions, has-null flag, element type, then per dimension
// its size and lower bound; then each element as length (-1 = null) and bytes.
enum {
    ARRAY_DIMENSIONS_AT = 0,
    ARRAY_HAS_NULL_AT = 4,
    ARRAY_SIZE_AT = 12,
    ARRAY_LOWER_BOUND = 1,
    ARRAY_UUID_BYTES = 16
};

static void put_big_endian(char *to, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        to[i] = (char)(unsigned char)(value >> (8 * (bytes - 1 - i)));
    }
}

static void append_integer(DbArray *array, uint64_t value, size_t bytes)
{
    char raw[8];
    put_big_endian(raw, value, bytes);
    strbuf_append_bytes(&array->bytes, raw, bytes);
}

void db_array_begin(DbArray *array, DbElement element)
{
    *array = (DbArray){.element = element};
    append_integer(array, 0, 4);
    append_integer(array, 0, 4);
    append_integer(array, (uint64_t)element, 4);
}

static void begin_element(DbArray *array, int32_t length)
{
    if (array->count == 0) {
        put_big_endian(array->bytes.text + ARRAY_DIMENSIONS_AT, 1, 4);
        append_integer(array, 0, 4); // size: set when the array is bound
        append_integer(array, ARRAY_LOWER_BOUND, 4);
    }
    array->count++;
    append_integer(array, (uint32_t)length, 4);
}

void db_array_add_int8(DbArray *array, int64_t value)
{
    begin_element(array, 8);
    append_integer(array, (uint64_t)value, 8);
}

void db_array_add_text(DbArray *array, const char *text)
{
    if (text == NULL) {
        db_array_add_null(array);
        return;
    }
    size_t length = strlen(text);
    begin_element(array, (int32_t)length);
    strbuf_append_bytes(&array->bytes, text, length);
}

void db_array_add_uuid(DbArray *array, const uint8_t uuid[16])
{
    begin_element(array, ARRAY_UUID_BYTES);
    strbuf_append_bytes(&array->bytes, (const char *)uuid, ARRAY_UUID_BYTES);
}

void db_array_add_null(DbArray *array)
{
    begin_element(array, -1);
    put_big_endian(array->bytes.text + ARRAY_HAS_NULL_AT, 1, 4);
}

void db_param_array(DbParams *params, DbArray *array)
{
    if (array->count > 0) {
        put_big_endian(array->bytes.text + ARRAY_SIZE_AT, (uint32_t)array->count, 4);
    }
    db_param_binary(params, array->bytes.text, array->bytes.length);
}

void db_array_free(DbArray *array)
{
    strbuf_free(&array->bytes);
    array->count = 0;
}

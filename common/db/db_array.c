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
    ARRAY_LENGTH_BYTES = 4,
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

// The array's head becomes that of one with elements.
static void begin_elements(DbArray *array)
{
    put_big_endian(array->bytes.text + ARRAY_DIMENSIONS_AT, 1, 4);
    append_integer(array, 0, 4); // size: set when the array is bound
    append_integer(array, ARRAY_LOWER_BOUND, 4);
}

static void append_length(DbArray *array, int32_t length)
{
    if (array->count++ == 0) {
        begin_elements(array);
    }
    append_integer(array, (uint32_t)length, ARRAY_LENGTH_BYTES);
}

// An element of known size in one piece: batches have thousands.
static void append_small(DbArray *array, char *raw, size_t length)
{
    if (array->count++ == 0) {
        begin_elements(array);
    }
    put_big_endian(raw, length, ARRAY_LENGTH_BYTES);
    strbuf_append_bytes(&array->bytes, raw, ARRAY_LENGTH_BYTES + length);
}

void db_array_add_int8(DbArray *array, int64_t value)
{
    char raw[ARRAY_LENGTH_BYTES + 8];
    put_big_endian(raw + ARRAY_LENGTH_BYTES, (uint64_t)value, 8);
    append_small(array, raw, 8);
}

void db_array_add_text(DbArray *array, const char *text)
{
    if (text == NULL) {
        db_array_add_null(array);
        return;
    }
    size_t length = strlen(text);
    append_length(array, (int32_t)length);
    strbuf_append_bytes(&array->bytes, text, length);
}

void db_array_add_uuid(DbArray *array, const uint8_t uuid[16])
{
    char raw[ARRAY_LENGTH_BYTES + ARRAY_UUID_BYTES];
    memcpy(raw + ARRAY_LENGTH_BYTES, uuid, ARRAY_UUID_BYTES);
    append_small(array, raw, ARRAY_UUID_BYTES);
}

void db_array_add_null(DbArray *array)
{
    append_length(array, -1);
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

// SPDX-License-Identifier: MIT
// Rows and arrays: fields of any content are read, and arrays are written as array_recv reads them.
#include "common/base/uuid.h"
#include "common/db/db.h"
#include "common/db/db_array.h"
#include "tests/fuzz/fuzz.h"

static char column_name[] = "value";

static void check_row(const char *text)
{
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc column = {.name = column_name, .typid = DB_ELEMENT_TEXT, .typlen = -1};
    FUZZ_CHECK(result != NULL && PQsetResultAttrs(result, 1, &column) != 0);
    char *value = mem_strdup(text);
    FUZZ_CHECK(PQsetvalue(result, 0, 0, value, (int)strlen(value)) != 0);
    FUZZ_CHECK(PQsetvalue(result, 1, 0, NULL, -1) != 0);
    FUZZ_CHECK(str_equal(db_text(result, 0, "value"), text));
    FUZZ_CHECK(db_text(result, 1, "value") == NULL);
    FUZZ_CHECK(db_int(result, 1, "value", 7) == 7);
    (void)db_int(result, 0, "value", 7);
    FUZZ_CHECK(db_bool(result, 0, "value") == (text[0] == 't'));
    free(value);
    PQclear(result);
}

static uint32_t read_uint32(const char *at)
{
    uint32_t number = 0;
    for (int i = 0; i < 4; i++) {
        number = number << 8 | (unsigned char)at[i];
    }
    return number;
}

// Walks the array as the server does, to exactly its end.
static void check_array(DbArray *array)
{
    DbParams params;
    db_params_init(&params);
    db_param_array(&params, array);
    const char *bytes = params.values[0];
    const size_t length = (size_t)params.lengths[0];
    FUZZ_CHECK(params.formats[0] == 1 && length >= 12);
    FUZZ_CHECK(read_uint32(bytes + 8) == (uint32_t)array->element);
    if (array->count == 0) {
        FUZZ_CHECK(read_uint32(bytes) == 0 && length == 12);
        return;
    }
    FUZZ_CHECK(read_uint32(bytes) == 1 && length >= 20);
    FUZZ_CHECK(read_uint32(bytes + 12) == (uint32_t)array->count);
    size_t at = 20;
    bool has_null = false;
    for (int i = 0; i < array->count; i++) {
        FUZZ_CHECK(length - at >= 4);
        const uint32_t element = read_uint32(bytes + at);
        at += 4;
        has_null = has_null || element == UINT32_MAX;
        if (element != UINT32_MAX) {
            FUZZ_CHECK(element <= length - at);
            at += element;
        }
    }
    FUZZ_CHECK(at == length);
    FUZZ_CHECK(has_null == (read_uint32(bytes + 4) == 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FuzzInput input = {data, size};
    const uint8_t kind = fuzz_byte(&input);
    DbArray array;
    db_array_begin(&array, kind % 3 == 0   ? DB_ELEMENT_INT8
                           : kind % 3 == 1 ? DB_ELEMENT_TEXT
                                           : DB_ELEMENT_UUID);
    char *text = fuzz_text(input.data, input.size);
    check_row(text);
    while (input.size > 0) {
        uint8_t uuid[UUID_BYTES];
        if (fuzz_byte(&input) % 4 == 0) {
            db_array_add_null(&array);
        } else if (array.element == DB_ELEMENT_INT8) {
            db_array_add_int8(&array, fuzz_int64(&input));
        } else if (array.element == DB_ELEMENT_TEXT) {
            db_array_add_text(&array, text + fuzz_byte(&input) % (strlen(text) + 1));
        } else {
            fuzz_take(&input, uuid, sizeof uuid);
            db_array_add_uuid(&array, uuid);
        }
    }
    check_array(&array);
    db_array_free(&array);
    free(text);
    return 0;
}

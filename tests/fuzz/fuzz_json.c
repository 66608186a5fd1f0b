// SPDX-License-Identifier: MIT
// JSON: the validator, the reader of flat objects, the writer of strings, and the mending of UTF-8 agree with each other.
#include "common/base/json_check.h"
#include "common/base/json_line.h"
#include "common/base/utf8.h"
#include "tests/fuzz/fuzz.h"

static void check_line(const char *text, size_t length)
{
    JsonLine line;
    const char *why = NULL;
    if (!json_line_parse(&line, text, length, &why)) {
        FUZZ_CHECK(why != NULL);
        return;
    }
    FUZZ_CHECK(json_check(text, length, NULL, NULL));
    for (size_t i = 0; i < line.count; i++) {
        const JsonField *field = &line.fields[i];
        int64_t number = 0;
        FUZZ_CHECK(json_check(field->value, field->length, NULL, NULL));
        char *decoded = json_field_text(field);
        FUZZ_CHECK(decoded == NULL || !json_field_int(field, &number));
        free(decoded);
    }
}

// Any text, its bytes mended, is a string that the validator takes.
static void check_written(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    StrBuf written = {0};
    utf8_clean(text, strlen(text));
    strbuf_append_json(&written, text);
    FUZZ_CHECK(json_check(written.text, written.length, NULL, NULL));
    JsonField field = {.value = written.text, .length = written.length};
    char *decoded = json_field_text(&field);
    FUZZ_CHECK(decoded != NULL && str_equal(decoded, text));
    free(decoded);
    strbuf_free(&written);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *why = NULL;
    size_t offset = SIZE_MAX;
    if (!json_check((const char *)data, size, &why, &offset)) {
        FUZZ_CHECK(why != NULL && offset <= size);
    }
    check_line((const char *)data, size);
    check_written(data, size);
    return 0;
}

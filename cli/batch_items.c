// SPDX-License-Identifier: MIT
// Batch items: the payloads of a batch, from a file.
#include "cli/batch_items.h"

#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "common/base/exit_code.h"
#include "common/base/json_check.h"

enum {
    ITEMS_INPUT_MAX_BYTES = 256 * 1024 * 1024
}; // a fourth of what PostgreSQL takes as one value

static const char *skip_spaces(const char *text)
{
    while (json_is_space(*text)) {
        text++;
    }
    return text;
}

char *batch_items_parse(const char *text, StrBuf *why)
{
    const char *wrong = NULL;
    size_t offset = 0;
    if (*skip_spaces(text) == '[' && json_check(text, strlen(text), &wrong, &offset)) {
        return mem_strdup(text);
    }
    StrBuf out = {0};
    const char *separator = "";
    strbuf_append(&out, "[");
    for (int line = 1; *text != '\0'; line++) {
        size_t length = strcspn(text, "\n");
        if (skip_spaces(text) < text + length) {
            const char *is_wrong = NULL;
            size_t place = 0;
            if (!json_check(text, length, &is_wrong, &place)) {
                // An array over many lines is better told about as a whole.
                if (line == 1 && wrong) {
                    strbuf_printf(why, "no JSON: %s, at byte %zu", wrong, offset + 1);
                } else {
                    strbuf_printf(why, "line %d is no JSON: %s, at byte %zu", line, is_wrong,
                                  place + 1);
                }
                strbuf_free(&out);
                return NULL;
            }
            strbuf_append(&out, separator);
            strbuf_append_bytes(&out, text, length);
            separator = ",\n";
        }
        text += length + (text[length] == '\n' ? 1 : 0);
    }
    strbuf_append(&out, "]");
    return strbuf_take(&out);
}

char *batch_items_read(const char *path, int *exit_code)
{
    StrBuf why = {0};
    char *text = cli_read_input(path, ITEMS_INPUT_MAX_BYTES);
    char *items = text ? batch_items_parse(text, &why) : NULL;
    if (!items) {
        if (text) {
            cli_say("%s: %s", str_equal(path, "-") ? "standard input" : path, why.text);
        }
        *exit_code = EXIT_CODE_FAILED;
    }
    strbuf_free(&why);
    free(text);
    return items;
}

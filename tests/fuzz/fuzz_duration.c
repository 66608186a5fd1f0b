// SPDX-License-Identifier: MIT
// Durations and sizes: what was understood is written so that it is understood the same.
#include "common/base/duration.h"
#include "tests/fuzz/fuzz.h"

typedef Status (*ParseFunction)(const char *text, int64_t *amount, const char **why);
typedef void (*FormatFunction)(int64_t amount, char *out, size_t size);

static void check(const char *text, ParseFunction parse, FormatFunction format)
{
    int64_t amount = -1;
    int64_t again = -1;
    const char *why = NULL;
    char written[64];
    if (parse(text, &amount, &why) != STATUS_OK) {
        FUZZ_CHECK(why != NULL);
        return;
    }
    FUZZ_CHECK(amount >= 0);
    format(amount, written, sizeof written);
    FUZZ_CHECK(parse(written, &again, &why) == STATUS_OK);
    FUZZ_CHECK(again == amount);
    FUZZ_CHECK(strlen(written) <= strlen(text) || str_equal(text, "0"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    char written[64];
    int64_t any = 0;
    check(text, duration_parse, duration_format);
    check(text, size_parse, size_format);
    memcpy(&any, data, size < sizeof any ? size : sizeof any);
    duration_format(any, written, sizeof written);
    size_format(any, written, sizeof written);
    free(text);
    return 0;
}

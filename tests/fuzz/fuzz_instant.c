// SPDX-License-Identifier: MIT
// Instants: what was understood is written so that it is understood the same.
#include "common/base/instant.h"
#include "tests/fuzz/fuzz.h"

static void check_format(int64_t unix_ms, bool is_read)
{
    char written[INSTANT_TEXT_BYTES];
    const char *why = NULL;
    int64_t again = 0;
    instant_format(unix_ms, written, sizeof written);
    FUZZ_CHECK(instant_parse(written, &again, &why) == STATUS_OK);
    FUZZ_CHECK(!is_read || again == unix_ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    FuzzInput input = {data, size};
    const char *why = NULL;
    int64_t unix_ms = 0;
    if (instant_parse(text, &unix_ms, &why) == STATUS_OK) {
        // A zone may carry the first and the last day out of the years that can be written.
        check_format(unix_ms,
                     unix_ms >= INT64_C(-62135596800000) && unix_ms <= INT64_C(253402300799999));
    } else {
        FUZZ_CHECK(why != NULL);
    }
    check_format(fuzz_int64(&input), false);
    free(text);
    return 0;
}

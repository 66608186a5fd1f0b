// SPDX-License-Identifier: MIT
// What the command line prints of others' texts: nothing that moves a terminal's cursor, nothing wider than asked for.
#include "cli/text.h"
#include "common/base/utf8.h"
#include "tests/fuzz/fuzz.h"

static void check_safe(const char *text, bool keep_lines)
{
    StrBuf out = {0};
    strbuf_append(&out, "");
    text_append_safe(&out, text, keep_lines);
    for (size_t at = 0; at < out.length;) {
        const unsigned char c = (unsigned char)out.text[at];
        const bool is_kept = keep_lines && (c == '\n' || c == '\t');
        FUZZ_CHECK((c >= 0x20 && c != 0x7f) || is_kept);
        const size_t step = utf8_sequence_length(out.text + at, out.length - at);
        FUZZ_CHECK(step > 0);
        // C1: some terminals take them for escape sequences.
        FUZZ_CHECK(step != 2 || c != 0xc2 || (unsigned char)out.text[at + 1] >= 0xa0);
        at += step;
    }
    strbuf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FuzzInput input = {data, size};
    const size_t width = fuzz_byte(&input);
    const int64_t number = fuzz_int64(&input);
    char *text = fuzz_text(input.data, input.size);
    char shown[TEXT_SHORT_BYTES];
    StrBuf out = {0};
    check_safe(text, true);
    check_safe(text, false);
    text_append_cut(&out, text, width);
    FUZZ_CHECK(out.text == NULL || text_width(out.text) <= width);
    strbuf_clear(&out);
    text_append_wrapped(&out, text, width, 2);
    strbuf_free(&out);
    text_duration(number, shown, sizeof shown);
    text_age(number, shown, sizeof shown);
    text_count(number, shown, sizeof shown);
    free(text);
    return 0;
}

// SPDX-License-Identifier: MIT
// Cron expressions, as the configuration and the command line look at them.
#include "common/base/cron_check.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    StrBuf why = {0};
    const bool is_fine = cron_check(text, &why);
    FUZZ_CHECK(is_fine == (why.length == 0));
    strbuf_free(&why);
    free(text);
    return 0;
}

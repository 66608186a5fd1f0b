// SPDX-License-Identifier: MIT
// The items of a batch: a file of lines or an array becomes one JSON array, or a mistake that is named.
#include "cli/batch_items.h"
#include "common/base/json_check.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    StrBuf why = {0};
    char *items = batch_items_parse(text, &why);
    FUZZ_CHECK((items == NULL) == (why.length > 0));
    FUZZ_CHECK(items == NULL || json_check(items, strlen(items), NULL, NULL));
    free(items);
    strbuf_free(&why);
    free(text);
    return 0;
}

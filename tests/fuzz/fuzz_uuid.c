// SPDX-License-Identifier: MIT
// Uuids: reading stops at what is none, and never past the text.
#include "common/base/uuid.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    uint8_t uuid[UUID_BYTES];
    uint8_t again[UUID_BYTES];
    if (uuid_parse(text, uuid)) {
        char plain[UUID_BYTES * 2 + 1];
        for (size_t i = 0; i < UUID_BYTES; i++) {
            (void)snprintf(plain + 2 * i, 3, "%02x", uuid[i]);
        }
        FUZZ_CHECK(uuid_parse(plain, again));
        FUZZ_CHECK(memcmp(uuid, again, sizeof uuid) == 0);
    }
    free(text);
    return 0;
}

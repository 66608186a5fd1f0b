// SPDX-License-Identifier: MIT
// Digest: SHA-256, HMAC and random secrets, by libcrypto.
#ifndef COMMON_CRYPTO_DIGEST_H
#define COMMON_CRYPTO_DIGEST_H

#include <stddef.h>

#include "common/base/status.h"

enum { DIGEST_BYTES = 32, DIGEST_HEX_BYTES = 2 * DIGEST_BYTES + 1 };

void digest_sha256(const void *data, size_t length, unsigned char out[DIGEST_BYTES]);
// RFC 2104 with SHA-256 over the parts, as if they were one text.
typedef struct DigestPart {
    const void *data;
    size_t length;
} DigestPart;
void digest_hmac_sha256(const void *key, size_t key_length, const DigestPart *parts, size_t count,
                        unsigned char out[DIGEST_BYTES]);
// Lower-case hexadecimal, with a NUL.
void digest_hex(const unsigned char digest[DIGEST_BYTES], char out[DIGEST_HEX_BYTES]);
// Unforeseeable bytes. STATUS_FATAL: the machine has none.
MUST_CHECK Status digest_random(void *out, size_t length);

#endif

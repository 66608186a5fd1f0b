// SPDX-License-Identifier: MIT
// HTTP signature: see the header.
#include "worker/http_signature.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void http_signature_make(const char *secret, int64_t unix_s, const char *body, size_t length,
                         char out[HTTP_SIGNATURE_BYTES])
{
    char time[24];
    const int digits = snprintf(time, sizeof time, "%" PRId64 ".", unix_s);
    const DigestPart parts[] = {{time, (size_t)digits}, {body, length}};
    unsigned char digest[DIGEST_BYTES];
    char hex[DIGEST_HEX_BYTES];
    digest_hmac_sha256(secret, strlen(secret), parts, 2, digest);
    digest_hex(digest, hex);
    (void)snprintf(out, HTTP_SIGNATURE_BYTES, "t=%" PRId64 ",v1=%s", unix_s, hex);
}

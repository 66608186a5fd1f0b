// SPDX-License-Identifier: MIT
// HttpSignature: what shows a receiver that a request was made by who knows the secret, and when. Pure.
#ifndef WORKER_HTTP_SIGNATURE_H
#define WORKER_HTTP_SIGNATURE_H

#include <stddef.h>
#include <stdint.h>

#include "common/crypto/digest.h"

// "t=1700000000,v1=<64 hexadecimal digits>"
enum { HTTP_SIGNATURE_BYTES = 2 + 20 + 4 + DIGEST_HEX_BYTES };

// HMAC-SHA256 with the secret over "<unix seconds>.<body>". The time is signed with it, so that a request cannot be used again later.
void http_signature_make(const char *secret, int64_t unix_s, const char *body, size_t length,
                         char out[HTTP_SIGNATURE_BYTES]);

#endif

// SPDX-License-Identifier: MIT
// Digest: see the header.
#include "common/crypto/digest.h"

#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "common/base/log.h"
#include "common/base/memory.h"

// libcrypto fails here only when it has no memory, or lacks SHA-256: nothing to go on with.
static void must(int is_done, const char *what)
{
    if (is_done != 1) {
        panic("libcrypto: %s failed", what);
    }
}

void digest_sha256(const void *data, size_t length, unsigned char out[DIGEST_BYTES])
{
    unsigned written = 0;
    must(EVP_Digest(data, length, out, &written, EVP_sha256(), NULL), "SHA-256");
}

void digest_hmac_sha256(const void *key, size_t key_length, const DigestPart *parts, size_t count,
                        unsigned char out[DIGEST_BYTES])
{
    char name[] = "SHA256";
    const OSSL_PARAM params[] = {OSSL_PARAM_utf8_string("digest", name, sizeof name - 1),
                                 OSSL_PARAM_END};
    EVP_MAC *kind = EVP_MAC_fetch(NULL, "HMAC", NULL);
    must(kind != NULL, "HMAC"); // EVP_MAC_CTX_new looks into it
    EVP_MAC_CTX *mac = EVP_MAC_CTX_new(kind);
    must(mac != NULL && EVP_MAC_init(mac, key, key_length, params) == 1, "HMAC");
    for (size_t i = 0; i < count; i++) {
        must(EVP_MAC_update(mac, parts[i].data, parts[i].length), "HMAC");
    }
    size_t written = 0;
    must(EVP_MAC_final(mac, out, &written, DIGEST_BYTES), "HMAC");
    EVP_MAC_CTX_free(mac);
    EVP_MAC_free(kind);
}

void digest_hex(const unsigned char digest[DIGEST_BYTES], char out[DIGEST_HEX_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < DIGEST_BYTES; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
    out[DIGEST_HEX_BYTES - 1] = '\0';
}

Status digest_random(void *out, size_t length)
{
    if (RAND_bytes(out, (int)length) != 1) {
        log_error("random.none", "effect=\"no secret can be made\"");
        return STATUS_FATAL;
    }
    return STATUS_OK;
}

// SPDX-License-Identifier: MIT
#include <string.h>

#include "common/crypto/digest.h"
#include "tests/support/unit.h"

static void check_hex(const unsigned char *digest, const char *expected)
{
    char hex[DIGEST_HEX_BYTES];
    digest_hex(digest, hex);
    assert_string_equal(hex, expected);
}

// FIPS 180-2, appendix B.
static void test_sha256(void **state)
{
    (void)state;
    unsigned char digest[DIGEST_BYTES];
    digest_sha256("abc", 3, digest);
    check_hex(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    digest_sha256("", 0, digest);
    check_hex(digest, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

// RFC 4231, test case 2, in two parts.
static void test_hmac(void **state)
{
    (void)state;
    static const char text[] = "what do ya want for nothing?";
    const DigestPart parts[] = {{text, 10}, {text + 10, sizeof text - 1 - 10}};
    unsigned char digest[DIGEST_BYTES];
    digest_hmac_sha256("Jefe", 4, parts, 2, digest);
    check_hex(digest, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

static void test_random(void **state)
{
    (void)state;
    unsigned char a[DIGEST_BYTES] = {0};
    unsigned char b[DIGEST_BYTES] = {0};
    assert_int_equal(digest_random(a, sizeof a), STATUS_OK);
    assert_int_equal(digest_random(b, sizeof b), STATUS_OK);
    assert_memory_not_equal(a, b, sizeof a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha256),
        cmocka_unit_test(test_hmac),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

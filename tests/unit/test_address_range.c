// SPDX-License-Identifier: MIT
// Tests of which addresses a webhook is not sent to.
#include "common/base/address_range.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/un.h>

#include "tests/support/unit.h"

static const char *refusal(const char *text, const AddressRange *allowed, size_t count)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    if (strchr(text, ':') == NULL) {
        assert_int_equal(inet_pton(AF_INET, text, &in.sin_addr), 1);
        return address_refusal((const struct sockaddr *)&in, allowed, count);
    }
    assert_int_equal(inet_pton(AF_INET6, text, &in6.sin6_addr), 1);
    return address_refusal((const struct sockaddr *)&in6, allowed, count);
}

// NOLINTNEXTLINE(readability-function-size): a table
static void test_address_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.0",
        "10.255.255.255",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "169.254.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "192.168.255.255",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.7",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::2",
        "::127.0.0.1",
        "::8.8.8.8",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:0:8.8.8.8",
        "64:ff9b::127.0.0.1",
        "64:ff9b::a00:1",
        "64:ff9b:1::8.8.8.8",
        "100::1",
        "2001::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:db8::1",
        "2002:7f00:1::",
        "2002:808:808::1",
        "3fff::1",
        "4000::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (refusal(bad[i], NULL, 0) == NULL) {
            fail_msg("%s may be connected to", bad[i]);
        }
    }
    const struct sockaddr_un local = {.sun_family = AF_UNIX};
    assert_non_null(address_refusal((const struct sockaddr *)&local, NULL, 0));
    assert_string_equal(refusal("127.0.0.1", NULL, 0), "a loopback address");
    assert_string_equal(refusal("::ffff:127.0.0.1", NULL, 0), "a loopback address");
}

static void test_address_public(void **state)
{
    (void)state;
    static const char *const good[] = {
        "1.1.1.1",           "8.8.8.8",        "9.255.255.255",        "11.0.0.0",
        "100.63.255.255",    "100.128.0.0",    "126.255.255.255",      "128.0.0.0",
        "169.253.255.255",   "172.15.255.255", "172.32.0.0",           "192.0.1.0",
        "192.167.255.255",   "192.169.0.0",    "198.17.255.255",       "198.20.0.0",
        "223.255.255.255",   "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",     "2606:4700::1111",
        "2a00:1450:4001::1", "2001:200::1",    "2001:4860:4860::8888", "3ffe::1"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        const char *why = refusal(good[i], NULL, 0);
        if (why != NULL) {
            fail_msg("%s is %s", good[i], why);
        }
    }
}

static void test_address_texts(void **state)
{
    (void)state;
    assert_string_equal(address_text_refusal("10.0.0.1", NULL, 0), "a private address");
    assert_string_equal(address_text_refusal("::ffff:10.0.0.1", NULL, 0), "a private address");
    assert_string_equal(address_text_refusal("::1", NULL, 0), "a loopback address");
    assert_null(address_text_refusal("8.8.8.8", NULL, 0));
    assert_null(address_text_refusal("localhost", NULL, 0));
    assert_null(address_text_refusal("", NULL, 0));
}

static AddressRange range_of(const char *text)
{
    AddressRange range;
    StrBuf why = {0};
    if (!address_range_parse(&range, text, &why)) {
        fail_msg("%s: %s", text, why.text);
    }
    return range;
}

static void test_address_allowed(void **state)
{
    (void)state;
    const AddressRange ten[] = {range_of("10.1.0.0/16"), range_of("fd00:1::/32")};
    assert_null(refusal("10.1.2.3", ten, 2));
    assert_null(refusal("::ffff:10.1.2.3", ten, 2));
    assert_null(refusal("64:ff9b::10.1.2.3", ten, 2));
    assert_null(refusal("fd00:1::7", ten, 2));
    assert_non_null(refusal("10.2.0.0", ten, 2));
    assert_non_null(refusal("::10.1.2.3", ten, 2));
    assert_non_null(refusal("fd00:2::7", ten, 2));
    assert_non_null(refusal("10.1.2.3", ten + 1, 1));
    const AddressRange odd = range_of("172.16.0.128/25");
    assert_null(refusal("172.16.0.255", &odd, 1));
    assert_non_null(refusal("172.16.0.127", &odd, 1));
    const AddressRange one = range_of("127.0.0.1");
    assert_null(refusal("127.0.0.1", &one, 1));
    assert_non_null(refusal("127.0.0.2", &one, 1));
    const AddressRange all[] = {range_of("0.0.0.0/0"), range_of("::/0")};
    assert_null(refusal("255.255.255.255", all, 2));
    assert_null(refusal("ff02::1", all, 2));
}

static void test_address_ranges_parse(void **state)
{
    (void)state;
    char one[] = "10.0.0.0/8";
    char two[] = "fd00::/8";
    char bad[] = "10.0.0.1/8";
    char *const texts[] = {one, two, bad};
    AddressRange *ranges = NULL;
    StrBuf why = {0};
    assert_true(address_ranges_parse(&ranges, texts, 2, &why));
    assert_null(address_text_refusal("10.1.2.3", ranges, 2));
    assert_null(address_text_refusal("fd00::1", ranges, 2));
    free(ranges);
    assert_true(address_ranges_parse(&ranges, NULL, 0, &why));
    assert_non_null(address_text_refusal("10.1.2.3", ranges, 0));
    free(ranges);
    assert_int_equal(why.length, 0);
    assert_false(address_ranges_parse(&ranges, texts, 3, &why));
    assert_null(ranges);
    assert_non_null(strstr(why.text, "10.0.0.1/8"));
    strbuf_free(&why);
}

static void test_address_range_parse(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "10",
                                      "10.0.0.0/",
                                      "10.0.0.0/33",
                                      "10.0.0.0/-1",
                                      "10.0.0.0/8x",
                                      "10.0.0.1/8",
                                      "010.0.0.0/8",
                                      "0x0a.0.0.0/8",
                                      "fd00::/129",
                                      "fd00::1/8",
                                      "fd00/8",
                                      "::1%lo",
                                      "10.0.0.0/0008",
                                      "a"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        AddressRange range;
        StrBuf why = {0};
        if (address_range_parse(&range, bad[i], &why)) {
            fail_msg("'%s' was taken", bad[i]);
        }
        assert_true(why.length > 0);
        strbuf_free(&why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_address_refused),     cmocka_unit_test(test_address_public),
        cmocka_unit_test(test_address_texts),       cmocka_unit_test(test_address_allowed),
        cmocka_unit_test(test_address_range_parse), cmocka_unit_test(test_address_ranges_parse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

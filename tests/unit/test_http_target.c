// SPDX-License-Identifier: MIT
// Tests of where a webhook may go: URLs that are refused, hosts that are allowed, headers.
#include "common/base/http_target.h"

#include "tests/support/unit.h"

typedef struct Good {
    const char *url;
    const char *formatted;
} Good;

static void test_http_target_good(void **state)
{
    (void)state;
    static const Good good[] = {
        {"https://example.com", "https://example.com:443/"},
        {"http://example.com", "http://example.com:80/"},
        {"HTTPS://Example.COM/Path?Q=1", "https://example.com:443/Path?Q=1"},
        {"https://example.com:8443/a/../b", "https://example.com:8443/a/../b"},
        {"https://example.com?x=1", "https://example.com:443/?x=1"},
        {"https://1.2.3.4:80/", "https://1.2.3.4:80/"},
        {"https://[2001:DB8:0:0::1]/", "https://[2001:db8::1]:443/"},
        {"https://[::ffff:127.0.0.1]:81/", "https://[::ffff:127.0.0.1]:81/"},
        {"https://xn--bcher-kva.example/", "https://xn--bcher-kva.example:443/"},
        {"https://my_service/", "https://my_service:443/"},
        {"https://example.com/@user", "https://example.com:443/@user"},
        {"https://example.com/%23?u=a@b", "https://example.com:443/%23?u=a@b"},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        HttpTarget target;
        StrBuf why = {0};
        StrBuf url = {0};
        if (!http_target_parse(&target, good[i].url, &why)) {
            fail_msg("%s: %s", good[i].url, why.text);
        }
        http_target_format(&target, &url);
        assert_string_equal(url.text, good[i].formatted);
        strbuf_free(&url);
        strbuf_free(&why);
    }
}

// NOLINTNEXTLINE(readability-function-size): a table
static void test_http_target_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "example.com",
        "//example.com/",
        "/path",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:70/",
        "javascript:alert(1)",
        "https:example.com",
        "https:/example.com",
        " https://example.com",
        "https://example.com/a b",
        "https://example.com/\n",
        "https://exa\tmple.com/",
        "https://example.com\\@127.0.0.1/",
        "https://127.0.0.1\\.example.com/",
        "https://user@example.com/",
        "https://user:pw@example.com/",
        "https://example.com@127.0.0.1/",
        "https://example.com:443@127.0.0.1/",
        "https://example.com#@127.0.0.1/",
        "https://127.0.0.1#.example.com/",
        "https://example.com/#fragment",
        "https:///path",
        "https://?q",
        "https://:443/",
        "https://example.com:/",
        "https://example.com:0/",
        "https://example.com:65536/",
        "https://example.com:99999999999/",
        "https://example.com:-1/",
        "https://example.com:+80/",
        "https://example.com:80:80/",
        "https://example.com:0x50/",
        "https://example.com./",
        "https://.example.com/",
        "https://a..b/",
        "https://-a.example/",
        "https://a-.example/",
        "https://a%2eb/",
        "https://127.0.0.1%2f.example.com/",
        "https://b\xc3\xbc"
        "cher.example/",
        "https://\xef\xbc\x91.example/", // a fullwidth digit
        "https://127\xe3\x80\x82"
        "0.0.1/", // an ideographic full stop
        "https://2130706433/",
        "https://017700000001/",
        "https://0x7f000001/",
        "https://0X7F.0.0.1/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://127.0.1/",
        "https://127.0.0.01/",
        "https://127.0.0.1./",
        "https://256.0.0.1/",
        "https://1.2.3.4.5/",
        "https://a.0x7f/",
        "https://example.1/",
        "https://[::1/",
        "https://::1/",
        "https://[]/",
        "https://[::1]x/",
        "https://[::1]:/",
        "https://[fe80::1%25eth0]/",
        "https://[fe80::1%eth0]/",
        "https://[::127.0.0.256]/",
        "https://[127.0.0.1]/",
        "https://[example.com]/",
        "https://exam\"ple.com/",
        "https://exam$ple.com/",
        "https://example.com,127.0.0.1/",
        "https://example.com;127.0.0.1/",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        HttpTarget target;
        StrBuf why = {0};
        if (http_target_parse(&target, bad[i], &why)) {
            fail_msg("'%s' was taken as %s", bad[i], target.host);
        }
        assert_true(why.length > 0);
        strbuf_free(&why);
    }
    assert_true(sizeof bad / sizeof bad[0] >= 60);
}

static void test_http_target_long(void **state)
{
    (void)state;
    char url[HTTP_TARGET_URL_MAX_BYTES + 2];
    static const char begin[] = "https://example.com?";
    memset(url, 'a', sizeof url);
    memcpy(url, begin, sizeof begin - 1);
    url[HTTP_TARGET_URL_MAX_BYTES] = '\0';
    HttpTarget target;
    StrBuf why = {0};
    assert_true(http_target_parse(&target, url, &why));
    assert_int_equal(strlen(target.path),
                     HTTP_TARGET_URL_MAX_BYTES - strlen("https://example.com") + 1);
    url[HTTP_TARGET_URL_MAX_BYTES] = 'a';
    url[HTTP_TARGET_URL_MAX_BYTES + 1] = '\0';
    assert_false(http_target_parse(&target, url, &why));
    assert_string_equal(why.text, "it is longer than 2048 bytes");
    strbuf_free(&why);
}

static bool allows(const char *entry, const char *url)
{
    HttpTarget target;
    StrBuf why = {0};
    if (!http_host_check(entry, &why) || !http_target_parse(&target, url, &why)) {
        fail_msg("%s, %s: %s", entry, url, why.text);
    }
    strbuf_free(&why);
    return http_host_allows(entry, &target);
}

static void test_http_host_allows(void **state)
{
    (void)state;
    assert_true(allows("example.com", "https://example.com/"));
    assert_true(allows("EXAMPLE.com", "https://example.COM/"));
    assert_true(allows("example.com", "http://example.com/"));
    assert_true(allows("example.com:8443", "https://example.com:8443/"));
    assert_true(allows("*.example.com", "https://a.example.com/"));
    assert_true(allows("*.example.com", "https://a.b.example.com/"));
    assert_true(allows("*.example.com:81", "http://a.example.com:81/"));
    assert_true(allows("127.0.0.1:81", "http://127.0.0.1:81/"));
    assert_true(allows("[0::1]:81", "http://[::1]:81/"));
    assert_false(allows("example.com", "https://example.com:8443/"));
    assert_false(allows("example.com", "http://example.com:443/"));
    assert_false(allows("example.com:443", "http://example.com/"));
    assert_false(allows("example.com", "https://a.example.com/"));
    assert_false(allows("example.com", "https://example.com.evil.net/"));
    assert_false(allows("*.example.com", "https://example.com/"));
    assert_false(allows("*.example.com", "https://badexample.com/"));
    assert_false(allows("*.example.com", "https://example.com.evil.net/"));
    assert_false(allows("*.example.com", "https://a.example.com:81/"));
    assert_false(allows("127.0.0.1", "https://[::ffff:127.0.0.1]/"));
}

static void test_http_hosts_allow(void **state)
{
    (void)state;
    char one[] = "example.com";
    char two[] = "*.example.org:81";
    char *const entries[] = {one, two};
    HttpTarget target;
    StrBuf why = {0};
    assert_true(http_target_parse(&target, "http://a.example.org:81/", &why));
    assert_true(http_hosts_allow(entries, 2, &target));
    assert_false(http_hosts_allow(entries, 1, &target));
    assert_true(http_hosts_allow(NULL, 0, &target));
    strbuf_free(&why);
}

static void test_http_host_check(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",    "*",    "*.",      "a.*",       "*a.example", "a b",          "a/b", "a:0",
        "a:x", "[::1", "*.[::1]", "*.1.2.3.4", "0x7f.1",     "example.com.", "a@b", "10.0.0.0/8"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        StrBuf why = {0};
        if (http_host_check(bad[i], &why)) {
            fail_msg("'%s' was taken", bad[i]);
        }
        strbuf_free(&why);
    }
}

static void test_http_header_check(void **state)
{
    (void)state;
    StrBuf why = {0};
    assert_true(http_header_check("X-Source: shop", &why));
    assert_true(http_header_check("Authorization: Bearer \xc3\xbc", &why));
    assert_true(http_header_check("Empty:", &why));
    static const char *const bad[] = {
        "no colon",        ": x",          "a b: c",    "a:\rb",           "a: b\nc: d",
        "a: \x7f",         "Host: a",      "HOST: a",   "content-type: x", "Expect: x",
        "x-ganger-any: x", "TE: x",        "Trailer:x", "Upgrade: x",      "connection: x",
        "traceparent: x",  "a\xc3\xbc: x", "a\t: x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (http_header_check(bad[i], &why)) {
            fail_msg("'%s' was taken", bad[i]);
        }
    }
    strbuf_free(&why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http_target_good),  cmocka_unit_test(test_http_target_refused),
        cmocka_unit_test(test_http_target_long),  cmocka_unit_test(test_http_host_allows),
        cmocka_unit_test(test_http_hosts_allow),  cmocka_unit_test(test_http_host_check),
        cmocka_unit_test(test_http_header_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

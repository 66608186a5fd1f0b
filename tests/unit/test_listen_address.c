// SPDX-License-Identifier: MIT
// Listen address: what is read, what is refused and why, and which addresses nobody outside reaches.
#include "tests/support/unit.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/listen_address.h"

static void test_reads_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *back; // NULL: as it was written
        int family;
        int port;
        bool is_local;
    } cases[] = {
        {"127.0.0.1:8080", NULL, AF_INET, 8080, true},
        {"127.255.255.254:1", NULL, AF_INET, 1, true},
        {"128.0.0.1:1", NULL, AF_INET, 1, false},
        {"126.255.255.255:1", NULL, AF_INET, 1, false},
        {"0.0.0.0:65535", NULL, AF_INET, 65535, false},
        {"10.1.2.3:443", NULL, AF_INET, 443, false},
        {"[::1]:8080", NULL, AF_INET6, 8080, true},
        {"[0:0:0:0:0:0:0:1]:80", "[::1]:80", AF_INET6, 80, true},
        {"[::]:8080", NULL, AF_INET6, 8080, false},
        {"[fd00::1]:8080", NULL, AF_INET6, 8080, false},
        {"unix:/run/ganger/api.sock", NULL, AF_UNIX, 0, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ListenAddress address;
        StrBuf why = {0};
        StrBuf back = {0};
        if (!listen_address_parse(&address, cases[i].text, &why)) {
            fail_msg("%s: %s", cases[i].text, why.text);
        }
        listen_address_format(&address, &back);
        assert_string_equal(back.text, cases[i].back != NULL ? cases[i].back : cases[i].text);
        assert_int_equal(address.socket.ss_family, cases[i].family);
        assert_int_equal(listen_address_port(&address), cases[i].port);
        assert_int_equal(listen_address_is_local(&address), cases[i].is_local);
        assert_int_equal(listen_address_path(&address) != NULL, cases[i].family == AF_UNIX);
        strbuf_free(&back);
        strbuf_free(&why);
    }
}

static void test_refuses_with_a_reason(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *why; // a part of it
    } cases[] = {
        {"", "the port is missing"},
        {"8080", "the port is missing; expected 127.0.0.1:8080"},
        {":8080", "every address is 0.0.0.0 or [::]"},
        {"*:8080", "every address is 0.0.0.0 or [::]"},
        {"localhost:8080", "names are not looked up"},
        {"127.1:8080", "names are not looked up"},
        {"0x7f.0.0.1:8080", "names are not looked up"},
        {"a.very.long.name.of.some.machine:8080", "expected 127.0.0.1:8080"},
        {"127.0.0.1:", "a number from 1 to 65535"},
        {"127.0.0.1:0", "a number from 1 to 65535"},
        {"127.0.0.1:080", "a number from 1 to 65535"},
        {"127.0.0.1:65536", "a number from 1 to 65535"},
        {"127.0.0.1:99999999999", "a number from 1 to 65535"},
        {"127.0.0.1:80x", "a number from 1 to 65535"},
        {"127.0.0.1: 80", "a number from 1 to 65535"},
        {"127.0.0.1:-1", "a number from 1 to 65535"},
        {"::1:8080", "stands in brackets"},
        {"[::1]", "the port is missing"},
        {"[::1]8080", "the port is missing"},
        {"[::1:8080", "expected 127.0.0.1:8080"},
        {"[]:8080", "no IPv6 address in the brackets"},
        {"[127.0.0.1]:8080", "no IPv6 address in the brackets"},
        {"[::ffff:127.0.0.1]:8080", "without the ::ffff:"},
        {"[fe80::1%eth0]:8080", "no IPv6 address in the brackets"},
        {"http://127.0.0.1:8080", "stands in brackets"},
        {"unix:api.sock", "must begin with /"},
        {"unix:", "must begin with /"},
        {"unix:/run/ganger/", "is a folder"},
        {"127.0.0.1:8080\n", "control character"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ListenAddress address;
        StrBuf why = {0};
        assert_false(listen_address_parse(&address, cases[i].text, &why));
        if (why.text == NULL || strstr(why.text, cases[i].why) == NULL) {
            fail_msg("%s: %s", cases[i].text, why.text != NULL ? why.text : "no reason");
        }
        strbuf_free(&why);
    }
}

// 107 bytes and a NUL are what the kernel takes.
static void test_length_of_a_unix_path(void **state)
{
    (void)state;
    char text[128] = "unix:/";
    ListenAddress address;
    StrBuf why = {0};

    memset(text + 6, 'a', 106);
    text[6 + 106] = '\0';
    assert_true(listen_address_parse(&address, text, &why));
    assert_string_equal(listen_address_path(&address), text + 5);
    text[6 + 106] = 'a';
    text[6 + 107] = '\0';
    assert_false(listen_address_parse(&address, text, &why));
    assert_non_null(strstr(why.text, "at most 107 bytes, and this one 108"));
    strbuf_free(&why);
}

static bool are_equal(const char *one, const char *other)
{
    ListenAddress a;
    ListenAddress b;
    StrBuf why = {0};
    assert_true(listen_address_parse(&a, one, &why));
    assert_true(listen_address_parse(&b, other, &why));
    strbuf_free(&why);
    return listen_address_equal(&a, &b);
}

static void test_equal(void **state)
{
    (void)state;
    assert_true(are_equal("127.0.0.1:80", "127.0.0.1:80"));
    assert_true(are_equal("[::1]:80", "[0::1]:80"));
    assert_true(are_equal("unix:/a", "unix:/a"));
    assert_false(are_equal("127.0.0.1:80", "127.0.0.1:81"));
    assert_false(are_equal("127.0.0.1:80", "127.0.0.2:80"));
    assert_false(are_equal("127.0.0.1:80", "[::1]:80"));
    assert_false(are_equal("unix:/a", "unix:/ab"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_addresses),
        cmocka_unit_test(test_refuses_with_a_reason),
        cmocka_unit_test(test_length_of_a_unix_path),
        cmocka_unit_test(test_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

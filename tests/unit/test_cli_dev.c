// SPDX-License-Identifier: MIT
// Tests of the pure parts of `ganger dev`, of its state folder, and of help and completion.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/completion.h"
#include "cli/dev_http.h"
#include "cli/dev_postgres.h"
#include "cli/dev_state.h"
#include "cli/help.h"
#include "tests/support/unit.h"

static void test_server_version(void **state)
{
    (void)state;
    assert_int_equal(dev_server_parse_version("postgres (PostgreSQL) 15.20 (Debian 15.20-0)"), 15);
    assert_int_equal(dev_server_parse_version("postgres (PostgreSQL) 17devel"), 17);
    assert_int_equal(dev_server_parse_version("postgres 15"), 0);
    assert_int_equal(dev_server_parse_version(""), 0);
}

static void test_socket_length(void **state)
{
    (void)state;
    char dir[128];
    // ".s.PGSQL.5432" with its slash is 14 bytes, of 107.
    memset(dir, 'x', sizeof dir);
    dir[0] = '/';
    dir[93] = '\0';
    assert_true(dev_socket_fits(dir));
    dir[93] = 'x';
    dir[94] = '\0';
    assert_false(dev_socket_fits(dir));
}

static void test_state_folder(void **state)
{
    (void)state;
    char base[] = "/tmp/test_cli_dev.XXXXXX";
    StrBuf why = {0};
    assert_non_null(mkdtemp(base));
    char *wanted = mem_printf("%s/a/b", base);
    char *dir = dev_state_make_dir(wanted, &why);
    assert_non_null(dir);
    assert_null(dev_state_read_url(dir));

    char *path = mem_printf("%s/dev.url", dir);
    assert_int_equal(dev_state_write_file(path, "host=/x\n", 0644, &why), STATUS_OK);
    char *url = dev_state_read_url(dir);
    assert_string_equal(url, "host=/x");

    int lock = dev_state_lock(dir, &why);
    assert_true(lock >= 0);
    assert_int_equal(fcntl(lock, F_GETFD) & FD_CLOEXEC, 0);
    assert_int_equal(dev_state_lock(dir, &why), -1);
    char *pid = mem_printf("(pid %d)", (int)getpid());
    assert_non_null(strstr(why.text, pid));

    close(lock);
    char *lock_path = mem_printf("%s/dev.lock", dir);
    char *parent = mem_printf("%s/a", base);
    assert_int_equal(unlink(lock_path) + unlink(path), 0);
    assert_int_equal(rmdir(dir) + rmdir(parent) + rmdir(base), 0);
    free(parent);
    free(lock_path);
    free(pid);
    free(url);
    free(path);
    free(dir);
    free(wanted);
    strbuf_free(&why);
}

static void test_state_folder_is_a_file(void **state)
{
    (void)state;
    char path[] = "/tmp/test_cli_dev.XXXXXX";
    StrBuf why = {0};
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_null(dev_state_make_dir(path, &why));
    assert_non_null(strstr(why.text, "is a file, not a folder"));
    close(fd);
    assert_int_equal(unlink(path), 0);
    strbuf_free(&why);
}

// Somebody's folder is called pg as well; --reset must not touch it.
static void test_foreign_cluster_is_kept(void **state)
{
    (void)state;
    char data[] = "/tmp/test_cli_dev.XXXXXX";
    StrBuf why = {0};
    assert_non_null(mkdtemp(data));
    char *version = mem_printf("%s/PG_VERSION", data);
    char *marker = mem_printf("%s/ganger-dev", data);
    char *hint = mem_printf("touch %s", marker);
    assert_int_equal(dev_state_write_file(version, "15\n", 0644, &why), STATUS_OK);
    assert_int_equal(dev_cluster_delete(data, &why), STATUS_REFUSED);
    assert_non_null(strstr(why.text, hint));
    assert_int_equal(dev_cluster_version(data), 15);

    assert_int_equal(dev_state_write_file(marker, "\n", 0644, &why), STATUS_OK);
    assert_int_equal(dev_cluster_delete(data, &why), STATUS_OK);
    assert_int_equal(access(data, F_OK), -1);
    free(hint);
    free(marker);
    free(version);
    strbuf_free(&why);
}

static void test_no_cluster(void **state)
{
    (void)state;
    StrBuf why = {0};
    assert_int_equal(dev_cluster_version("/nonexistent"), 0);
    assert_int_equal(dev_cluster_check_ours("/nonexistent", &why), STATUS_OK);
    assert_int_equal(dev_cluster_delete("/nonexistent", &why), STATUS_OK);
    assert_int_equal(dev_cluster_wait_unused("/nonexistent", &why), STATUS_OK);
    strbuf_free(&why);
}

static void test_help_names_all(void **state)
{
    (void)state;
    StrBuf out = {0};
    help_write(NULL, 80, &out);
    for (int i = 0; i < COMMAND_COUNT; i++) {
        // A group stands in one row: "jobs ...  look at jobs: list, show".
        const char *second = strchr(COMMAND_SPECS[i].name, ' ');
        assert_non_null(strstr(out.text, second ? second + 1 : COMMAND_SPECS[i].name));
        StrBuf page = {0};
        help_write(&COMMAND_SPECS[i], 80, &page);
        for (int id = 0; id < OPT_COUNT; id++) {
            if (command_takes(&COMMAND_SPECS[i], (OptionId)id)) {
                char *option = mem_printf("--%s", OPT_SPECS[id].name);
                assert_non_null(strstr(page.text, option));
                free(option);
            }
        }
        strbuf_free(&page);
    }
    strbuf_free(&out);
}

static void expect_narrow(const char *text, size_t width)
{
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        if (length > width) {
            fail_msg("%.*s", (int)length, text);
        }
        text += length + (text[length] == '\n' ? 1 : 0);
    }
}

static void test_help_fits(void **state)
{
    (void)state;
    static const size_t widths[] = {60, 80, 120};
    for (int i = -1; i < COMMAND_COUNT; i++) {
        for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++) {
            StrBuf page = {0};
            help_write(i < 0 ? NULL : &COMMAND_SPECS[i], widths[w], &page);
            expect_narrow(page.text, widths[w]);
            strbuf_free(&page);
        }
    }
}

static void test_completion_names_all(void **state)
{
    (void)state;
    static const char *const shells[] = {"bash", "zsh", "fish"};
    for (size_t i = 0; i < sizeof shells / sizeof shells[0]; i++) {
        StrBuf out = {0};
        assert_true(completion_write(shells[i], &out));
        for (int id = 0; id < OPT_COUNT; id++) {
            assert_non_null(strstr(out.text, OPT_SPECS[id].name));
        }
        strbuf_free(&out);
    }
    StrBuf none = {0};
    assert_false(completion_write("csh", &none));
}

// The usual port may be taken, by another `ganger dev` say.
static void test_http_takes_a_free_port(void **state)
{
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    StrBuf why = {0};
    char *chosen = NULL;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    int taken = ntohs(address.sin_port);
    if (taken > 65535 - DEV_HTTP_PORTS) {
        close(fd);
        skip();
    }
    assert_int_equal(dev_http_choose(NULL, taken, &chosen, &why), STATUS_OK);
    int port = (int)strtol(strchr(chosen, ':') + 1, NULL, 10);
    assert_in_range(port, taken + 1, taken + DEV_HTTP_PORTS - 1);
    free(chosen);
    char *asked = mem_printf("127.0.0.1:%d", taken);
    assert_int_equal(dev_http_choose(asked, 0, &chosen, &why), STATUS_REFUSED);
    assert_null(chosen);
    assert_non_null(strstr(why.text, "Address already in use"));
    strbuf_clear(&why);
    free(asked);
    close(fd);
    assert_int_equal(dev_http_choose("192.0.2.1:80", 0, &chosen, &why), STATUS_REFUSED);
    assert_non_null(strstr(why.text, "reached by other machines"));
    strbuf_clear(&why);
    assert_int_equal(dev_http_choose("unix:/tmp/x.sock", 0, &chosen, &why), STATUS_OK);
    assert_string_equal(chosen, "unix:/tmp/x.sock");
    free(chosen);
    strbuf_free(&why);
}

static void expect_url(const char *first, const char *second, const char *expected)
{
    char *items[] = {mem_strdup(first), second != NULL ? mem_strdup(second) : NULL};
    char *url = dev_http_url(&(StringList){.items = items, .count = second != NULL ? 2 : 1});
    assert_string_equal(url, expected);
    free(url);
    free(items[0]);
    free(items[1]);
}

static void test_http_url(void **state)
{
    (void)state;
    expect_url("127.0.0.1:8080", NULL, "http://127.0.0.1:8080/");
    expect_url("unix:/run/a", "[::1]:80", "http://[::1]:80/");
    expect_url("0.0.0.0:81", NULL, "http://localhost:81/");
    expect_url("unix:/run/a", NULL, "unix:/run/a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server_version),
        cmocka_unit_test(test_socket_length),
        cmocka_unit_test(test_state_folder),
        cmocka_unit_test(test_state_folder_is_a_file),
        cmocka_unit_test(test_foreign_cluster_is_kept),
        cmocka_unit_test(test_no_cluster),
        cmocka_unit_test(test_help_fits),
        cmocka_unit_test(test_help_names_all),
        cmocka_unit_test(test_completion_names_all),
        cmocka_unit_test(test_http_takes_a_free_port),
        cmocka_unit_test(test_http_url),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

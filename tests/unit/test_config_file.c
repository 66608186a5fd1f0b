// SPDX-License-Identifier: MIT
// Tests of configurations as files: what is opened, how long that may take, and what a reload makes of it.
#include "common/base/config.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/config_yaml.h"
#include "tests/support/unit.h"

static int set_up(void **state)
{
    (void)state;
    unsetenv("DATABASE_URL");
    unsetenv("GANGER_DEFAULT_NODE_NAME");
    return 0;
}

static Config *parse(const char *text)
{
    StrBuf errors = {0};
    Config *config = NULL;
    assert_int_equal(config_parse(&config, "f.yaml", text, strlen(text), &errors), STATUS_OK);
    strbuf_free(&errors);
    return config;
}

static char *write_file(const char *text)
{
    char *path = mem_strdup("/tmp/ganger-test-config-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    return path;
}

static void expect_load_refused(const char *path, const char *expected)
{
    StrBuf errors = {0};
    Config *config = NULL;
    assert_int_equal(config_load(&config, path, &errors), STATUS_REFUSED);
    assert_null(config);
    char *line = mem_printf("%s%s\n", path, expected);
    assert_string_equal(errors.text, line);
    free(line);
    strbuf_free(&errors);
}

// Loads a file that everybody may read, with one webhook.
static void expect_webhook_warning(const char *webhook, bool warns)
{
    char *text = mem_printf("handlers: {a: {http: {%s}}}\n", webhook);
    char *path = write_file(text);
    StrBuf errors = {0};
    Config *config = NULL;
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(config_load(&config, path, &errors), STATUS_OK);
    const bool has_warned =
        errors.text != NULL && strstr(errors.text, "warning: it holds a password") != NULL;
    if (has_warned != warns) {
        fail_msg("%s: %s", webhook, warns ? "no warning" : "a warning");
    }
    config_destroy(config);
    strbuf_free(&errors);
    (void)unlink(path);
    free(path);
    free(text);
}

static void expect_header_warning(const char *header, bool warns)
{
    char *webhook = mem_printf("url: \"https://example.com\", headers: {%s}", header);
    expect_webhook_warning(webhook, warns);
    free(webhook);
}

static void expect_url_warning(const char *url, bool warns)
{
    char *webhook = mem_printf("url: \"%s\"", url);
    expect_webhook_warning(webhook, warns);
    free(webhook);
}

static void test_secret_urls(void **state)
{
    (void)state;
    expect_url_warning("https://hooks.example.com/services/T00/B00/hFb9c2KqXw81MnZa", true);
    expect_url_warning("https://example.com/hook?code=0123456789abcdef", true);
    expect_url_warning("https://example.com/6f1c9a52-7d0e-4b1b-9c55-0a1b2c3d4e5f/in", true);
    expect_url_warning("https://example.com/hooks/orders/2", false);
    expect_url_warning("https://example.com/a-long-name-of-a-hook/", false);
    expect_url_warning("https://host-0123456789abcdef.example.com:8443/a", false);
    assert_int_equal(setenv("GANGER_TEST_HOOK", "hFb9c2KqXw81MnZa", 1), 0);
    expect_url_warning("https://example.com/${GANGER_TEST_HOOK}", false);
    assert_int_equal(unsetenv("GANGER_TEST_HOOK"), 0);
}

static void test_secret_headers(void **state)
{
    (void)state;
    expect_header_warning("Authorization: Bearer abc", true);
    expect_header_warning("X-Api-Key: abc", true);
    expect_header_warning("x-auth-TOKEN: abc", true);
    expect_header_warning("Cookie: \"session=abc\"", true);
    expect_header_warning("X-Source: shop, Shop-Secret: abc", true);
    expect_header_warning("X-Source: shop", false);
    expect_header_warning("X-Source: a token", false);
    expect_header_warning("X-Api-Key: \"\"", false);
    assert_int_equal(setenv("GANGER_TEST_KEY", "of-the-environment", 1), 0);
    expect_header_warning("X-Api-Key: \"${GANGER_TEST_KEY}\"", false);
    assert_int_equal(unsetenv("GANGER_TEST_KEY"), 0);
}

static void test_config_files(void **state)
{
    (void)state;
    expect_load_refused("/nowhere/f.yaml", ": error: cannot be read: No such file or directory");
    expect_load_refused("/tmp", ": error: cannot be read: Is a directory");
    expect_load_refused("/dev/zero", ": error: the file is larger than 1 MiB");
    char *path = write_file("node: {name: [}\n");
    expect_load_refused(path, ":1:15: error: expected a value");
    if (geteuid() != 0) {
        assert_int_equal(chmod(path, 0), 0);
        expect_load_refused(path, ": error: cannot be read: Permission denied");
    }
    unlink(path);
    free(path);
    path = write_file("node: {name: here}\n");
    StrBuf errors = {0};
    Config *config = NULL;
    assert_int_equal(config_load(&config, path, &errors), STATUS_OK);
    assert_string_equal(config->node_name, "here");
    assert_string_equal(config->path, path);
    config_destroy(config);
    strbuf_free(&errors);
    unlink(path);
    free(path);
}

// A writer in the background: `text` goes into the pipe a moment after it was opened for reading.
static pid_t write_later(const char *path, const char *text)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int fd = open(path, O_WRONLY | O_CLOEXEC); // waits for the reader
        _exit(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : 1);
    }
    return pid;
}

static void test_config_pipes(void **state)
{
    (void)state;
    char path[] = "/tmp/ganger-test-config-XXXXXX";
    assert_non_null(mkdtemp(path));
    char *fifo = mem_printf("%s/fifo", path);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    StrBuf errors = {0};
    Config *config = NULL;
    int status = 0;

    pid_t writer = write_later(fifo, "node: {name: piped}\n");
    assert_int_equal(config_load(&config, fifo, &errors), STATUS_OK);
    assert_int_equal(waitpid(writer, &status, 0), writer);
    assert_int_equal(status, 0);
    assert_string_equal(config->node_name, "piped");
    Config *next = NULL; // nobody writes: without a refusal this would wait for ever
    assert_int_equal(config_reload(&next, config, &errors), STATUS_REFUSED);
    assert_non_null(strstr(errors.text, "is no regular file"));
    strbuf_free(&errors);
    config_destroy(config);

    writer = write_later(fifo, "");
    assert_int_equal(config_load(&config, fifo, &errors), STATUS_REFUSED);
    assert_non_null(strstr(errors.text, "nothing came out of the pipe"));
    assert_int_equal(waitpid(writer, &status, 0), writer);
    strbuf_free(&errors);
    unlink(fifo);
    rmdir(path);
    free(fifo);
}

static void overwrite(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void test_config_reload_refuses_an_empty_file(void **state)
{
    (void)state;
    static const char *const empty[] = {"", "# all gone\n", "---\n", "~\n"};
    StrBuf errors = {0};
    Config *config = NULL;
    Config *next = NULL;
    char *path = write_file("node: {lease: 70s}\n");
    assert_int_equal(config_load(&config, path, &errors), STATUS_OK);
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++) {
        overwrite(path, empty[i]);
        assert_int_equal(config_reload(&next, config, &errors), STATUS_REFUSED);
        assert_null(next);
        assert_non_null(strstr(errors.text, "error: the file is empty"));
        strbuf_free(&errors);
    }
    overwrite(path, "{}\n"); // said in so many words
    assert_int_equal(config_reload(&next, config, &errors), STATUS_OK);
    config_destroy(next);
    config_destroy(config);

    overwrite(path, "# nothing yet\n");
    assert_int_equal(config_load(&config, path, &errors), STATUS_OK);
    assert_int_equal(config_reload(&next, config, &errors), STATUS_OK);
    config_destroy(next);
    config_destroy(config);
    unlink(path);
    free(path);
}

// Large files that once took seconds; the processor time is looked at, as others use the machine too.
static void expect_quick(StrBuf *text, Status expected)
{
    StrBuf errors = {0};
    Config *config = NULL;
    assert_true(text->length <= CONFIG_YAML_MAX_BYTES);
    int64_t cpu_before_us = clock_cpu_us();
    assert_int_equal(config_parse(&config, "f.yaml", text->text, text->length, &errors), expected);
#ifndef GANGER_SANITIZED
    assert_true(clock_cpu_us() - cpu_before_us < 1000000);
#endif
    (void)cpu_before_us;
    config_destroy(config);
    strbuf_free(&errors);
    strbuf_free(text);
}

static void test_config_large_files_are_read_quickly(void **state)
{
    (void)state;
    StrBuf text = {0};
    strbuf_append(&text, "x: &a {");
    for (int i = 0; i < 150000; i++) {
        strbuf_printf(&text, "%x,", (unsigned)i);
    }
    strbuf_append(&text, "}\npools: {");
    for (int i = 0; i < 99; i++) {
        strbuf_printf(&text, "p%d: *a ,", i);
    }
    strbuf_append(&text, "}\n");
    expect_quick(&text, STATUS_REFUSED);

    strbuf_append(&text, "handlers:\n");
    for (int i = 0; i < 20000; i++) {
        strbuf_printf(&text, " h%d: {sql: a.b}\n", i);
    }
    strbuf_append(&text, "pools:\n");
    for (int i = 0; i < 80; i++) {
        strbuf_printf(&text, " p%d: {processes: 1, job_types: [", i);
        for (int k = 0; k < 1000; k++) {
            strbuf_printf(&text, "h%d,", (k * 7919 + i) % 20000);
        }
        strbuf_append(&text, "]}\n");
    }
    expect_quick(&text, STATUS_OK);

    for (int i = 0; i < 250000; i++) {
        strbuf_append(&text, "? a\n");
    }
    expect_quick(&text, STATUS_REFUSED);
}

static void test_config_reload(void **state)
{
    (void)state;
    Config *running = parse("pools: {a: {}, b: {}}\n");
    Config *next = parse("node: {lease: 70s, name: other}\n"
                         "log: {level: debug}\nsupervisor: {kill_grace: 1s}\n"
                         "pools: {a: {processes: 3, prefetch: 4}, c: {}}\nhandlers: {}\n");
    StrBuf why = {0};
    assert_int_equal(config_reload_conflicts(running, running, &why), 0);
    assert_int_equal(why.length, 0);
    assert_int_equal(config_reload_conflicts(running, next, &why), 2);
    assert_string_equal(why.text, "node.name changed\nnode.lease changed\n");
    strbuf_free(&why);
    config_destroy(running);
    config_destroy(next);
}

// What neither file names may have become something else: the user was given up, the host renamed.
static void test_config_reload_keeps_defaults(void **state)
{
    (void)state;
    Config *running = parse("pools: {a: {}}\n");
    Config *next = parse("pools: {a: {processes: 3}}\n");
    free(next->state_dir);
    next->state_dir = mem_strdup("/tmp/ganger-7");
    free(next->node_name);
    next->node_name = mem_strdup("renamed");
    config_keep_defaults(running, next);
    assert_string_equal(next->state_dir, running->state_dir);
    assert_string_equal(next->node_name, running->node_name);
    assert_null(next->database_url);
    StrBuf why = {0};
    assert_int_equal(config_reload_conflicts(running, next, &why), 0);
    config_destroy(next);

    next = parse("node: {name: other}\nsupervisor: {state_dir: /other}\n");
    config_keep_defaults(running, next);
    assert_int_equal(config_reload_conflicts(running, next, &why), 2);
    strbuf_free(&why);
    config_destroy(next);
    config_destroy(running);
}

// A reaper that is started anew after the host was renamed must not register a second node.
static void test_config_default_name_is_pinned(void **state)
{
    (void)state;
    Config *running = parse("");
    free(running->node_name);
    running->node_name = mem_strdup("before");
    config_pin_defaults(running);
    Config *next = parse("");
    assert_string_equal(next->node_name, "before");
    config_destroy(next);
    config_destroy(running);
    unsetenv("GANGER_DEFAULT_NODE_NAME");
    running = parse("node: {name: own}\n");
    config_pin_defaults(running); // a name of the file needs no pin
    assert_null(getenv("GANGER_DEFAULT_NODE_NAME"));
    config_destroy(running);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_config_files, set_up),
        cmocka_unit_test_setup(test_secret_headers, set_up),
        cmocka_unit_test_setup(test_secret_urls, set_up),
        cmocka_unit_test_setup(test_config_pipes, set_up),
        cmocka_unit_test_setup(test_config_large_files_are_read_quickly, set_up),
        cmocka_unit_test_setup(test_config_reload_refuses_an_empty_file, set_up),
        cmocka_unit_test_setup(test_config_reload, set_up),
        cmocka_unit_test_setup(test_config_reload_keeps_defaults, set_up),
        cmocka_unit_test_setup(test_config_default_name_is_pinned, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

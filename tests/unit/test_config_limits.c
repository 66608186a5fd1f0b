// SPDX-License-Identifier: MIT
// Tests of the configuration reader: how much it takes, hand-over to the children, files that are cut or changed.
#include "common/base/config.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/config_yaml.h"
#include "tests/support/config_text.h"

static void repeat(StrBuf *out, const char *text, int count)
{
    for (int i = 0; i < count; i++) {
        strbuf_append(out, text);
    }
}

static void expect_refused_buf(StrBuf *text, const char *expected)
{
    int64_t cpu_before_us = clock_cpu_us();
    expect_refused(text->text, text->length, expected);
#ifndef GANGER_SANITIZED
    assert_true(clock_cpu_us() - cpu_before_us < 100000);
#endif
    (void)cpu_before_us;
    strbuf_free(text);
}

static void test_config_limits(void **state)
{
    (void)state;
    StrBuf text = {0};
    repeat(&text, "[", 200000);
    expect_refused_buf(&text, "f.yaml:1:33: error: nested deeper than 32 levels\n");
    repeat(&text, "{a: ", 200000);
    expect_refused_buf(&text, "f.yaml:1:129: error: nested deeper than 32 levels\n");
    repeat(&text, "- ", 200000);
    expect_refused_buf(&text, "f.yaml:1:65: error: nested deeper than 32 levels\n");
    repeat(&text, "#", CONFIG_YAML_MAX_BYTES + 1);
    expect_refused_buf(&text, "f.yaml: error: the file is larger than 1 MiB\n");
    strbuf_append(&text, "pools: {p: {queues: [");
    repeat(&text, "&a x,", 200000);
    expect_refused_buf(&text, "f.yaml:1:522: error: more than 100 anchors\n");
    strbuf_append(&text, "node: {name: &a x}\npools: {p: {queues: [");
    repeat(&text, "*a ,", 200000);
    expect_refused_buf(&text, "f.yaml:2:422: error: more than 100 aliases\n");
    strbuf_append(&text, "pools: {p: {queues: [");
    repeat(&text, "x,", 1001);
    strbuf_append(&text, "]}}");
    expect_refused_buf(&text, "f.yaml:1:21: error: pools.p.queues: the list has 1001 items; at "
                              "most 1000 are allowed\n");
    strbuf_append(&text, "node: {name: &");
    repeat(&text, "a", 64);
    strbuf_append(&text, " [x]}");
    expect_refused_buf(&text, "f.yaml:1:14: error: an anchor has at most 63 characters\n");
}

static void test_config_as_large_as_allowed(void **state)
{
    (void)state;
    StrBuf text = {0};
    repeat(&text, "#", CONFIG_YAML_MAX_BYTES);
    Config *config = parse(text.text);
    config_destroy(config);
    strbuf_clear(&text);
    strbuf_append(&text, "node: {name: &a x}\npools: {");
    for (int i = 0; i < 100; i++) {
        strbuf_printf(&text, "p%d: {processes: 1, queues: [*a ]},", i);
    }
    strbuf_append(&text, "}");
    config = parse(text.text);
    assert_int_equal(config->pool_count, 100);
    config_destroy(config);
    strbuf_free(&text);
}

static void test_config_many_mistakes(void **state)
{
    (void)state;
    StrBuf text = {0};
    for (int i = 0; i < 40000; i++) {
        strbuf_printf(&text, "k%d: 1\n", i);
    }
    StrBuf errors = {0};
    Config *config = NULL;
    assert_int_equal(config_parse(&config, "f.yaml", text.text, text.length, &errors),
                     STATUS_REFUSED);
    assert_non_null(strstr(errors.text, "f.yaml:100:1: error: unknown key 'k99'\n"));
    assert_non_null(
        strstr(errors.text, "f.yaml: error: 40000 mistakes in all; the first 100 found are shown"));
    size_t lines = 0;
    for (const char *at = errors.text; *at != '\0'; at++) {
        lines += *at == '\n' ? 1 : 0;
    }
    assert_int_equal(lines, 101);
    strbuf_free(&errors);
    strbuf_free(&text);
}

static void test_config_hand_over(void **state)
{
    (void)state;
    Config *config = parse(full_text);
    int fd = -1;
    assert_int_equal(config_to_fd(config, &fd), STATUS_OK);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(write(fd, "x", 1), -1);
    assert_int_equal(ftruncate(fd, 0), -1);
    config_destroy(config);
    for (int child = 0; child < 2; child++) { // children share the offset of the descriptor
        Config *read_back = NULL;
        assert_int_equal(config_from_fd(&read_back, fd), STATUS_OK);
        assert_string_equal(read_back->text, full_text);
        assert_string_equal(read_back->node_name, "n1");
        config_destroy(read_back);
    }
    close(fd);
    config = parse("");
    assert_int_equal(config_to_fd(config, &fd), STATUS_OK);
    config_destroy(config);
    assert_int_equal(config_from_fd(&config, fd), STATUS_OK);
    check_defaults(config);
    config_destroy(config);
    close(fd);
}

// With what stands in the environment of the supervisor, so that it needs not stand in that of a child.
static void test_config_hand_over_of_the_url(void **state)
{
    (void)state;
    static const char text[] = "database: {url: \"postgresql:///file\"}\n";
    setenv("DATABASE_URL", "postgresql:///environment", 1);
    Config *config = parse(text);
    int fd = -1;
    assert_int_equal(config_to_fd(config, &fd), STATUS_OK);
    config_destroy(config);
    unsetenv("DATABASE_URL");
    for (int child = 0; child < 2; child++) {
        assert_int_equal(config_from_fd(&config, fd), STATUS_OK);
        assert_string_equal(config->database_url, "postgresql:///environment");
        assert_true(config->database_url_from_env);
        assert_string_equal(config->text, text);
        assert_int_equal(config->text_length, strlen(text));
        assert_null(getenv("DATABASE_URL"));
        config_destroy(config);
    }
    close(fd);
    config = parse(text);
    assert_int_equal(config_to_fd(config, &fd), STATUS_OK);
    config_destroy(config);
    assert_int_equal(config_from_fd(&config, fd), STATUS_OK);
    assert_string_equal(config->database_url, "postgresql:///file");
    config_destroy(config);
    close(fd);
}

static void test_config_hand_over_refused(void **state)
{
    (void)state;
    log_init("test", LOG_FORMAT_LOGFMT, LOG_LEVEL_FATAL);
    Config *config = NULL;
    assert_int_equal(config_from_fd(&config, -1), STATUS_FATAL);
    assert_null(config);
    int fd = memfd_create("bad", MFD_CLOEXEC);
    assert_int_equal(write(fd, "a: b\n", 5), 5);
    assert_int_equal(config_from_fd(&config, fd), STATUS_REFUSED);
    assert_null(config);
    close(fd);
}

// Whatever the bytes: no crash, no leak, and either a configuration or mistakes with their place.
static void check_survives(const char *text, size_t length)
{
    StrBuf errors = {0};
    Config *config = NULL;
    Status status = config_parse(&config, "f.yaml", text, length, &errors);
    assert_true((status == STATUS_OK) == (config != NULL));
    if (status != STATUS_OK) {
        assert_non_null(strstr(errors.text, ": error: "));
    }
    for (const char *line = errors.text; line != NULL && *line != '\0';
         line = strchr(line, '\n') + 1) {
        assert_int_equal(strncmp(line, "f.yaml:", 7), 0);
    }
    strbuf_free(&errors);
    config_destroy(config);
}

static void test_config_survives_truncation(void **state)
{
    (void)state;
    for (size_t length = 0; length < sizeof full_text; length++) {
        char *text = mem_alloc(length + 1); // exact, so that reading past it is noticed
        memcpy(text, full_text, length);
        check_survives(text, length);
        free(text);
    }
}

static void test_config_survives_mutation(void **state)
{
    (void)state;
    static const char bytes[] = "\t\n {}[],:-?&*!|>'\"%@`#$~\\0\xff\x80\xe2\x01";
    const size_t length = sizeof full_text - 1;
    char *text = mem_alloc(length + 2);
    for (size_t at = 0; at < length; at++) {
        for (size_t b = at % 3; b < sizeof bytes; b += 3) { // a third of them here
            memcpy(text, full_text, length);
            text[at] = bytes[b];
            check_survives(text, length);
        }
        memcpy(text, full_text, at);
        memcpy(text + at, full_text + at + 1, length - at - 1);
        check_survives(text, length - 1); // one byte missing
        memcpy(text, full_text, at + 1);
        memcpy(text + at + 1, full_text + at, length - at);
        check_survives(text, length + 1); // one byte twice
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_config_limits, set_up),
        cmocka_unit_test_setup(test_config_as_large_as_allowed, set_up),
        cmocka_unit_test_setup(test_config_many_mistakes, set_up),
        cmocka_unit_test_setup(test_config_hand_over, set_up),
        cmocka_unit_test_setup(test_config_hand_over_of_the_url, set_up),
        cmocka_unit_test_setup(test_config_hand_over_refused, set_up),
        cmocka_unit_test_setup(test_config_survives_truncation, set_up),
        cmocka_unit_test_setup(test_config_survives_mutation, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: MIT
// Tests of loading handler files: eight broken ones are refused, each with a reason that names the
// mistake.
#include "worker/plugin_loader.h"

#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/paths.h"
#include "common/base/proc_tree.h"
#include "tests/support/unit.h"
#include "worker/handler_table.h"
#include "worker/plugin_trial.h"

static char folder[] = "/tmp/ganger-plugins-XXXXXX";

static char *path_in_folder(const char *name)
{
    return mem_printf("%s/%s", folder, name);
}

static void write_file(const char *name, const void *bytes, size_t length, mode_t mode)
{
    char *path = path_in_folder(name);
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, length), (ssize_t)length);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
    free(path);
}

// Compiles one line of C into a shared object: broken plugins are made, not kept.
static void compile(const char *name, const char *source)
{
    char *object = path_in_folder(name);
    char *text = mem_printf("%s.c", object);
    // This file is <root>/tests/unit/...; the public header is in <root>/handlers.
    const char *tests = strstr(__FILE__, "tests/unit/");
    char *include = mem_printf("-I%.*shandlers", (int)(tests - __FILE__), __FILE__);
    FILE *file = fopen(text, "we");
    assert_non_null(file);
    (void)fputs(source, file);
    (void)fclose(file);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        execlp("cc", "cc", "-shared", "-fPIC", include, text, "-o", object, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(chmod(object, 0644), 0);
    free(object);
    free(text);
    free(include);
}

// <build>/tests/unit/this -> <build>/handlers
static void find_handlers(void)
{
    char self[4096];
    const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(length > 0);
    self[length] = '\0';
    char *handlers = mem_printf("%.*shandlers", (int)(strstr(self, "tests/unit/") - self), self);
    assert_int_equal(setenv("GANGER_HANDLERS_DIR", handlers, 0), 0);
    free(handlers);
}

static int setup(void **state)
{
    (void)state;
    find_handlers();
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    return mkdtemp(folder) == NULL;
}

static int teardown(void **state)
{
    (void)state;
    const pid_t child = fork();
    if (child == 0) {
        execlp("rm", "rm", "-rf", folder, (char *)NULL);
        _exit(127);
    }
    return waitpid(child, NULL, 0) != child;
}

static void expect_refusal(const char *name, const char *reason)
{
    char *path = path_in_folder(name);
    const struct ganger_plugin *plugin = NULL;
    StrBuf why = {0};
    assert_int_equal(plugin_load(&plugin, path, PLUGIN_LOAD_LIMIT_MS, &why), STATUS_REFUSED);
    assert_null(plugin);
    assert_string_equal(why.text, reason);
    assert_true(proc_has_no_children());
    strbuf_free(&why);
    free(path);
}

static void test_missing(void **state)
{
    (void)state;
    expect_refusal("none.so", "No such file or directory");
    expect_refusal(".", "not a regular file");
}

static void test_not_elf(void **state)
{
    (void)state;
    write_file("text.so", "#!/bin/sh\necho hello, hello, hello\n", 35, 0644);
    expect_refusal("text.so", "not an ELF file");
    write_file("empty.so", "", 0, 0644);
    expect_refusal("empty.so", "not an ELF file");
}

static void test_other_machine(void **state)
{
    (void)state;
    Elf32_Ehdr small = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS32}, .e_machine = EM_386};
    write_file("small.so", &small, sizeof small, 0644);
    expect_refusal("small.so", "built for another machine (32-bit)");
    Elf64_Ehdr other = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64}, .e_machine = EM_SPARCV9};
    write_file("other.so", &other, sizeof other, 0644);
    char *path = path_in_folder("other.so");
    const struct ganger_plugin *plugin = NULL;
    StrBuf why = {0};
    assert_int_equal(plugin_load(&plugin, path, PLUGIN_LOAD_LIMIT_MS, &why), STATUS_REFUSED);
    assert_non_null(strstr(why.text, "built for another machine (ELF machine 43"));
    strbuf_free(&why);
    free(path);
}

static void test_no_symbol(void **state)
{
    (void)state;
    compile("plain.so", "int unrelated = 1;");
    expect_refusal("plain.so", "no symbol ganger_plugin_v1: not a ganger handler");
}

static void test_wrong_abi(void **state)
{
    (void)state;
    compile("abi.so", "#include <ganger/handler.h>\n"
                      "static const ganger_handler h[] = {{0, 0, 0}};\n"
                      "const struct ganger_plugin ganger_plugin_v1 = {2, 0, sizeof(struct "
                      "ganger_plugin), sizeof(ganger_handler), \"new\", h};");
    expect_refusal("abi.so", "speaks ABI 2, this ganger speaks 1");
}

// Structs only ever grow: the sizes of version 1.0 stay good, and so do those of a later one.
static void test_sizes(void **state)
{
    (void)state;
    static const char source[] =
        "#include <ganger/handler.h>\n"
        "static enum ganger_result f(const ganger_job *j, ganger_context *c) "
        "{ (void)j; (void)c; return GANGER_OK; }\n"
        "static const ganger_handler h[] = {{\"x\", f, 0}, {0, 0, 0}};\n"
        "const struct ganger_plugin ganger_plugin_v1 = {1, 0, %zu, sizeof(ganger_handler), \"n\", "
        "h};";
    const size_t first = offsetof(struct ganger_plugin, handlers) + sizeof(void *);
    for (int i = 0; i < 3; i++) {
        char *text = mem_printf(source, first + (size_t)i * 8 - 8);
        char *name = mem_printf("size%d.so", i);
        compile(name, text);
        free(text);
        if (i == 0) {
            expect_refusal(name, "its ganger_plugin_v1 is malformed (see GANGER_PLUGIN)");
        } else {
            char *path = path_in_folder(name);
            const struct ganger_plugin *plugin = NULL;
            StrBuf why = {0};
            assert_int_equal(plugin_load(&plugin, path, PLUGIN_LOAD_LIMIT_MS, &why), STATUS_OK);
            strbuf_free(&why);
            free(path);
        }
        free(name);
    }
}

static void test_time_for_all_files(void **state)
{
    (void)state;
    int64_t left = HANDLER_LOAD_BUDGET_MS;
    for (int i = 0; i < 10; i++) { // all of them hang
        const int64_t limit = plugin_load_limit_ms(left);
        assert_true(limit > 0 && limit <= PLUGIN_LOAD_LIMIT_MS);
        left -= limit;
        assert_true(left > 0);
    }
    assert_int_equal(plugin_load_limit_ms(-1), 1);
}

// What the function writes to stderr. Caller frees.
static char *load_and_read_log(const Config *config)
{
    const PoolConfig pool = {.name = NULL};
    FILE *log = tmpfile();
    const int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    assert_non_null(log);
    assert_int_equal(dup2(fileno(log), STDERR_FILENO), STDERR_FILENO);
    HandlerTable *table = NULL;
    handler_table_load(&table, config, &pool, NULL, NULL);
    assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
    close(saved);
    assert_int_equal(handler_table_count(table), 0);
    handler_table_destroy(table);
    char *text = mem_alloc(4096);
    rewind(log);
    text[fread(text, 1, 4095, log)] = '\0';
    (void)fclose(log);
    return text;
}

static void test_refused_file_is_named_once(void **state)
{
    (void)state;
    HandlerConfig handlers[] = {
        {.job_type = (char[]){"a"},
         .kind = HANDLER_PLUGIN,
         .plugin = (char[]){"/none.so"},
         .line = 3},
        {.job_type = (char[]){"b"},
         .kind = HANDLER_PLUGIN,
         .plugin = (char[]){"/none.so"},
         .line = 4},
    };
    const Config config = {.handlers = handlers, .handler_count = 2};
    char *log = load_and_read_log(&config);
    const char *first = strstr(log, "handler.refused");
    assert_non_null(first);
    assert_null(strstr(first + 1, "handler.refused"));
    assert_non_null(strstr(log, "a, b"));
    assert_non_null(strstr(log, "/none.so: No such file or directory"));
    free(log);
}

static void test_dying_constructors(void **state)
{
    (void)state;
    compile("abort.so", "void abort(void); __attribute__((constructor)) static void f(void) "
                        "{ abort(); }");
    expect_refusal("abort.so", "dies while loading (SIGABRT)");
    compile("exit.so", "void _exit(int); __attribute__((constructor)) static void f(void) "
                       "{ _exit(3); }");
    expect_refusal("exit.so", "exits while loading (exit code 3)");
}

static void test_writable_by_others(void **state)
{
    (void)state;
    compile("open.so", "int x;");
    char *path = path_in_folder("open.so");
    assert_int_equal(chmod(path, 0666), 0);
    free(path);
    expect_refusal("open.so", "mode 0666: others than its owner may write to it (chmod go-w)");
}

static void test_wrong_job_type(void **state)
{
    (void)state;
    char *handlers = path_handlers_dir();
    char *path = mem_printf("%s/noop.so", handlers);
    const struct ganger_plugin *plugin = NULL;
    StrBuf why = {0};
    if (plugin_load(&plugin, path, PLUGIN_LOAD_LIMIT_MS, &why) != STATUS_OK) {
        fail_msg("%s: %s", path, why.text);
    }
    assert_non_null(plugin_find_handler(plugin, "echo", &why));
    assert_null(plugin_find_handler(plugin, "email", &why));
    assert_string_equal(why.text, "has no handler for job type 'email'; it has: noop, sleep, echo");
    strbuf_free(&why);
    free(path);
    free(handlers);
}

static void test_unresolved_symbol(void **state)
{
    (void)state;
    compile("undefined.so", "void nobody_has_this(void); void f(void) { nobody_has_this(); }");
    expect_refusal("undefined.so", "undefined symbol: nobody_has_this");
}

static Status hang(int fd, StrBuf *why)
{
    (void)fd;
    (void)why;
    if (fork() == 0) {
        (void)setsid();
    }
    while (pause() != 0) { // it never returns anything else
    }
    return STATUS_OK;
}

static void test_hanging_constructor(void **state)
{
    (void)state;
    StrBuf why = {0};
    assert_int_equal(plugin_trial(hang, STDIN_FILENO, 200, &why), STATUS_REFUSED);
    assert_string_equal(why.text, "hangs while loading (more than 200ms)");
    assert_true(proc_has_no_children());
    strbuf_free(&why);
}

// A hook is a handler of its own, unless the configuration has another one of that name.
static void test_hooks(void **state)
{
    (void)state;
    compile(
        "hooked.so",
        "#include <ganger/handler.h>\n"
        "static enum ganger_result r(const ganger_job *j, ganger_context *c) { (void)j; (void)c; "
        "return GANGER_OK; } static void e(const ganger_job *j, ganger_context *c, const char *m) "
        "{ (void)j; (void)c; (void)m; } static const ganger_handler h[] = {{\"a\", r, e}, {\"b\", "
        "r, "
        "e}, {\"c\", r, 0}, {0, 0, 0}}; const struct ganger_plugin ganger_plugin_v1 = "
        "GANGER_PLUGIN(\"hooked\", h);");
    char *path = path_in_folder("hooked.so");
    HandlerConfig handlers[] = {
        {.job_type = (char[]){"a"}, .kind = HANDLER_PLUGIN, .plugin = path, .timeout_ms = 7},
        {.job_type = (char[]){"b"}, .kind = HANDLER_PLUGIN, .plugin = path},
        {.job_type = (char[]){"c"}, .kind = HANDLER_PLUGIN, .plugin = path},
        {.job_type = (char[]){"b:on_error"},
         .kind = HANDLER_EXEC,
         .exec = {.items = (char *[]){(char[]){"true"}}, .count = 1}},
    };
    const Config config = {.handlers = handlers, .handler_count = 4};
    const PoolConfig pool = {.name = NULL};
    HandlerTable *table = NULL;
    handler_table_load(&table, &config, &pool, NULL, NULL);
    assert_int_equal(handler_table_count(table), 5);
    const Handler *hook = handler_table_find(table, "a:on_error");
    assert_non_null(hook);
    assert_true(hook->is_hook);
    assert_int_equal(hook->config->timeout_ms, 7);
    assert_ptr_equal(hook->plugin_entry, handler_table_find(table, "a")->plugin_entry);
    assert_false(handler_table_find(table, "a")->is_hook);
    assert_false(handler_table_find(table, "b:on_error")->is_hook);
    assert_null(handler_table_find(table, "c:on_error"));
    handler_table_destroy(table);
    free(path);
}

static void test_paths(void **state)
{
    (void)state;
    Config config = {.plugin_dir = (char[]){"/srv/handlers"}};
    char *path = plugin_path(&config, "/opt/a.so");
    assert_string_equal(path, "/opt/a.so");
    free(path);
    path = plugin_path(&config, "a.so");
    assert_string_equal(path, "/srv/handlers/a.so");
    free(path);
    config.plugin_dir = NULL;
    path = plugin_path(&config, "a.so");
    char *handlers = path_handlers_dir();
    assert_memory_equal(path, handlers, strlen(handlers));
    free(handlers);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_not_elf),
        cmocka_unit_test(test_other_machine),
        cmocka_unit_test(test_no_symbol),
        cmocka_unit_test(test_wrong_abi),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_time_for_all_files),
        cmocka_unit_test(test_refused_file_is_named_once),
        cmocka_unit_test(test_dying_constructors),
        cmocka_unit_test(test_writable_by_others),
        cmocka_unit_test(test_wrong_job_type),
        cmocka_unit_test(test_unresolved_symbol),
        cmocka_unit_test(test_hanging_constructor),
        cmocka_unit_test(test_hooks),
        cmocka_unit_test(test_paths),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

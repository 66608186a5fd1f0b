// SPDX-License-Identifier: MIT
// Files that gangerd is given: configurations that want all its memory or time, passwords that others may read, and folders that
// somebody else has prepared.
#include "tests/support/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "tests/support/daemon.h"

enum { EXIT_CONFIG = 78, STRANGER = 54321, AT_ONCE = 20 };

typedef struct CheckRun { // of `gangerd --check`, or another program
    int code;
    int64_t cpu_ms;
    int64_t rss_bytes;
    char said[8192];
} CheckRun;

static char *in_folder(const SystemTest *test, const char *name)
{
    return mem_printf("%s/%s", test->folder, name);
}

static void write_bytes(const char *path, const char *bytes, size_t length)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, length), (ssize_t)length);
    close(fd);
}

static _Noreturn void become(char **argv, const char *output, const char *url)
{
    const int file = open(output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    (void)dup2(file, STDOUT_FILENO);
    (void)dup2(file, STDERR_FILENO);
    (void)(url == NULL ? unsetenv("DATABASE_URL") : setenv("DATABASE_URL", url, 1));
    (void)execv(argv[0], argv);
    _exit(127);
}

static CheckRun run(SystemTest *test, const char *name, const char *option, const char *config,
                    const char *url)
{
    CheckRun result = {.code = -1};
    char *program = mem_printf("%s/%s", getenv("GANGER_BIN_DIR"), name);
    char *output = in_folder(test, "output");
    char *argv[] = {program, mem_strdup(option), mem_strdup("-c"), mem_strdup(config), NULL};
    struct rusage usage;
    int status = 0;
    const pid_t child = fork();
    if (child == 0) {
        become(argv, output, url);
    }
    CHECK(test, wait4(child, &status, 0, &usage) == child);
    result.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    result.cpu_ms = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
                    (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
    result.rss_bytes = (int64_t)usage.ru_maxrss * 1024;
    const int fd = open(output, O_RDONLY | O_CLOEXEC);
    const ssize_t got = read(fd, result.said, sizeof result.said - 1);
    result.said[got > 0 ? got : 0] = '\0';
    close(fd);
    for (size_t i = 0; i < 4; i++) {
        free(argv[i]);
    }
    free(output);
    return result;
}

// --- configurations

static void repeat(StrBuf *out, const char *part, int times)
{
    for (int i = 0; i < times; i++) {
        strbuf_append(out, part);
    }
}

static void laughs(StrBuf *out)
{
    strbuf_append(out, "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for (int i = 1; i < 10; i++) {
        strbuf_printf(out, "a%d: &a%d [", i, i);
        for (int k = 0; k < 9; k++) {
            strbuf_printf(out, "%s*a%d", k > 0 ? ", " : "", i - 1);
        }
        strbuf_append(out, "]\n");
    }
}

static void laughs_in_maps(StrBuf *out)
{
    strbuf_append(out, "handlers: &h {");
    repeat(out, "x: {exec: [a]}, ", 1000);
    strbuf_append(out, "}\n");
    repeat(out, "queues: *h\n", 99);
}

static void deep_lists(StrBuf *out)
{
    repeat(out, "[", 100000);
}

static void deep_maps(StrBuf *out)
{
    repeat(out, "{a: ", 100000);
}

static void deep_blocks(StrBuf *out)
{
    for (int i = 0; i < 400; i++) {
        strbuf_printf(out, "%*sa:\n", i, "");
    }
}

static void large(StrBuf *out)
{
    repeat(out, "a: b\n", 2 * 1024 * 1024);
}

static void long_line(StrBuf *out)
{
    strbuf_append(out, "node: {name: \"");
    repeat(out, "xxxxxxxxxxxxxxxx", 60000);
    strbuf_append(out, "\"}\n");
}

static void tagged(StrBuf *out)
{
    strbuf_append(out, "handlers: !!python/object/apply:os.system [id]\n");
}

static void anchors(StrBuf *out)
{
    for (int i = 0; i < 5000; i++) {
        strbuf_printf(out, "k%d: &n%d x\n", i, i);
    }
}

static void its_own_alias(StrBuf *out)
{
    strbuf_append(out, "handlers: &h {a: *h}\n");
}

static void many_lists(StrBuf *out)
{
    repeat(out, "- ", 500000);
}

static void second_document(StrBuf *out)
{
    repeat(out, "---\na: b\n", 100000);
}

static void no_text(StrBuf *out)
{
    repeat(out, "\xff\xfe", 100);
}

static void quotes(StrBuf *out)
{
    strbuf_append(out, "a: \"");
    repeat(out, "\\x41", 250000);
}

static void test_hostile_configurations(void **state)
{
    SystemTest *test = *state;
    static const struct {
        const char *name;
        void (*write)(StrBuf *out);
    } rows[] = {
        {"laughs", laughs},           {"laughs in maps", laughs_in_maps},
        {"deep lists", deep_lists},   {"deep maps", deep_maps},
        {"deep blocks", deep_blocks}, {"10 MiB", large},
        {"a long line", long_line},   {"a tag", tagged},
        {"anchors", anchors},         {"its own alias", its_own_alias},
        {"many lists", many_lists},   {"documents", second_document},
        {"no text", no_text},         {"quotes", quotes},
    };
    int64_t slowest_ms = 0;
    int64_t largest_bytes = 0;
    char *path = in_folder(test, "hostile.yaml");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        StrBuf text = {0};
        rows[i].write(&text);
        write_bytes(path, text.text, text.length);
        strbuf_free(&text);
        const CheckRun result = run(test, "gangerd", "--check", path, "postgresql:///x");
        if (result.code != EXIT_CONFIG || strstr(result.said, "error: ") == NULL) {
            print_message("%s: exit code %d: %s\n", rows[i].name, result.code, result.said);
            system_fail(test, "a configuration was not refused");
        }
        slowest_ms = result.cpu_ms > slowest_ms ? result.cpu_ms : slowest_ms;
        largest_bytes = result.rss_bytes > largest_bytes ? result.rss_bytes : largest_bytes;
    }
    free(path);
    print_message("# refused within %d ms of processor time, with %d KiB\n", (int)slowest_ms,
                  (int)(largest_bytes / 1024));
    CHECK(test, slowest_ms < slow_ms(100));
#ifndef GANGER_SANITIZED
    CHECK(test, DAEMON_SLOWNESS > 1 || largest_bytes < INT64_C(32) * 1024 * 1024);
#endif
}

// --- a password in the file

static const char SECRET[] = "opensesame4711";
static const char WARNING[] = "warning: it holds a password, and other users may read it";

static void check_mode(SystemTest *test, mode_t mode, gid_t group, bool warns)
{
    char *path = in_folder(test, "secret.yaml");
    char *text = mem_printf("database: {url: \"postgresql://app:%s@localhost/app\"}\n", SECRET);
    write_bytes(path, text, strlen(text));
    CHECK(test, geteuid() != 0 || chown(path, (uid_t)-1, group) == 0);
    CHECK(test, chmod(path, mode) == 0);
    const CheckRun result = run(test, "gangerd", "--check", path, NULL);
    CHECK(test, result.code == 0);
    CHECK(test, (strstr(result.said, WARNING) != NULL) == warns);
    CHECK(test, strstr(result.said, SECRET) == NULL);
    free(text);
    free(path);
}

static void test_password_that_others_may_read(void **state)
{
    SystemTest *test = *state;
    check_mode(test, 0600, getegid(), false);
    check_mode(test, 0400, getegid(), false);
    check_mode(test, 0640, getegid(), false);
    check_mode(test, 0644, getegid(), true);
    check_mode(test, 0604, getegid(), true);
    if (geteuid() == 0) {
        check_mode(test, 0640, STRANGER, true);
        check_mode(test, 0600, STRANGER, false);
    }
    char *path = in_folder(test, "secret.yaml");
    CHECK(test, chmod(path, 0644) == 0);
    const CheckRun shown = run(test, "ganger", "config", path, NULL);
    CHECK(test, shown.code == 0 && strstr(shown.said, "***") != NULL &&
                    strstr(shown.said, SECRET) == NULL);
    // The one that is used is not in the file.
    const CheckRun elsewhere = run(test, "gangerd", "--check", path, "postgresql:///x");
    CHECK(test, elsewhere.code == 0 && strstr(elsewhere.said, WARNING) == NULL);
    free(path);
    path = in_folder(test, "variable.yaml");
    static const char variable[] = "database: {url: \"postgresql://app:${HOME}@localhost/app\"}\n";
    write_bytes(path, variable, sizeof variable - 1);
    CHECK(test, chmod(path, 0644) == 0);
    const CheckRun named = run(test, "gangerd", "--check", path, NULL);
    CHECK(test, named.code == 0 && strstr(named.said, WARNING) == NULL);
    free(path);
    path = in_folder(test, "open.yaml");
    static const char text[] = "database: {url: \"postgresql://app@localhost/app\"}\n";
    write_bytes(path, text, sizeof text - 1);
    CHECK(test, chmod(path, 0644) == 0);
    const CheckRun open = run(test, "gangerd", "--check", path, NULL);
    CHECK(test, open.code == 0 && strstr(open.said, "warning") == NULL);
    free(path);
}

// --- the state folder

static void expect_refused(SystemTest *test, const char *state_dir, const char *says)
{
    Daemon *daemon = daemon_configure(test, "placed", &(DaemonOptions){.state_dir = state_dir});
    (void)unlink(daemon->log_path);
    daemon_start(daemon);
    const int code = daemon_wait(daemon, DAEMON_PATIENCE_MS);
    if (code != EXIT_CONFIG || daemon_log_count(daemon, says) == 0) {
        print_message("%s: exit code %d, '%s' is not said\n", state_dir, code, says);
        system_fail(test, "a state folder was not refused");
    }
}

static void make_folder(const char *path, mode_t mode)
{
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void test_prepared_state_folders(void **state)
{
    SystemTest *test = *state;
    char *place = in_folder(test, "place");
    char *target = in_folder(test, "target");
    static const char not_ours[] = "state_dir.refused";
    make_folder(target, 0700);
    CHECK(test, symlink(target, place) == 0); // to a folder that would do
    expect_refused(test, place, "symbolic link");
    CHECK(test, unlink(place) == 0 && symlink("/nowhere/at/all", place) == 0);
    expect_refused(test, place, not_ours);
    CHECK(test, unlink(place) == 0);
    write_bytes(place, "x", 1);
    expect_refused(test, place, not_ours);
    CHECK(test, unlink(place) == 0 && mkfifo(place, 0600) == 0);
    expect_refused(test, place, not_ours);
    CHECK(test, unlink(place) == 0);
    static const mode_t open_modes[] = {0777, 01777, 0722, 0703};
    for (size_t i = 0; i < sizeof open_modes / sizeof open_modes[0]; i++) {
        make_folder(place, open_modes[i]);
        expect_refused(test, place, "everybody may write to it");
        CHECK(test, rmdir(place) == 0);
    }
    if (geteuid() == 0) {
        make_folder(place, 0700);
        CHECK(test, chown(place, STRANGER, STRANGER) == 0);
        expect_refused(test, place, "it belongs to another user");
        CHECK(test, rmdir(place) == 0);
    }
    expect_refused(test, "/nowhere/at/all", not_ours);
    expect_refused(test, "/dev/null", not_ours);
    expect_refused(test, "/proc/self/fd", not_ours);
    free(place);
    free(target);
}

// In a folder that is ours, yet something else has the name of the pid file.
static void test_prepared_pid_files(void **state)
{
    SystemTest *test = *state;
    char *place = in_folder(test, "place");
    char *file = in_folder(test, "place/placed.pid");
    char *victim = in_folder(test, "victim");
    make_folder(place, 0700);
    write_bytes(victim, "precious", 8);
    CHECK(test, symlink(victim, file) == 0);
    expect_refused(test, place, "state_dir.refused");
    struct stat info;
    CHECK(test, stat(victim, &info) == 0 && info.st_size == 8);
    CHECK(test, unlink(file) == 0);
    make_folder(file, 0700);
    expect_refused(test, place, "state_dir.refused");
    CHECK(test, rmdir(file) == 0 && mkfifo(file, 0600) == 0);
    expect_refused(test, place, "state_dir.refused");
    CHECK(test, unlink(file) == 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    CHECK(test, str_copy(address.sun_path, sizeof address.sun_path, file));
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(test, bind(fd, (const struct sockaddr *)&address, sizeof address) == 0);
    close(fd);
    expect_refused(test, place, "state_dir.refused");
    free(place);
    free(file);
    free(victim);
}

// All want the same one: the lock decides, whatever number stands in the file, and what it is made with is for nobody else.
static void test_one_of_many(void **state)
{
    SystemTest *test = *state;
    Daemon *daemon =
        daemon_configure(test, "one", &(DaemonOptions){.pools = "{default: {processes: 1}}"});
    Daemon all[AT_ONCE];
    for (int i = 0; i < AT_ONCE; i++) {
        all[i] = *daemon;
        daemon_start(&all[i]);
    }
    int refused = 0;
    for (int64_t left = slow_ms(30000); refused < AT_ONCE - 1 && left > 0; left -= 10) {
        for (int i = 0; i < AT_ONCE; i++) {
            if (all[i].pid > 0 && daemon_wait(&all[i], 0) == EXIT_CONFIG) {
                refused++;
            }
        }
        pause_ms(10);
    }
    CHECK(test, refused == AT_ONCE - 1);
    CHECK(test, daemon_log_count(daemon, "pidfile.held") == AT_ONCE - 1);
    for (int i = 0; i < AT_ONCE; i++) {
        if (all[i].pid > 0) {
            daemon->pid = all[i].pid;
        }
    }
    CHECK(test, process_is_alive(daemon->pid));
    struct stat info;
    CHECK(test, stat(daemon->state_dir, &info) == 0 && (info.st_mode & 07777) == 0700);
    daemon_signal(daemon, SIGTERM);
    CHECK(test, daemon_wait(daemon, DAEMON_PATIENCE_MS) == 0);
}

int main(void)
{
    log_init("test", LOG_FORMAT_AUTO, LOG_LEVEL_FATAL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_hostile_configurations, system_setup_empty,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_password_that_others_may_read, system_setup_empty,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_prepared_state_folders, system_setup_empty,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_prepared_pid_files, system_setup_empty,
                                        system_teardown),
        cmocka_unit_test_setup_teardown(test_one_of_many, system_setup, system_teardown),
    };
    return cmocka_run_group_tests_name("security_files", tests, NULL, NULL);
}

// SPDX-License-Identifier: MIT
// What gangerd does before its loop: command line, pid file, service table, systemd socket.
#include "tests/support/gang.h"

#include <fcntl.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "supervisor/command_line.h"
#include "supervisor/pidfile.h"
#include "supervisor/sd_notify.h"
#include "supervisor/service_table.h"

static const User STAY = {.is_set = false};

static void remove_pidfile(const Gang *gang, const char *name)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", gang->folder, name);
    assert_int_equal(unlink(path), 0);
}

static void test_one_gangerd_per_node(void **state)
{
    (void)state;
    Gang gang;
    int first = -1;
    int second = -1;

    log_init("test", LOG_FORMAT_TEXT, LOG_LEVEL_FATAL);
    gang_make_folder(&gang);
    assert_int_equal(pidfile_take(&first, gang.folder, "a/b", &STAY), STATUS_OK);
    assert_int_not_equal(fcntl(first, F_GETFD) & FD_CLOEXEC, 0);
    assert_int_equal(pidfile_take(&second, gang.folder, "a/b", &STAY), STATUS_REFUSED);
    assert_int_equal(pidfile_take(&second, gang.folder, "other", &STAY), STATUS_OK);
    pidfile_release(first);
    assert_int_equal(pidfile_take(&first, gang.folder, "a/b", &STAY), STATUS_OK);
    pidfile_release(first);
    pidfile_release(second);
    remove_pidfile(&gang, "a_b.pid");
    remove_pidfile(&gang, "other.pid");
    gang_remove_folder(&gang);
}

static void test_state_dir_that_cannot_be_used(void **state)
{
    (void)state;
    int fd = -1;
    assert_int_equal(pidfile_take(&fd, "/proc/nowhere", "a", &STAY), STATUS_REFUSED);
    assert_int_equal(pidfile_take(&fd, "/dev/null", "a", &STAY), STATUS_REFUSED);
    assert_int_equal(fd, -1);
}

static Status take_in(const char *folder)
{
    int fd = -1;
    Status status = pidfile_take(&fd, folder, "a", &STAY);
    if (status == STATUS_OK) {
        pidfile_release(fd);
    }
    return status;
}

// A folder somebody else made before us, below /tmp say, is not where our lock can be.
static void test_state_dir_of_others(void **state)
{
    (void)state;
    Gang gang;
    char link[96];

    gang_make_folder(&gang);
    (void)snprintf(link, sizeof link, "%s-link", gang.folder);
    assert_int_equal(take_in(gang.folder), STATUS_OK);
    assert_int_equal(symlink(gang.folder, link), 0);
    assert_int_equal(take_in(link), STATUS_REFUSED);
    assert_int_equal(unlink(link), 0);
    assert_int_equal(chmod(gang.folder, 01777), 0);
    assert_int_equal(take_in(gang.folder), STATUS_REFUSED);
    assert_int_equal(chmod(gang.folder, 0775), 0);
    assert_int_equal(take_in(gang.folder), STATUS_OK);
    if (geteuid() == 0) {
        assert_int_equal(chown(gang.folder, 4711, 4711), 0);
        assert_int_equal(take_in(gang.folder), STATUS_REFUSED);
        int fd = -1;
        User owner = {.is_set = true, .uid = 4711, .gid = 4711};
        assert_int_equal(pidfile_take(&fd, gang.folder, "a", &owner), STATUS_OK);
        pidfile_release(fd);
    }
    remove_pidfile(&gang, "a.pid");
    gang_remove_folder(&gang);
}

static bool environment_is(const char *name, const char *value)
{
    const char *found = getenv(name);
    return found != NULL && strcmp(found, value) == 0;
}

static void test_user_brings_its_environment(void **state)
{
    (void)state;
    User user;
    int status = 0;

    assert_int_equal(user_find(&user, "no such user"), STATUS_REFUSED);
    assert_int_equal(user_check("no such user"), STATUS_REFUSED);
    assert_int_equal(user_check("root"), STATUS_OK); // whoever asks
    assert_int_equal(user_check(NULL), STATUS_OK);
    if (geteuid() != 0 || getpwnam("nobody") == NULL) {
        skip(); // only root becomes another
    }
    assert_int_equal(user_find(&user, "nobody"), STATUS_OK);
    const struct passwd *account = getpwnam("nobody");
    assert_non_null(account);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)setenv("HOME", "/root", 1);
        (void)setenv("XDG_RUNTIME_DIR", "/run/user/0", 1);
        bool is_fine = user_become(&user) && environment_is("HOME", account->pw_dir) &&
                       environment_is("USER", "nobody") && environment_is("LOGNAME", "nobody") &&
                       getenv("XDG_RUNTIME_DIR") == NULL && geteuid() == account->pw_uid;
        _exit(is_fine ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void test_service_table(void **state)
{
    (void)state;
    char first[] = "default";
    char second[] = "mail";
    PoolConfig pools[] = {{.name = first, .processes = 2}, {.name = second, .processes = 3}};
    Config config = {.pools = pools, .pool_count = 2};
    ServiceTable table;
    ServiceTable next;

    service_table_init(&table, &config, true);
    assert_int_equal(table.count, 4);
    assert_int_equal(table.rows[0].role, ROLE_POSTGRES);
    assert_int_equal(service_table_worker_count(&table), 5);
    assert_int_equal(service_table_find(&table, ROLE_WORKER, "mail"), 3);
    assert_int_equal(service_table_find(&table, ROLE_WORKER, "none"), -1);
    assert_int_equal(table.rows[3].pool, 1);

    table.rows[3].jobs_finished = 99;
    table.rows[3].restart.degraded = true;
    config.pools = &pools[1];
    config.pool_count = 1;
    service_table_init(&next, &config, false);
    service_table_inherit(&next, &table);
    int mail = service_table_find(&next, ROLE_WORKER, "mail");
    assert_int_equal(next.rows[mail].jobs_finished, 99);
    assert_true(next.rows[mail].restart.degraded);
    assert_int_equal(next.rows[mail].pool, 0);
    service_table_deinit(&table);
    service_table_deinit(&next);
}

static void test_slots(void **state)
{
    (void)state;
    assert_int_equal(service_table_slots_for(1), 2 + 3);
    assert_int_equal(service_table_slots_for(2), 2 + 4);
    assert_int_equal(service_table_slots_for(16), 2 + 32);
    assert_int_equal(service_table_slots_for(400), SCOREBOARD_SLOT_MAX);
}

static void test_notify(void **state)
{
    (void)state;
    Gang gang;
    SdNotify notify;
    char text[128] = "";
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    gang_make_folder(&gang);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", gang.trace);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    (void)setenv("NOTIFY_SOCKET", gang.trace, 1);
    (void)setenv("WATCHDOG_USEC", "30000000", 1);
    sd_notify_init(&notify);
    assert_null(getenv("NOTIFY_SOCKET"));
    assert_null(getenv("WATCHDOG_USEC"));
    assert_int_equal(notify.watchdog_ms, 15000);
    assert_true(sd_notify_send(&notify, "STATUS=%d workers\n", 4));
    assert_true(recv(fd, text, sizeof text - 1, 0) > 0);
    assert_string_equal(text, "STATUS=4 workers\n");
    int sent = 0;
    while (sent < 100000 && sd_notify_send(&notify, "WATCHDOG=1\n")) {
        sent++; // until the listener's queue is full
    }
    assert_in_range(sent, 1, 99999);
    while (recv(fd, text, sizeof text, 0) > 0) {
    }
    assert_true(sd_notify_send(&notify, "WATCHDOG=1\n"));
    assert_true(recv(fd, text, sizeof text, 0) > 0);
    sd_notify_deinit(&notify);
    assert_true(sd_notify_send(&notify, "READY=1\n")); // nobody listens: nothing happens
    assert_true(recv(fd, text, sizeof text, 0) < 0);
    close(fd);
    gang_remove_folder(&gang);
}

static int run_gangerd(const char *first, const char *second)
{
    char program[PATH_MAX];
    int status = 0;

    gang_program(program, "../../bin/gangerd");
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
        (void)dup2(nothing, STDOUT_FILENO);
        (void)dup2(nothing, STDERR_FILENO);
        execl(program, program, first, second, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

// What --check answers to a file with these options.
static int check_file(const char *options)
{
    Gang gang;
    gang_make_folder(&gang);
    char *path = mem_printf("%s/g.yaml", gang.folder);
    char *option = mem_printf("--config=%s", path);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fprintf(file, "database: {url: \"postgresql:///x\"}\n%s\n", options) > 0);
    assert_int_equal(fclose(file), 0);
    int code = run_gangerd(option, "--check");
    assert_int_equal(unlink(path), 0);
    free(option);
    free(path);
    gang_remove_folder(&gang);
    return code;
}

static void test_exit_codes(void **state)
{
    (void)state;
    (void)unsetenv("DATABASE_URL");
    assert_int_equal(run_gangerd("--help", NULL), EXIT_CODE_OK);
    assert_int_equal(run_gangerd("--version", NULL), EXIT_CODE_OK);
    assert_int_equal(run_gangerd("--check", NULL), EXIT_CODE_CONFIG); // no database, as at a start
    (void)setenv("DATABASE_URL", "postgresql:///app", 1);
    assert_int_equal(run_gangerd("--check", NULL), EXIT_CODE_OK);
    (void)unsetenv("DATABASE_URL");
    assert_int_equal(run_gangerd("--config=/nowhere.yaml", "--check"), EXIT_CODE_CONFIG);
    assert_int_equal(check_file("supervisor: {user: root, state_dir: /run/x}"), EXIT_CODE_OK);
    assert_int_equal(check_file("supervisor: {user: no such user}"), EXIT_CODE_CONFIG);
    assert_int_equal(check_file("supervisor: {state_dir: run/x}"), EXIT_CODE_CONFIG);
    assert_int_equal(run_gangerd("--nonsense", NULL), EXIT_CODE_USAGE);
    assert_int_equal(run_gangerd("surplus", NULL), EXIT_CODE_USAGE);
    assert_int_equal(run_gangerd("--postgres-bin=/x", NULL), EXIT_CODE_USAGE);
    assert_int_equal(run_gangerd(NULL, NULL), EXIT_CODE_CONFIG); // no database
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_gangerd_per_node),
        cmocka_unit_test(test_state_dir_that_cannot_be_used),
        cmocka_unit_test(test_state_dir_of_others),
        cmocka_unit_test(test_user_brings_its_environment),
        cmocka_unit_test(test_service_table),
        cmocka_unit_test(test_slots),
        cmocka_unit_test(test_notify),
        cmocka_unit_test(test_exit_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: MIT
// PrivateCluster: see the header.
#include "tests/support/private_cluster.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "tests/support/daemon.h"

enum { LINE_BYTES = 2048 };

static char place[] = "/tmp/gpl.XXXXXX";
static bool is_there;
static int server_network;
static const WallClock *server_clock;

void private_cluster_network(int network)
{
    server_network = network;
}

void private_cluster_clock(const WallClock *clock)
{
    server_clock = clock;
}

static void enter_place(void)
{
    if (server_network > 0 &&
        (setns(server_network, CLONE_NEWNET) != 0 || setenv("GANGER_TEST_LISTEN", "*", 1) != 0)) {
        perror("setns");
        _exit(127);
    }
    if (server_clock != NULL) {
        char *text = mem_printf("LD_PRELOAD=%s GANGER_TEST_CLOCK=%s", wall_clock_library(),
                                wall_clock_path(server_clock));
        (void)setenv("GANGER_TEST_SERVER_ENV", text, 1);
        free(text);
    }
}

static char *script_path(const char *name)
{
    const char *source = getenv("GANGER_SOURCE_DIR");
    return mem_printf("%s/tests/support/%s", source != NULL ? source : ".", name);
}

int private_script(const char *name, const char *action, const char *where, const char *more)
{
    char *script = script_path(name);
    pid_t pid = fork();
    if (pid == 0) {
        enter_place();
        (void)execl(script, script, action, where, more, (char *)NULL);
        _exit(127);
    }
    int status = -1;
    (void)waitpid(pid, &status, 0);
    free(script);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void must_run(const char *name, const char *action, const char *more)
{
    if (private_script(name, action, place, more) != 0) {
        (void)fprintf(stderr, "%s %s failed\n", name, action);
        (void)private_script("pgbouncer.sh", "stop", place, NULL);
        (void)private_script("pg_cluster.sh", "stop", place, NULL);
        remove_tree(place);
        exit(EXIT_FAILURE);
    }
}

// The first line of a file of the place; false when there is none.
static bool read_note(const char *name, char *text, size_t size)
{
    char *path = mem_printf("%s/%s", place, name);
    FILE *file = fopen(path, "re");
    bool is_read = file != NULL && fgets(text, (int)size, file) != NULL;
    if (file != NULL) {
        (void)fclose(file);
    }
    free(path);
    if (is_read) {
        text[strcspn(text, "\n")] = '\0';
    }
    return is_read;
}

static void must_read_note(const char *name, char *text, size_t size)
{
    if (!read_note(name, text, size)) {
        (void)fprintf(stderr, "there is no %s in %s\n", name, place);
        exit(EXIT_FAILURE);
    }
}

void private_cluster(const char *action)
{
    must_run("pg_cluster.sh", action, NULL);
}

static _Noreturn void become_guard(int lifeline)
{
    char byte;
    char *script = script_path("pg_cluster.sh");
    int none = open("/dev/null", O_RDWR);
    (void)setsid();
    for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++) {
        (void)dup2(none, i); // who runs the tests waits until nobody has its pipes any more
    }
    while (read(lifeline, &byte, 1) > 0) {
    }
    (void)execl("/bin/sh", "sh", "-c", "\"$0\" stop \"$1\"; rm -rf \"$1\"", script, place,
                (char *)NULL);
    _exit(127);
}

// A test that is killed cannot stop its server. So a process that is nobody's child here waits for its end.
static void start_guard(void)
{
    int lifeline[2];
    if (pipe2(lifeline, O_CLOEXEC) != 0) {
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(lifeline[1]);
        if (fork() == 0) {
            become_guard(lifeline[0]);
        }
        _exit(0);
    }
    (void)close(lifeline[0]); // the other end closes with this process
    (void)waitpid(pid, NULL, 0);
}

int private_cluster_setup(void **state)
{
    (void)state;
    (void)snprintf(place, sizeof place, "/tmp/gpl.XXXXXX"); // another group had one before
    if (mkdtemp(place) == NULL || setenv("GANGER_TEST_PG", place, 1) != 0) {
        (void)fprintf(stderr, "no temporary folder\n");
        exit(EXIT_FAILURE);
    }
    start_guard();
    private_cluster("start");
    is_there = true;
    return 0;
}

bool private_cluster_is_there(void)
{
    return is_there;
}

void private_cluster_home(char *home, size_t size)
{
    must_read_note("home", home, size);
}

int private_cluster_teardown(void **state)
{
    (void)state;
    is_there = false;
    private_cluster("stop");
    remove_tree(place);
    return 0;
}

int private_cluster_log_count(const char *text, const char *other)
{
    char home[128];
    char line[LINE_BYTES];
    must_read_note("home", home, sizeof home);
    char *path = mem_printf("%s/server.log", home);
    FILE *file = fopen(path, "re");
    free(path);
    if (file == NULL) {
        (void)fprintf(stderr, "the log of the server in %s cannot be read\n", home);
        exit(EXIT_FAILURE);
    }
    int count = 0;
    while (fgets(line, sizeof line, file) != NULL) {
        count += strstr(line, text) != NULL && strstr(line, other) != NULL;
    }
    (void)fclose(file);
    return count;
}

bool private_pooler_is_installed(void)
{
    return private_script("pgbouncer.sh", "check", place, NULL) == 0;
}

void private_pooler(const char *action)
{
    must_run("pgbouncer.sh", action, NULL);
}

int private_pooler_setup(void **state)
{
    char home[128];
    (void)private_cluster_setup(state);
    must_read_note("home", home, sizeof home);
    must_run("pgbouncer.sh", "start", home);
    return 0;
}

int private_pooler_teardown(void **state)
{
    private_pooler("stop");
    return private_cluster_teardown(state);
}

void private_pooler_url(const char *database, const char *role, char *url, size_t size)
{
    char address[256];
    must_read_note("pooler_conninfo", address, sizeof address);
    int length = snprintf(url, size, "%s user=%s dbname=%s", address, role,
                          database != NULL ? database : "pgbouncer");
    if (length < 0 || (size_t)length >= size) {
        (void)fprintf(stderr, "the address of the pooler is too long\n");
        exit(EXIT_FAILURE);
    }
}

// SPDX-License-Identifier: MIT
// Standby: see the header.
#include "tests/support/standby.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "tests/support/daemon.h"
#include "tests/support/private_cluster.h"

enum { SERVERS = 2, STANDBY_PATIENCE_MS = 60000, SOCKET_FOLDER_BYTES = 64 };

static struct {
    char places[SERVERS][32];
    char folders[SERVERS][SOCKET_FOLDER_BYTES]; // of their sockets
    int primary;
    pid_t owner; // who makes and deletes them; 0 they are not there
} pair;

static int old_server(void)
{
    return 1 - pair.primary;
}

static void clean_up(void)
{
    if (pair.owner != getpid()) {
        return;
    }
    pair.owner = 0;
    for (int i = 0; i < SERVERS; i++) {
        (void)private_script("pg_cluster.sh", "stop", pair.places[i], NULL);
        remove_tree(pair.places[i]);
    }
}

static _Noreturn void fail_hard(const char *what, const char *why)
{
    (void)fprintf(stderr, "standby: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

static void must_run(int server, const char *action, const char *more)
{
    if (private_script("pg_cluster.sh", action, pair.places[server], more) != 0) {
        fail_hard(action, "pg_cluster.sh failed");
    }
}

// Where a cluster's socket is, is known when it has been made.
static void read_folder(int server)
{
    char path[64];
    (void)snprintf(path, sizeof path, "%s/home", pair.places[server]);
    FILE *file = fopen(path, "re");
    if (file == NULL || fgets(pair.folders[server], SOCKET_FOLDER_BYTES, file) == NULL) {
        fail_hard(path, "cannot be read");
    }
    (void)fclose(file);
    pair.folders[server][strcspn(pair.folders[server], "\n")] = '\0';
}

static void set_primary(int server)
{
    pair.primary = server;
    if (setenv("GANGER_TEST_PG", pair.places[server], 1) != 0) {
        fail_hard("GANGER_TEST_PG", "cannot be set");
    }
}

int standby_setup(void **state)
{
    (void)state;
    static bool is_prepared;
    if (!is_prepared) {
        is_prepared = true;
        (void)atexit(clean_up); // also when a test ends the program
    }
    pair.owner = getpid();
    for (int i = 0; i < SERVERS; i++) {
        (void)snprintf(pair.places[i], sizeof pair.places[i], "/tmp/gpl.XXXXXX");
        if (mkdtemp(pair.places[i]) == NULL) {
            fail_hard("mkdtemp", "no temporary folder");
        }
    }
    // Enough WAL for a standby that was away for a test.
    (void)setenv("GANGER_TEST_CONF", "wal_keep_size = 512MB", 1);
    must_run(0, "start", NULL);
    read_folder(0);
    set_primary(0);
    standby_reclone();
    return 0;
}

int standby_teardown(void **state)
{
    (void)state;
    clean_up();
    return 0;
}

int standby_primary(void)
{
    return pair.primary;
}

static void must_fit(int length, size_t size)
{
    if (length < 0 || (size_t)length >= size) {
        fail_hard("url", "too long");
    }
}

void standby_server_url(int server, const char *database, char *url, size_t size)
{
    must_fit(snprintf(url, size, "host=%s user=postgres dbname=%s", pair.folders[server], database),
             size);
}

void standby_url(const char *database, char *url, size_t size)
{
    must_fit(snprintf(url, size, "host=%s,%s user=postgres dbname=%s", pair.folders[0],
                      pair.folders[1], database),
             size);
}

PGconn *standby_connect(int server, const char *database)
{
    char url[256];
    standby_server_url(server, database, url, sizeof url);
    PGconn *conn = PQconnectdb(url);
    if (PQstatus(conn) != CONNECTION_OK) {
        fail_hard(url, PQerrorMessage(conn));
    }
    return conn;
}

// Waits until `sql` is true on a server.
static void await(int server, const char *what, const char *sql)
{
    PGconn *conn = standby_connect(server, "postgres");
    if (!test_db_await(conn, STANDBY_PATIENCE_MS, "%s", sql)) {
        fail_hard(what, "this does not come true");
    }
    PQfinish(conn);
}

void standby_set_synchronous(bool is_synchronous)
{
    PGconn *conn = standby_connect(pair.primary, "postgres");
    // Nothing may wait for a standby meanwhile: the setting is reloaded, not committed.
    test_db_run(conn, "alter system set synchronous_standby_names = '%s'",
                is_synchronous ? "standby" : "");
    test_db_run(conn, "select pg_reload_conf()");
    PQfinish(conn);
    await(pair.primary, "synchronous replication",
          is_synchronous ? "select exists (select from pg_stat_replication where sync_state = "
                           "'sync' and state = 'streaming')"
                         : "select current_setting('synchronous_standby_names') = ''");
}

void standby_await_caught_up(void)
{
    await(pair.primary, "catching up",
          "select exists (select from pg_stat_replication where state = 'streaming' and "
          "replay_lsn >= pg_current_wal_lsn())");
}

void standby_detach(void)
{
    must_run(old_server(), "detach", NULL);
    await(pair.primary, "detaching", "select not exists (select from pg_stat_replication)");
}

void standby_attach(void)
{
    must_run(old_server(), "attach", pair.places[pair.primary]);
    await(pair.primary, "attaching",
          "select exists (select from pg_stat_replication where state = 'streaming')");
}

void standby_kill_primary(void)
{
    must_run(pair.primary, "kill", NULL);
}

void standby_primary_action(const char *action)
{
    must_run(pair.primary, action, NULL);
}

int64_t standby_promote(void)
{
    int promoted = old_server();
    must_run(promoted, "promote", NULL);
    set_primary(promoted);
    await(promoted, "promotion", "select not pg_is_in_recovery()");
    return clock_boot_ms();
}

void standby_restart_old(void)
{
    must_run(old_server(), "resume", NULL);
}

void standby_stop_old(void)
{
    must_run(old_server(), "halt", NULL);
}

void standby_reclone(void)
{
    int server = old_server();
    must_run(server, "clone", pair.places[pair.primary]);
    read_folder(server);
    await(pair.primary, "a new standby",
          "select exists (select from pg_stat_replication where state = 'streaming')");
}

// SPDX-License-Identifier: MIT
// Opening and closing a connection.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/fault_point.h"
#include "common/base/log.h"
#include "common/db/db_hosts.h"
#include "common/db/db_internal.h"
#include "sql_queries.h"

// What all the tries of one db_open have in common.
typedef struct Opening {
    const char *url;
    const char *name;
    const Timeline *floor; // NULL: any server will do
    bool is_one_of_many;
} Opening;

static const char DB_TIMEOUT_TEXT[] = "timeout";
static const char LOCK_TIMEOUT[] = "5s";

static Status connect_until(PGconn *conn, int64_t deadline, StrBuf *why);
static Status apply_settings(Db *db, int64_t deadline);

// What the last failed db_open had to say; a connection that does not exist cannot hold it.
static char open_error[512];

const char *db_open_error(void)
{
    return open_error;
}

// A commit that was to wait for a synchronous standby and was cut short (SyncRepWaitForLSN) is done on this server, but the next
// failover may undo it. Its text is in the server's language.
bool db_notice_is_unconfirmed(const PGresult *notice)
{
    const char *function = PQresultErrorField(notice, PG_DIAG_SOURCE_FUNCTION);
    return function != NULL && str_equal(function, "SyncRepWaitForLSN");
}

static void on_notice(void *argument, const PGresult *result)
{
    Db *db = argument;
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    log_debug("db.notice", "sqlstate=%s message=\"%s\"", sqlstate == NULL ? "" : sqlstate,
              text == NULL ? "" : text);
    if (db_notice_is_unconfirmed(result)) {
        db->is_unconfirmed = true;
    }
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    if (db->on_warning != NULL && text != NULL && severity != NULL &&
        str_equal(severity, "WARNING")) {
        db->on_warning(text);
    }
}

static Status refuse_open(Status status, const char *why, const char *name, bool quiet)
{
    if (!str_copy(open_error, sizeof open_error, why)) {
        log_debug("db.connect", "message_cut=yes");
    }
    size_t length = strlen(open_error);
    while (length > 0 && open_error[length - 1] == '\n') {
        open_error[--length] = '\0';
    }
    if (!quiet) {
        log_warn("db.connect_failed", "name=%s message=\"%s\"", name, open_error);
    }
    return status;
}

PGconn *db_start_connection(const char *url, const char *name, const DbHost *host,
                            bool is_one_of_many)
{
    // Of several hosts the one is meant that takes writes, unless somebody says otherwise.
    bool is_any = !is_one_of_many || getenv("PGTARGETSESSIONATTRS") != NULL;
    // What stands before dbname may be overridden by the user's own string, what stands after it not.
    const char *const keywords[] = {
        "keepalives_idle",
        "keepalives_interval",
        "keepalives_count",
        "tcp_user_timeout",
        "target_session_attrs",
        "dbname",
        "application_name",
        "client_encoding",
        "host",
        "hostaddr",
        "port",
        NULL,
    };
    const char *const values[] = {
        "5",
        "5",
        "3",
        "10000",
        is_any ? NULL : "read-write",
        url,
        name,
        "UTF8",
        host != NULL ? host->host : NULL,
        host != NULL ? host->hostaddr : NULL,
        host != NULL ? host->port : NULL,
        NULL,
    };
    return PQconnectStartParams(keywords, values, 1);
}

// False when the connection has no socket we could watch.
static bool remember_socket(Db *db)
{
    struct stat st;
    db->socket = PQsocket(db->conn);
    if (db->socket < 0 || fstat(db->socket, &st) != 0) {
        return false;
    }
    db->socket_device = st.st_dev;
    db->socket_inode = st.st_ino;
    FAULT_ADD_SOCKET(db->socket);
    FAULT_POINT(db_connected);
    return true;
}

bool db_socket_is_ours(const Db *db)
{
    struct stat st;
    return PQsocket(db->conn) == db->socket && fstat(db->socket, &st) == 0 &&
           st.st_dev == db->socket_device && st.st_ino == db->socket_inode;
}

// A connection to one host. What it says when it fails is added to `why`.
static Status open_one(Db **out, const Opening *opening, const DbHost *host, int64_t deadline,
                       StrBuf *why)
{
    PGconn *conn = db_start_connection(opening->url, opening->name, host, opening->is_one_of_many);
    if (conn == NULL) {
        panic("out of memory in libpq");
    }
    if (connect_until(conn, deadline, why) != STATUS_OK) {
        PQfinish(conn);
        return STATUS_LOST;
    }
    Db *db = mem_alloc(sizeof *db);
    db->conn = conn;
    db->is_quiet = true; // a failing start is reported by the caller, once
    PQsetNoticeReceiver(conn, on_notice, db);
    Status status = remember_socket(db) ? apply_settings(db, deadline) : STATUS_LOST;
    if (status == STATUS_OK && opening->floor != NULL) {
        status = db_check_identity(db, opening->floor, deadline);
    }
    if (status != STATUS_OK) {
        strbuf_append(why, db_error_message(db));
        db_close(db);
        return STATUS_LOST;
    }
    db->is_quiet = false;
    *out = db;
    return STATUS_OK;
}

// The one that answered last comes first: a dead one before it costs its share of the time once. Each gets an equal share of what is left.
static Status open_any(Db **out, const Opening *opening, const DbHosts *hosts, int64_t deadline,
                       StrBuf *why)
{
    static int first;
    for (int i = 0; i < hosts->count; i++) {
        int at = (first + i) % hosts->count;
        int64_t left_ms = deadline - clock_boot_ms();
        strbuf_append(why, i > 0 ? "; " : "");
        size_t before = why->length;
        if (open_one(out, opening, &hosts->items[at], db_deadline(left_ms / (hosts->count - i)),
                     why) == STATUS_OK) {
            first = at;
            return STATUS_OK;
        }
        if (str_equal(why->text + before, DB_TIMEOUT_TEXT)) { // libpq names the host, we do not
            strbuf_printf(why, " at host %s",
                          hosts->items[at].host != NULL ? hosts->items[at].host
                                                        : hosts->items[at].hostaddr);
        }
    }
    return STATUS_LOST;
}

Status db_open_at_least(Db **out, const char *url, const char *name, int64_t timeout_ms, bool quiet,
                        const Timeline *floor)
{
    *out = NULL;
    int64_t deadline = db_deadline(timeout_ms);
    if (FAULT_ERROR(db_open)) {
        return refuse_open(STATUS_LOST, "a fault point", name, quiet);
    }
    // libpq's own complaint about a malformed string quotes parts of it, and a password may be one.
    const char *problem = db_hosts_problem(url);
    if (problem != NULL) {
        return refuse_open(STATUS_REFUSED, problem, name, quiet);
    }
    DbHosts hosts;
    db_hosts_read(&hosts, url);
    const Opening opening = {
        .url = url, .name = name, .floor = floor, .is_one_of_many = hosts.count > 1};
    StrBuf why = {0};
    Status status = hosts.count > 1 ? open_any(out, &opening, &hosts, deadline, &why)
                                    : open_one(out, &opening, NULL, deadline, &why);
    if (status != STATUS_OK) {
        status = refuse_open(status, why.length == 0 ? "no connection" : why.text, name, quiet);
    }
    strbuf_free(&why);
    db_hosts_free(&hosts);
    return status;
}

Status db_open(Db **out, const char *url, const char *name, int64_t timeout_ms, bool quiet)
{
    return db_open_at_least(out, url, name, timeout_ms, quiet, NULL);
}

// One step: waits for what libpq wants to happen on the socket. False at the deadline.
static bool await_socket(PGconn *conn, PostgresPollingStatusType wanted, int64_t deadline)
{
    for (;;) {
        int64_t left = deadline - clock_boot_ms();
        if (left <= 0) {
            return false;
        }
        struct pollfd pfd = {
            .fd = PQsocket(conn), // another one for each address tried
            .events = wanted == PGRES_POLLING_READING ? POLLIN : POLLOUT,
        };
        int ready = poll(&pfd, 1, left > DB_POLL_SLICE_MS ? DB_POLL_SLICE_MS : (int)left);
        if (ready > 0 || (ready < 0 && errno != EINTR)) {
            return true;
        }
    }
}

static Status connect_until(PGconn *conn, int64_t deadline, StrBuf *why)
{
    PostgresPollingStatusType wanted = PGRES_POLLING_WRITING;
    while (PQstatus(conn) != CONNECTION_BAD && wanted != PGRES_POLLING_OK) {
        if (!await_socket(conn, wanted, deadline)) {
            strbuf_append(why, DB_TIMEOUT_TEXT);
            return STATUS_LOST;
        }
        wanted = PQconnectPoll(conn);
        if (wanted == PGRES_POLLING_FAILED) {
            break;
        }
    }
    if (PQstatus(conn) != CONNECTION_OK) {
        strbuf_append(why, PQerrorMessage(conn));
        return STATUS_LOST;
    }
    return STATUS_OK;
}

void db_tell_durable(const PGresult *settings)
{
    if (!db_bool(settings, 0, "durable")) {
        log_warn("db.not_durable",
                 "reason=\"synchronous_commit is off behind the pooler\" hint=\"ALTER ROLE ... SET "
                 "synchronous_commit = on\"");
    }
}

static Status apply_settings(Db *db, int64_t deadline)
{
    DbParams params;
    db_params_init(&params);
    db_param_int(&params, PQbackendPID(db->conn));
    db_param_text(&params, LOCK_TIMEOUT);
    // Nothing is known about the other side yet: no name is left behind in a pooler's session.
    db->is_pooled = true;
    PGresult *result = NULL;
    TRY(db_exec(db, &SQL_connect_settings, &params, deadline - clock_boot_ms(), &result));
    db->is_pooled = db_bool(result, 0, "pooled");
    const char *lacking = db_text(result, 0, "lacking");
    db->lacking_settings = mem_strdup(lacking == NULL ? "" : lacking);
    db_tell_durable(result);
    PQclear(result);
    if (db->is_pooled) {
        log_debug("db.pooled", "name=%s", PQparameterStatus(db->conn, "application_name"));
    }
    return STATUS_OK;
}

// PQfinish writes to and closes the number it knows. Where that is another file by now, the other file
// is put aside meanwhile.
static void finish_without_socket(PGconn *conn, int socket)
{
    int flags = fcntl(socket, F_GETFD);
    int aside = flags < 0 ? -1 : fcntl(socket, F_DUPFD_CLOEXEC, 0);
    if (aside >= 0) {
        int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (nothing >= 0) {
            dup3(nothing, socket, O_CLOEXEC);
            close(nothing);
        }
    }
    PQfinish(conn);
    if (aside >= 0) {
        dup3(aside, socket, (flags & FD_CLOEXEC) != 0 ? O_CLOEXEC : 0);
        close(aside);
    }
}

void db_close(Db *db)
{
    if (db == NULL) {
        return;
    }
    FAULT_REMOVE_SOCKET(db->socket);
    if (!db_socket_is_ours(db)) {
        finish_without_socket(db->conn, db->socket);
    } else {
        if (db->is_lost) {
            shutdown(db->socket, SHUT_RDWR); // else libpq may wait to say goodbye
        }
        PQfinish(db->conn);
    }
    strbuf_free(&db->message);
    strbuf_free(&db->detail);
    free(db->lacking_settings);
    free(db);
}

// SPDX-License-Identifier: MIT
// Scratch: see the header.
#include "bench/scratch.h"

#include <stdlib.h>
#include <unistd.h>

#include "bench/sql.h"
#include "common/base/memory.h"
#include "common/db/migrate.h"

static struct {
    pid_t owner; // forked children inherit the exit handler, and must not drop anything
    PGconn *admin;
    char *template_name;
    char *name; // the database in use; NULL = none
    char *conninfo;
    int made;
} scratch;

static void append_value(StrBuf *out, const char *keyword, const char *value)
{
    strbuf_printf(out, "%s%s='", out->length > 0 ? " " : "", keyword);
    for (const char *c = value; *c != '\0'; c++) {
        if (*c == '\'' || *c == '\\') {
            strbuf_append_char(out, '\\');
        }
        strbuf_append_char(out, *c);
    }
    strbuf_append_char(out, '\'');
}

// The server's connection string with another database. Built from its parts: a URI takes no second dbname.
static char *conninfo_of(const char *database)
{
    PQconninfoOption *options = PQconninfo(scratch.admin);
    StrBuf out = {0};
    for (const PQconninfoOption *option = options; option != NULL && option->keyword != NULL;
         option++) {
        if (option->val != NULL && option->val[0] != '\0' &&
            !str_equal(option->keyword, "dbname") &&
            !str_equal(option->keyword, "application_name")) {
            append_value(&out, option->keyword, option->val);
        }
    }
    append_value(&out, "dbname", database);
    PQconninfoFree(options);
    return strbuf_take(&out);
}

static void drop(const char *name)
{
    char *text = mem_printf("drop database if exists %s with (force)", name);
    PQclear(PQexec(scratch.admin, text));
    free(text);
}

static void drop_all(void)
{
    if (getpid() != scratch.owner) {
        return;
    }
    scratch_drop();
    drop(scratch.template_name);
    PQfinish(scratch.admin);
}

int64_t scratch_commits(void)
{
    return sql_number(scratch.admin, "select xact_commit from pg_stat_database where datname = $1",
                      scratch.name, NULL);
}

void scratch_init(const Bench *bench)
{
    scratch.admin = sql_connect(bench->server);
    scratch.owner = getpid();
    scratch.template_name = mem_printf("ganger_bench_%d", (int)getpid());
    char *text = mem_printf("create database %s", scratch.template_name);
    sql_run(scratch.admin, text);
    free(text);
    (void)atexit(drop_all);
    char *conninfo = conninfo_of(scratch.template_name);
    Db *db = NULL;
    int applied = 0;
    StrBuf why = {0};
    if (db_open(&db, conninfo, "ganger-bench", DB_CONNECT_TIMEOUT_MS, false) != STATUS_OK ||
        migrate_up(db, &applied, &why) != STATUS_OK) {
        bench_fail("cannot make the schema: %s", why.text != NULL ? why.text : "no connection");
    }
    strbuf_free(&why);
    db_close(db);
    free(conninfo);
}

const char *scratch_make(void)
{
    scratch_drop();
    scratch.name = mem_printf("%s_%d", scratch.template_name, ++scratch.made);
    char *text = mem_printf("create database %s template %s", scratch.name, scratch.template_name);
    sql_run(scratch.admin, text);
    free(text);
    scratch.conninfo = conninfo_of(scratch.name);
    return scratch.conninfo;
}

void scratch_drop(void)
{
    if (scratch.name == NULL) {
        return;
    }
    drop(scratch.name);
    free(scratch.name);
    free(scratch.conninfo);
    scratch.name = NULL;
    scratch.conninfo = NULL;
}

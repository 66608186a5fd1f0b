// SPDX-License-Identifier: MIT
// Command jobs tail: events as they come, of one job until it has ended, or of all.
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/ids.h"
#include "cli/patience.h"
#include "cli/text.h"
#include "common/base/exit_code.h"
#include "sql_queries.h"

enum {
    JOB_POLL_LEAST_MS = 100,
    JOB_POLL_MOST_MS = 1000,
    FEED_POLL_MS = 1000, // it is as late in any case
    FEED_ROWS = 1000,
    EVENT_COLUMNS = 12,
    JOB_COLUMNS = 8,
    DATA_COLUMNS_LEAST = 20
};

static volatile sig_atomic_t is_interrupted;

static void on_interrupt(int signal)
{
    (void)signal;
    is_interrupted = 1;
}

// Ctrl-C is how following ends. A second one kills, should the database not answer.
static void end_on_interrupt(void)
{
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
}

// "2030-01-31 09:00:00.123Z  12  completed  {...}"; the job only where there are several.
static void print_event(const Cli *cli, const PGresult *result, int row, bool has_job)
{
    StrBuf line = {0};
    if (cli->is_json) {
        (void)puts(db_text(result, row, "json"));
        return;
    }
    const char *data = db_text(result, row, "data");
    strbuf_printf(&line, "%s  ", db_text(result, row, "at"));
    if (has_job) {
        const char *job = db_text(result, row, "job");
        strbuf_printf(&line, "%*s  ", JOB_COLUMNS, job ? job : "-");
    }
    strbuf_printf(&line, "%-*s", data ? EVENT_COLUMNS + 2 : 0, db_text(result, row, "event"));
    if (data) {
        StrBuf safe = {0};
        text_append_safe(&safe, data, false);
        size_t used = text_width(line.text);
        size_t room =
            cli->width > used + DATA_COLUMNS_LEAST ? cli->width - used : DATA_COLUMNS_LEAST;
        text_append_cut(&line, safe.text ? safe.text : "", cli->width > 0 ? room : SIZE_MAX);
        strbuf_free(&safe);
    }
    (void)puts(line.text);
    strbuf_free(&line);
}

// A reader that has gone (`| head`) ends it by SIGPIPE; a full disk by this.
static bool is_output_good(void)
{
    return fflush(stdout) == 0 && ferror(stdout) == 0;
}

// What was printed of one job: a late commit may stand before what has been told already.
typedef struct Seen {
    char **keys;
    int count;
    int numbered;
    int64_t last; // the highest number
} Seen;

// False: one of the first `known` is the same.
static bool seen_add(Seen *seen, int known, const PGresult *result, int row)
{
    const char *key = db_text(result, row, "key");
    for (int i = known - 1; i >= 0; i--) {
        if (str_equal(seen->keys[i], key)) {
            return false;
        }
    }
    seen->keys = mem_realloc(seen->keys, sizeof *seen->keys * ((size_t)seen->count + 1));
    seen->keys[seen->count++] = mem_strdup(key);
    int64_t number = db_int(result, row, "number", 0);
    seen->numbered += number > 0 ? 1 : 0;
    seen->last = number > seen->last ? number : seen->last;
    return true;
}

static void seen_free(Seen *seen)
{
    for (int i = 0; i < seen->count; i++) {
        free(seen->keys[i]);
    }
    free(seen->keys);
}

// Prints what has come after `after`. *is_over: the job has ended, and nothing of it is left to tell.
static int tell_news(Cli *cli, int64_t id, int64_t after, Seen *seen, bool *is_over, bool *is_whole)
{
    DbParams params;
    PGresult *result = NULL;
    int known = seen->count;
    db_params_init(&params);
    db_param_int(&params, id);
    db_param_int(&params, after);
    int exit_code = patience_query(cli, &SQL_cli_job_tail, &params, 0, &result);
    int rows = exit_code == EXIT_CODE_OK ? PQntuples(result) : 0;
    if (exit_code == EXIT_CODE_OK && rows == 0) {
        cli_say("%s job %" PRId64 "%s", known == 0 ? "there is no" : "the", id,
                known == 0 ? "" : " is gone");
        exit_code = EXIT_CODE_FAILED;
    }
    for (int row = 0; row + 1 < rows; row++) {
        if (seen_add(seen, known, result, row)) {
            print_event(cli, result, row, false);
        }
    }
    if (rows > 0) {
        *is_whole = after == 0 || seen->numbered >= db_int(result, rows - 1, "total", 0);
        *is_over = *is_whole && db_bool(result, rows - 1, "is_over");
    }
    PQclear(result);
    return exit_code;
}

// Each look asks for what came after the last one, and how many there are: when that is more, one has come late, and all are read.
static int tail_job(Cli *cli, int64_t id)
{
    Seen seen = {0};
    bool is_over = false;
    bool is_whole = true;
    int64_t pause = JOB_POLL_LEAST_MS;
    int exit_code = EXIT_CODE_OK;
    while (!is_over && !is_interrupted && exit_code == EXIT_CODE_OK) {
        int known = seen.count;
        exit_code = tell_news(cli, id, is_whole ? seen.last : 0, &seen, &is_over, &is_whole);
        is_over = is_over || !is_output_good();
        if (!is_over && is_whole && exit_code == EXIT_CODE_OK && !is_interrupted) {
            pause = seen.count > known ? JOB_POLL_LEAST_MS : pause * 3 / 2;
            pause = pause > JOB_POLL_MOST_MS ? JOB_POLL_MOST_MS : pause;
            patience_pause_ms(pause);
        }
    }
    seen_free(&seen);
    return is_interrupted ? EXIT_CODE_OK : exit_code;
}

static int find_start(Cli *cli, int64_t *after)
{
    DbParams params;
    PGresult *result = NULL;
    db_params_init(&params);
    int exit_code = cli_query(cli, &SQL_cli_events_end, &params, &result);
    if (exit_code == EXIT_CODE_OK) {
        *after = db_int(result, 0, "number", 0);
    }
    PQclear(result);
    return exit_code;
}

static int tail_all(Cli *cli, int64_t after)
{
    int exit_code = EXIT_CODE_OK;
    while (!is_interrupted && exit_code == EXIT_CODE_OK) {
        DbParams params;
        PGresult *result = NULL;
        db_params_init(&params);
        db_param_int(&params, after);
        db_param_int(&params, FEED_ROWS);
        exit_code = patience_query(cli, &SQL_cli_events, &params, 0, &result);
        int rows = exit_code == EXIT_CODE_OK ? PQntuples(result) : 0;
        for (int row = 0; row < rows; row++) {
            print_event(cli, result, row, true);
            after = db_int(result, row, "number", after);
        }
        PQclear(result);
        if (!is_output_good()) {
            break;
        }
        if (rows < FEED_ROWS && exit_code == EXIT_CODE_OK && !is_interrupted) {
            patience_pause_ms(FEED_POLL_MS);
        }
    }
    return is_interrupted ? EXIT_CODE_OK : exit_code;
}

int command_jobs_tail(struct Cli *cli)
{
    int64_t id = 0;
    int64_t after = 0;
    int exit_code = EXIT_CODE_OK;
    const char *after_text = cli_option(cli, OPT_AFTER);
    bool has_job = cli->line.arg_count > 0;
    if (has_job && after_text) {
        return cli_usage(cli, "--after is for the events of all jobs");
    }
    if ((has_job && !ids_read_one(cli, cli->line.args[0], &id, &exit_code)) ||
        (after_text &&
         !cli_read_number(cli, "--after", after_text, 0, INT64_MAX, &after, &exit_code))) {
        return exit_code;
    }
    end_on_interrupt();
    if (has_job) {
        return tail_job(cli, id);
    }
    if (!after_text) {
        exit_code = find_start(cli, &after);
        if (exit_code == EXIT_CODE_OK && cli->is_talk_shown) {
            (void)fputs("following all jobs; Ctrl-C ends it\n", stderr);
        }
    }
    return exit_code == EXIT_CODE_OK ? tail_all(cli, after) : exit_code;
}

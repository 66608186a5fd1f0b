// SPDX-License-Identifier: MIT
// Command top: what happens now, drawn anew again and again; once where there is no terminal.
#include <stdio.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "cli/top_view.h"
#include "common/base/clock.h"
#include "common/base/exit_code.h"
#include "sql_queries.h"

enum { INTERVAL_DEFAULT_MS = 1000, PROBLEM_BYTES = 256 };

typedef struct Top {
    Cli *cli;
    TopState state;
    TopData data;
    char problem[PROBLEM_BYTES]; // "" = none
    int64_t read_at;
} Top;

static int print_json(Cli *cli)
{
    PGresult *result = NULL;
    DbParams none;
    db_params_init(&none);
    int exit_code = cli_query(cli, &SQL_cli_top_json, &none, &result);
    if (exit_code == EXIT_CODE_OK) {
        output_object(result);
    }
    PQclear(result);
    return exit_code;
}

// The first time a failure ends the command, in the words of all commands.
static int read_first(Top *top)
{
    int exit_code = cli_require_schema(top->cli);
    if (exit_code != EXIT_CODE_OK) {
        return exit_code;
    }
    Status status = top_data_read(top->cli, &top->data);
    top->read_at = clock_boot_ms();
    return status == STATUS_OK ? EXIT_CODE_OK : cli_fail_statement(top->cli, status);
}

static int print_once(Top *top)
{
    StrBuf text = {0};
    int exit_code = read_first(top);
    if (exit_code == EXIT_CODE_OK) {
        top_view_sort(&top->state, &top->data);
        top_view_render(&top->state, &top->data, top->cli->database_origin, NULL, top->cli->width,
                        0, top->cli->has_color, &text);
        (void)fputs(text.text, stdout);
    }
    strbuf_free(&text);
    top_data_free(&top->data);
    return exit_code;
}

// Later the view stays, and says what is wrong.
static void read_again(Top *top)
{
    Status status = STATUS_LOST;
    if (top->cli->db && !db_is_lost(top->cli->db)) {
        status = top_data_read(top->cli, &top->data);
    }
    top->problem[0] = '\0';
    if (status == STATUS_LOST) {
        status = cli_reconnect(top->cli);
        if (status == STATUS_OK) {
            status = top_data_read(top->cli, &top->data);
        } else {
            (void)snprintf(top->problem, sizeof top->problem, "no database: %s; trying again",
                           db_open_error());
        }
    }
    if (status != STATUS_OK && top->problem[0] == '\0') {
        (void)snprintf(top->problem, sizeof top->problem, "%s; trying again",
                       top->cli->db ? db_error_message(top->cli->db) : "the connection was lost");
    }
    top->read_at = clock_boot_ms();
}

// Lines end in "erase the rest of the line": what was there before is overwritten, without a flicker.
static bool draw(Top *top)
{
    size_t width = 0;
    size_t height = 0;
    StrBuf text = {0};
    StrBuf frame = {0};
    terminal_size(&width, &height);
    top_view_sort(&top->state, &top->data);
    top_view_render(&top->state, &top->data, top->cli->database_origin,
                    top->problem[0] != '\0' ? top->problem : NULL, width, height,
                    top->cli->has_color, &text);
    strbuf_append(&frame, terminal_is_stale() ? "\033[2J\033[H" : "\033[H");
    for (const char *c = text.text; *c != '\0'; c++) {
        if (*c == '\n') {
            strbuf_append(&frame, "\033[K\r\n");
        } else {
            strbuf_append_char(&frame, *c);
        }
    }
    strbuf_append(&frame, "\033[J");
    bool is_drawn = terminal_draw(&frame);
    strbuf_free(&text);
    strbuf_free(&frame);
    return is_drawn;
}

static int show(Top *top)
{
    int exit_code = read_first(top);
    if (exit_code != EXIT_CODE_OK) {
        return exit_code;
    }
    if (!terminal_open()) {
        return EXIT_CODE_INTERNAL;
    }
    while (!top->state.is_over && draw(top)) {
        int64_t left = top->read_at + top->state.interval_ms - clock_boot_ms();
        if (top->state.is_paused) {
            left = top->state.interval_ms;
        }
        top_view_press(&top->state, terminal_read_key(left));
        if (!top->state.is_over && !top->state.is_paused &&
            clock_boot_ms() >= top->read_at + top->state.interval_ms) {
            read_again(top);
        }
    }
    terminal_close();
    top_data_free(&top->data);
    return EXIT_CODE_OK;
}

int command_top(struct Cli *cli)
{
    Top top = {.cli = cli, .state = {.interval_ms = INTERVAL_DEFAULT_MS}};
    int exit_code = EXIT_CODE_OK;
    if (cli_option(cli, OPT_INTERVAL) &&
        !cli_read_duration(cli, OPT_INTERVAL, &top.state.interval_ms, &exit_code)) {
        return exit_code;
    }
    if (top.state.interval_ms < TOP_INTERVAL_LEAST_MS ||
        top.state.interval_ms > TOP_INTERVAL_MOST_MS) {
        return cli_usage(cli, "--interval '%s' is not from 250ms to 1m",
                         cli_option(cli, OPT_INTERVAL));
    }
    if (cli->is_json) {
        return print_json(cli);
    }
    bool is_live = cli->width > 0 && !cli_option(cli, OPT_ONCE) && terminal_is_there();
    return is_live ? show(&top) : print_once(&top);
}

// SPDX-License-Identifier: MIT
// Help: the texts of `ganger help`, made from the option table.
#include "cli/help.h"

#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/text.h"
#include "common/base/exit_code.h"

enum { HELP_NAME_COLUMNS = 24, HELP_TEXT_LEAST = 20, HELP_WIDTH_DEFAULT = 80 };

static size_t text_columns(size_t width)
{
    size_t used = HELP_NAME_COLUMNS + 2;
    return width > used + HELP_TEXT_LEAST ? width - used : HELP_TEXT_LEAST;
}

static void append_row(StrBuf *out, size_t width, const char *name, const char *text)
{
    if (strlen(name) >= HELP_NAME_COLUMNS) {
        strbuf_printf(out, "  %s\n%*s", name, HELP_NAME_COLUMNS + 2, "");
    } else {
        strbuf_printf(out, "  %-*s", HELP_NAME_COLUMNS, name);
    }
    text_append_wrapped(out, text, text_columns(width), HELP_NAME_COLUMNS + 2);
    strbuf_append_char(out, '\n');
}

static void append_options(StrBuf *out, size_t width, const char *title, uint64_t options)
{
    if (options == 0) {
        return;
    }
    strbuf_printf(out, "\n%s:\n", title);
    for (int id = 0; id < OPT_COUNT; id++) {
        const OptionSpec *spec = &OPT_SPECS[id];
        if ((options & OPT_BIT(id)) == 0) {
            continue;
        }
        StrBuf name = {0};
        if (spec->letter != 0) {
            strbuf_printf(&name, "-%c, ", spec->letter);
        } else {
            strbuf_append(&name, "    ");
        }
        strbuf_printf(&name, "--%s%s%s", spec->name, spec->argument ? " " : "",
                      spec->argument ? spec->argument : "");
        append_row(out, width, name.text, spec->help);
        strbuf_free(&name);
    }
}

static void write_overview(StrBuf *out, size_t width)
{
    strbuf_append(out, "ganger: background jobs for PostgreSQL\n\n"
                       "Usage: ganger COMMAND [ARGUMENTS] [OPTIONS]\n\nCommands:\n");
    for (int i = 0; i < COMMAND_COUNT; i++) {
        StrBuf name = {0};
        const CommandSpec *command = &COMMAND_SPECS[i];
        strbuf_append(&name, command->name);
        if (command->arguments) {
            strbuf_printf(&name, " %s", command->arguments);
        }
        append_row(out, width, name.text, command->summary);
        strbuf_free(&name);
    }
    append_options(out, width, "Options of every command", OPTS_EVERYWHERE);
    strbuf_append_char(out, '\n');
    text_append_wrapped(out,
                        "The database is the first of: --database, --state, DATABASE_URL, "
                        "database.url of --config, the one of `ganger dev`.\n"
                        "\n"
                        "Exit codes: 0 done, 1 refused or not found, 64 wrong command line, 70 "
                        "internal error, 75 database not reachable, 78 wrong configuration or "
                        "schema version.\n",
                        width, 0);
}

void help_write(const CommandSpec *command, size_t width, StrBuf *out)
{
    if (!command) {
        write_overview(out, width);
        return;
    }
    StrBuf head = {0};
    strbuf_printf(&head, "ganger %s: %s\n\nUsage: ganger %s%s%s [OPTIONS]\n", command->name,
                  command->summary, command->name, command->arguments ? " " : "",
                  command->arguments ? command->arguments : "");
    if (command->details) {
        strbuf_printf(&head, "\n%s\n", command->details);
    }
    text_append_wrapped(out, head.text, width, 0);
    strbuf_free(&head);
    append_options(out, width, "Options", command->options);
    append_options(out, width, "Options of every command", OPTS_EVERYWHERE & ~command->refused);
}

// The width of the terminal, and of paper where there is none.
static size_t help_width(const struct Cli *cli)
{
    return cli->width > 0 ? cli->width : HELP_WIDTH_DEFAULT;
}

int help_print(const struct Cli *cli, const CommandSpec *command)
{
    StrBuf text = {0};
    help_write(command, help_width(cli), &text);
    (void)fputs(text.text, stdout);
    strbuf_free(&text);
    return EXIT_CODE_OK;
}

// `ganger help jobs` lists the commands of the group.
static bool print_group(const struct Cli *cli, const char *first)
{
    size_t length = strlen(first);
    StrBuf text = {0};
    for (int i = 0; i < COMMAND_COUNT; i++) {
        const CommandSpec *command = &COMMAND_SPECS[i];
        if (strncmp(command->name, first, length) == 0 && command->name[length] == ' ') {
            append_row(&text, help_width(cli), command->name, command->summary);
        }
    }
    bool is_found = text.length > 0;
    if (is_found) {
        (void)fputs(text.text, stdout);
    }
    strbuf_free(&text);
    return is_found;
}

int command_help(struct Cli *cli)
{
    if (cli->line.arg_count == 0) {
        return help_print(cli, NULL);
    }
    const char *first = cli->line.args[0];
    const char *second = cli->line.arg_count > 1 ? cli->line.args[1] : NULL;
    int words = 0;
    const CommandSpec *command = command_find(first, second, &words);
    if (command && words == cli->line.arg_count) {
        return help_print(cli, command);
    }
    if (!second && print_group(cli, first)) {
        return EXIT_CODE_OK;
    }
    return cli_usage(cli, "there is no command '%s%s%s'", first, second ? " " : "",
                     second ? second : "");
}

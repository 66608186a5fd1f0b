// SPDX-License-Identifier: MIT
// Help: the texts of `ganger help`, made from the option table.
#include "cli/help.h"

#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "common/base/exit_code.h"

enum { HELP_NAME_COLUMNS = 24, HELP_TEXT_COLUMNS = 68 };

// Appends `text` broken at spaces, every further line indented to the text column.
static void append_wrapped(StrBuf *out, const char *text)
{
    while (strlen(text) > HELP_TEXT_COLUMNS) {
        size_t cut = HELP_TEXT_COLUMNS;
        while (cut > 0 && text[cut] != ' ') {
            cut--;
        }
        if (cut == 0) {
            break;
        }
        strbuf_append_bytes(out, text, cut);
        strbuf_printf(out, "\n%*s", HELP_NAME_COLUMNS + 2, "");
        text += cut + 1;
    }
    strbuf_append(out, text);
    strbuf_append_char(out, '\n');
}

static void append_row(StrBuf *out, const char *name, const char *text)
{
    if (strlen(name) >= HELP_NAME_COLUMNS) {
        strbuf_printf(out, "  %s\n%*s", name, HELP_NAME_COLUMNS + 2, "");
    } else {
        strbuf_printf(out, "  %-*s", HELP_NAME_COLUMNS, name);
    }
    append_wrapped(out, text);
}

static void append_options(StrBuf *out, const char *title, uint64_t options)
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
        append_row(out, name.text, spec->help);
        strbuf_free(&name);
    }
}

static void write_overview(StrBuf *out)
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
        append_row(out, name.text, command->summary);
        strbuf_free(&name);
    }
    append_options(out, "Options of every command", OPTS_EVERYWHERE);
    strbuf_append(
        out, "\nThe database is the first of: --database, --state, DATABASE_URL, database.url of "
             "--config,\nthe last `ganger dev`.\n"
             "\nExit codes: 0 done, 1 refused or not found, 64 wrong command line, 70 internal "
             "error,\n75 database not reachable, 78 wrong configuration or schema version.\n");
}

void help_write(const CommandSpec *command, StrBuf *out)
{
    if (!command) {
        write_overview(out);
        return;
    }
    strbuf_printf(out, "ganger %s: %s\n\nUsage: ganger %s%s%s [OPTIONS]\n", command->name,
                  command->summary, command->name, command->arguments ? " " : "",
                  command->arguments ? command->arguments : "");
    if (command->details) {
        strbuf_printf(out, "\n%s\n", command->details);
    }
    append_options(out, "Options", command->options);
    append_options(out, "Options of every command", OPTS_EVERYWHERE);
}

int help_print(const CommandSpec *command)
{
    StrBuf text = {0};
    help_write(command, &text);
    (void)fputs(text.text, stdout);
    strbuf_free(&text);
    return EXIT_CODE_OK;
}

// `ganger help jobs` lists the commands of the group.
static bool print_group(const char *first)
{
    size_t length = strlen(first);
    StrBuf text = {0};
    for (int i = 0; i < COMMAND_COUNT; i++) {
        const CommandSpec *command = &COMMAND_SPECS[i];
        if (strncmp(command->name, first, length) == 0 && command->name[length] == ' ') {
            append_row(&text, command->name, command->summary);
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
        return help_print(NULL);
    }
    const char *first = cli->line.args[0];
    const char *second = cli->line.arg_count > 1 ? cli->line.args[1] : NULL;
    int words = 0;
    const CommandSpec *command = command_find(first, second, &words);
    if (command && words == cli->line.arg_count) {
        return help_print(command);
    }
    if (!second && print_group(first)) {
        return EXIT_CODE_OK;
    }
    return cli_usage(cli, "there is no command '%s%s%s'", first, second ? " " : "",
                     second ? second : "");
}

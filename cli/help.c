// SPDX-License-Identifier: MIT
// Help: the texts of `ganger help`, made from the option table.
#include "cli/help.h"

#include <stdio.h>
#include <stdlib.h>
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

// With what its value may be: "(skip, allow)".
static void append_help_row(StrBuf *out, size_t width, const char *name, const OptionSpec *spec)
{
    StrBuf text = {0};
    strbuf_append(&text, spec->help);
    strbuf_append(&text, spec->choices ? " (" : "");
    for (const char *c = spec->choices ? spec->choices : ""; *c != '\0'; c++) {
        strbuf_append(&text, *c == ' ' ? ", " : (char[]){*c, '\0'});
    }
    strbuf_append(&text, spec->choices ? ")" : "");
    append_row(out, width, name, text.text);
    strbuf_free(&text);
}

static void append_options(StrBuf *out, size_t width, const char *title, OptionSet options)
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
        append_help_row(out, width, name.text, spec);
        strbuf_free(&name);
    }
}

// "look at jobs and change them: list, show, cancel"; the group's commands begin at `index`.
static void append_group(StrBuf *out, size_t width, const GroupSpec *group, int index)
{
    StrBuf text = {0};
    size_t length = strlen(group->name);
    strbuf_append(&text, group->summary);
    const char *separator = ": ";
    for (int i = index; i < COMMAND_COUNT; i++) {
        const char *name = COMMAND_SPECS[i].name;
        if (strncmp(name, group->name, length) == 0 && name[length] == ' ') {
            strbuf_printf(&text, "%s%s", separator, name + length + 1);
            separator = ", ";
        }
    }
    char *name = mem_printf("%s ...", group->name);
    append_row(out, width, name, text.text);
    free(name);
    strbuf_free(&text);
}

static const GroupSpec *find_group(const char *command)
{
    size_t length = strcspn(command, " ");
    for (int i = 0; i < GROUP_COUNT; i++) {
        if (command[length] == ' ' && strlen(GROUP_SPECS[i].name) == length &&
            strncmp(GROUP_SPECS[i].name, command, length) == 0) {
            return &GROUP_SPECS[i];
        }
    }
    return NULL;
}

static void write_overview(StrBuf *out, size_t width)
{
    strbuf_append(out, "ganger: background jobs for PostgreSQL\n\n"
                       "Usage: ganger COMMAND [ARGUMENTS] [OPTIONS]\n\nCommands:\n");
    const GroupSpec *last = NULL;
    for (int i = 0; i < COMMAND_COUNT; i++) {
        const CommandSpec *command = &COMMAND_SPECS[i];
        const GroupSpec *group = find_group(command->name);
        if (group && group != last) {
            append_group(out, width, group, i);
        } else if (!group) {
            char *name = mem_printf("%s%s%s", command->name, command->arguments ? " " : "",
                                    command->arguments ? command->arguments : "");
            append_row(out, width, name, command->summary);
            free(name);
        }
        last = group;
    }
    append_options(out, width, "Options of every command", OPTS_EVERYWHERE);
    strbuf_append_char(out, '\n');
    text_append_wrapped(out,
                        "`ganger help COMMAND` explains one, with its options.\n"
                        "\n"
                        "The database is the first of: --database, --state, DATABASE_URL, "
                        "database.url of --config, the one of `ganger dev`.\n"
                        "\n"
                        "Exit codes: 0 done, 1 refused or not found, 64 wrong command line, 70 "
                        "internal error, 75 database not reachable, 76 the answer was lost: "
                        "done or not, 78 wrong configuration or schema version.\n",
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

bool help_print_group(const struct Cli *cli, const char *first)
{
    size_t length = strlen(first);
    StrBuf text = {0};
    for (int i = 0; i < COMMAND_COUNT; i++) {
        const CommandSpec *command = &COMMAND_SPECS[i];
        if (strncmp(command->name, first, length) == 0 && command->name[length] == ' ') {
            char *name = mem_printf("%s%s%s", command->name, command->arguments ? " " : "",
                                    command->arguments ? command->arguments : "");
            append_row(&text, help_width(cli), name, command->summary);
            free(name);
        }
    }
    bool is_found = text.length > 0;
    if (is_found) {
        (void)fputs(text.text, stdout);
        int words = 0;
        if (command_find(first, NULL, &words)) {
            (void)printf("\n`ganger %s` alone is `ganger %s list`.\n", first, first);
        }
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
    if (!second && help_print_group(cli, first)) {
        return EXIT_CODE_OK;
    }
    const CommandSpec *command = command_find(first, second, &words);
    if (command && words == cli->line.arg_count) {
        return help_print(cli, command);
    }
    cli->line.command = NULL; // the hint shall name what can be asked for, not `help`
    return cli_usage(cli, "there is no command '%s%s%s'", first, second ? " " : "",
                     second ? second : "");
}

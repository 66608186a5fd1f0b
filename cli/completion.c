// SPDX-License-Identifier: MIT
// Command completion: scripts for the shells, made from the option table.
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/completion.h"
#include "common/base/exit_code.h"

// Words that may stand first: "jobs" once for all its commands.
static bool is_first_of_group(int index)
{
    const char *name = COMMAND_SPECS[index].name;
    size_t length = strcspn(name, " ");
    for (int i = 0; i < index; i++) {
        const char *other = COMMAND_SPECS[i].name;
        if (strcspn(other, " ") == length && strncmp(other, name, length) == 0) {
            return false;
        }
    }
    return true;
}

static void append_first_words(StrBuf *out)
{
    for (int i = 0; i < COMMAND_COUNT; i++) {
        if (is_first_of_group(i)) {
            const char *name = COMMAND_SPECS[i].name;
            strbuf_printf(out, "%s%.*s", i == 0 ? "" : " ", (int)strcspn(name, " "), name);
        }
    }
}

static bool append_second_words(StrBuf *out, int index)
{
    const char *name = COMMAND_SPECS[index].name;
    size_t length = strcspn(name, " ");
    if (name[length] == '\0') {
        return false;
    }
    const char *separator = "";
    for (int i = 0; i < COMMAND_COUNT; i++) {
        const char *other = COMMAND_SPECS[i].name;
        if (strncmp(other, name, length + 1) == 0) {
            strbuf_printf(out, "%s%s", separator, other + length + 1);
            separator = " ";
        }
    }
    return true;
}

static void append_option_words(StrBuf *out, const CommandSpec *command)
{
    for (int id = 0; id < OPT_COUNT; id++) {
        if (command_takes(command, (OptionId)id)) {
            strbuf_printf(out, "%s--%s", id == 0 ? "" : " ", OPT_SPECS[id].name);
        }
    }
}

static void append_bash_values(StrBuf *out)
{
    strbuf_append(out, "    case $previous in\n");
    for (int id = 0; id < OPT_COUNT; id++) {
        const OptionSpec *spec = &OPT_SPECS[id];
        if (!spec->argument) {
            continue;
        }
        strbuf_printf(out, "    --%s", spec->name);
        if (spec->letter != 0) {
            strbuf_printf(out, "|-%c", spec->letter);
        }
        strbuf_append(out, ") ");
        switch (spec->completion) {
        case COMPLETE_FILE:
            strbuf_append(out, "COMPREPLY=($(compgen -f -- \"$word\")); ");
            break;
        case COMPLETE_FOLDER:
            strbuf_append(out, "COMPREPLY=($(compgen -d -- \"$word\")); ");
            break;
        case COMPLETE_CHOICES:
            strbuf_printf(out, "COMPREPLY=($(compgen -W '%s' -- \"$word\")); ", spec->choices);
            break;
        case COMPLETE_NOTHING:
            break;
        }
        strbuf_append(out, "return ;;\n");
    }
    strbuf_append(out, "    esac\n");
}

static void write_bash(StrBuf *out)
{
    strbuf_append(out,
                  "# bash completion for ganger\n"
                  "_ganger() {\n"
                  "    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
                  "    local first=${COMP_WORDS[1]} second=${COMP_WORDS[2]} words=\n"
                  "    COMPREPLY=()\n");
    append_bash_values(out);
    strbuf_append(out, "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        words='");
    append_first_words(out);
    strbuf_append(out, "'\n    else\n        case \"$first $second\" in\n");
    for (int i = 0; i < COMMAND_COUNT; i++) {
        const CommandSpec *command = &COMMAND_SPECS[i];
        const char *second = strchr(command->name, ' ');
        strbuf_printf(out, "        \"%s%s", command->name, second ? "\"" : " \"*");
        if (second && str_equal(second, " list")) {
            // The group's name alone is its list.
            strbuf_printf(out, "|\"%.*s -\"*", (int)(second - command->name), command->name);
        }
        strbuf_append(out, ") words='");
        append_option_words(out, command);
        if (command->choices) {
            strbuf_printf(out, " %s", command->choices);
        }
        strbuf_append(out, "' ;;\n");
    }
    strbuf_append(out,
                  "        esac\n        if [ \"$COMP_CWORD\" -eq 2 ] && [[ $word != -* ]]; then\n"
                  "            case $first in\n");
    for (int i = 0; i < COMMAND_COUNT; i++) {
        StrBuf words = {0};
        if (is_first_of_group(i) && append_second_words(&words, i)) {
            const char *name = COMMAND_SPECS[i].name;
            strbuf_printf(out, "            %.*s) words='%s' ;;\n", (int)strcspn(name, " "), name,
                          words.text);
        }
        strbuf_free(&words);
    }
    strbuf_append(out, "            help) words='");
    append_first_words(out);
    strbuf_append(out, "' ;;\n            esac\n        fi\n    fi\n"
                       "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n}\n"
                       "complete -F _ganger ganger\n");
}

// zsh runs the bash script through its own bridge, so that the two cannot differ.
static void write_zsh(StrBuf *out)
{
    strbuf_append(out, "#compdef ganger\nautoload -U +X bashcompinit && bashcompinit\n");
    write_bash(out);
}

static void append_fish_text(StrBuf *out, const char *text)
{
    strbuf_append_char(out, '\'');
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '\'' || *c == '\\') {
            strbuf_append_char(out, '\\');
        }
        strbuf_append_char(out, *c);
    }
    strbuf_append_char(out, '\'');
}

static void append_fish_options(StrBuf *out, const CommandSpec *command)
{
    size_t length = strcspn(command->name, " ");
    for (int id = 0; id < OPT_COUNT; id++) {
        const OptionSpec *spec = &OPT_SPECS[id];
        if (!command_takes(command, (OptionId)id)) {
            continue;
        }
        strbuf_printf(out, "complete -c ganger -n '__fish_seen_subcommand_from %.*s", (int)length,
                      command->name);
        if (command->name[length] == ' ') {
            strbuf_printf(out, "; and __fish_seen_subcommand_from %s", command->name + length + 1);
        }
        strbuf_printf(out, "' -l %s", spec->name);
        if (spec->letter != 0) {
            strbuf_printf(out, " -s %c", spec->letter);
        }
        if (spec->argument) {
            bool is_path = spec->completion == COMPLETE_FILE || spec->completion == COMPLETE_FOLDER;
            strbuf_append(out, is_path ? " -rF" : " -x");
        }
        if (spec->choices) {
            strbuf_printf(out, " -a '%s'", spec->choices);
        }
        strbuf_append(out, " -d ");
        append_fish_text(out, spec->help);
        strbuf_append_char(out, '\n');
    }
}

static void write_fish(StrBuf *out)
{
    strbuf_append(out, "# fish completion for ganger\ncomplete -c ganger -f\n");
    for (int i = 0; i < COMMAND_COUNT; i++) {
        const CommandSpec *command = &COMMAND_SPECS[i];
        size_t length = strcspn(command->name, " ");
        StrBuf words = {0};
        if (is_first_of_group(i)) {
            strbuf_printf(out, "complete -c ganger -n __fish_use_subcommand -a %.*s", (int)length,
                          command->name);
            if (command->name[length] == '\0') {
                strbuf_append(out, " -d ");
                append_fish_text(out, command->summary);
            }
            strbuf_append_char(out, '\n');
            if (append_second_words(&words, i)) {
                strbuf_printf(out,
                              "complete -c ganger -n '__fish_seen_subcommand_from %.*s; and not "
                              "__fish_seen_subcommand_from %s' -a '%s'\n",
                              (int)length, command->name, words.text, words.text);
            }
        }
        strbuf_free(&words);
        if (command->choices) {
            strbuf_printf(out, "complete -c ganger -n '__fish_seen_subcommand_from %s' -a '%s'\n",
                          command->name, command->choices);
        }
        append_fish_options(out, command);
    }
}

bool completion_write(const char *shell, StrBuf *out)
{
    if (str_equal(shell, "bash")) {
        write_bash(out);
    } else if (str_equal(shell, "zsh")) {
        write_zsh(out);
    } else if (str_equal(shell, "fish")) {
        write_fish(out);
    } else {
        return false;
    }
    return true;
}

int command_completion(struct Cli *cli)
{
    StrBuf text = {0};
    if (!completion_write(cli->line.args[0], &text)) {
        return cli_usage(cli, "there is no completion for '%s'", cli->line.args[0]);
    }
    (void)fputs(text.text, stdout);
    strbuf_free(&text);
    return EXIT_CODE_OK;
}

// SPDX-License-Identifier: MIT
// Command line: argv against the option table; abbreviations and repeated options are refused.
#include <stdlib.h>
#include <string.h>

#include "cli/option_table.h"
#include "common/base/nearest.h"

typedef struct Word {  // one element of argv, understood
    int option;        // OptionId; -1 = not an option, -2 = an option nobody knows
    const char *value; // part after "=" or glued to the letter; NULL = none
    size_t name_length;
} Word;

static Word word_read(const char *text);
static Status parse_words(CommandLine *line, int argc, char **argv, StrBuf *problem);
static Status take_command(CommandLine *line, StrBuf *problem);
static Status check_options(const CommandLine *line, StrBuf *problem);
static Status check_arguments(const CommandLine *line, StrBuf *problem);
static size_t list_group(const char *first, const char **names, size_t max);

Status command_line_parse(CommandLine *line, int argc, char **argv, StrBuf *problem)
{
    *line = (CommandLine){0};
    line->args = mem_alloc(sizeof *line->args * ((size_t)argc + 1));
    // The command is found first, so that a wrong option can be compared with those it takes.
    for (int i = 1; i < argc; i++) {
        Word word = word_read(argv[i]);
        if (str_equal(argv[i], "--")) {
            break;
        }
        if (word.option == -1) {
            line->args[line->arg_count++] = argv[i];
        } else if (word.option >= 0 && OPT_SPECS[word.option].argument && !word.value) {
            i++;
        }
    }
    const char *first = line->arg_count > 0 ? line->args[0] : NULL;
    const char *second = line->arg_count > 1 ? line->args[1] : NULL;
    int words = 0;
    line->command = first ? command_find(first, second, &words) : NULL;
    line->arg_count = 0;
    TRY(parse_words(line, argc, argv, problem));
    if (line->values[OPT_HELP] && line->arg_count == 1 && command_is_group(line->args[0])) {
        line->group = line->args[0];
        return STATUS_OK;
    }
    bool is_informed = line->values[OPT_HELP] || line->values[OPT_VERSION];
    if (line->arg_count == 0 || (is_informed && !line->command)) {
        return STATUS_OK;
    }
    TRY(take_command(line, problem));
    TRY(check_options(line, problem));
    return line->values[OPT_HELP] ? STATUS_OK : check_arguments(line, problem);
}

void command_line_free(CommandLine *line)
{
    free(line->args);
    for (int id = 0; id < OPT_COUNT; id++) {
        free(line->joined[id]);
    }
    *line = (CommandLine){0};
}

static const CommandSpec *find_named(const char *first, const char *second)
{
    size_t length = strlen(first);
    for (int i = 0; i < COMMAND_COUNT; i++) {
        const char *name = COMMAND_SPECS[i].name;
        if (strncmp(name, first, length) == 0 &&
            (second ? name[length] == ' ' && str_equal(name + length + 1, second)
                    : name[length] == '\0')) {
            return &COMMAND_SPECS[i];
        }
    }
    return NULL;
}

const CommandSpec *command_find(const char *first, const char *second, int *words)
{
    const CommandSpec *command = second ? find_named(first, second) : NULL;
    if (command) {
        *words = 2;
        return command;
    }
    *words = 1;
    command = find_named(first, NULL);
    return command || second ? command : find_named(first, "list");
}

bool command_is_group(const char *first)
{
    return list_group(first, NULL, 0) > 0;
}

bool command_takes(const CommandSpec *command, OptionId id)
{
    return ((command->options | (OPTS_EVERYWHERE & ~command->refused)) & OPT_BIT(id)) != 0;
}

static Word word_read(const char *text)
{
    if (text[0] != '-' || text[1] == '\0' || str_equal(text, "--")) {
        return (Word){.option = -1};
    }
    if (text[1] != '-') {
        for (int id = 0; id < OPT_COUNT; id++) {
            if (OPT_SPECS[id].letter != 0 && OPT_SPECS[id].letter == text[1]) {
                return (Word){.option = id, .value = text[2] != '\0' ? text + 2 : NULL};
            }
        }
        return (Word){.option = -2, .name_length = strlen(text)};
    }
    size_t length = strcspn(text + 2, "=");
    const char *value = text[2 + length] == '=' ? text + 3 + length : NULL;
    for (int id = 0; id < OPT_COUNT; id++) {
        if (strlen(OPT_SPECS[id].name) == length &&
            strncmp(OPT_SPECS[id].name, text + 2, length) == 0) {
            return (Word){.option = id, .value = value};
        }
    }
    return (Word){.option = -2, .value = value, .name_length = length + 2};
}

// The word that `typed` begins, else the one nearest to it; NULL when there is none. Abbreviations are
// never accepted (a later option would break scripts), but it is clear what they mean.
static const char *guess_word(const char *typed, const char *const *words, size_t count)
{
    size_t length = strlen(typed);
    for (size_t i = 0; length >= 2 && i < count; i++) {
        if (strncmp(words[i], typed, length) == 0) {
            return words[i];
        }
    }
    return nearest_name(typed, words, count);
}

static const char *guess_option(const CommandSpec *command, const char *typed)
{
    const char *names[OPT_COUNT];
    size_t count = 0;
    for (int id = 0; id < OPT_COUNT; id++) {
        if (!command || command_takes(command, (OptionId)id)) {
            names[count++] = OPT_SPECS[id].name;
        }
    }
    return guess_word(typed, names, count);
}

static void say_unknown_option(const CommandSpec *command, const char *text, size_t length,
                               StrBuf *problem)
{
    char *typed = mem_strndup(text, length);
    strbuf_printf(problem, "unknown option '%s'", typed);
    const char *meant = length > 2 ? guess_option(command, typed + 2) : NULL;
    if (meant) {
        strbuf_printf(problem, "; did you mean '--%s'?", meant);
    }
    free(typed);
}

static void take_value(CommandLine *line, int option, const char *value)
{
    if (line->values[option]) {
        char *joined = mem_printf("%s,%s", line->values[option], value);
        free(line->joined[option]);
        line->joined[option] = joined;
        value = joined;
    }
    line->values[option] = value;
}

static Status parse_words(CommandLine *line, int argc, char **argv, StrBuf *problem)
{
    bool is_only_args = false;
    for (int i = 1; i < argc; i++) {
        Word word = is_only_args ? (Word){.option = -1} : word_read(argv[i]);
        if (!is_only_args && str_equal(argv[i], "--")) {
            is_only_args = true;
            continue;
        }
        if (word.option == -1) {
            line->args[line->arg_count++] = argv[i];
            continue;
        }
        if (word.option == -2) {
            say_unknown_option(line->command, argv[i], word.name_length, problem);
            return STATUS_REFUSED;
        }
        const OptionSpec *spec = &OPT_SPECS[word.option];
        bool is_list = (OPTS_LISTS & OPT_BIT(word.option)) != 0;
        // One that the command does not take is refused as such, however often it stands there.
        bool is_taken = !line->command || command_takes(line->command, (OptionId)word.option);
        if (line->values[word.option] && !is_list && is_taken) {
            strbuf_printf(problem, "option '--%s' is given twice", spec->name);
            return STATUS_REFUSED;
        }
        if (!spec->argument && word.value) {
            strbuf_printf(problem, "option '--%s' takes no value", spec->name);
            return STATUS_REFUSED;
        }
        if (spec->argument && !word.value) {
            if (i + 1 >= argc) {
                strbuf_printf(problem, "option '--%s' needs a value: --%s %s", spec->name,
                              spec->name, spec->argument);
                return STATUS_REFUSED;
            }
            word.value = argv[++i];
        }
        take_value(line, word.option, spec->argument ? word.value : "");
    }
    return STATUS_OK;
}

// The second words of commands that begin with `first`, at most `max`; returns how many there are.
static size_t list_group(const char *first, const char **names, size_t max)
{
    size_t length = strlen(first);
    size_t count = 0;
    for (int i = 0; i < COMMAND_COUNT; i++) {
        const char *name = COMMAND_SPECS[i].name;
        if (strncmp(name, first, length) == 0 && name[length] == ' ') {
            if (count < max) {
                names[count] = name + length + 1;
            }
            count++;
        }
    }
    return count;
}

static void say_no_second_word(const char *first, const char *second, const char *const *names,
                               size_t count, StrBuf *problem)
{
    const char *meant = second ? guess_word(second, names, count) : NULL;
    if (second && str_equal(first, "tokens") && str_equal(second, "revoke")) {
        strbuf_append(problem, "'tokens' are what suspended jobs wait for; those of the HTTP API "
                               "are revoked by 'api-tokens revoke'");
        return;
    }
    if (second) {
        strbuf_printf(problem, "unknown command '%s %s'", first, second);
    } else {
        strbuf_printf(problem, "'%s' needs a second word", first);
    }
    if (meant) {
        strbuf_printf(problem, "; did you mean '%s %s'?", first, meant);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        strbuf_printf(problem, "%s%s", i == 0 ? ": one of " : ", ", names[i]);
    }
}

static void say_unknown_command(const CommandLine *line, StrBuf *problem)
{
    enum { WORDS_MAX = 64 };
    const char *names[WORDS_MAX];
    char *firsts[WORDS_MAX];
    size_t count = list_group(line->args[0], names, WORDS_MAX);
    if (count > 0) {
        say_no_second_word(line->args[0], line->arg_count > 1 ? line->args[1] : NULL, names, count,
                           problem);
        return;
    }
    for (int i = 0; i < COMMAND_COUNT && i < WORDS_MAX; i++) {
        const char *name = COMMAND_SPECS[i].name;
        firsts[count] = mem_strndup(name, strcspn(name, " "));
        names[count] = firsts[count];
        count++;
    }
    const char *meant = guess_word(line->args[0], names, count);
    strbuf_printf(problem, "unknown command '%s'", line->args[0]);
    if (meant) {
        strbuf_printf(problem, "; did you mean '%s'?", meant);
    } else {
        strbuf_append(problem, "; `ganger help` lists them");
    }
    for (size_t i = 0; i < count; i++) {
        free(firsts[i]);
    }
}

static Status take_command(CommandLine *line, StrBuf *problem)
{
    int words = 0;
    const char *second = line->arg_count > 1 ? line->args[1] : NULL;
    line->command = command_find(line->args[0], second, &words);
    if (!line->command) {
        say_unknown_command(line, problem);
        return STATUS_REFUSED;
    }
    line->arg_count -= words;
    memmove(line->args, line->args + words, sizeof *line->args * (size_t)line->arg_count);
    return STATUS_OK;
}

static Status check_options(const CommandLine *line, StrBuf *problem)
{
    for (int id = 0; id < OPT_COUNT; id++) {
        if (line->values[id] && !command_takes(line->command, (OptionId)id)) {
            const char *name = OPT_SPECS[id].name;
            strbuf_printf(problem, "'%s' does not take the option '--%s'", line->command->name,
                          name);
            const char *meant = guess_option(line->command, name);
            if (id == OPT_SCOPE) {
                strbuf_append(problem,
                              "; the tokens of the HTTP API are made by 'api-tokens create'");
            } else if (meant) {
                strbuf_printf(problem, "; did you mean '--%s'?", meant);
            }
            return STATUS_REFUSED;
        }
    }
    return STATUS_OK;
}

static bool is_choice(const char *choices, const char *word)
{
    size_t length = strlen(word);
    while (*choices != '\0') {
        size_t size = strcspn(choices, " ");
        if (size == length && strncmp(choices, word, length) == 0) {
            return true;
        }
        choices += size + (choices[size] == ' ' ? 1 : 0);
    }
    return false;
}

// One choice; of a list also several, separated by commas.
static Status check_choice(int option, const char *value, StrBuf *problem)
{
    const OptionSpec *spec = &OPT_SPECS[option];
    bool is_list = (OPTS_LISTS & OPT_BIT(option)) != 0;
    while (value) {
        size_t length = is_list ? strcspn(value, ",") : strlen(value);
        char *word = mem_strndup(value, length);
        bool is_known = is_choice(spec->choices, word);
        if (!is_known) {
            strbuf_printf(problem, "--%s '%s' is none of: %s", spec->name, word, spec->choices);
        }
        free(word);
        if (!is_known) {
            return STATUS_REFUSED;
        }
        value = value[length] == ',' ? value + length + 1 : NULL;
    }
    return STATUS_OK;
}

static Status check_arguments(const CommandLine *line, StrBuf *problem)
{
    const CommandSpec *command = line->command;
    if (line->arg_count < command->min_args) {
        strbuf_printf(problem, "'%s' needs %s", command->name, command->arguments);
        return STATUS_REFUSED;
    }
    if (command->max_args >= 0 && line->arg_count > command->max_args) {
        strbuf_printf(problem, "'%s' has no use for '%s'", command->name,
                      line->args[command->max_args]);
        return STATUS_REFUSED;
    }
    for (int i = 0; command->choices && i < line->arg_count; i++) {
        if (!is_choice(command->choices, line->args[i])) {
            strbuf_printf(problem, "'%s' is none of: %s", line->args[i], command->choices);
            return STATUS_REFUSED;
        }
    }
    for (int id = 0; id < OPT_COUNT; id++) {
        if (line->values[id] && OPT_SPECS[id].choices) {
            TRY(check_choice(id, line->values[id], problem));
        }
    }
    return STATUS_OK;
}

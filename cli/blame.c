// SPDX-License-Identifier: MIT
// Blame: which option a value came from that PostgreSQL has refused. Pure.
#include "cli/blame.h"

#include <stdlib.h>
#include <string.h>

static const OptionId time_options[] = {OPT_RUN_AT, OPT_EXPIRES_AT, OPT_SINCE, OPT_UNTIL};
static const OptionId json_options[] = {OPT_PAYLOAD, OPT_METADATA,  OPT_SEARCH,
                                        OPT_SET,     OPT_ON_FINISH, OPT_DATA};

bool blame_is_value(const char *sqlstate)
{
    return strncmp(sqlstate, "22", 2) == 0;
}

static bool is_time_error(const char *sqlstate)
{
    return str_equal(sqlstate, "22007") || str_equal(sqlstate, "22008");
}

// The option among those that were given whose value the message quotes, else the only one given.
static OptionId find_given(const CommandLine *line, const OptionId *ids, size_t count,
                           const char *message)
{
    OptionId only = OPT_COUNT;
    int given = 0;
    for (size_t i = 0; i < count; i++) {
        const char *value = line->values[ids[i]];
        if (!value) {
            continue;
        }
        if (value[0] != '\0' && strstr(message, value)) {
            return ids[i];
        }
        only = ids[i];
        given++;
    }
    return given == 1 ? only : OPT_COUNT;
}

// The messages of the SQL API begin with the parameter's name: "max_attempts must be ...".
static OptionId find_parameter(const CommandLine *line, const char *message)
{
    static const char *const places[] = {"filter.", "options: "};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        size_t place = strlen(places[i]);
        message += strncmp(message, places[i], place) == 0 ? place : 0;
    }
    size_t length = strspn(message, "abcdefghijklmnopqrstuvwxyz_");
    char *name = mem_strndup(message, length);
    for (char *c = name; *c != '\0'; c++) {
        *c = *c == '_' ? '-' : *c;
    }
    OptionId found = OPT_COUNT;
    for (int id = 0; id < OPT_COUNT && found == OPT_COUNT; id++) {
        if (line->values[id] && str_equal(OPT_SPECS[id].name, name)) {
            found = (OptionId)id;
        }
    }
    free(name);
    return found;
}

OptionId blame_option(const CommandLine *line, const char *sqlstate, const char *message)
{
    if (!blame_is_value(sqlstate)) {
        return OPT_COUNT;
    }
    if (is_time_error(sqlstate)) {
        return find_given(line, time_options, sizeof time_options / sizeof time_options[0],
                          message);
    }
    OptionId named = find_parameter(line, message);
    if (named != OPT_COUNT) {
        return named;
    }
    return find_given(line, json_options, sizeof json_options / sizeof json_options[0], message);
}

// SPDX-License-Identifier: MIT
// Cron check: see the header.
#include "common/base/cron_check.h"

#include <stdlib.h>

#include "common/base/config_error.h"
#include "common/base/nearest.h"

enum { FIELDS_MAX = 6, DIGITS_MAX = 9 };

typedef struct Field {
    const char *name;
    int min;
    int max;
} Field;

static const Field fields[FIELDS_MAX] = {
    {"second", 0, 59}, {"minute", 0, 59}, {"hour", 0, 23},
    {"day", 1, 31},    {"month", 1, 12},  {"weekday", 0, 7},
};

static const char spaces[] = " \t";

static bool check_alias(const char *text, StrBuf *why)
{
    static const char *const aliases[] = {"@yearly", "@annually", "@monthly", "@weekly",
                                          "@daily",  "@midnight", "@hourly"};
    enum { ALIAS_COUNT = sizeof aliases / sizeof aliases[0] };
    static const char every[] = "@every ";
    if (strncasecmp(text, every, sizeof every - 1) == 0) {
        return true; // whether there is such a thing, PostgreSQL says
    }
    for (size_t i = 0; i < ALIAS_COUNT; i++) {
        if (strcasecmp(text, aliases[i]) == 0) {
            return true;
        }
    }
    strbuf_append(why, "there is no ");
    config_quote(why, text);
    const char *near = nearest_name(text, aliases, ALIAS_COUNT);
    if (near != NULL) {
        strbuf_printf(why, "; did you mean '%s'?", near);
    }
    return false;
}

static void refuse(const Field *field, const char *text, size_t length, StrBuf *why)
{
    char *copy = mem_strndup(text, length);
    strbuf_printf(why, "%s: ", field->name);
    config_quote(why, copy);
    free(copy);
}

// Numbers must be in range; what follows a '/' is a step.
static bool check_field(const Field *field, const char *text, size_t length, StrBuf *why)
{
    static const char known[] =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ*?,-/";
    if (strspn(text, known) < length) {
        refuse(field, text, length, why);
        strbuf_append(why, " has a character that does not belong there");
        return false;
    }
    for (size_t i = 0; i < length;) {
        size_t digits = strspn(text + i, "0123456789");
        if (digits == 0) {
            i++;
            continue;
        }
        bool is_value = i == 0 || text[i - 1] == ',' || text[i - 1] == '-';
        char number[DIGITS_MAX + 1] = "";
        long value = str_copy(number, sizeof number, text + i) || digits <= DIGITS_MAX
                         ? strtol(number, NULL, 10)
                         : field->max + 1L;
        if (is_value && (value < field->min || value > field->max)) {
            refuse(field, text, length, why);
            strbuf_printf(why, " is outside %d..%d", field->min, field->max);
            return false;
        }
        i += digits;
    }
    return true;
}

bool cron_check(const char *text, StrBuf *why)
{
    text += strspn(text, spaces);
    if (text[0] == '@') {
        return check_alias(text, why);
    }
    const char *starts[FIELDS_MAX];
    size_t lengths[FIELDS_MAX];
    size_t count = 0;
    for (const char *at = text; *at != '\0'; at += strspn(at, spaces)) {
        size_t length = strcspn(at, spaces);
        if (count < FIELDS_MAX) {
            starts[count] = at;
            lengths[count] = length;
        }
        count++;
        at += length;
    }
    if (count != FIELDS_MAX && count != FIELDS_MAX - 1) {
        strbuf_printf(why,
                      "expected five fields (minute hour day month weekday), or six with the "
                      "second in front, got %zu",
                      count);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!check_field(&fields[FIELDS_MAX - count + i], starts[i], lengths[i], why)) {
            return false;
        }
    }
    return true;
}

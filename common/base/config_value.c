// SPDX-License-Identifier: MIT
// Config value: parsing with the option's range, and the way back.
#include "common/base/config_value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "common/base/config_error.h"
#include "common/base/duration.h"
#include "common/base/nearest.h"

enum { NUMBER_TEXT_BYTES = 64, ITEM_MAX_BYTES = 255, HEADER_MAX_BYTES = 8192 };
_Static_assert(sizeof(LogFormat) == sizeof(int) && sizeof(LogLevel) == sizeof(int),
               "OPTION_WORD fields are written as int");

static void format_number(const ConfigOption *option, int64_t number, StrBuf *out);
static bool parse_number(const ConfigOption *option, const char *text, int64_t *number,
                         StrBuf *why);
static bool set_word(const ConfigOption *option, const char *text, void *field, StrBuf *why);
static bool set_bool(const char *text, void *field, StrBuf *why);

static void *field_of(const ConfigOption *option, void *owner)
{
    return (char *)owner + option->offset;
}

static const void *const_field_of(const ConfigOption *option, const void *owner)
{
    return (const char *)owner + option->offset;
}

bool config_value_is_list(const ConfigOption *option)
{
    return option->type == OPTION_LIST || option->type == OPTION_ARGV ||
           option->type == OPTION_HEADERS;
}

const StringList *config_value_list(const ConfigOption *option, const void *owner)
{
    return const_field_of(option, owner);
}

int64_t config_value_number(const ConfigOption *option, const void *owner)
{
    int64_t number = 0;
    memcpy(&number, const_field_of(option, owner), sizeof number);
    return number;
}

bool config_value_set(const ConfigOption *option, const char *text, void *owner, StrBuf *why)
{
    void *field = field_of(option, owner);
    if (option->type == OPTION_TEXT || option->type == OPTION_JSON) {
        if (!config_text_check(text, option->min, option->max, option->check, why)) {
            return false;
        }
        config_value_clear(option, owner);
        char *copy = mem_strdup(text);
        memcpy(field, &copy, sizeof copy);
        return true;
    }
    if (option->type == OPTION_WORD) {
        return set_word(option, text, field, why);
    }
    if (option->type == OPTION_BOOL) {
        return set_bool(text, field, why);
    }
    int64_t number = 0;
    if (!parse_number(option, text, &number, why)) {
        return false;
    }
    memcpy(field, &number, sizeof number);
    return true;
}

static void say_got(StrBuf *why, const char *text)
{
    strbuf_append(why, ", got ");
    config_quote(why, text);
}

static bool set_bool(const char *text, void *field, StrBuf *why)
{
    bool value = str_equal(text, "true");
    if (!value && !str_equal(text, "false")) {
        strbuf_append(why, "expected true or false");
        say_got(why, text);
        return false;
    }
    *(bool *)field = value;
    return true;
}

static void append_words(const ConfigOption *option, StrBuf *out)
{
    for (size_t i = 0; option->words[i] != NULL; i++) {
        bool is_last = option->words[i + 1] == NULL;
        strbuf_printf(out, "%s%s", i == 0 ? "" : is_last ? " or " : ", ", option->words[i]);
    }
}

static bool set_word(const ConfigOption *option, const char *text, void *field, StrBuf *why)
{
    size_t count = 0;
    for (; option->words[count] != NULL; count++) {
        if (str_equal(text, option->words[count])) {
            int value = (int)count;
            memcpy(field, &value, sizeof value);
            return true;
        }
    }
    strbuf_append(why, "expected ");
    append_words(option, why);
    say_got(why, text);
    const char *near = nearest_name(text, option->words, count);
    if (near != NULL) {
        strbuf_printf(why, "; did you mean '%s'?", near);
    }
    return false;
}

static bool is_digits(const char *text)
{
    return text[0] != '\0' && text[strspn(text, "0123456789")] == '\0';
}

// Base 10 and nothing else: no octal, no 1_000, no 0x.
static bool parse_integer(const char *text, int64_t *number)
{
    const char *digits = text[0] == '-' ? text + 1 : text;
    if (!is_digits(digits)) {
        return false;
    }
    errno = 0;
    long long value = strtoll(text, NULL, 10);
    *number = value; // saturated when out of range, which the option's range then refuses
    return true;
}

// How 0 is written, where it is not a number.
static void append_zero(const ConfigOption *option, const char *before, const char *after,
                        StrBuf *out)
{
    if (option->zero != ZERO_IS_NUMBER) {
        strbuf_printf(out, "%s%s%s", before, option->zero == ZERO_IS_NONE ? "none" : "auto", after);
    }
}

static bool refuse_number(const ConfigOption *option, const char *text, StrBuf *why)
{
    if (option->type != OPTION_INT && is_digits(text)) {
        const char *unit = option->type == OPTION_DURATION ? "s" : strlen(text) <= 4 ? "MiB" : "B";
        strbuf_printf(why, "a unit is missing in %.20s; write \"%.20s%s\"", text, text, unit);
        return false;
    }
    strbuf_append(why, option->type == OPTION_INT ? "expected a number"
                       : option->type == OPTION_DURATION
                           ? "expected a duration such as 30s or 1h30m"
                           : "expected a size such as 512MiB");
    append_zero(option, ", or ", "", why);
    say_got(why, text);
    return false;
}

static bool parse_number(const ConfigOption *option, const char *text, int64_t *number, StrBuf *why)
{
    if ((option->zero == ZERO_IS_NONE && str_equal(text, "none")) ||
        (option->zero == ZERO_IS_AUTO && str_equal(text, "auto"))) {
        *number = 0;
        return true;
    }
    const char *cause = NULL;
    bool is_read = option->type == OPTION_INT ? parse_integer(text, number)
                   : option->type == OPTION_DURATION
                       ? duration_parse(text, number, &cause) == STATUS_OK
                       : size_parse(text, number, &cause) == STATUS_OK;
    if (!is_read) {
        return refuse_number(option, text, why);
    }
    if (*number == 0 && option->zero == ZERO_IS_NONE) {
        return true;
    }
    if (*number < option->min || *number > option->max) {
        strbuf_printf(why, "%.40s is outside ", text);
        format_number(option, option->min, why);
        strbuf_append(why, "..");
        format_number(option, option->max, why);
        append_zero(option, " (or ", ")", why);
        return false;
    }
    return true;
}

static void format_number(const ConfigOption *option, int64_t number, StrBuf *out)
{
    char text[NUMBER_TEXT_BYTES];
    if (option->type == OPTION_DURATION) {
        duration_format(number, text, sizeof text);
        strbuf_append(out, text);
    } else if (option->type == OPTION_SIZE) {
        size_format(number, text, sizeof text);
        strbuf_append(out, text);
    } else {
        strbuf_printf(out, "%" PRId64, number);
    }
}

bool config_value_append(const ConfigOption *option, const char *text, void *owner, StrBuf *why)
{
    StringList *list = field_of(option, owner);
    if (option->type == OPTION_LIST || option->type == OPTION_HEADERS) {
        const int64_t most = option->type == OPTION_LIST ? ITEM_MAX_BYTES : HEADER_MAX_BYTES;
        if (!config_text_check(text, 1, most, option->check, why)) {
            return false;
        }
        for (size_t i = 0; i < list->count; i++) {
            if (str_equal(list->items[i], text)) {
                config_quote(why, text);
                strbuf_append(why, " is given twice");
                return false;
            }
        }
    } else if (list->count == 0 && text[0] == '\0') {
        strbuf_append(why, "the program is empty");
        return false;
    }
    // One more than needed: exec runs need a NULL at the end.
    list->items = mem_realloc(list->items, (list->count + 2) * sizeof list->items[0]);
    list->items[list->count++] = mem_strdup(text);
    list->items[list->count] = NULL;
    return true;
}

bool config_value_check_count(const ConfigOption *option, size_t count, StrBuf *why)
{
    if (count < (size_t)option->min) {
        strbuf_append(why, "the list is empty");
        return false;
    }
    if (count > (size_t)option->max) {
        strbuf_printf(why, "the list has %zu items; at most %" PRId64 " are allowed", count,
                      option->max);
        return false;
    }
    return true;
}

void config_value_clear(const ConfigOption *option, void *owner)
{
    void *field = field_of(option, owner);
    if (option->type == OPTION_TEXT || option->type == OPTION_JSON) {
        char *text = NULL;
        memcpy(&text, field, sizeof text);
        free(text);
        memset(field, 0, sizeof text);
    } else if (config_value_is_list(option)) {
        StringList list;
        memcpy(&list, field, sizeof list);
        for (size_t i = 0; i < list.count; i++) {
            free(list.items[i]);
        }
        free(list.items);
        memset(field, 0, sizeof list);
    }
}

void config_value_copy_text(const ConfigOption *option, const void *from, void *to)
{
    char *text = NULL;
    memcpy(&text, const_field_of(option, from), sizeof text);
    char *copy = text != NULL ? mem_strdup(text) : NULL;
    config_value_clear(option, to);
    memcpy(field_of(option, to), &copy, sizeof copy);
}

void config_value_set_default(const ConfigOption *option, void *owner)
{
    config_value_clear(option, owner);
    if (option->default_value == NULL) {
        return;
    }
    StrBuf why = {0};
    bool is_set = option->type == OPTION_LIST
                      ? config_value_append(option, option->default_value, owner, &why)
                      : config_value_set(option, option->default_value, owner, &why);
    if (!is_set) {
        panic("default of %s: %s", option->name, why.text);
    }
    strbuf_free(&why);
}

// An item of a [list]: plain where YAML allows it without doubt, else in quotes.
static void append_item(const char *text, StrBuf *out)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+%";
    if (text[0] != '\0' && text[strspn(text, plain)] == '\0') {
        strbuf_append(out, text);
    } else {
        strbuf_append_json(out, text);
    }
}

bool config_value_format(const ConfigOption *option, const void *owner, StrBuf *out)
{
    const void *field = const_field_of(option, owner);
    int64_t number = 0;
    int word = 0;
    bool flag = false;
    char *text = NULL;
    switch (option->type) {
    case OPTION_TEXT:
    case OPTION_JSON:
        memcpy(&text, field, sizeof text);
        strbuf_append(out, text != NULL ? text : "");
        return text != NULL;
    case OPTION_BOOL:
        memcpy(&flag, field, sizeof flag);
        strbuf_append(out, flag ? "true" : "false");
        return true;
    case OPTION_WORD:
        memcpy(&word, field, sizeof word);
        strbuf_append(out, option->words[word]);
        return true;
    case OPTION_INT:
    case OPTION_DURATION:
    case OPTION_SIZE:
        number = config_value_number(option, owner);
        if (number == 0 && option->zero != ZERO_IS_NUMBER) {
            append_zero(option, "", "", out);
        } else {
            format_number(option, number, out);
        }
        return true;
    case OPTION_LIST:
    case OPTION_ARGV:
    case OPTION_HEADERS:
        break;
    }
    const StringList *list = config_value_list(option, owner);
    strbuf_append_char(out, '[');
    for (size_t i = 0; i < list->count; i++) {
        strbuf_append(out, i == 0 ? "" : ", ");
        append_item(list->items[i], out);
    }
    strbuf_append_char(out, ']');
    return list->count > 0;
}

bool config_value_equal(const ConfigOption *option, const void *owner, const void *other)
{
    StrBuf a = {0};
    StrBuf b = {0};
    bool a_is_set = config_value_format(option, owner, &a);
    bool b_is_set = config_value_format(option, other, &b);
    bool is_equal = a_is_set == b_is_set && (!a_is_set || str_equal(a.text, b.text));
    strbuf_free(&a);
    strbuf_free(&b);
    return is_equal;
}

void config_owner_init(SectionOwner owner, void *object, ConfigPlace **places)
{
    size_t count = 0;
    const ConfigOption *options = config_owner_options(owner, &count);
    for (size_t i = 0; i < count; i++) {
        config_value_set_default(&options[i], object);
    }
    *places = mem_alloc(count * sizeof **places);
}

void config_owner_release(SectionOwner owner, void *object, ConfigPlace **places)
{
    size_t count = 0;
    const ConfigOption *options = config_owner_options(owner, &count);
    for (size_t i = 0; i < count; i++) {
        config_value_clear(&options[i], object);
    }
    free(*places);
    *places = NULL;
}

void config_value_describe(const ConfigOption *option, StrBuf *out)
{
    static const char *const names[] = {
        [OPTION_TEXT] = "text",      [OPTION_BOOL] = "true or false",
        [OPTION_INT] = "number ",    [OPTION_DURATION] = "duration ",
        [OPTION_SIZE] = "size ",     [OPTION_WORD] = "",
        [OPTION_LIST] = "list",      [OPTION_ARGV] = "program and arguments",
        [OPTION_JSON] = "any value", [OPTION_HEADERS] = "names and values",
    };
    strbuf_append(out, names[option->type]);
    if (option->type == OPTION_WORD) {
        append_words(option, out);
    } else if (option->type == OPTION_INT || option->type == OPTION_DURATION ||
               option->type == OPTION_SIZE) {
        format_number(option, option->min, out);
        strbuf_append(out, "..");
        format_number(option, option->max, out);
        append_zero(option, " or ", "", out);
    }
}

// SPDX-License-Identifier: MIT
// Log line: see the header.
//
// The format is interpreted here, not by vsnprintf, so that the borders between fields come from the
// format alone: a job type named `x" level="info` stays one value.
#include "common/base/log_line.h"

#include <stdio.h>
#include <string.h>

#include "common/base/log_field.h"

enum { VALUE_BYTES = 2048, NUMBER_BYTES = 400, KEY_BYTES_MAX = 64 };

typedef struct Value {
    char bytes[VALUE_BYTES];
    size_t length;
    bool is_cut;
    bool is_number; // exactly one number and nothing else
} Value;

typedef struct Spec { // one printf conversion
    int width;
    int precision; // -1 none
    bool zero;
    int longs; // number of l; j, z and t count as 2
    char conversion;
} Spec;

static void value_add(Value *value, const char *bytes, size_t length)
{
    size_t room = sizeof value->bytes - value->length;
    if (length > room) {
        length = room;
        value->is_cut = true;
    }
    memcpy(value->bytes + value->length, bytes, length);
    value->length += length;
}

static int read_count(const char **at, va_list *args)
{
    if (**at == '*') {
        (*at)++;
        // The analyser does not see that every caller passes a started list.
        return va_arg(*args, int); // NOLINT(clang-analyzer-valist.Uninitialized)
    }
    int count = 0;
    while (**at >= '0' && **at <= '9') {
        // Beyond this nothing would be kept anyway.
        if (count < VALUE_BYTES) {
            count = count * 10 + (**at - '0');
        }
        (*at)++;
    }
    return count;
}

// Reads the conversion behind a '%'.
static Spec read_spec(const char **at, va_list *args)
{
    Spec spec = {.precision = -1};
    while (**at != '\0' && strchr("-+ #0", **at) != NULL) {
        spec.zero = spec.zero || **at == '0';
        (*at)++;
    }
    spec.width = read_count(at, args);
    if (**at == '.') {
        (*at)++;
        spec.precision = read_count(at, args);
    }
    while (**at != '\0' && strchr("hlLqjzt", **at) != NULL) {
        spec.longs += **at == 'l' ? 1 : 0;
        spec.longs += strchr("jztq", **at) != NULL ? 2 : 0;
        (*at)++;
    }
    spec.conversion = **at;
    if (**at != '\0') {
        (*at)++;
    }
    return spec;
}

// Every long type has 64 bits here (LP64).
_Static_assert(sizeof(long) == sizeof(long long) && sizeof(size_t) == sizeof(long long),
               "lengths of arguments are taken by this");

static void add_formatted(Value *value, const char *text, int length, size_t size)
{
    size_t used = length < 0 ? 0 : (size_t)length;
    if (used >= size) {
        used = size - 1;
    }
    value->is_number = value->length == 0;
    value_add(value, text, used);
}

static void add_signed(Value *value, const Spec *spec, va_list *args)
{
    char text[NUMBER_BYTES];
    long long number = spec->longs > 0 ? va_arg(*args, long long) : va_arg(*args, int);
    int width = spec->zero ? spec->width : 0;
    int length = snprintf(text, sizeof text, "%0*lld", width, number);
    add_formatted(value, text, length, sizeof text);
}

static void add_unsigned(Value *value, const Spec *spec, va_list *args)
{
    char text[NUMBER_BYTES];
    unsigned long long number =
        spec->longs > 0 ? va_arg(*args, unsigned long long) : va_arg(*args, unsigned);
    int width = spec->zero ? spec->width : 0;
    int length = 0;
    if (spec->conversion == 'u') {
        length = snprintf(text, sizeof text, "%0*llu", width, number);
    } else if (spec->conversion == 'o') {
        length = snprintf(text, sizeof text, "%0*llo", width, number);
    } else {
        length = snprintf(text, sizeof text, "%0*llx", width, number);
    }
    add_formatted(value, text, length, sizeof text);
    // Leading zeros and hexadecimal digits are no JSON number.
    value->is_number = value->is_number && spec->conversion == 'u' && width == 0;
}

static void add_double(Value *value, const Spec *spec, va_list *args)
{
    char text[NUMBER_BYTES];
    double number = va_arg(*args, double);
    int precision = spec->precision >= 0 ? spec->precision : 6;
    int length = spec->conversion == 'f' ? snprintf(text, sizeof text, "%.*f", precision, number)
                                         : snprintf(text, sizeof text, "%.*g", precision, number);
    add_formatted(value, text, length, sizeof text);
    value->is_number = value->is_number && number - number == 0; // neither infinite nor NaN
}

static void add_string(Value *value, const Spec *spec, va_list *args)
{
    const char *text = va_arg(*args, const char *);
    if (text == NULL) {
        text = "(null)";
    }
    size_t limit = spec->precision >= 0 ? (size_t)spec->precision : VALUE_BYTES + 1;
    value_add(value, text, strnlen(text, limit));
    value->is_number = false;
}

// False for a conversion we do not know: its argument cannot be skipped, so the line ends there.
static bool add_conversion(Value *value, const char **at, va_list *args)
{
    Spec spec = read_spec(at, args);
    char text[NUMBER_BYTES];
    switch (spec.conversion) {
    case 'd':
    case 'i':
        add_signed(value, &spec, args);
        value->is_number = value->is_number && !(spec.zero && spec.width > 0);
        return true;
    case 'u':
    case 'x':
    case 'X':
    case 'o':
        add_unsigned(value, &spec, args);
        return true;
    case 'f':
    case 'g':
    case 'e':
        add_double(value, &spec, args);
        return true;
    case 's':
        add_string(value, &spec, args);
        return true;
    case 'c':
        text[0] = (char)va_arg(*args, int);
        value_add(value, text, 1);
        value->is_number = false;
        return true;
    case 'p':
        add_formatted(value, text, snprintf(text, sizeof text, "%p", va_arg(*args, void *)),
                      sizeof text);
        value->is_number = false;
        return true;
    case '%':
        value_add(value, "%", 1);
        value->is_number = false;
        return true;
    default:
        return false;
    }
}

// Length of the key when `at` begins with key=, else 0.
static size_t key_at(const char *at)
{
    size_t length = 0;
    while (length < KEY_BYTES_MAX &&
           ((at[length] >= 'a' && at[length] <= 'z') || (at[length] >= 'A' && at[length] <= 'Z') ||
            (at[length] >= '0' && at[length] <= '9') || at[length] == '_' || at[length] == '.')) {
        length++;
    }
    return at[length] == '=' ? length : 0;
}

typedef enum ValueEnd { END_AT_SPACE, END_AT_QUOTE, END_AT_KEY } ValueEnd;

static bool value_ends(const char *at, ValueEnd end)
{
    switch (end) {
    case END_AT_SPACE:
        return *at == ' ';
    case END_AT_QUOTE:
        return *at == '"';
    case END_AT_KEY:
        return *at == ' ' && key_at(at + strspn(at, " ")) > 0;
    }
    return true;
}

// Collects one value; false when the rest of the format cannot be read.
static bool read_value(Value *value, const char **at, ValueEnd end, va_list *args)
{
    while (**at != '\0' && !value_ends(*at, end)) {
        if (**at == '%') {
            (*at)++;
            if (!add_conversion(value, at, args)) {
                return false;
            }
        } else {
            value_add(value, *at, 1);
            value->is_number = false;
            (*at)++;
        }
    }
    if (end == END_AT_QUOTE && **at == '"') {
        (*at)++;
    }
    return true;
}

static void put_fields(LogLine *line, const char *format, va_list *args)
{
    const char *at = format;
    bool readable = true;
    while (readable) {
        at += strspn(at, " ");
        if (*at == '\0') {
            return;
        }
        Value value;
        value.length = 0;
        value.is_cut = false;
        value.is_number = false;
        const char *key = "msg";
        size_t key_length = key_at(at);
        ValueEnd end = END_AT_KEY;
        if (key_length > 0) {
            key = at;
            at += key_length + 1;
            end = *at == '"' ? END_AT_QUOTE : END_AT_SPACE;
            at += end == END_AT_QUOTE ? 1 : 0;
        } else {
            key_length = strlen(key);
        }
        bool quoted = end == END_AT_QUOTE;
        readable = read_value(&value, &at, end, args);
        if (value.length > 0 || end != END_AT_KEY) {
            log_line_put_field(line, key, key_length, value.bytes, value.length,
                               value.is_number && !quoted, value.is_cut);
        }
    }
}

static void put_text_field(LogLine *line, const char *key, const char *text)
{
    log_line_put_field(line, key, strlen(key), text, strlen(text), false, false);
}

static void put_number_field(LogLine *line, const char *key, int64_t number)
{
    char text[24];
    int length = snprintf(text, sizeof text, "%lld", (long long)number);
    log_line_put_field(line, key, strlen(key), text, (size_t)length, true, false);
}

// UTC as RFC 3339. Not by gmtime: the C library takes a lock and may allocate there.
static void time_text(char *out, size_t size, int64_t wall_us)
{
    int64_t seconds = wall_us / 1000000;
    int64_t days = seconds / 86400;
    int rest = (int)(seconds % 86400);
    // Days to civil date, counting years from March so that the leap day comes last.
    int64_t shifted = days + 719468;
    int64_t era = shifted / 146097;
    int64_t day_of_era = shifted % 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    int day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1);
    int month = (int)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
    int year = (int)(year_of_era + era * 400 + (month <= 2 ? 1 : 0));
    (void)snprintf(out, size, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", year, month, day, rest / 3600,
                   rest / 60 % 60, rest % 60, (int)(wall_us % 1000000));
}

static const char *const level_names[] = {
    [LOG_LEVEL_DEBUG] = "debug", [LOG_LEVEL_INFO] = "info",   [LOG_LEVEL_WARN] = "warn",
    [LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_FATAL] = "fatal",
};
// What syslog(3) calls them.
static const char *const journal_prefixes[] = {
    [LOG_LEVEL_DEBUG] = "<7>", [LOG_LEVEL_INFO] = "<6>",  [LOG_LEVEL_WARN] = "<4>",
    [LOG_LEVEL_ERROR] = "<3>", [LOG_LEVEL_FATAL] = "<2>",
};

static void put_text_head(LogLine *line, const LogContext *context, const char *when)
{
    char head[256];
    int length = snprintf(head, sizeof head, "%s %-5s %s[%d] %s", when, level_names[context->level],
                          context->role, context->process, context->event);
    log_line_put(line, head, (size_t)length < sizeof head ? (size_t)length : sizeof head - 1);
}

static void put_head(LogLine *line, const LogContext *context)
{
    char when[64] = "";
    time_text(when, sizeof when, context->wall_us);
    if (context->journal) {
        log_line_put(line, journal_prefixes[context->level], 3);
    }
    if (context->style == LOG_FORMAT_TEXT) {
        put_text_head(line, context, when);
        return;
    }
    if (context->style == LOG_FORMAT_JSON) {
        log_line_put(line, "{", 1);
    }
    if (!context->journal) {
        put_text_field(line, "ts", when);
    }
    put_text_field(line, "level", level_names[context->level]);
    put_text_field(line, "role", context->role);
    put_number_field(line, "process", context->process);
    put_text_field(line, "event", context->event);
}

size_t log_line_build(char *out, const LogContext *context, const char *format, va_list args)
{
    LogLine line = {.size = LOG_LINE_BYTES, .style = context->style};
    line.out = out;
    put_head(&line, context);
    // A caller that names these itself is more exact than the context.
    if (context->slot >= 0 && strstr(format, "slot=") == NULL) {
        put_number_field(&line, "slot", context->slot);
    }
    if (context->job_id != 0 && strstr(format, "job_id=") == NULL) {
        put_number_field(&line, "job_id", context->job_id);
    }
    va_list copy; // the address of a parameter of this type is not a va_list *
    va_copy(copy, args);
    put_fields(&line, format, &copy);
    va_end(copy);
    log_line_end(&line);
    return line.length;
}

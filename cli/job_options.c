// SPDX-License-Identifier: MIT
// Job options: how a job is to run, as JSON with the names of ganger.enqueue's parameters.
#include "cli/job_options.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/duration.h"

typedef enum Kind { KIND_TEXT, KIND_NUMBER, KIND_DURATION, KIND_WORDS, KIND_IDS, KIND_JSON } Kind;

static const struct {
    OptionId id;
    Kind kind;
} kinds[] = {
    {OPT_QUEUE, KIND_TEXT},
    {OPT_PRIORITY, KIND_NUMBER},
    {OPT_RUN_AT, KIND_TEXT},
    {OPT_MAX_ATTEMPTS, KIND_NUMBER},
    {OPT_TIMEOUT, KIND_DURATION},
    {OPT_KILL_GRACE, KIND_DURATION},
    {OPT_RETRY_DELAY, KIND_DURATION},
    {OPT_RETRY_DELAY_MAX, KIND_DURATION},
    {OPT_EXPIRES_AT, KIND_TEXT},
    {OPT_TAGS, KIND_WORDS},
    {OPT_IDEMPOTENCY_KEY, KIND_TEXT},
    {OPT_UNIQUE_KEY, KIND_TEXT},
    {OPT_UNIQUE_FOR, KIND_DURATION},
    {OPT_ON_CONFLICT, KIND_TEXT},
    {OPT_GROUP_KEY, KIND_TEXT},
    {OPT_DEPENDS_ON, KIND_IDS},
    {OPT_DEPENDS_ON_TAGS, KIND_WORDS},
    {OPT_DEAD_LETTER_JOB_TYPE, KIND_TEXT},
    {OPT_OWNER, KIND_TEXT},
    {OPT_METADATA, KIND_JSON},
    {OPT_CONCURRENCY, KIND_NUMBER},
    {OPT_GROUP_CONCURRENCY, KIND_NUMBER},
    {OPT_RATE, KIND_NUMBER},
    {OPT_RATE_PERIOD, KIND_DURATION},
    {OPT_RETENTION, KIND_DURATION},
    {OPT_MAX_CRASHES, KIND_NUMBER},
};

// max_attempts for --max-attempts.
static void append_key(StrBuf *out, const char *option)
{
    strbuf_append(out, out->length > 1 ? ", \"" : "\"");
    for (const char *c = option; *c != '\0'; c++) {
        strbuf_append_char(out, *c == '-' ? '_' : *c);
    }
    strbuf_append(out, "\": ");
}

static bool append_number(const Cli *cli, const char *what, const char *text, int64_t least,
                          int64_t most, StrBuf *out, int *exit_code)
{
    int64_t value = 0;
    if (!cli_read_number(cli, what, text, least, most, &value, exit_code)) {
        return false;
    }
    strbuf_printf(out, "%" PRId64, value);
    return true;
}

static bool append_list(const Cli *cli, OptionId id, bool are_ids, StrBuf *out, int *exit_code)
{
    const char *rest = cli_option(cli, id);
    char *what = mem_printf("--%s", OPT_SPECS[id].name);
    const char *separator = "[";
    bool is_good = true;
    while (rest && is_good) {
        size_t length = strcspn(rest, ",");
        char *word = mem_strndup(rest, length);
        strbuf_append(out, separator);
        if (are_ids) {
            is_good = append_number(cli, what, word, 1, INT64_MAX, out, exit_code);
        } else {
            strbuf_append_json(out, word);
        }
        free(word);
        separator = ", ";
        rest = rest[length] == ',' ? rest + length + 1 : NULL;
    }
    strbuf_append(out, "]");
    free(what);
    return is_good;
}

// In the largest unit that fits: it is read back, and 30 days look better than 2592000000 ms.
static void append_interval(StrBuf *out, int64_t ms)
{
    static const struct {
        int64_t ms;
        const char *name;
    } units[] = {{86400000, "days"}, {3600000, "h"}, {60000, "min"}, {1000, "s"}, {1, "ms"}};
    size_t i = 0;
    while (ms % units[i].ms != 0) {
        i++;
    }
    strbuf_printf(out, "\"%" PRId64 " %s\"", ms / units[i].ms, units[i].name);
}

static bool append_value(const Cli *cli, OptionId id, Kind kind, StrBuf *out, int *exit_code)
{
    int64_t ms = 0;
    bool is_good = true;
    const char *text = cli_option(cli, id);
    char *what = mem_printf("--%s", OPT_SPECS[id].name);
    switch (kind) {
    case KIND_TEXT:
        strbuf_append_json(out, text);
        break;
    case KIND_NUMBER:
        is_good = append_number(cli, what, text, INT32_MIN, INT32_MAX, out, exit_code);
        break;
    case KIND_DURATION:
        is_good = cli_read_duration(cli, id, &ms, exit_code);
        append_interval(out, ms);
        break;
    case KIND_WORDS:
    case KIND_IDS:
        is_good = append_list(cli, id, kind == KIND_IDS, out, exit_code);
        break;
    case KIND_JSON:
        is_good = cli_check_json(cli, id, text, exit_code);
        strbuf_append(out, text);
        break;
    }
    free(what);
    return is_good;
}

static char *make_object(const Cli *cli, OptionSet options, bool may_be_none, int *exit_code)
{
    StrBuf out = {0};
    bool is_good = true;
    strbuf_append(&out, "{");
    for (size_t i = 0; is_good && i < sizeof kinds / sizeof kinds[0]; i++) {
        OptionId id = kinds[i].id;
        const char *text = cli_option(cli, id);
        if (!text || (options & OPT_BIT(id)) == 0) {
            continue;
        }
        append_key(&out, OPT_SPECS[id].name);
        if (may_be_none && str_equal(text, "none")) {
            strbuf_append(&out, "null");
        } else {
            is_good = append_value(cli, id, kinds[i].kind, &out, exit_code);
        }
    }
    if (is_good && (options & OPT_BIT(OPT_NO_RETRY_BACKOFF)) != 0 &&
        cli_option(cli, OPT_NO_RETRY_BACKOFF)) {
        append_key(&out, "retry-backoff");
        strbuf_append(&out, "false");
    }
    strbuf_append(&out, "}");
    char *text = strbuf_take(&out);
    if (!is_good) {
        free(text);
        return NULL;
    }
    return text;
}

char *job_options_json(const Cli *cli, OptionSet options, int64_t *expires_in_ms, int *exit_code)
{
    const char *why = NULL;
    const char *expiry = cli_option(cli, OPT_EXPIRES_AT);
    int64_t ms = 0;
    *expires_in_ms = -1;
    if (expiry && duration_parse(expiry, &ms, &why) == STATUS_OK) {
        *expires_in_ms = ms;
        options &= ~OPT_BIT(OPT_EXPIRES_AT);
    }
    return make_object(cli, options, false, exit_code);
}

char *limit_options_json(const Cli *cli, OptionSet options, int *exit_code)
{
    return make_object(cli, options, true, exit_code);
}

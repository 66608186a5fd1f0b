// SPDX-License-Identifier: MIT
// HTTP answer: see the header.
#include "worker/http_answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/memory.h"
#include "common/base/utf8.h"

enum {
    STATUS_ACCEPTED = 202,
    STATUS_GONE = 410,
    SECONDS_MAX_DIGITS = 9, // 30 years
    SHOWN_BYTES = 300       // of a body, in a message
};

JobOutcome http_answer_outcome(const HttpAnswer *answer, bool has_token)
{
    if (answer->status == STATUS_ACCEPTED && has_token) {
        return OUTCOME_WAIT;
    }
    if (answer->status >= 200 && answer->status < 300) {
        return OUTCOME_COMPLETED;
    }
    return answer->status == STATUS_GONE ? OUTCOME_DISCARD : OUTCOME_ERROR;
}

static bool read_seconds(const char *text, int64_t *ms)
{
    const size_t digits = strspn(text, "0123456789");
    if (digits == 0 || text[digits] != '\0') {
        return false;
    }
    *ms = digits > SECONDS_MAX_DIGITS ? INT64_MAX : strtoll(text, NULL, 10) * 1000;
    return true;
}

// "Sun, 06 Nov 1994 08:49:37 GMT", the one form that servers have to send (RFC 9110, 5.6.7). No strptime: it follows the locale.
static bool read_date(const char *text, int64_t *unix_ms)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char month[4] = "";
    struct tm tm = {0};
    int end = 0;
    const int read = // NOLINTNEXTLINE(cert-err34-c): two or four digits each
        sscanf(text, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT%n", &tm.tm_mday, month,
               &tm.tm_year, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &end);
    const char *found = read == 6 ? strstr(months, month) : NULL;
    if (end == 0 || text[end] != '\0' || found == NULL || (found - months) % 3 != 0) {
        return false;
    }
    tm.tm_mon = (int)((found - months) / 3);
    tm.tm_year -= 1900;
    *unix_ms = (int64_t)timegm(&tm) * 1000;
    return true;
}

int64_t http_answer_delay_ms(const HttpAnswer *answer, int64_t now_unix_ms, int64_t max_ms)
{
    int64_t ms = 0;
    if (!read_seconds(answer->retry_after, &ms)) {
        if (!read_date(answer->retry_after, &ms)) {
            return -1;
        }
        ms -= now_unix_ms;
    }
    ms = ms > max_ms ? max_ms : ms;
    // "At once" would take the job's own delay away, and all its attempts within a moment.
    return ms <= 0 ? -1 : ms;
}

// The first line that is not blank.
static void append_line(const HttpAnswer *answer, StrBuf *out)
{
    size_t begin = 0;
    while (begin < answer->body_length && strchr(" \t\r\n", answer->body[begin]) != NULL) {
        begin++;
    }
    size_t end = begin;
    while (end < answer->body_length && end - begin < SHOWN_BYTES &&
           strchr("\r\n", answer->body[end]) == NULL) {
        end++;
    }
    if (end > begin) {
        char *line = mem_strndup(answer->body + begin, end - begin);
        utf8_clean(line, end - begin);
        strbuf_printf(out, ": %s", line);
        free(line);
    }
}

char *http_answer_message(const HttpAnswer *answer, const char *host)
{
    StrBuf out = {0};
    const int status = answer->status;
    const bool is_redirect = (status >= 301 && status <= 303) || status == 307 || status == 308;
    strbuf_printf(&out, "HTTP %d from %s%s", status, host,
                  is_redirect ? ": a redirect, which is not followed" : "");
    if (!is_redirect) {
        append_line(answer, &out);
    }
    return strbuf_take(&out);
}

// SPDX-License-Identifier: MIT
// Progress: one line on a terminal that is redrawn while long work goes on; silent elsewhere.
#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/text.h"
#include "common/base/clock.h"

enum { PROGRESS_REDRAW_MS = 100, PROGRESS_BAR_MAX = 30, PROGRESS_BAR_LEAST = 5 };

static void append_bar(StrBuf *out, size_t cells, int64_t percent)
{
    size_t filled = cells * (size_t)percent / 100;
    strbuf_append_char(out, '[');
    for (size_t i = 0; i < cells; i++) {
        strbuf_append_char(out, i < filled ? '#' : '.');
    }
    strbuf_append_char(out, ']');
}

void progress_line(StrBuf *out, size_t width, const char *unit, int64_t count, int64_t done_bytes,
                   int64_t total_bytes, int64_t elapsed_ms)
{
    char count_text[TEXT_SHORT_BYTES];
    char rate_text[TEXT_SHORT_BYTES];
    char left_text[TEXT_SHORT_BYTES];
    StrBuf words = {0};
    text_count(count, count_text, sizeof count_text);
    text_count(elapsed_ms > 0 ? count * 1000 / elapsed_ms : 0, rate_text, sizeof rate_text);
    strbuf_printf(&words, "%s %s, %s/s", count_text, unit, rate_text);
    bool has_total = total_bytes > 0;
    int64_t done = done_bytes > total_bytes ? total_bytes : done_bytes;
    if (has_total && done > 0 && elapsed_ms > 0 && done < total_bytes) {
        double left = (double)elapsed_ms * (double)(total_bytes - done) / (double)done;
        text_duration((int64_t)left, left_text, sizeof left_text);
        strbuf_printf(&words, ", %s left", left_text);
    }
    StrBuf line = {0};
    size_t around = words.length + 2 + 6; // brackets, " 100% "
    if (has_total && width > around + PROGRESS_BAR_LEAST) {
        int64_t percent = (int64_t)((double)done * 100 / (double)total_bytes);
        size_t cells = width - around;
        append_bar(&line, cells > PROGRESS_BAR_MAX ? PROGRESS_BAR_MAX : cells, percent);
        strbuf_printf(&line, " %3" PRId64 "%% ", percent);
    }
    strbuf_append(&line, words.text);
    text_append_cut(out, line.text, width);
    strbuf_free(&line);
    strbuf_free(&words);
}

void progress_begin(Progress *progress, bool is_shown, size_t width, const char *unit)
{
    *progress = (Progress){
        .is_shown = is_shown, .width = width, .unit = unit, .started_at = clock_boot_ms()};
}

void progress_update(Progress *progress, int64_t count, int64_t done_bytes, int64_t total_bytes)
{
    int64_t now = clock_boot_ms();
    if (!progress->is_shown || now - progress->drawn_at < PROGRESS_REDRAW_MS) {
        return;
    }
    progress->drawn_at = now;
    StrBuf line = {0};
    progress_line(&line, progress->width, progress->unit, count, done_bytes, total_bytes,
                  now - progress->started_at);
    (void)fprintf(stderr, "\r\033[K%s", line.text);
    (void)fflush(stderr);
    strbuf_free(&line);
}

void progress_end(Progress *progress)
{
    if (progress->is_shown && progress->drawn_at > 0) {
        (void)fputs("\r\033[K", stderr);
        (void)fflush(stderr);
    }
    progress->drawn_at = 0;
}

// SPDX-License-Identifier: MIT
// Memory: see the header.
#include "common/base/memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/exit_code.h"
#include "common/base/log.h"

enum { STRBUF_FIRST_CAPACITY = 64 };

// _exit, not exit: handlers of atexit would want memory too.
static _Noreturn void memory_exhausted(size_t bytes)
{
    log_fatal("memory.exhausted", "bytes=%zu", bytes);
    _exit(EXIT_CODE_INTERNAL);
}

// What is set aside is not touched: it counts against limits of address space, and costs nothing else.
static struct {
    void *block;
    bool is_used;
} reserve;

bool mem_reserve(size_t bytes)
{
    if (reserve.block == NULL) {
        reserve.block = malloc(bytes);
    }
    reserve.is_used = reserve.block == NULL;
    return reserve.block != NULL;
}

bool mem_is_short(void)
{
    return reserve.is_used;
}

// True: it is worth trying again.
static bool use_reserve(size_t bytes)
{
    if (reserve.block == NULL) {
        return false;
    }
    free(reserve.block);
    reserve.block = NULL;
    reserve.is_used = true;
    log_error("memory.short", "bytes=%zu", bytes);
    return true;
}

void *mem_alloc(size_t bytes)
{
    void *got = calloc(1, bytes > 0 ? bytes : 1);
    if (got == NULL && use_reserve(bytes)) {
        got = calloc(1, bytes > 0 ? bytes : 1);
    }
    if (got == NULL) {
        memory_exhausted(bytes);
    }
    return got;
}

void *mem_realloc(void *old, size_t bytes)
{
    void *got = realloc(old, bytes > 0 ? bytes : 1);
    if (got == NULL && use_reserve(bytes)) {
        got = realloc(old, bytes > 0 ? bytes : 1);
    }
    if (got == NULL) {
        memory_exhausted(bytes);
    }
    return got;
}

char *mem_strdup(const char *text)
{
    return mem_strndup(text, strlen(text));
}

char *mem_strndup(const char *text, size_t length)
{
    size_t used = strnlen(text, length);
    char *copy = mem_alloc(used + 1);
    memcpy(copy, text, used);
    return copy;
}

static void strbuf_vprintf(StrBuf *buf, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

char *mem_printf(const char *format, ...)
{
    StrBuf buf = {0};
    va_list args;
    va_start(args, format);
    strbuf_vprintf(&buf, format, args);
    va_end(args);
    return strbuf_take(&buf);
}

bool str_copy(char *to, size_t size, const char *from)
{
    if (size == 0) {
        return false;
    }
    size_t length = strnlen(from, size);
    bool fits = length < size;
    if (!fits) {
        length = size - 1;
    }
    memcpy(to, from, length);
    to[length] = '\0';
    return fits;
}

// Makes room for `more` bytes and the NUL.
static void strbuf_reserve(StrBuf *buf, size_t more)
{
    if (more >= SIZE_MAX / 2 - buf->length) {
        memory_exhausted(more);
    }
    size_t needed = buf->length + more + 1;
    if (buf->text != NULL && needed <= buf->capacity) {
        return;
    }
    size_t capacity = buf->capacity > 0 ? buf->capacity : STRBUF_FIRST_CAPACITY;
    while (capacity < needed) {
        capacity *= 2;
    }
    buf->text = mem_realloc(buf->text, capacity);
    buf->capacity = capacity;
}

void strbuf_append_bytes(StrBuf *buf, const char *bytes, size_t length)
{
    strbuf_reserve(buf, length);
    if (length > 0) {
        memcpy(buf->text + buf->length, bytes, length);
    }
    buf->length += length;
    buf->text[buf->length] = '\0';
}

void strbuf_append(StrBuf *buf, const char *text)
{
    strbuf_append_bytes(buf, text, strlen(text));
}

void strbuf_append_char(StrBuf *buf, char c)
{
    strbuf_append_bytes(buf, &c, 1);
}

static void strbuf_vprintf(StrBuf *buf, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length < 0) {
        panic("printf format refused: %s", format);
    }
    strbuf_reserve(buf, (size_t)length);
    (void)vsnprintf(buf->text + buf->length, (size_t)length + 1, format, args);
    buf->length += (size_t)length;
}

void strbuf_printf(StrBuf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    strbuf_vprintf(buf, format, args);
    va_end(args);
}

static char json_short_escape(char c)
{
    switch (c) {
    case '"':
    case '\\':
        return c;
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    default:
        return '\0';
    }
}

void strbuf_append_json(StrBuf *buf, const char *text)
{
    strbuf_append_char(buf, '"');
    for (const char *at = text; *at != '\0'; at++) {
        char escape = json_short_escape(*at);
        if (escape != '\0') {
            strbuf_append_char(buf, '\\');
            strbuf_append_char(buf, escape);
        } else if ((unsigned char)*at < 0x20) {
            strbuf_printf(buf, "\\u%04x", (unsigned)(unsigned char)*at);
        } else {
            strbuf_append_char(buf, *at);
        }
    }
    strbuf_append_char(buf, '"');
}

void strbuf_clear(StrBuf *buf)
{
    buf->length = 0;
    if (buf->text != NULL) {
        buf->text[0] = '\0';
    }
}

void strbuf_free(StrBuf *buf)
{
    free(buf->text);
    *buf = (StrBuf){0};
}

char *strbuf_take(StrBuf *buf)
{
    char *text = buf->text != NULL ? buf->text : mem_alloc(1);
    *buf = (StrBuf){0};
    return text;
}

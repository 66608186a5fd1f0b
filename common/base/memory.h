// SPDX-License-Identifier: MIT
// Allocation that cannot fail: out of memory ends the process (EXIT_CODE_INTERNAL, memory.exhausted in the log), so no caller
// checks.
#ifndef COMMON_BASE_MEMORY_H
#define COMMON_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

// Zeroed memory; caller frees with free().
void *mem_alloc(size_t bytes);
void *mem_realloc(void *old, size_t bytes);
char *mem_strdup(const char *text);
char *mem_strndup(const char *text, size_t length);
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

// For a program that must not end at the first lack of memory (of one thread only): sets `bytes` aside, if that has not been done or
// they have been used. The first allocation to fail gets what was set aside instead. False: not to be had.
bool mem_reserve(size_t bytes);
// True when what was set aside has been used: this is the time to give up what can be given up.
bool mem_is_short(void);

// Copies into a fixed buffer; false when it had to be cut (the buffer is terminated all the same).
bool str_copy(char *to, size_t size, const char *from) __attribute__((warn_unused_result));

static inline bool str_equal(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

// A growable string. Zero-initialise; strbuf_free when done. `text` is always NUL-terminated after a write.
typedef struct StrBuf {
    char *text;
    size_t length;
    size_t capacity;
} StrBuf;

void strbuf_append(StrBuf *buf, const char *text);
void strbuf_append_bytes(StrBuf *buf, const char *bytes, size_t length);
void strbuf_append_char(StrBuf *buf, char c);
void strbuf_printf(StrBuf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
// Appends `text` as a quoted JSON string (RFC 8259 escapes; bytes above 0x7f are passed on).
void strbuf_append_json(StrBuf *buf, const char *text);
void strbuf_clear(StrBuf *buf);
void strbuf_free(StrBuf *buf);
// Hands the text over (caller frees; never NULL) and leaves the buffer empty.
char *strbuf_take(StrBuf *buf);

#endif

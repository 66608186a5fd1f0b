// SPDX-License-Identifier: MIT
// Terminal: the whole screen for a program that draws it itself, and its keys. Whatever ends the program but SIGKILL, the terminal is given
// back as it was; Ctrl-Z too, and it is taken again when the program goes on.
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/memory.h"

// Keys that are no characters.
typedef enum Key {
    KEY_NONE = 0, // time is up, or a signal came
    KEY_ENTER = '\r',
    KEY_TAB = '\t',
    KEY_ESCAPE = 27,
    KEY_BACKSPACE = 127,
    KEY_UP = 256,
    KEY_DOWN,
    KEY_LEFT,
    KEY_RIGHT,
    KEY_PAGE_UP,
    KEY_PAGE_DOWN,
    KEY_HOME,
    KEY_END,
    KEY_GONE // nothing can be read any more
} Key;

// stdin and stdout are one.
bool terminal_is_there(void);
// One at a time. False: it is none, and nothing has been done.
bool terminal_open(void);
void terminal_close(void);

void terminal_size(size_t *width, size_t *height);
// True once after the size has changed, or the screen was somebody else's.
bool terminal_is_stale(void);
// A key, or a byte of text; waits at most so long.
int terminal_read_key(int64_t timeout_ms);
// Shows `frame`, lines that fit, in place of what is there. False: it cannot be written.
bool terminal_draw(const StrBuf *frame);

// Reads one key from `bytes`, as a terminal sends it; returns how many bytes it takes. Of an escape sequence nobody knows the key is
// KEY_NONE. Pure.
size_t terminal_parse_key(const char *bytes, size_t count, int *key);

#endif

// SPDX-License-Identifier: MIT
// Config errors: the mistakes of one file, collected and told in the order of the file.
#ifndef COMMON_BASE_CONFIG_ERROR_H
#define COMMON_BASE_CONFIG_ERROR_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/config.h"
#include "common/base/memory.h"

enum { CONFIG_ERRORS_SHOWN_MAX = 100 };

typedef struct ConfigMistake {
    ConfigPlace place; // line 0: the file as a whole
    size_t serial;
    bool is_warning;
    char *text;
} ConfigMistake;

// Zero-initialise with the name; config_errors_free when done.
typedef struct ConfigErrors {
    const char *name; // of the file; borrowed
    ConfigMistake items[CONFIG_ERRORS_SHOWN_MAX];
    size_t count;
    size_t error_count; // of all, also those that are not shown
    bool is_out_of_memory;
} ConfigErrors;

void config_error(ConfigErrors *errors, ConfigPlace place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void config_warning(ConfigErrors *errors, ConfigPlace place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// True when further mistakes are counted only: their texts need not be made.
static inline bool config_errors_are_full(const ConfigErrors *errors)
{
    return errors->count == CONFIG_ERRORS_SHOWN_MAX;
}

// A text of the file for a message: 'text', with what cannot be printed escaped, cut when long.
void config_quote(StrBuf *out, const char *text);

// Appends them to `out`, one per line, by place.
void config_errors_write(ConfigErrors *errors, StrBuf *out);
void config_errors_free(ConfigErrors *errors);

#endif

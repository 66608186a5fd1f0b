// SPDX-License-Identifier: MIT
// Fuzz: what a target has at hand. A target is one file with one function; it reads bytes as the program would, and may check
// what must hold of any answer.
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/memory.h"

// The one function of a target; libFuzzer knows it by this name. Returns 0.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// What must hold for any input: the sanitizers see the rest.
#define FUZZ_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

// A copy that ends where the input ends, so that a read past it is seen; up to its first NUL. Caller frees.
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
    size_t length = size > 0 ? strnlen((const char *)data, size) : 0;
    char *text = malloc(length + 1);
    FUZZ_CHECK(text != NULL);
    if (length > 0) {
        memcpy(text, data, length);
    }
    text[length] = '\0';
    return text;
}

// The input, cut into numbers and the rest.
typedef struct FuzzInput {
    const uint8_t *data;
    size_t size;
} FuzzInput;

// The next `length` bytes into `out`; what the input lacks is zero.
static inline void fuzz_take(FuzzInput *input, void *out, size_t length)
{
    size_t given = length < input->size ? length : input->size;
    memset(out, 0, length);
    if (given > 0) {
        memcpy(out, input->data, given);
    }
    input->data += given;
    input->size -= given;
}

static inline uint8_t fuzz_byte(FuzzInput *input)
{
    uint8_t byte = 0;
    fuzz_take(input, &byte, 1);
    return byte;
}

static inline int64_t fuzz_int64(FuzzInput *input)
{
    int64_t number = 0;
    fuzz_take(input, &number, sizeof number);
    return number;
}

#endif

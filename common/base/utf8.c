// SPDX-License-Identifier: MIT
// UTF-8: see the header.
#include "common/base/utf8.h"

#include <stdint.h>

static size_t sequence_claimed(unsigned char lead)
{
    if (lead < 0x80) {
        return 1;
    }
    if (lead >= 0xc2 && lead <= 0xdf) {
        return 2;
    }
    if (lead >= 0xe0 && lead <= 0xef) {
        return 3;
    }
    if (lead >= 0xf0 && lead <= 0xf4) {
        return 4;
    }
    return 0;
}

// Overlong forms, surrogates and code points above U+10FFFF show in the second byte.
static int second_byte_fits(unsigned char lead, unsigned char second)
{
    switch (lead) {
    case 0xe0:
        return second >= 0xa0;
    case 0xed:
        return second <= 0x9f;
    case 0xf0:
        return second >= 0x90;
    case 0xf4:
        return second <= 0x8f;
    default:
        return 1;
    }
}

size_t utf8_sequence_length(const char *text, size_t length)
{
    if (length == 0) {
        return 0;
    }
    unsigned char lead = (unsigned char)text[0];
    size_t claimed = sequence_claimed(lead);
    if (claimed == 0 || claimed > length) {
        return 0;
    }
    for (size_t i = 1; i < claimed; i++) {
        if (((unsigned char)text[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    if (claimed > 1 && !second_byte_fits(lead, (unsigned char)text[1])) {
        return 0;
    }
    return claimed;
}

bool utf8_is_valid(const char *text, size_t length)
{
    for (size_t i = 0; i < length;) {
        size_t step = utf8_sequence_length(text + i, length - i);
        if (step == 0) {
            return false;
        }
        i += step;
    }
    return true;
}

void utf8_clean(char *text, size_t length)
{
    size_t at = 0;
    while (at < length) {
        size_t step = utf8_sequence_length(text + at, length - at);
        if (step == 0 || text[at] == '\0') {
            text[at] = '?';
            step = 1;
        }
        at += step;
    }
}

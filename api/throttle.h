// SPDX-License-Identifier: MIT
// Throttle: how many wrong tokens an address may try. Pure: the clock is a parameter.
#ifndef API_THROTTLE_H
#define API_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    THROTTLE_ADDRESS_BYTES = 64,
    THROTTLE_TRIES = 10,
    THROTTLE_PERIOD_MS = 60000,
    THROTTLE_ADDRESSES = 1024
};

typedef struct Throttle Throttle;

Throttle *throttle_create(void);
void throttle_destroy(Throttle *throttle);
// 0: the address may try; else after how many milliseconds again.
int64_t throttle_wait_ms(const Throttle *throttle, const char *address, int64_t now_ms);
// A wrong token came from there. When all places are taken the one that failed longest ago is forgotten.
void throttle_note(Throttle *throttle, const char *address, int64_t now_ms);

#endif

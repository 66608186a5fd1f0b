// SPDX-License-Identifier: MIT
// HttpAnswer: what the answer of a webhook's server means for the job. Pure.
#ifndef WORKER_HTTP_ANSWER_H
#define WORKER_HTTP_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/scoreboard.h"

typedef struct HttpAnswer {
    int status;
    const char *retry_after; // the header's value; "" = none
    const char *body;        // as far as it was read
    size_t body_length;
} HttpAnswer;

// 2xx completed; 202 waits, when the request offered a callback (`has_token`); 410 discard; everything else an error that is retried.
JobOutcome http_answer_outcome(const HttpAnswer *answer, bool has_token);

// How long an error asks to be left alone: seconds or an HTTP date, at most `max_ms`. -1 = it does not say, or names no wait (0, a date
// that has passed): the job's own rule holds.
int64_t http_answer_delay_ms(const HttpAnswer *answer, int64_t now_unix_ms, int64_t max_ms);

// "HTTP 503 from example.com: <first line of the body>". Caller frees.
char *http_answer_message(const HttpAnswer *answer, const char *host);

#endif

// SPDX-License-Identifier: MIT
// HttpCallback: the token by which a webhook's receiver may give the result later. All attempts of a job offer the same one until it has
// timed out, so that a receiver that knows the request already (by its Idempotency-Key) has the right one.
#ifndef WORKER_HTTP_CALLBACK_H
#define WORKER_HTTP_CALLBACK_H

#include "worker/job_context.h"

typedef enum HttpCallback {
    HTTP_CALLBACK_OPEN,      // to be offered with a request
    HTTP_CALLBACK_DONE,      // the receiver has given the result: no further request
    HTTP_CALLBACK_TIMED_OUT, // the job has waited for it in vain; the next attempt offers another
    HTTP_CALLBACK_FAILED     // the context's last_error says why nothing is known
} HttpCallback;

// Token and data are valid for as long as the context. `data`: JSON, or NULL when the receiver gave none.
HttpCallback http_callback_begin(JobContext *context, int64_t timeout_ms, const char **token,
                                 const char **data);

#endif

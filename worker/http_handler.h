// SPDX-License-Identifier: MIT
// HttpHandler: an `http:` handler of the configuration with its files read, ready to make requests.
#ifndef WORKER_HTTP_HANDLER_H
#define WORKER_HTTP_HANDLER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/address_range.h"
#include "common/base/config.h"
#include "common/base/http_target.h"

typedef struct HttpHandler {
    const WebhookConfig *config;
    char *secret; // NULL = requests are not signed
    AddressRange *allow_private;
    size_t allow_private_count;
} HttpHandler;

// False: *why says which file cannot be used.
bool http_handler_create(HttpHandler **out, const WebhookConfig *config, StrBuf *why);
void http_handler_destroy(HttpHandler *self);

// May a request go there? False: *why says what the configuration has against it.
bool http_handler_allows(const HttpHandler *self, const HttpTarget *target, StrBuf *why);

#endif

// SPDX-License-Identifier: MIT
// Dev http: where the HTTP API and the dashboard of `ganger dev` listen, and what a browser is told.
#ifndef CLI_DEV_HTTP_H
#define CLI_DEV_HTTP_H

#include "common/base/config.h"
#include "common/base/memory.h"
#include "common/base/status.h"

enum { DEV_HTTP_PORT = 8080, DEV_HTTP_PORTS = 100 };

// Whether `asked` is an address, and a local one; nothing is tried. STATUS_REFUSED with `why`.
MUST_CHECK Status dev_http_check(const char *asked, StrBuf *why);
// `asked`, which must be local and free; or, when that is NULL, 127.0.0.1 with the first free port from `port` on. *out is the
// caller's to free. STATUS_REFUSED with `why`.
MUST_CHECK Status dev_http_choose(const char *asked, int port, char **out, StrBuf *why);
// What to open in a browser for the first address that one can open: "http://127.0.0.1:8080/"; for a unix socket its text.
// Caller frees.
char *dev_http_url(const StringList *listen);

#endif

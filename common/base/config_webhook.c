// SPDX-License-Identifier: MIT
// Config webhook: what the options of an HTTP handler say together.
#include <stdlib.h>

#include "common/base/address_range.h"
#include "common/base/config_check.h"
#include "common/base/config_options.h"
#include "common/base/http_target.h"

static ConfigPlace place_of(const HandlerConfig *handler, const char *name)
{
    const ConfigOption *option = config_find_option(SECTION_WEBHOOK, name);
    return handler->places[config_option_index(option)];
}

static bool is_given(const HandlerConfig *handler, const char *name)
{
    return place_of(handler, name).line != 0;
}

// An address is known before any request; where a name leads to is looked at when it is connected to.
static void check_address(const HandlerConfig *handler, ConfigPlace place, const char *host,
                          ConfigErrors *errors)
{
    const StringList *list = &handler->http.allow_private;
    AddressRange *allowed = NULL;
    StrBuf why = {0};
    const char *what = NULL;
    if (address_ranges_parse(&allowed, list->items, list->count, &why)) {
        what = address_text_refusal(host, allowed, list->count);
    } // else it is told already; what it was to allow nobody knows
    if (what != NULL) {
        config_error(errors, place,
                     "handlers.%s.http.url: nothing is sent to %s, %s, unless allow_private covers "
                     "it: allow_private: \"%s\"",
                     handler->job_type, host, what, host);
    }
    strbuf_free(&why);
    free(allowed);
}

static void check_url(const HandlerConfig *handler, ConfigErrors *errors)
{
    const WebhookConfig *http = &handler->http;
    const ConfigPlace place = place_of(handler, "url");
    HttpTarget target;
    StrBuf why = {0};
    if (http->url == NULL || place.line <= 0 || !http_target_parse(&target, http->url, &why)) {
        strbuf_free(&why);
        return; // told, where it is one
    }
    if (!target.is_tls && !http->allow_http) {
        config_error(errors, place,
                     "handlers.%s.http.url: http:// is not encrypted; say https://, or allow_http: "
                     "true",
                     handler->job_type);
    }
    if (place_of(handler, "allow_private").line >= 0) {
        check_address(handler, place, target.host, errors);
    }
    if (place_of(handler, "allow").line >= 0 &&
        !http_hosts_allow(http->allow.items, http->allow.count, &target)) {
        config_error(errors, place, "handlers.%s.http.url: its host %s:%d is not in allow",
                     handler->job_type, target.host, target.port);
    }
    strbuf_free(&why);
}

static void check_webhook(const HandlerConfig *handler, ConfigErrors *errors)
{
    if (!is_given(handler, "url") && !is_given(handler, "allow")) {
        config_error(errors, handler->http_place,
                     "handlers.%s.http: url is missing; where each job names its own, allow must "
                     "say which hosts may be named",
                     handler->job_type);
    }
    if (is_given(handler, "secret") && is_given(handler, "secret_file")) {
        config_error(errors, place_of(handler, "secret_file"),
                     "handlers.%s.http: secret and secret_file at once", handler->job_type);
    }
    check_url(handler, errors);
}

void config_check_webhooks(const Config *config, ConfigErrors *errors)
{
    for (size_t i = 0; i < config->handler_count; i++) {
        const HandlerConfig *handler = &config->handlers[i];
        if (handler->kind == HANDLER_HTTP) {
            check_webhook(handler, errors);
        }
    }
}

// SPDX-License-Identifier: MIT
// Auth: see the header.
#include "api/auth.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/http_internal.h"
#include "api/throttle.h"
#include "api/token_cache.h"
#include "common/base/clock.h"
#include "common/base/log.h"

enum { SECRET_BYTES_MAX = 256 };

// A proxy may add a line of its own to those the client has sent: the last one counts.
static enum MHD_Result note_forwarded(void *data, enum MHD_ValueKind kind, const char *name,
                                      const char *value)
{
    (void)kind;
    const char **last = data;
    if (strcasecmp(name, "X-Forwarded-For") == 0) {
        *last = value;
    }
    return MHD_YES;
}

// The client's address: what the proxy says last, when there is one. "" when it is not to be told from others'.
static void client_address(const Exchange *exchange, char address[THROTTLE_ADDRESS_BYTES])
{
    const char *text = exchange->connection->peer;
    if (exchange->server->api->config->http_behind_proxy) {
        const char *forwarded = NULL;
        (void)MHD_get_connection_values(exchange->mhd, MHD_HEADER_KIND, note_forwarded, &forwarded);
        const char *last = forwarded == NULL ? NULL : strrchr(forwarded, ',');
        text = last != NULL ? last + 1 + strspn(last + 1, " ") : forwarded;
    }
    if (text == NULL || !str_copy(address, THROTTLE_ADDRESS_BYTES, text)) {
        address[0] = '\0';
    }
}

static AuthVerdict reply_unauthorized(Exchange *exchange, const char *detail, bool is_wrong)
{
    exchange_add_header(exchange, "WWW-Authenticate",
                        is_wrong ? "Bearer realm=\"ganger\", error=\"invalid_token\""
                                 : "Bearer realm=\"ganger\"");
    exchange_reply_problem(exchange, 401, "unauthorized", "%s", detail);
    return AUTH_REFUSED;
}

static AuthVerdict reply_throttled(Exchange *exchange, int64_t wait_ms)
{
    char seconds[24];
    snprintf(seconds, sizeof seconds, "%lld", (long long)(wait_ms + 999) / 1000);
    exchange_add_header(exchange, "Retry-After", seconds);
    exchange->closes = true;
    exchange_reply_problem(exchange, 429, "too_many_tries",
                           "too many wrong tokens came from this address: wait a minute");
    return AUTH_REFUSED;
}

static AuthVerdict reply_unknown(Exchange *exchange)
{
    exchange_reply_busy(exchange, 2, "database_down",
                        "the database cannot be asked for the tokens now: try again");
    return AUTH_REFUSED;
}

// NULL: no bearer token, or none that could be one.
static const char *bearer(const Exchange *exchange)
{
    const char *header = exchange_header(exchange, "Authorization");
    if (header == NULL || strncasecmp(header, "Bearer ", 7) != 0) {
        return NULL;
    }
    header += 7 + strspn(header + 7, " ");
    size_t length = strlen(header);
    return length > 0 && length <= SECRET_BYTES_MAX ? header : NULL;
}

static AuthVerdict grant(Exchange *exchange, const ApiToken *token)
{
    const Route *route = exchange->match.route;
    bool is_bound = token->owner[0] != '\0' || token->queues[0] != '\0';
    if (!scope_is_granted(token->scopes, route->scope)) {
        exchange_reply_problem(exchange, 403, "scope", "this token lacks the scope %s",
                               scope_name(route->scope));
        return AUTH_REFUSED;
    }
    if (is_bound && (route->flags & ROUTE_BOUND) == 0) {
        exchange_reply_problem(
            exchange, 403, "bound",
            "this token is bound to an owner or to queues, and this is about more than them");
        return AUTH_REFUSED;
    }
    exchange->actor_texts[0] = mem_strdup(token->owner);
    exchange->actor_texts[1] = mem_strdup(token->queues);
    exchange->actor = (PoolActor){
        .role = scope_role(route->scope),
        .owner = exchange->actor_texts[0],
        .queues = exchange->actor_texts[1],
    };
    memcpy(exchange->token, token->sha256, sizeof exchange->token);
    return AUTH_GRANTED;
}

static void on_read(void *data)
{
    exchange_wake(data);
}

// Of one address only so many wrong tokens a minute are worth a line. A good one always passes: 256 bits are not guessed, and whoever
// shares the address (a proxy's, 127.0.0.1) must not be locked out by others. So does one that was made just now.
static AuthVerdict refuse_guess(Exchange *exchange)
{
    const Api *api = exchange->server->api;
    TokenWait *wait = &exchange->token_wait;
    char address[THROTTLE_ADDRESS_BYTES];
    if (wait->reading == 0 && token_cache_await(api->tokens, wait, on_read, exchange)) {
        return AUTH_OPEN;
    }
    if (wait->reading == 0 || !token_cache_has_read(api->tokens, wait)) {
        return reply_unknown(exchange);
    }
    client_address(exchange, address);
    int64_t now = clock_boot_ms();
    int64_t wait_ms = throttle_wait_ms(api->throttle, address, now);
    if (wait_ms > 0) {
        return reply_throttled(exchange, wait_ms);
    }
    throttle_note(api->throttle, address, now);
    if (throttle_wait_ms(api->throttle, address, now) > 0) {
        log_warn("http.too_many_tries", "peer=%s", address);
    }
    return reply_unauthorized(exchange, "this token does not exist, was revoked or has expired",
                              true);
}

AuthVerdict auth_check(Exchange *exchange)
{
    const Api *api = exchange->server->api;
    if (api->tokens == NULL || exchange->match.route->scope == SCOPE_NONE) {
        return AUTH_GRANTED;
    }
    const char *secret = bearer(exchange);
    if (secret == NULL) {
        return reply_unauthorized(exchange, "a token is needed: Authorization: Bearer TOKEN",
                                  false);
    }
    if (!token_cache_is_fresh(api->tokens)) {
        return reply_unknown(exchange);
    }
    const ApiToken *token = token_cache_find(api->tokens, secret, strlen(secret));
    return token == NULL ? refuse_guess(exchange) : grant(exchange, token);
}

void auth_forget(Exchange *exchange)
{
    if (exchange->token_wait.is_waiting) {
        token_cache_forget(exchange->server->api->tokens, &exchange->token_wait);
    }
}

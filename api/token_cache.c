// SPDX-License-Identifier: MIT
// TokenCache: see the header.
#include "api/token_cache.h"

#include <stdlib.h>
#include <string.h>

#include "api/pool.h"
#include "api/problem.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/crypto/digest.h"
#include "common/db/db.h"
#include "sql_queries.h"

enum {
    CACHE_PERIOD_MS = 2000,
    CACHE_FIRST_PERIOD_MS = 200, // until they have been read once
    CACHE_GAP_MS = 10,           // between two readings that somebody waits for, and
    CACHE_GAP_TIMES = 4,         // so many times as long as the last one took
    CACHE_WAITS_MAX = 100,
    CACHE_FRESH_MS = 5000 // a revoked token works no longer than that
};

struct TokenCache {
    Api *api;
    ApiToken *tokens; // sorted by sha256
    size_t count;
    int64_t read_at; // when the answer it comes from was asked for; 0 never
    int64_t asked_at;
    int64_t took_ms; // the last reading
    uint64_t asked;  // readings begun
    uint64_t read;   // the last one that was answered with the tokens
    TokenWait *waits;
    int wait_count;
    ev_timer timer;
    PoolTicket *ticket;
    bool has_warned;
};

typedef struct ScopeRow {
    const char *name;
    const char *role;
} ScopeRow;

static const ScopeRow SCOPES[] = {
    [SCOPE_NONE] = {"", "ganger_reader"},
    [SCOPE_READ] = {"read", "ganger_reader"},
    [SCOPE_ENQUEUE] = {"enqueue", "ganger_api_producer"},
    [SCOPE_WORK] = {"work", "ganger_worker"},
    [SCOPE_OPERATE] = {"operate", "ganger_operator"},
    [SCOPE_ADMIN] = {"admin", "ganger_admin"},
};

Scope scope_parse(const char *name)
{
    for (int scope = SCOPE_READ; scope <= SCOPE_ADMIN; scope++) {
        if (str_equal(SCOPES[scope].name, name)) {
            return (Scope)scope;
        }
    }
    return SCOPE_NONE;
}

const char *scope_name(Scope scope)
{
    return SCOPES[scope].name;
}

const char *scope_role(Scope scope)
{
    return SCOPES[scope].role;
}

bool scope_is_granted(unsigned scopes, Scope needed)
{
    return needed == SCOPE_NONE || (scopes & (1U << needed)) != 0 ||
           (scopes & (1U << SCOPE_ADMIN)) != 0;
}

// --- reading

static void free_tokens(TokenCache *cache)
{
    for (size_t i = 0; i < cache->count; i++) {
        free(cache->tokens[i].owner);
        free(cache->tokens[i].queues);
    }
    free(cache->tokens);
    cache->tokens = NULL;
    cache->count = 0;
}

static int compare_tokens(const void *a, const void *b)
{
    return strcmp(((const ApiToken *)a)->sha256, ((const ApiToken *)b)->sha256);
}

// The list is "{read,operate}"; words this version does not know grant nothing.
static unsigned read_scopes(const char *list)
{
    unsigned scopes = 0;
    for (const char *at = list; at != NULL && *at != '\0';) {
        at += strspn(at, "{},");
        size_t length = strcspn(at, "},");
        char name[16] = "";
        if (length < sizeof name) {
            memcpy(name, at, length);
            name[length] = '\0';
            Scope scope = scope_parse(name);
            scopes |= scope == SCOPE_NONE ? 0U : 1U << scope;
        }
        at += length;
    }
    return scopes;
}

static void keep_rows(TokenCache *cache, const PGresult *rows)
{
    free_tokens(cache);
    size_t count = (size_t)PQntuples(rows);
    cache->tokens = mem_alloc((count + 1) * sizeof *cache->tokens);
    for (size_t i = 0; i < count; i++) {
        ApiToken *token = &cache->tokens[cache->count];
        const char *digest = db_text(rows, (int)i, "sha256");
        if (digest == NULL || !str_copy(token->sha256, sizeof token->sha256, digest)) {
            continue;
        }
        token->scopes = read_scopes(db_text(rows, (int)i, "scopes"));
        const char *owner = db_text(rows, (int)i, "owner");
        const char *queues = db_text(rows, (int)i, "queues");
        token->owner = mem_strdup(owner == NULL ? "" : owner);
        token->queues = mem_strdup(queues == NULL ? "" : queues);
        cache->count++;
    }
    qsort(cache->tokens, cache->count, sizeof *cache->tokens, compare_tokens);
    cache->read_at = cache->asked_at;
    cache->read = cache->asked;
    cache->has_warned = false;
}

// Until the next reading, which those who do not wait may rely on as well.
static int64_t delay_ms(const TokenCache *cache)
{
    if (cache->waits == NULL) {
        return cache->read_at == 0 ? CACHE_FIRST_PERIOD_MS : CACHE_PERIOD_MS;
    }
    int64_t gap_ms = CACHE_GAP_TIMES * cache->took_ms;
    gap_ms = gap_ms > CACHE_GAP_MS ? gap_ms : CACHE_GAP_MS;
    gap_ms = gap_ms < CACHE_PERIOD_MS ? gap_ms : CACHE_PERIOD_MS;
    int64_t left_ms = cache->asked_at + gap_ms - clock_boot_ms();
    return left_ms > 0 ? left_ms : 0;
}

static void plan_next(TokenCache *cache)
{
    ev_timer_stop(cache->api->loop, &cache->timer);
    ev_timer_set(&cache->timer, (double)delay_ms(cache) / 1e3, 0);
    ev_timer_start(cache->api->loop, &cache->timer);
}

// Those whose reading has been answered, well or not.
static void release(TokenCache *cache, uint64_t reading)
{
    TokenWait *next = NULL;
    for (TokenWait *wait = cache->waits; wait != NULL; wait = next) {
        next = wait->next;
        if (wait->reading <= reading) {
            token_cache_forget(cache, wait);
            wait->on_read(wait->data);
        }
    }
}

static void on_tokens(void *data, const PoolAnswer *answer)
{
    TokenCache *cache = data;
    cache->ticket = NULL;
    cache->took_ms = clock_boot_ms() - cache->asked_at;
    if (answer->outcome == POOL_DONE) {
        keep_rows(cache, answer->result);
    } else if (answer->outcome == POOL_ERROR && !cache->has_warned &&
               !problem_is_schema_missing(answer->result)) {
        cache->has_warned = true;
        log_error("http.tokens_failed", "sqlstate=%s message=\"%s\"",
                  PQresultErrorField(answer->result, PG_DIAG_SQLSTATE),
                  PQresultErrorField(answer->result, PG_DIAG_MESSAGE_PRIMARY));
    }
    release(cache, cache->asked);
    plan_next(cache);
}

static void ask(TokenCache *cache)
{
    const PoolAsk wanted = {
        .statement = &SQL_api_tokens_list,
        .is_urgent = true,
        .on_answer = on_tokens,
        .data = cache,
    };
    cache->asked_at = clock_boot_ms();
    cache->asked++;
    cache->ticket = pool_ask(cache->api->pool, &wanted);
}

static void on_timer(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)loop;
    (void)events;
    ask(watcher->data);
}

TokenCache *token_cache_create(Api *api)
{
    TokenCache *cache = mem_alloc(sizeof *cache);
    cache->api = api;
    ev_init(&cache->timer, on_timer);
    cache->timer.data = cache;
    ask(cache);
    return cache;
}

void token_cache_close(TokenCache *cache)
{
    if (cache != NULL) {
        release(cache, UINT64_MAX);
    }
}

void token_cache_destroy(TokenCache *cache)
{
    if (cache == NULL) {
        return;
    }
    ev_timer_stop(cache->api->loop, &cache->timer);
    if (cache->ticket != NULL) {
        pool_forget(cache->ticket);
    }
    free_tokens(cache);
    free(cache);
}

bool token_cache_await(TokenCache *cache, TokenWait *wait, void (*on_read)(void *data), void *data)
{
    if (cache->wait_count == CACHE_WAITS_MAX) {
        return false;
    }
    cache->wait_count++;
    *wait = (TokenWait){.next = cache->waits,
                        .reading = cache->asked + 1,
                        .is_waiting = true,
                        .on_read = on_read,
                        .data = data};
    cache->waits = wait;
    if (cache->ticket == NULL) {
        plan_next(cache);
    }
    return true;
}

void token_cache_forget(TokenCache *cache, TokenWait *wait)
{
    TokenWait **at = &cache->waits;
    while (wait->is_waiting && *at != wait) {
        at = &(*at)->next;
    }
    if (wait->is_waiting) {
        *at = wait->next;
        wait->is_waiting = false;
        cache->wait_count--;
    }
}

bool token_cache_has_read(const TokenCache *cache, const TokenWait *wait)
{
    return cache->read >= wait->reading;
}

bool token_cache_is_fresh(const TokenCache *cache)
{
    return cache->read_at != 0 && clock_boot_ms() - cache->read_at <= CACHE_FRESH_MS;
}

static const ApiToken *find(const TokenCache *cache, const ApiToken *wanted)
{
    if (cache->count == 0) {
        return NULL;
    }
    return bsearch(wanted, cache->tokens, cache->count, sizeof *cache->tokens, compare_tokens);
}

bool token_cache_has(const TokenCache *cache, const char *sha256)
{
    ApiToken wanted = {0};
    return str_copy(wanted.sha256, sizeof wanted.sha256, sha256) && find(cache, &wanted) != NULL;
}

// Looked up by its digest: how long that takes says nothing about a token.
const ApiToken *token_cache_find(const TokenCache *cache, const char *secret, size_t length)
{
    unsigned char digest[DIGEST_BYTES];
    ApiToken wanted = {0};
    digest_sha256(secret, length, digest);
    digest_hex(digest, wanted.sha256);
    return find(cache, &wanted);
}

// SPDX-License-Identifier: MIT
// TokenCache: the API tokens of the database, in memory, read anew every few seconds, and when somebody shows one that is not there.
#ifndef API_TOKEN_CACHE_H
#define API_TOKEN_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/api.h"
#include "api/route.h"
#include "common/crypto/digest.h"

typedef struct TokenCache TokenCache;

enum { TOKEN_HEX_BYTES = DIGEST_HEX_BYTES };

typedef struct ApiToken {
    char sha256[TOKEN_HEX_BYTES]; // lower-case hexadecimal
    unsigned scopes;              // bit 1 << Scope
    char *owner;                  // "" not bound
    char *queues;                 // text[] literal; "" not bound
} ApiToken;

// One who waits until the tokens have been read by a statement that was sent after he came. Zeroed at first.
typedef struct TokenWait {
    struct TokenWait *next;
    uint64_t reading; // its number
    bool is_waiting;
    void (*on_read)(void *data);
    void *data;
} TokenWait;

// Begins to read. The pool must outlive it.
TokenCache *token_cache_create(Api *api);
// The process is leaving: nobody waits any longer.
void token_cache_close(TokenCache *cache);
void token_cache_destroy(TokenCache *cache);
// False: the database has not said lately which tokens there are.
bool token_cache_is_fresh(const TokenCache *cache);
// NULL: no such token; one that was revoked or has expired is soon not there any more. Valid until the loop goes on.
const ApiToken *token_cache_find(const TokenCache *cache, const char *secret, size_t length);

// Calls on_read once, from the loop: token_cache_has_read says how it went. Many wait for one reading; these take a fifth of the time at
// most. False: too many wait.
bool token_cache_await(TokenCache *cache, TokenWait *wait, void (*on_read)(void *data), void *data);
void token_cache_forget(TokenCache *cache, TokenWait *wait);
// Whether what was waited for has been read.
bool token_cache_has_read(const TokenCache *cache, const TokenWait *wait);

// Whether the token of that digest is still there, for what outlives its request.
bool token_cache_has(const TokenCache *cache, const char *sha256);

// Names of the configuration of tokens ("read"): SCOPE_NONE, when there is none such.
Scope scope_parse(const char *name);
const char *scope_name(Scope scope);
// The database role a scope's requests have.
const char *scope_role(Scope scope);
// Whether the scopes of a token are enough for a route.
bool scope_is_granted(unsigned scopes, Scope needed);

#endif

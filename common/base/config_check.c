// SPDX-License-Identifier: MIT
// Config check: the sums of the intervals, the pools against the handlers, and two configurations
// against each other.
#include "common/base/config_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/config_options.h"
#include "common/base/config_value.h"
#include "common/base/duration.h"
#include "common/base/listen_address.h"
#include "common/base/nearest.h"
#include "common/base/scoreboard.h"

enum { SUGGESTED_FROM_MAX = 500 }; // handlers looked at for "did you mean"

typedef struct Term { // an option in a sum
    int64_t ms;
    ConfigPlace place;
    char text[96]; // "node.lease (60s, line 7)"
} Term;

static void check_intervals(const Config *config, ConfigErrors *errors);
static void check_pools(const Config *config, ConfigErrors *errors);
static void check_http(const Config *config, ConfigErrors *errors);

void config_check(const Config *config, ConfigErrors *errors)
{
    check_intervals(config, errors);
    check_pools(config, errors);
    if (config->has_http) {
        check_http(config, errors);
    }
    config_check_webhooks(config, errors);
}

static Term term_of(const Config *config, SectionId section, const char *name, int64_t ms)
{
    const ConfigOption *option = config_find_option(section, name);
    Term term = {.ms = ms, .place = config->places[config_option_index(option)]};
    char value[40];
    duration_format(ms, value, sizeof value);
    const char *section_name = config_section(section)->name;
    if (term.place.line > 0) {
        snprintf(term.text, sizeof term.text, "%s.%s (%s, line %d)", section_name, name, value,
                 term.place.line);
    } else {
        snprintf(term.text, sizeof term.text, "%s.%s (%s, the default)", section_name, name, value);
    }
    return term;
}

// Where to look: at the first of the two that is in the file. False when a value is not known.
static bool place_of_pair(const Term *a, const Term *b, ConfigPlace *place)
{
    *place = a->place.line > 0 ? a->place : b->place;
    return a->place.line >= 0 && b->place.line >= 0;
}

static void check_intervals(const Config *config, ConfigErrors *errors)
{
    Term heartbeat = term_of(config, SECTION_NODE, "heartbeat", config->heartbeat_ms);
    Term fence = term_of(config, SECTION_NODE, "self_fence", config->self_fence_ms);
    Term lease = term_of(config, SECTION_NODE, "lease", config->lease_ms);
    Term grace = term_of(config, SECTION_SUPERVISOR, "kill_grace", config->kill_grace_ms);
    Term drain =
        term_of(config, SECTION_SUPERVISOR, "shutdown_timeout", config->shutdown_timeout_ms);
    ConfigPlace place;
    if (place_of_pair(&fence, &heartbeat, &place) && heartbeat.ms * 2 > fence.ms) {
        config_error(errors, place,
                     "%s must be at least twice %s: one lost heartbeat must not stop the jobs",
                     fence.text, heartbeat.text);
    }
    if (place_of_pair(&lease, &fence, &place) && fence.ms + CONFIG_FENCE_MARGIN_MS > lease.ms) {
        config_error(errors, place,
                     "%s must be at least 5s longer than %s: "
                     "the node needs that time to kill its jobs before others may claim them",
                     lease.text, fence.text);
    }
    if (place_of_pair(&grace, &drain, &place) && grace.ms > drain.ms) {
        config_warning(errors, place,
                       "%s is longer than %s: stopped jobs get more time than drained ones",
                       grace.text, drain.text);
    }
}

static const char *nearest_job_type(const Config *config, const char *job_type)
{
    const char *names[SUGGESTED_FROM_MAX];
    size_t count = 0;
    while (count < config->handler_count && count < SUGGESTED_FROM_MAX) {
        names[count] = config->handlers[count].job_type;
        count++;
    }
    return nearest_name(job_type, names, count);
}

// A job type without a handler would never be claimed by the pool: a slip, told here.
static void check_job_types(const Config *config, const PoolConfig *pool, ConfigErrors *errors)
{
    const ConfigOption *option = config_find_option(SECTION_POOL, "job_types");
    ConfigPlace place = pool->places[config_option_index(option)];
    for (size_t i = 0; i < pool->job_types.count && place.line > 0; i++) {
        const char *job_type = pool->job_types.items[i];
        if (config_errors_are_full(errors) || config_find_handler(config, job_type) != NULL) {
            continue;
        }
        StrBuf quoted = {0};
        config_quote(&quoted, job_type);
        const char *near = nearest_job_type(config, job_type);
        if (near != NULL) {
            strbuf_printf(&quoted, "; did you mean '%s'?", near);
        }
        config_error(errors, place, "pools.%s.job_types: no handler for %s", pool->name,
                     quoted.text);
        strbuf_free(&quoted);
    }
}

static void check_pools(const Config *config, ConfigErrors *errors)
{
    const int64_t most = SCOREBOARD_WORKERS_MAX;
    int64_t processes = 0;
    for (size_t i = 0; i < config->pool_count; i++) {
        const PoolConfig *pool = &config->pools[i];
        bool was_fine = processes <= most;
        processes += pool->processes;
        if (was_fine && processes > most) {
            config_error(errors, (ConfigPlace){pool->line, pool->column},
                         "pools.%s: with this pool there are %" PRId64
                         " processes; at most %" PRId64 " are allowed in all pools together",
                         pool->name, processes, most);
        }
        check_job_types(config, pool, errors);
    }
}

static ConfigPlace place_of(const Config *config, SectionId section, const char *name)
{
    return config->places[config_option_index(config_find_option(section, name))];
}

// What is reached from outside must ask who is there, and a token must not cross the network in the clear.
static void check_reach(const Config *config, const char *listen, ConfigPlace place,
                        ConfigErrors *errors)
{
    if (config->http_auth == HTTP_AUTH_NONE) {
        config_error(errors, place,
                     "http.listen: %s is reached by other machines, and http.auth is none: whoever "
                     "reaches it may do everything; "
                     "set http.auth to tokens, or listen on 127.0.0.1, [::1] or unix: only",
                     listen);
    } else if (!config->http_behind_proxy) {
        config_error(
            errors, place,
            "http.listen: %s is reached by other machines, and tokens would go there unencrypted; "
            "put a proxy that speaks "
            "TLS before it and set http.behind_proxy, or listen on 127.0.0.1, [::1] or unix: only",
            listen);
    }
}

static void check_http(const Config *config, ConfigErrors *errors)
{
    const StringList *listen = &config->http_listen;
    ListenAddress *addresses = mem_alloc((listen->count + 1) * sizeof *addresses);
    ConfigPlace place = place_of(config, SECTION_HTTP, "listen");
    StrBuf why = {0};
    bool is_known = place.line >= 0 && place_of(config, SECTION_HTTP, "auth").line >= 0 &&
                    place_of(config, SECTION_HTTP, "behind_proxy").line >= 0;

    for (size_t i = 0; i < listen->count && is_known; i++) {
        if (!listen_address_parse(&addresses[i], listen->items[i], &why)) {
            panic("a listen address that was checked: %s", listen->items[i]);
        }
        for (size_t j = 0; j < i; j++) {
            if (listen_address_equal(&addresses[i], &addresses[j])) {
                config_error(errors, place, "http.listen: %s stands there twice", listen->items[i]);
                break;
            }
        }
        if (!listen_address_is_local(&addresses[i])) {
            check_reach(config, listen->items[i], place, errors);
        }
    }
    strbuf_free(&why);
    free(addresses);
}

static int count_conflicts(SectionOwner owner, const char *path, const void *running,
                           const void *next, StrBuf *why)
{
    size_t count = 0;
    int conflicts = 0;
    const ConfigOption *options = config_owner_options(owner, &count);
    for (size_t i = 0; i < count; i++) {
        const ConfigOption *option = &options[i];
        if (option->apply == APPLY_RESTART && !config_value_equal(option, running, next)) {
            const char *section = config_section(option->section)->name;
            bool is_in_section = owner == OWNER_CONFIG && section[0] != '\0';
            strbuf_printf(why, "%s%s%s%s changed\n", path, is_in_section ? section : "",
                          is_in_section ? "." : "", option->name);
            conflicts++;
        }
    }
    return conflicts;
}

static const PoolConfig *find_pool(const Config *config, const char *name)
{
    for (size_t i = 0; i < config->pool_count; i++) {
        if (str_equal(config->pools[i].name, name)) {
            return &config->pools[i];
        }
    }
    return NULL;
}

void config_keep_defaults(const Config *running, Config *next)
{
    size_t count = 0;
    const ConfigOption *options = config_owner_options(OWNER_CONFIG, &count);
    for (size_t i = 0; i < count; i++) {
        const ConfigOption *option = &options[i];
        // Numbers and words have their default in the table; only a text may follow its surroundings.
        if (option->apply == APPLY_RESTART && option->type == OPTION_TEXT &&
            running->places[i].line == 0 && next->places[i].line == 0) {
            config_value_copy_text(option, running, next);
        }
    }
}

int config_reload_conflicts(const Config *running, const Config *next, StrBuf *why)
{
    int conflicts = count_conflicts(OWNER_CONFIG, "", running, next, why);
    for (size_t i = 0; i < running->pool_count; i++) {
        const PoolConfig *pool = &running->pools[i];
        const PoolConfig *other = find_pool(next, pool->name);
        if (other != NULL) { // pools may come and go
            char *path = mem_printf("pools.%s.", pool->name);
            conflicts += count_conflicts(OWNER_POOL, path, pool, other, why);
            free(path);
        }
    }
    return conflicts;
}

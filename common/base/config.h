// SPDX-License-Identifier: MIT
// Configuration: read once, checked wholly, immutable afterwards.
//
// Every option is declared once in config_options.c (name, type, default, range, help); that table
// drives the reader, the defaults, the sample file, `gangerd --help` and `ganger config`.
// Durations and sizes are text with a unit in YAML ("30s", "512MiB") and ms / bytes here.
#ifndef COMMON_BASE_CONFIG_H
#define COMMON_BASE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/status.h"

typedef struct StringList {
    char **items;
    size_t count;
} StringList;

typedef struct ConfigPlace { // where a value stands in the file; line 0 = not there: the default
    int line;
    int column;
} ConfigPlace;

typedef enum HttpAuth { HTTP_AUTH_TOKENS, HTTP_AUTH_NONE } HttpAuth;

typedef enum HandlerKind { HANDLER_PLUGIN, HANDLER_EXEC, HANDLER_SQL, HANDLER_HTTP } HandlerKind;

typedef enum WebhookMethod { WEBHOOK_POST, WEBHOOK_PUT, WEBHOOK_PATCH } WebhookMethod;

typedef struct HandlerLimits { // 0 = not limited
    int64_t cpu_ms;
    int64_t memory_bytes;
    int64_t files;
    int64_t file_size_bytes;
    int64_t processes; // of the user, in all; nothing to root
} HandlerLimits;

typedef struct WebhookConfig { // HANDLER_HTTP; all of it sound (http_target.h, address_range.h)
    char *url;                 // NULL = each job names its own, in its metadata
    int method;                // WebhookMethod
    StringList headers;        // "Name: value"
    char *secret;              // of the signature; NULL = none, or in the file
    char *secret_file;         // NULL = none
    StringList allow;          // hosts; empty = that of the URL
    StringList allow_private;  // address ranges
    bool allow_http;
    char *ca_file; // NULL = those of the system
    int64_t connect_timeout_ms;
    int64_t max_response_bytes;
    int64_t max_retry_after_ms;
    int64_t callback_timeout_ms; // 0 = no callbacks
} WebhookConfig;

enum { CONFIG_WEBHOOK_TIMEOUT_MS = 30000 }; // of a handler that names none: nobody answers for ever

// A failed job whose plugin has an on_error hook is followed by a job of its job type and this (ganger._call_hooks).
#define HOOK_TYPE_SUFFIX ":on_error"

typedef struct HandlerConfig {
    char *job_type; // the key in `handlers:`
    HandlerKind kind;
    char *plugin;       // HANDLER_PLUGIN: file name or path
    char *symbol;       // HANDLER_PLUGIN: the job_type in the plugin's table; NULL = job_type
    StringList exec;    // HANDLER_EXEC: argv
    char *sql;          // HANDLER_SQL: function name, schema-qualified
    char *apply;        // HANDLER_EXEC: function its output is given to, the same; NULL = none
    int64_t timeout_ms; // 0 = none; HANDLER_HTTP: CONFIG_WEBHOOK_TIMEOUT_MS, unless the file says
    bool sandbox;       // HANDLER_EXEC
    WebhookConfig http; // HANDLER_HTTP
    ConfigPlace http_place; // of that section
    HandlerLimits limits;
    int line; // where it stands in the file; 0 = it is a built-in default
    int column;
    ConfigPlace *places; // one per option of a handler (config_options.h)
} HandlerConfig;

typedef struct PoolConfig {
    char *name;
    StringList queues;     // never empty; default [default]
    StringList job_types;  // empty = every handler
    int64_t processes;     // 1..256
    int64_t max_jobs;      // 0 = no limit; then the worker is recycled
    int64_t max_rss_bytes; // 0 = no limit
    int64_t max_age_ms;    // 0 = no limit
    int64_t prefetch;      // jobs per claim at most; 0 = auto
    int line;              // where it stands in the file; 0 = it is the default pool
    int column;
    ConfigPlace *places; // one per option of a pool (config_options.h)
} PoolConfig;

// Enqueue options of a schedule, named as enqueue() names them. What the file does not say is enqueue()'s to decide: places tell.
typedef struct ScheduleOptions {
    char *queue;
    int64_t priority;
    int64_t max_attempts;
    int64_t timeout_ms;
    int64_t kill_grace_ms;
    int64_t retry_delay_ms;
    bool retry_backoff;
    int64_t retry_delay_max_ms;
    StringList tags;
    char *group_key;
    char *unique_key;
    int64_t unique_for_ms;
    int on_conflict; // words of the option
    StringList depends_on_tags;
    char *dead_letter_job_type;
    char *owner;
    char *metadata; // JSON
} ScheduleOptions;

typedef struct ScheduleConfig {
    char *name; // the key in `schedules:`
    char *cron;
    char *job_type;
    char *payload; // JSON
    char *timezone;
    int overlap;  // words of the option
    int catch_up; // words of the option
    ScheduleOptions options;
    int line; // where it stands in the file
    int column;
    ConfigPlace *places; // one per option of a schedule (config_options.h)
} ScheduleConfig;

typedef struct QueueConfig {
    char *name;          // the key in `queues:`
    int64_t concurrency; // what is not in the file is no limit: places tell
    int64_t group_concurrency;
    int64_t rate; // jobs per rate_period
    int64_t rate_period_ms;
    int64_t retention_ms;
    int line; // where it stands in the file
    int column;
    ConfigPlace *places; // one per option of a queue (config_options.h)
} QueueConfig;

typedef struct Config {
    char *path; // file it came from, or NULL
    char *text; // the very bytes that were read: what children get as FD_CONFIG
    size_t text_length;
    bool has_content;    // the text is a section, be it {}; not empty, not comments only
    ConfigPlace *places; // one per option outside the named sections (config_options.h)
    // database
    char *database_url; // NULL when neither file nor DATABASE_URL names one
    bool database_url_from_env;
    int64_t poll_interval_ms;
    bool auto_migrate;
    // node
    char *node_name; // never NULL: default is the host name
    int64_t heartbeat_ms;
    int64_t self_fence_ms;
    int64_t lease_ms;
    // supervisor
    int64_t shutdown_timeout_ms;
    int64_t kill_grace_ms;
    char *user;       // NULL = stay
    char *plugin_dir; // NULL = the installed handlers folder
    char *state_dir;  // pidfile and lock; never NULL
    bool core_dumps;
    // pools, handlers
    PoolConfig *pools;
    size_t pool_count;
    HandlerConfig *handlers;
    size_t handler_count;
    const HandlerConfig **handlers_by_type; // the same, sorted by job_type
    // schedules, queues: applied to the database. Without the section (or with nothing in it, not even {}) NULL, which says
    // nothing; an array, be it empty, is all there shall be.
    ScheduleConfig *schedules;
    size_t schedule_count;
    QueueConfig *queues;
    size_t queue_count;
    // http
    bool has_http; // the section is there and has something in it, be it {}: there is an HTTP API
    StringList http_listen; // addresses listen_address_parse accepts; never empty, no two alike
    HttpAuth http_auth;     // HTTP_AUTH_NONE only where all addresses are local
    int64_t http_connections;
    char *http_database_url; // NULL = database_url
    int64_t http_max_body_bytes;
    StringList http_hosts; // names besides those of the addresses
    bool http_behind_proxy;
    bool http_dashboard;
    // the rest
    int64_t no_handler_after_ms;
    int64_t retention_completed_ms;
    int64_t retention_failed_ms;
    LogFormat log_format;
    LogLevel log_level;
} Config;

// Reads `path` (NULL = defaults only). On success *out is owned by the caller (config_destroy).
// On failure STATUS_REFUSED; all mistakes are appended to `errors`, one per line, as
// file:line:column: error: text. `errors` may also hold warnings when the status is OK. STATUS_FATAL: out of memory.
MUST_CHECK Status config_load(Config **out, const char *path, StrBuf *errors);

// The same from bytes; `name` stands for the file in messages. Used by children (FD_CONFIG).
MUST_CHECK Status config_parse(Config **out, const char *name, const char *text, size_t length,
                               StrBuf *errors);
// Supervisor: a sealed memfd with the bytes `config` was read from, and the DATABASE_URL it was read with, for config_from_fd;
// close-on-exec. STATUS_FATAL (logged) when the kernel refuses.
MUST_CHECK Status config_to_fd(const Config *config, int *fd);
// Child: reads the configuration the supervisor handed down on `fd`; mistakes are logged. When a DATABASE_URL came with it, there is
// none in the environment afterwards.
MUST_CHECK Status config_from_fd(Config **out, int fd);

void config_destroy(Config *config);

const HandlerConfig *config_find_handler(const Config *config, const char *job_type);

// Reads the file of `running` again, for SIGHUP: it must be a regular one, and not empty if the one before was not.
// Takes over what config_keep_defaults says. As config_load otherwise.
MUST_CHECK Status config_reload(Config **out, const Config *running, StrBuf *errors);
// An option that needs a restart and is in neither file stands for what it stood for at the start, whatever has
// become of the host name or the user since: `next` takes the value of `running`.
void config_keep_defaults(const Config *running, Config *next);
// The same for children and later reloads of this process: the default of node.name is what it is now. The
// environment is changed.
void config_pin_defaults(const Config *config);
// How many options that need a restart differ between the two; each is named in `why`, one a line.
int config_reload_conflicts(const Config *running, const Config *next, StrBuf *why);

// The commented sample file (conf/ganger.yaml is exactly this).
void config_print_sample(StrBuf *out);
// Effective values and where each came from (default, file:line, environment); passwords masked.
// `json`: one JSON object instead of a table.
void config_print_effective(const Config *config, bool json, StrBuf *out);
// For `gangerd --help`: every option with type, default and one line of help.
void config_print_options(StrBuf *out);

#endif

// SPDX-License-Identifier: MIT
// Config options: the table.
#include "common/base/config_options.h"

#include <string.h>

#include "common/base/config.h"
#include "common/base/scoreboard.h"

static const char *const format_words[] = {"auto", "text", "logfmt", "json", NULL};
static const char *const level_words[] = {"debug", "info", "warn", "error", NULL};
static const char *const method_words[] = {"POST", "PUT", "PATCH", NULL};
static const char *const overlap_words[] = {"skip", "allow", "queue_one", "cancel_running", NULL};
static const char *const catch_up_words[] = {"none", "last", "all", NULL};
static const char *const auth_words[] = {"tokens", "none", NULL};
static const char *const conflict_words[] = {"ignore", "replace", "reschedule", "error", NULL};

_Static_assert(LOG_FORMAT_AUTO == 0 && LOG_FORMAT_JSON == 3, "format_words follows LogFormat");
_Static_assert(HTTP_AUTH_TOKENS == 0 && HTTP_AUTH_NONE == 1, "auth_words follows HttpAuth");
_Static_assert(LOG_LEVEL_DEBUG == 0 && LOG_LEVEL_ERROR == 3, "level_words follows LogLevel");

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)
#define YEAR   (365 * DAY)
#define KIB    (INT64_C(1) << 10)
#define MIB    (INT64_C(1) << 20)
#define TIB    (INT64_C(1) << 40)

enum {
    NAME_MAX_BYTES = 255,
    NODE_NAME_MAX_BYTES = 200, // with ".pid" it names a file
    POOL_NAME_MAX_BYTES = SCOREBOARD_NAME_BYTES - 1,
    TEXT_MAX_BYTES = 4096,
    LIST_MAX_ITEMS = 1000,
    LISTEN_MAX_ITEMS = 8
};

static const ConfigSection sections[SECTION_COUNT] = {
    [SECTION_TOP] = {"", SECTION_TOP, OWNER_CONFIG, false, 0, NULL},
    [SECTION_DATABASE] = {"database", SECTION_TOP, OWNER_CONFIG, false, 0,
                          "The PostgreSQL database that holds the jobs."},
    [SECTION_NODE] = {"node", SECTION_TOP, OWNER_CONFIG, false, 0,
                      "This machine among the others that serve the same database."},
    [SECTION_SUPERVISOR] = {"supervisor", SECTION_TOP, OWNER_CONFIG, false, 0,
                            "gangerd itself: how it stops jobs, and as whom it runs."},
    [SECTION_RETENTION] = {"retention", SECTION_TOP, OWNER_CONFIG, false, 0,
                           "How long ended jobs are kept."},
    [SECTION_LOG] = {"log", SECTION_TOP, OWNER_CONFIG, false, 0,
                     "The log, written to standard error."},
    [SECTION_HTTP] = {"http", SECTION_TOP, OWNER_CONFIG, false, 0,
                      "The HTTP API and the dashboard. Without an option here there is none; "
                      "`http: {}` starts it "
                      "with the defaults."},
    [SECTION_POOL] =
        {"pools", SECTION_TOP, OWNER_POOL, true, POOL_NAME_MAX_BYTES,
         "Pools of worker processes, by name. Without this section there is one, `default`."},
    [SECTION_HANDLER] =
        {"handlers", SECTION_TOP, OWNER_HANDLER, true, NAME_MAX_BYTES,
         "Handlers, by job type. Without this section: the built-in noop, sleep and echo."},
    [SECTION_WEBHOOK] =
        {"http", SECTION_HANDLER, OWNER_HANDLER, false, 0,
         "Sends the job to an HTTP server: its payload is the body, the answer's status decides."},
    [SECTION_LIMITS] = {"rlimits", SECTION_HANDLER, OWNER_HANDLER, false, 0,
                        "Limits of the kernel for the handler's process."},
    [SECTION_SCHEDULE] = {"schedules", SECTION_TOP, OWNER_SCHEDULE, true, NAME_MAX_BYTES,
                          "Schedules, by name. They are brought into the database at start and at "
                          "SIGHUP; one that came from a file and no longer stands there is "
                          "deleted, those made in SQL are left alone."},
    [SECTION_SCHEDULE_OPTIONS] = {"options", SECTION_SCHEDULE, OWNER_SCHEDULE, false, 0,
                                  "What enqueue() is told of each job, by the same names."},
    [SECTION_QUEUE] = {"queues", SECTION_TOP, OWNER_QUEUE, true, NAME_MAX_BYTES,
                       "Limits of queues, by name, for all nodes together. They are brought into "
                       "the database at start and at SIGHUP; those of a queue that came from a "
                       "file and no longer stands there are lifted."},
};

// The last arguments: the help, then further fields by name.
#define ROW(section_, name_, type_, offset_, standard, min_, max_, apply_, ...)                    \
    {                                                                                              \
        .section = (section_), .name = (name_), .type = (type_), .offset = (offset_),              \
        .default_value = (standard), .min = (min_), .max = (max_), .apply = (apply_),              \
        .help = __VA_ARGS__                                                                        \
    }
#define CONFIG(section_, name_, type_, field, ...)                                                 \
    ROW(section_, name_, type_, offsetof(Config, field), __VA_ARGS__)
#define POOL(name_, type_, field, ...)                                                             \
    ROW(SECTION_POOL, name_, type_, offsetof(PoolConfig, field), __VA_ARGS__)
#define HANDLER(section_, name_, type_, field, standard, min_, max_, ...)                          \
    ROW(section_, name_, type_, offsetof(HandlerConfig, field), standard, min_, max_,              \
        APPLY_RELOAD, __VA_ARGS__)
#define SCHEDULE(name_, type_, field, standard, min_, max_, ...)                                   \
    ROW(SECTION_SCHEDULE, name_, type_, offsetof(ScheduleConfig, field), standard, min_, max_,     \
        APPLY_RELOAD, __VA_ARGS__)
// Of a schedule's job: without a default here, so that enqueue() has its own.
#define JOB(name_, type_, field, min_, max_, ...)                                                  \
    ROW(SECTION_SCHEDULE_OPTIONS, name_, type_, offsetof(ScheduleConfig, options.field), NULL,     \
        min_, max_, APPLY_RELOAD, __VA_ARGS__, .default_note = "that of enqueue()")
#define QUEUE(name_, type_, field, standard, min_, max_, ...)                                      \
    ROW(SECTION_QUEUE, name_, type_, offsetof(QueueConfig, field), standard, min_, max_,           \
        APPLY_RELOAD, __VA_ARGS__)

// clang-format off
static const ConfigOption options[] = {
    CONFIG(SECTION_TOP, "no_handler_after", OPTION_DURATION, no_handler_after_ms, "5m",
           SECOND, YEAR, APPLY_RELOAD,
           "A job whose type no live node handles fails as no_handler after this time."),

    CONFIG(SECTION_DATABASE, "url", OPTION_TEXT, database_url, NULL,
           1, TEXT_MAX_BYTES, APPLY_RESTART,
           "Connection string or URL. The environment variable DATABASE_URL wins over it.",
           .shown = SHOWN_WITHOUT_PASSWORD, .example = "postgresql:///app"),
    CONFIG(SECTION_DATABASE, "poll_interval", OPTION_DURATION, poll_interval_ms, "1s",
           50, HOUR, APPLY_RELOAD,
           "How often the node looks for work when nothing wakes it: one query per node."),
    CONFIG(SECTION_DATABASE, "auto_migrate", OPTION_BOOL, auto_migrate, "false",
           0, 1, APPLY_RESTART,
           "Bring the schema up to date at start, as `ganger migrate up` does."),

    CONFIG(SECTION_NODE, "name", OPTION_TEXT, node_name, NULL,
           1, NODE_NAME_MAX_BYTES, APPLY_RESTART,
           "Name of this node; no two nodes of a database may share one.", .check = CHECK_NAME,
           .default_note = "the host name", .example = "worker-1"),
    CONFIG(SECTION_NODE, "heartbeat", OPTION_DURATION, heartbeat_ms, "5s",
           50, HOUR, APPLY_RESTART,
           "How often the node says that it is alive."),
    CONFIG(SECTION_NODE, "self_fence", OPTION_DURATION, self_fence_ms, "50s",
           100, DAY, APPLY_RESTART,
           "Without an answer to its heartbeat for so long, the node stops its own jobs."),
    CONFIG(SECTION_NODE, "lease", OPTION_DURATION, lease_ms, "60s",
           SECOND, DAY, APPLY_RESTART,
           "Without a heartbeat for so long, the node is dead to others: self_fence + 5s or more."),

    CONFIG(SECTION_SUPERVISOR, "shutdown_timeout", OPTION_DURATION, shutdown_timeout_ms, "25s",
           0, DAY, APPLY_RELOAD,
           "How long running jobs may go on after SIGTERM, before they are stopped."),
    CONFIG(SECTION_SUPERVISOR, "kill_grace", OPTION_DURATION, kill_grace_ms, "5s",
           0, HOUR, APPLY_RELOAD,
           "From asking a job to stop to SIGKILL; 0s kills at once."),
    CONFIG(SECTION_SUPERVISOR, "user", OPTION_TEXT, user, NULL,
           1, NAME_MAX_BYTES, APPLY_RESTART,
           "User to become when started as root.", .check = CHECK_NAME,
           .default_note = "stay", .example = "ganger"),
    CONFIG(SECTION_SUPERVISOR, "plugin_dir", OPTION_TEXT, plugin_dir, NULL,
           1, TEXT_MAX_BYTES, APPLY_RELOAD,
           "Folder that relative plugin paths start from.", .check = CHECK_NAME,
           .default_note = "the installed handlers folder",
           .example = "/usr/local/lib/ganger/handlers"),
    CONFIG(SECTION_SUPERVISOR, "state_dir", OPTION_TEXT, state_dir, NULL,
           1, TEXT_MAX_BYTES, APPLY_RESTART,
           "Folder of the pid file and lock; an absolute path.", .check = CHECK_PATH,
           .default_note = "/run/ganger as root, else $XDG_RUNTIME_DIR/ganger or /tmp/ganger-<uid>",
           .example = "/run/ganger"),
    CONFIG(SECTION_SUPERVISOR, "core_dumps", OPTION_BOOL, core_dumps, "false",
           0, 1, APPLY_RESTART,
           "A crash may leave a core file, and programs of the same user may look into ganger's: both hold secrets."),

    CONFIG(SECTION_RETENTION, "completed", OPTION_DURATION, retention_completed_ms, "30d",
           0, 100 * YEAR, APPLY_RELOAD,
           "Completed jobs are deleted after this time; 0s: most of them as they end."),
    CONFIG(SECTION_RETENTION, "failed", OPTION_DURATION, retention_failed_ms, "90d",
           MINUTE, 100 * YEAR, APPLY_RELOAD,
           "Failed and cancelled jobs are deleted after this time."),

    CONFIG(SECTION_LOG, "format", OPTION_WORD, log_format, "auto",
           0, 3, APPLY_RELOAD,
           "auto is text on a terminal, logfmt to the journal, json elsewhere.",
           .words = format_words),
    CONFIG(SECTION_LOG, "level", OPTION_WORD, log_level, "info",
           0, 3, APPLY_RELOAD,
           "The least level that is written.", .words = level_words),

    CONFIG(SECTION_HTTP, "listen", OPTION_LIST, http_listen, "127.0.0.1:8080",
           1, LISTEN_MAX_ITEMS, APPLY_RELOAD,
           "Where it listens: addresses with a port, or unix:/PATH. One that others reach needs tokens and a proxy that speaks TLS.",
           .check = CHECK_LISTEN, .takes_one = true),
    CONFIG(SECTION_HTTP, "auth", OPTION_WORD, http_auth, "tokens",
           0, 1, APPLY_RELOAD,
           "tokens: each request brings one (`ganger api-tokens`). none: whoever reaches it may do everything; on this machine only.",
           .words = auth_words),
    CONFIG(SECTION_HTTP, "connections", OPTION_INT, http_connections, "8",
           1, 100, APPLY_RELOAD,
           "Database connections for requests."),
    CONFIG(SECTION_HTTP, "database_url", OPTION_TEXT, http_database_url, NULL,
           1, TEXT_MAX_BYTES, APPLY_RELOAD,
           "Connection string or URL of its own, for a database role that may do less.", .check = CHECK_NAME,
           .shown = SHOWN_WITHOUT_PASSWORD, .default_note = "that of database.url", .example = "postgresql://ganger_api@/app"),
    CONFIG(SECTION_HTTP, "max_body", OPTION_SIZE, http_max_body_bytes, "2MiB",
           KIB, 64 * MIB, APPLY_RELOAD,
           "A request with a larger body is refused."),
    CONFIG(SECTION_HTTP, "hosts", OPTION_LIST, http_hosts, NULL,
           0, LIST_MAX_ITEMS, APPLY_RELOAD,
           "Names by which browsers reach it, besides the addresses of listen; others are refused.",
           .check = CHECK_HOST, .default_note = "none", .example = "[jobs.example.com]", .takes_one = true),
    CONFIG(SECTION_HTTP, "behind_proxy", OPTION_BOOL, http_behind_proxy, "false",
           0, 1, APPLY_RELOAD,
           "A proxy that speaks TLS stands before it, and is alone in reaching it: its X-Forwarded-For is believed."),
    CONFIG(SECTION_HTTP, "dashboard", OPTION_BOOL, http_dashboard, "true",
           0, 1, APPLY_RELOAD,
           "Serve the dashboard at /."),

    POOL("queues", OPTION_LIST, queues, "default",
         1, LIST_MAX_ITEMS, APPLY_RELOAD,
         "Queues the pool serves.", .check = CHECK_NAME),
    POOL("job_types", OPTION_LIST, job_types, NULL,
         1, LIST_MAX_ITEMS, APPLY_RELOAD,
         "Job types the pool runs; each needs a handler.", .check = CHECK_NAME,
         .default_note = "every handler", .example = "[noop, echo]"),
    POOL("processes", OPTION_INT, processes, "2",
         1, 256, APPLY_RELOAD,
         "Worker processes; each runs one job at a time."),
    POOL("max_jobs", OPTION_INT, max_jobs, "none",
         1, 1000000000, APPLY_RELOAD,
         "A worker is replaced by a fresh one after so many jobs.", .zero = ZERO_IS_NONE),
    POOL("max_rss", OPTION_SIZE, max_rss_bytes, "none",
         MIB, TIB, APPLY_RELOAD,
         "A worker is replaced when it uses more memory than this after a job.",
         .zero = ZERO_IS_NONE),
    POOL("max_age", OPTION_DURATION, max_age_ms, "none",
         SECOND, YEAR, APPLY_RELOAD,
         "A worker is replaced when it is older than this after a job.", .zero = ZERO_IS_NONE),
    POOL("prefetch", OPTION_INT, prefetch, "auto",
         1, SCOREBOARD_BATCH_MAX, APPLY_RELOAD,
         "Jobs one claim takes at most; auto follows how long the jobs run.", .zero = ZERO_IS_AUTO),

    HANDLER(SECTION_HANDLER, "plugin", OPTION_TEXT, plugin, NULL,
            1, TEXT_MAX_BYTES,
            "Shared object; a relative path starts from supervisor.plugin_dir.",
            .check = CHECK_NAME,
            .default_note = "none", .example = "noop.so"),
    HANDLER(SECTION_HANDLER, "exec", OPTION_ARGV, exec, NULL,
            1, LIST_MAX_ITEMS,
            "Program and arguments, run without a shell; ${VAR} is not replaced here.",
            .default_note = "none", .example = "[/usr/bin/convert, -]"),
    HANDLER(SECTION_HANDLER, "sql", OPTION_TEXT, sql, NULL,
            1, NAME_MAX_BYTES,
            "Function f(payload jsonb, job ganger.jobs) returns jsonb, with its schema.",
            .check = CHECK_FUNCTION,
            .default_note = "none", .example = "app.rollup"),
    HANDLER(SECTION_HANDLER, "apply", OPTION_TEXT, apply, NULL,
            1, NAME_MAX_BYTES,
            "With exec: function f(output jsonb, job ganger.jobs) that is called, once, as the job completes.",
            .check = CHECK_FUNCTION,
            .default_note = "none", .example = "app.store_result"),
    HANDLER(SECTION_HANDLER, "symbol", OPTION_TEXT, symbol, NULL,
            1, NAME_MAX_BYTES,
            "With plugin: the handler's name in the shared object's table.", .check = CHECK_NAME,
            .default_note = "the job type", .example = "noop"),
    HANDLER(SECTION_HANDLER, "timeout", OPTION_DURATION, timeout_ms, "none",
            1, YEAR,
            "A job that runs longer is stopped, unless the job or its type names a timeout; with http: 30s.",
            .zero = ZERO_IS_NONE),
    HANDLER(SECTION_HANDLER, "sandbox", OPTION_BOOL, sandbox, "true",
            0, 1,
            "With exec: calls that mount, trace, make namespaces or change the kernel are refused."),

    HANDLER(SECTION_WEBHOOK, "url", OPTION_TEXT, http.url, NULL,
            1, TEXT_MAX_BYTES,
            "Where the payload is sent to.", .check = CHECK_URL, .shown = SHOWN_HOST_ONLY,
            .default_note = "each job names its own: metadata {\"url\": \"https://...\"}",
            .example = "https://example.com/hooks/orders"),
    HANDLER(SECTION_WEBHOOK, "allow", OPTION_LIST, http.allow, NULL,
            1, LIST_MAX_ITEMS,
            "Hosts it may be sent to: example.com, *.example.com, example.com:8443. Needed where jobs name the URL.",
            .check = CHECK_ALLOWED_HOST, .takes_one = true,
            .default_note = "the host of url", .example = "[example.com]"),
    HANDLER(SECTION_WEBHOOK, "allow_private", OPTION_LIST, http.allow_private, NULL,
            1, LIST_MAX_ITEMS,
            "Addresses outside the public Internet that a host may lead to all the same.",
            .check = CHECK_ADDRESS, .takes_one = true,
            .default_note = "none", .example = "[10.1.0.0/16]"),
    HANDLER(SECTION_WEBHOOK, "allow_http", OPTION_BOOL, http.allow_http, "false",
            0, 1,
            "The URL may begin with http://: everybody on the way can read it."),
    HANDLER(SECTION_WEBHOOK, "method", OPTION_WORD, http.method, "POST",
            0, 2,
            "Method of the request.", .words = method_words),
    HANDLER(SECTION_WEBHOOK, "headers", OPTION_HEADERS, http.headers, NULL,
            1, 64,
            "Further headers, by name; ${VAR} is replaced.", .check = CHECK_HEADER, .shown = SHOWN_NOT,
            .default_note = "none", .example = "{Authorization: \"Bearer ${HOOK_TOKEN}\"}"),
    HANDLER(SECTION_WEBHOOK, "secret", OPTION_TEXT, http.secret, NULL,
            16, TEXT_MAX_BYTES,
            "Key of the signature in X-Ganger-Signature.", .shown = SHOWN_NOT,
            .default_note = "none, it is not signed", .example = "${HOOK_SECRET}"),
    HANDLER(SECTION_WEBHOOK, "secret_file", OPTION_TEXT, http.secret_file, NULL,
            1, TEXT_MAX_BYTES,
            "The same, read from a file by each worker as it starts.", .check = CHECK_PATH,
            .default_note = "none", .example = "/etc/ganger/hook.secret"),
    HANDLER(SECTION_WEBHOOK, "ca_file", OPTION_TEXT, http.ca_file, NULL,
            1, TEXT_MAX_BYTES,
            "Certificates (PEM) that a server's must be signed by.", .check = CHECK_PATH,
            .default_note = "those of the system", .example = "/etc/ganger/ca.pem"),
    HANDLER(SECTION_WEBHOOK, "connect_timeout", OPTION_DURATION, http.connect_timeout_ms, "10s",
            100, HOUR,
            "How long finding the address and connecting may take."),
    HANDLER(SECTION_WEBHOOK, "max_response", OPTION_SIZE, http.max_response_bytes, "64KiB",
            1, MIB,
            "So much of an answer's body is read."),
    HANDLER(SECTION_WEBHOOK, "max_retry_after", OPTION_DURATION, http.max_retry_after_ms, "1h",
            0, YEAR,
            "A Retry-After header that asks for more is cut to this; 0: it is not obeyed."),
    HANDLER(SECTION_WEBHOOK, "callback_timeout", OPTION_DURATION, http.callback_timeout_ms, "none",
            SECOND, YEAR,
            "Requests carry a token, and after an answer 202 the job waits so long for it to be completed.",
            .zero = ZERO_IS_NONE),

    HANDLER(SECTION_LIMITS, "cpu", OPTION_DURATION, limits.cpu_ms, "none",
            SECOND, YEAR,
            "Processor time.", .zero = ZERO_IS_NONE),
    HANDLER(SECTION_LIMITS, "memory", OPTION_SIZE, limits.memory_bytes, "none",
            MIB, TIB,
            "Address space.", .zero = ZERO_IS_NONE),
    HANDLER(SECTION_LIMITS, "files", OPTION_INT, limits.files, "none",
            8, 1048576,
            "Open files.", .zero = ZERO_IS_NONE),
    HANDLER(SECTION_LIMITS, "file_size", OPTION_SIZE, limits.file_size_bytes, "none",
            1, 1024 * TIB,
            "Size of a written file.", .zero = ZERO_IS_NONE),
    HANDLER(SECTION_LIMITS, "processes", OPTION_INT, limits.processes, "none",
            1, 4194304,
            "With exec: processes and threads of the user in all, gangerd's included; means nothing to root.",
            .zero = ZERO_IS_NONE),

    SCHEDULE("cron", OPTION_TEXT, cron, NULL,
             1, NAME_MAX_BYTES,
             "When: minute hour day month weekday, with seconds in front if there are six, or @daily and the like.",
             .check = CHECK_CRON,
             .default_note = "none, it must be given", .example = "\"0 3 * * *\""),
    SCHEDULE("job_type", OPTION_TEXT, job_type, NULL,
             1, NAME_MAX_BYTES,
             "What runs then.", .check = CHECK_NAME,
             .default_note = "none, it must be given", .example = "noop"),
    SCHEDULE("payload", OPTION_JSON, payload, "{}",
             1, MIB,
             "Any YAML value, passed on as JSON; ${VAR} is not replaced here."),
    SCHEDULE("timezone", OPTION_TEXT, timezone, "UTC",
             1, NAME_MAX_BYTES,
             "Time zone of the cron expression, by a name PostgreSQL knows.", .check = CHECK_NAME),
    SCHEDULE("overlap", OPTION_WORD, overlap, "skip",
             0, 3,
             "While the job before has not ended: no new one, one more at once, one that waits behind it, or in its place.",
             .words = overlap_words),
    SCHEDULE("catch_up", OPTION_WORD, catch_up, "none",
             0, 2,
             "What was missed while nothing ran: dropped, made up for once, or each.",
             .words = catch_up_words),

    JOB("queue", OPTION_TEXT, queue, 1, NAME_MAX_BYTES,
        "Queue.", .check = CHECK_NAME, .example = "default"),
    JOB("priority", OPTION_INT, priority, -32768, 32767,
        "Priority, higher first.", .example = "0"),
    JOB("max_attempts", OPTION_INT, max_attempts, 1, 1000,
        "Attempts before it fails for good.", .example = "3"),
    JOB("timeout", OPTION_DURATION, timeout_ms, 1, YEAR,
        "Limit of one attempt.", .example = "5m"),
    JOB("kill_grace", OPTION_DURATION, kill_grace_ms, 0, YEAR,
        "From asking it to stop to SIGKILL.", .example = "5s"),
    JOB("retry_delay", OPTION_DURATION, retry_delay_ms, 0, YEAR,
        "Delay before the first retry.", .example = "60s"),
    JOB("retry_backoff", OPTION_BOOL, retry_backoff, 0, 1,
        "Doubles the delay with each attempt.", .example = "true"),
    JOB("retry_delay_max", OPTION_DURATION, retry_delay_max_ms, 0, YEAR,
        "The longest delay.", .example = "1h"),
    JOB("tags", OPTION_LIST, tags, 1, LIST_MAX_ITEMS,
        "Words to find it by.", .check = CHECK_NAME, .example = "[report]"),
    JOB("group_key", OPTION_TEXT, group_key, 1, NAME_MAX_BYTES,
        "Group whose concurrency it counts in.", .check = CHECK_NAME, .example = "reports"),
    JOB("unique_key", OPTION_TEXT, unique_key, 1, NAME_MAX_BYTES,
        "Key no two jobs hold at once.", .check = CHECK_NAME, .example = "report"),
    JOB("unique_for", OPTION_DURATION, unique_for_ms, 1, YEAR,
        "How long that key is held.", .example = "1h"),
    JOB("on_conflict", OPTION_WORD, on_conflict, 0, 3,
        "What happens when that key is held.", .words = conflict_words, .example = "ignore"),
    JOB("depends_on_tags", OPTION_LIST, depends_on_tags, 1, LIST_MAX_ITEMS,
        "Does not start while another live job has all these tags.", .check = CHECK_NAME, .example = "[import]"),
    JOB("dead_letter_job_type", OPTION_TEXT, dead_letter_job_type, 1, NAME_MAX_BYTES,
        "Job type that is told of its failure.", .check = CHECK_NAME, .example = "report_failed"),
    JOB("owner", OPTION_TEXT, owner, 1, NAME_MAX_BYTES,
        "Owner.", .check = CHECK_NAME, .example = "accounting"),
    JOB("metadata", OPTION_JSON, metadata, 1, MIB,
        "Any YAML value, kept with the job as JSON.", .example = "{source: cron}"),

    QUEUE("concurrency", OPTION_INT, concurrency, NULL,
          0, 1000000000,
          "Jobs of the queue that run at once; 0 stops it.",
          .default_note = "no limit", .example = "20"),
    QUEUE("group_concurrency", OPTION_INT, group_concurrency, NULL,
          1, 1000000000,
          "Jobs of each of its groups (group_key) that run at once.",
          .default_note = "no limit", .example = "1"),
    QUEUE("rate", OPTION_INT, rate, NULL,
          1, 1000000000,
          "Jobs of the queue that start in any time as long as rate_period.",
          .default_note = "no limit", .example = "100"),
    QUEUE("rate_period", OPTION_DURATION, rate_period_ms, "1s",
          1, YEAR,
          "The period of rate."),
    QUEUE("retention", OPTION_DURATION, retention_ms, NULL,
          0, 100 * YEAR,
          "Its ended jobs are deleted after this time.",
          .default_note = "as the section retention says", .example = "7d"),
};
// clang-format on

enum { OPTION_COUNT = sizeof options / sizeof options[0] };

const ConfigOption *config_options(size_t *count)
{
    *count = OPTION_COUNT;
    return options;
}

const ConfigSection *config_section(SectionId id)
{
    return &sections[id];
}

const ConfigOption *config_owner_options(SectionOwner owner, size_t *count)
{
    size_t first = 0;
    while (sections[options[first].section].owner != owner) {
        first++;
    }
    size_t end = first;
    while (end < OPTION_COUNT && sections[options[end].section].owner == owner) {
        end++;
    }
    *count = end - first;
    return &options[first];
}

size_t config_option_index(const ConfigOption *option)
{
    size_t count = 0;
    return (size_t)(option - config_owner_options(sections[option->section].owner, &count));
}

const ConfigOption *config_find_option(SectionId section, const char *name)
{
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        if (options[i].section == section && strcmp(options[i].name, name) == 0) {
            return &options[i];
        }
    }
    return NULL;
}

SectionId config_find_subsection(SectionId parent, const char *name)
{
    for (int id = SECTION_TOP + 1; id < SECTION_COUNT; id++) {
        if (sections[id].parent == parent && strcmp(sections[id].name, name) == 0) {
            return (SectionId)id;
        }
    }
    return SECTION_TOP;
}

size_t config_section_names(SectionId section, const char **names, size_t max)
{
    size_t count = 0;
    for (size_t i = 0; i < OPTION_COUNT && count < max; i++) {
        if (options[i].section == section) {
            names[count++] = options[i].name;
        }
    }
    for (int id = SECTION_TOP + 1; id < SECTION_COUNT && count < max; id++) {
        if (sections[id].parent == section) {
            names[count++] = sections[id].name;
        }
    }
    return count;
}

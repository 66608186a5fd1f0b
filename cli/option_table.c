// SPDX-License-Identifier: MIT
// Option table: the one static table of commands and options; parsing, help and completion read it.
#include "cli/option_table.h"

#include "cli/commands.h"

#define STATUS_CHOICES "pending processing waiting completed failed cancelled"

const OptionSpec OPT_SPECS[OPT_COUNT] = {
    [OPT_CONFIG] = {"config", 'c', "FILE",
                    "configuration file; its database.url is used when "
                    "neither --database nor DATABASE_URL is given",
                    COMPLETE_FILE, NULL},
    [OPT_DATABASE] = {"database", 'd', "URL", "database to talk to: URI or key=value pairs",
                      COMPLETE_NOTHING, NULL},
    [OPT_STATE] = {"state", 0, "DIR", "state folder of `ganger dev`: where its database lives",
                   COMPLETE_FOLDER, NULL},
    [OPT_JSON] = {"json", 0, NULL, "print JSON instead of a table", COMPLETE_NOTHING, NULL},
    [OPT_NO_COLOR] = {"no-color", 0, NULL, "no colours (NO_COLOR does the same)", COMPLETE_NOTHING,
                      NULL},
    [OPT_HELP] = {"help", 'h', NULL, "explain the command", COMPLETE_NOTHING, NULL},
    [OPT_VERSION] = {"version", 'V', NULL, "print the version", COMPLETE_NOTHING, NULL},
    [OPT_RESET] = {"reset", 0, NULL,
                   "delete the development database and start with an empty "
                   "one",
                   COMPLETE_NOTHING, NULL},
    [OPT_PAYLOAD] = {"payload", 'p', "JSON", "payload; - reads it from standard input",
                     COMPLETE_NOTHING, NULL},
    [OPT_MANY] = {"many", 0, "FILE",
                  "one JSON object per line, each one job; - reads standard "
                  "input",
                  COMPLETE_FILE, NULL},
    [OPT_QUEUE] = {"queue", 'q', "NAME", "queue", COMPLETE_NOTHING, NULL},
    [OPT_PRIORITY] = {"priority", 0, "N", "priority; higher runs first", COMPLETE_NOTHING, NULL},
    [OPT_RUN_AT] = {"run-at", 0, "TIME",
                    "not before this instant, e.g. 2030-01-31T09:00Z (UTC "
                    "unless it names a zone)",
                    COMPLETE_NOTHING, NULL},
    [OPT_DELAY] = {"delay", 0, "DURATION", "not before this much time has passed, e.g. 90s",
                   COMPLETE_NOTHING, NULL},
    [OPT_MAX_ATTEMPTS] = {"max-attempts", 0, "N", "attempts before the job fails for good",
                          COMPLETE_NOTHING, NULL},
    [OPT_TIMEOUT] = {"timeout", 't', "DURATION", "time limit", COMPLETE_NOTHING, NULL},
    [OPT_KILL_GRACE] = {"kill-grace", 0, "DURATION", "time between the soft stop and SIGKILL",
                        COMPLETE_NOTHING, NULL},
    [OPT_RETRY_DELAY] = {"retry-delay", 0, "DURATION",
                         "base of the growing delay between "
                         "attempts",
                         COMPLETE_NOTHING, NULL},
    [OPT_RETRY_DELAY_MAX] = {"retry-delay-max", 0, "DURATION", "limit of the growing delay",
                             COMPLETE_NOTHING, NULL},
    [OPT_NO_RETRY_BACKOFF] = {"no-retry-backoff", 0, NULL,
                              "always wait --retry-delay, never longer", COMPLETE_NOTHING, NULL},
    [OPT_TAGS] = {"tags", 0, "A,B", "tags, separated by commas", COMPLETE_NOTHING, NULL},
    [OPT_IDEMPOTENCY_KEY] = {"idempotency-key", 0, "KEY",
                             "a second enqueue with this key "
                             "answers the first job's id",
                             COMPLETE_NOTHING, NULL},
    [OPT_OWNER] = {"owner", 0, "NAME", "owner of the job", COMPLETE_NOTHING, NULL},
    [OPT_METADATA] = {"metadata", 0, "JSON", "anything to keep beside the job", COMPLETE_NOTHING,
                      NULL},
    [OPT_STATUS] = {"status", 's', "STATUS",
                    "only jobs with this status; several: failed,cancelled", COMPLETE_CHOICES,
                    STATUS_CHOICES},
    [OPT_TYPE] = {"type", 0, "TYPE", "only jobs of this type", COMPLETE_NOTHING, NULL},
    [OPT_TAG] = {"tag", 0, "TAG", "only jobs with this tag", COMPLETE_NOTHING, NULL},
    [OPT_KEY] = {"key", 0, "KEY", "only the job with this idempotency key", COMPLETE_NOTHING, NULL},
    [OPT_SINCE] = {"since", 0, "TIME", "only jobs enqueued at this time or later", COMPLETE_NOTHING,
                   NULL},
    [OPT_UNTIL] = {"until", 0, "TIME", "only jobs enqueued before this time", COMPLETE_NOTHING,
                   NULL},
    [OPT_SEARCH] = {"search", 0, "JSON", "only jobs whose payload contains this", COMPLETE_NOTHING,
                    NULL},
    [OPT_LIMIT] = {"limit", 'n', "N", "at most so many rows (20)", COMPLETE_NOTHING, NULL},
    [OPT_AFTER] = {"after", 0, "ID", "go on after this job: the last one seen", COMPLETE_NOTHING,
                   NULL},
    [OPT_SET] = {"set", 0, "JSON", "the changes, e.g. '{\"priority\": 5}'", COMPLETE_NOTHING, NULL},
    [OPT_ALL] = {"all", 'a', NULL, "also what has ended, and every column", COMPLETE_NOTHING, NULL},
    [OPT_SAMPLE] = {"sample", 0, NULL, "print a commented sample configuration", COMPLETE_NOTHING,
                    NULL},
    [OPT_QUICK] = {"quick", 0, NULL, "a tenth of the jobs, once", COMPLETE_NOTHING, NULL},
};

const uint64_t OPTS_EVERYWHERE = OPT_BIT(OPT_CONFIG) | OPT_BIT(OPT_DATABASE) | OPT_BIT(OPT_STATE) |
                                 OPT_BIT(OPT_JSON) | OPT_BIT(OPT_NO_COLOR) | OPT_BIT(OPT_HELP) |
                                 OPT_BIT(OPT_VERSION);

#define ENQUEUE_OPTIONS                                                                            \
    (OPT_BIT(OPT_PAYLOAD) | OPT_BIT(OPT_MANY) | OPT_BIT(OPT_QUEUE) | OPT_BIT(OPT_PRIORITY) |       \
     OPT_BIT(OPT_RUN_AT) | OPT_BIT(OPT_DELAY) | OPT_BIT(OPT_MAX_ATTEMPTS) | OPT_BIT(OPT_TIMEOUT) | \
     OPT_BIT(OPT_KILL_GRACE) | OPT_BIT(OPT_RETRY_DELAY) | OPT_BIT(OPT_RETRY_DELAY_MAX) |           \
     OPT_BIT(OPT_NO_RETRY_BACKOFF) | OPT_BIT(OPT_TAGS) | OPT_BIT(OPT_IDEMPOTENCY_KEY) |            \
     OPT_BIT(OPT_OWNER) | OPT_BIT(OPT_METADATA))

#define LIST_OPTIONS                                                                               \
    (OPT_BIT(OPT_STATUS) | OPT_BIT(OPT_TYPE) | OPT_BIT(OPT_QUEUE) | OPT_BIT(OPT_OWNER) |           \
     OPT_BIT(OPT_TAG) | OPT_BIT(OPT_PRIORITY) | OPT_BIT(OPT_KEY) | OPT_BIT(OPT_SINCE) |            \
     OPT_BIT(OPT_UNTIL) | OPT_BIT(OPT_SEARCH) | OPT_BIT(OPT_LIMIT) | OPT_BIT(OPT_AFTER))

// clang-format off
const CommandSpec COMMAND_SPECS[] = {
    {"dev", NULL, 0, 0, NULL, OPT_BIT(OPT_RESET), OPT_BIT(OPT_DATABASE) | OPT_BIT(OPT_JSON),
     "start a private database and workers, for development",
     "Makes a PostgreSQL cluster in the state folder (first time only), reachable over a unix "
     "socket by this machine alone, and runs gangerd on it until Ctrl-C. Other commands find this "
     "database by themselves when no other is named; the one of another state folder needs the "
     "same --state there.\n"
     "Without --config a small configuration with the job types noop, sleep and echo is used.\n"
     "The state folder is /var/lib/ganger for root, else $XDG_STATE_HOME/ganger or "
     "~/.local/state/ganger.",
     command_dev},
    {"migrate up", NULL, 0, 0, NULL, 0, 0, "bring the schema to the version of this program", NULL,
     command_migrate_up},
    {"migrate status", NULL, 0, 0, NULL, 0, 0, "list the migrations and which are applied",
     "Exits 1 when one is pending, was changed since it was applied, or is unknown to this program.",
     command_migrate_status},
    {"migrate sql", NULL, 0, 0, NULL, 0, OPT_BIT(OPT_JSON),
     "print the SQL of all migrations, touching nothing",
     "For those who run schema changes with another tool. Each migration is a transaction that also "
     "records it, so that `ganger migrate up` has nothing left to do:\n"
     "  ganger migrate sql | psql -v ON_ERROR_STOP=1",
     command_migrate_sql},
    {"enqueue", "[TYPE]", 0, 1, NULL, ENQUEUE_OPTIONS, 0, "enqueue one job, or many from a file",
     "Prints the id of the job. Durations have a unit: 500ms, 30s, 5m, 1h30m, 2d.\n"
     "\n"
     "With --many each line of FILE is one JSON object with the names of ganger.enqueue's "
     "parameters:\n"
     "  {\"job_type\": \"echo\", \"payload\": {\"n\": 1}, \"priority\": 5}\n"
     "1,000 lines are one transaction. A line that is refused ends the run: the lines before its "
     "thousand are enqueued, the others are not, and the message says which.",
     command_enqueue},
    {"jobs list", NULL, 0, 0, NULL, LIST_OPTIONS, 0, "list jobs, newest first",
     "DUE/TOOK is the time until a pending job may run, or how long the others ran. TIME is an "
     "instant (2030-01-31T09:00Z) or a duration before now (2h).",
     command_jobs_list},
    {"jobs show", "ID", 1, 1, NULL, 0, 0, "show all about one job, its attempts and its log", NULL,
     command_jobs_show},
    {"jobs cancel", "ID...", 1, -1, NULL, 0, 0, "cancel jobs, running ones too",
     "A pending job is cancelled at once. A running one is stopped: softly, then, after its "
     "kill_grace, with SIGKILL; its status is `cancelled` when it has stopped.",
     command_jobs_cancel},
    {"jobs retry", "ID...", 1, -1, NULL, 0, 0, "run failed or cancelled jobs again", NULL,
     command_jobs_retry},
    {"jobs edit", "ID", 1, 1, NULL, OPT_BIT(OPT_SET), 0, "change a pending job",
     "  ganger jobs edit 12 --set '{\"priority\": 5, \"timeout\": \"30s\"}'", command_jobs_edit},
    {"jobs events", "ID", 1, 1, NULL, 0, 0, "show what happened to a job", NULL,
     command_jobs_events},
    {"jobs wait", "ID...", 1, -1, NULL, OPT_BIT(OPT_TIMEOUT), 0, "wait until jobs have ended",
     "Exits 0 when all of them completed; 1 when one failed or was cancelled, or when --timeout has "
     "passed. A restart of the database is waited for.",
     command_jobs_wait},
    {"nodes", NULL, 0, 0, NULL, OPT_BIT(OPT_ALL), 0, "list the machines that run workers",
     "Machines that left in order are shown with --all only.", command_nodes},
    {"workers", NULL, 0, 0, NULL, 0, 0, "list the worker processes and what they run", NULL,
     command_workers},
    {"queues", NULL, 0, 0, NULL, 0, 0, "list the queues", NULL, command_queues},
    {"stats", "[TYPE]", 0, 1, NULL, 0, 0, "count the jobs by status", NULL, command_stats},
    {"maintain", NULL, 0, 0, NULL, 0, 0, "do one pass of every cluster duty now",
     "The reaper of the node that is the leader does this by itself, each second.",
     command_maintain},
    {"bench", "[SCENARIO...]", 0, -1,
     "drain enqueue latency scheduled kill crash footprint snapshot", OPT_BIT(OPT_QUICK), 0,
     "measure ganger on a server, beside what the server itself can do",
     "Without SCENARIO all are measured, which takes about ten minutes. Works in databases of its "
     "own, named ganger_bench_*, and drops them; needs a superuser. The server is the one named by "
     "--database, DATABASE_URL or --state. In a source tree bench/run starts a server for it.",
     command_bench},
    {"config", NULL, 0, 0, NULL, OPT_BIT(OPT_SAMPLE), 0,
     "print the effective configuration and where each value comes from", NULL, command_config},
    {"completion", "SHELL", 1, 1, "bash zsh fish", 0, OPT_BIT(OPT_JSON),
     "print a completion script",
     "  bash:  source <(ganger completion bash)\n"
     "  zsh:   ganger completion zsh > \"${fpath[1]}/_ganger\"\n"
     "  fish:  ganger completion fish > ~/.config/fish/completions/ganger.fish",
     command_completion},
    {"help", "[COMMAND]", 0, 2, NULL, 0, OPT_BIT(OPT_JSON), "explain a command", NULL,
     command_help},
};
// clang-format on

const int COMMAND_COUNT = (int)(sizeof COMMAND_SPECS / sizeof COMMAND_SPECS[0]);

_Static_assert(OPT_COUNT <= 64, "the options of a command are a 64-bit set");

// SPDX-License-Identifier: MIT
// Command table: the one static table of commands; parsing, help and completion read it.
#include "cli/commands.h"
#include "cli/option_table.h"

#define ITEM_OPTIONS                                                                               \
    (OPT_BIT(OPT_QUEUE) | OPT_BIT(OPT_PRIORITY) | OPT_BIT(OPT_MAX_ATTEMPTS) |                      \
     OPT_BIT(OPT_TIMEOUT) | OPT_BIT(OPT_KILL_GRACE) | OPT_BIT(OPT_RETRY_DELAY) |                   \
     OPT_BIT(OPT_RETRY_DELAY_MAX) | OPT_BIT(OPT_NO_RETRY_BACKOFF) | OPT_BIT(OPT_TAGS) |            \
     OPT_BIT(OPT_OWNER) | OPT_BIT(OPT_METADATA) | OPT_BIT(OPT_GROUP_KEY) |                         \
     OPT_BIT(OPT_DEAD_LETTER_JOB_TYPE))

#define TICK_OPTIONS                                                                               \
    (ITEM_OPTIONS | OPT_BIT(OPT_PAYLOAD) | OPT_BIT(OPT_UNIQUE_KEY) | OPT_BIT(OPT_UNIQUE_FOR) |     \
     OPT_BIT(OPT_ON_CONFLICT) | OPT_BIT(OPT_DEPENDS_ON_TAGS))

#define ENQUEUE_OPTIONS                                                                            \
    (TICK_OPTIONS | OPT_BIT(OPT_MANY) | OPT_BIT(OPT_RUN_AT) | OPT_BIT(OPT_DELAY) |                 \
     OPT_BIT(OPT_IDEMPOTENCY_KEY) | OPT_BIT(OPT_EXPIRES_AT) | OPT_BIT(OPT_DEPENDS_ON) |            \
     OPT_BIT(OPT_WAIT) | OPT_BIT(OPT_WAIT_TIMEOUT))

#define FILTER_OPTIONS                                                                             \
    (OPT_BIT(OPT_STATUS) | OPT_BIT(OPT_TYPE) | OPT_BIT(OPT_QUEUE) | OPT_BIT(OPT_OWNER) |           \
     OPT_BIT(OPT_TAG) | OPT_BIT(OPT_PRIORITY) | OPT_BIT(OPT_KEY) | OPT_BIT(OPT_GROUP_KEY) |        \
     OPT_BIT(OPT_BATCH) | OPT_BIT(OPT_SINCE) | OPT_BIT(OPT_UNTIL) | OPT_BIT(OPT_SEARCH) |          \
     OPT_BIT(OPT_ERROR_GROUP))

#define PAGE_OPTIONS (OPT_BIT(OPT_LIMIT) | OPT_BIT(OPT_AFTER))

#define FILTER_DETAILS                                                                             \
    "\n\nWithout ID: all jobs that match the options; --all for every one. TIME is an instant "    \
    "(2030-01-31T09:00Z) or a duration before now (2h)."

// clang-format off
const GroupSpec GROUP_SPECS[] = {
    {"migrate", "the schema"},
    {"jobs", "look at jobs and change them"},
    {"queues", "the queues and their limits"},
    {"types", "the job types and their limits"},
    {"groups", "the groups of jobs and their limits"},
    {"pause", "stop claims of a queue or job type"},
    {"resume", "let a queue or job type go on"},
    {"schedules", "jobs that come again and again"},
    {"batches", "many jobs under one name, a few at a time"},
    {"tokens", "what suspended jobs wait for"},
    {"api-tokens", "who may use the HTTP API"},
    {"workers", "the worker processes"},
};
const int GROUP_COUNT = (int)(sizeof GROUP_SPECS / sizeof GROUP_SPECS[0]);

const CommandSpec COMMAND_SPECS[] = {
    {"dev", NULL, 0, 0, NULL, OPT_BIT(OPT_RESET) | OPT_BIT(OPT_HTTP) | OPT_BIT(OPT_NO_HTTP), OPT_BIT(OPT_DATABASE) | OPT_BIT(OPT_JSON),
     "start a private database and workers, for development",
     "Makes a PostgreSQL cluster in the state folder (first time only), reachable over a unix "
     "socket by this machine alone, and runs gangerd on it until Ctrl-C. Other commands find this "
     "database by themselves when no other is named; the one of another state folder needs the "
     "same --state there.\n"
     "Without --config a small configuration with the job types noop, sleep and echo is used. Its HTTP API and dashboard "
     "listen on 127.0.0.1:8080, or the next free port, and ask for no token: every user of this machine may do everything "
     "there, while the database's socket is yours alone. On a machine that you share: --http "
     "unix:PATH in a folder of yours (curl --unix-socket PATH http://localhost/api/jobs), or --no-http. With --config the "
     "section http of that file decides.\n"
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
     "With --wait it prints the job's output instead, as JSON, when the job has completed, and "
     "exits 0; when it failed, was cancelled, or has not ended after --wait-timeout, it says so, "
     "and exits 1. A restart of the database is waited for; Ctrl-C ends the waiting, not the job.\n"
     "\n"
     "With --many each line of FILE is one JSON object with the names of ganger.enqueue's "
     "parameters:\n"
     "  {\"job_type\": \"echo\", \"payload\": {\"n\": 1}, \"priority\": 5}\n"
     "1,000 lines are one transaction. A line that is refused ends the run: the lines before its "
     "thousand are enqueued, the others are not, and the message says which.",
     command_enqueue},
    {"jobs list", NULL, 0, 0, NULL, FILTER_OPTIONS | PAGE_OPTIONS, 0, "list jobs, newest first",
     "20 rows, unless --limit says otherwise. DUE/TOOK is the time until a pending job may run, or "
     "how long the others ran. TIME is an instant (2030-01-31T09:00Z) or a duration before now (2h).",
     command_jobs_list},
    {"jobs show", "ID", 1, 1, NULL, 0, 0, "show all about one job, its attempts and its log",
     "Of more than 20 attempts the newest 20.", command_jobs_show},
    {"jobs cancel", "[ID...]", 0, -1, NULL, FILTER_OPTIONS | OPT_BIT(OPT_ALL), 0,
     "cancel jobs, running ones too",
     "A pending job is cancelled at once, and so are those that depend on it. A running one is "
     "stopped: softly, then, after its kill_grace, with SIGKILL; its status is `cancelled` when it "
     "has stopped." FILTER_DETAILS,
     command_jobs_cancel},
    {"jobs retry", "[ID...]", 0, -1, NULL, FILTER_OPTIONS | OPT_BIT(OPT_ALL), 0,
     "run failed or cancelled jobs again",
     "One whose attempts are used up gets one more." FILTER_DETAILS, command_jobs_retry},
    {"jobs edit", "[ID]", 0, 1, NULL, FILTER_OPTIONS | OPT_BIT(OPT_ALL) | OPT_BIT(OPT_SET), 0,
     "change pending jobs",
     "  ganger jobs edit 12 --set '{\"priority\": 5, \"timeout\": \"30s\"}'\n"
     "  ganger jobs edit --queue mail --set '{\"run_at\": null}'" FILTER_DETAILS,
     command_jobs_edit},
    {"jobs redrive", "ID...", 1, -1, NULL, 0, 0, "enqueue what dead letters stand for once more",
     "Each ID is a job that a failed one has left (its --dead-letter-job-type). The letter stays.",
     command_jobs_redrive},
    {"jobs explain", "ID", 1, 1, NULL, 0, 0, "say why a job is not running", NULL,
     command_jobs_explain},
    {"jobs events", "ID", 1, 1, NULL, 0, 0, "show what happened to a job", NULL,
     command_jobs_events},
    {"jobs tail", "[ID]", 0, 1, NULL, OPT_BIT(OPT_AFTER), 0, "follow what happens",
     "Of one job: what has happened, and what happens until it has ended. Else of all jobs, from "
     "now on or from what came --after the event of that number, until Ctrl-C; a second or two "
     "late, so that nothing is missed. With --json one object a line; of all jobs, its event_id is "
     "what --after takes.",
     command_jobs_tail},
    {"jobs wait", "ID...", 1, -1, NULL, OPT_BIT(OPT_TIMEOUT), 0, "wait until jobs have ended",
     "Exits 0 when all of them completed; 1 when one failed or was cancelled, or when --timeout has "
     "passed. A restart of the database is waited for.",
     command_jobs_wait},
    {"queues list", NULL, 0, 0, NULL, 0, 0, "list the queues, with their limits", NULL,
     command_queues_list},
    {"queues set", "NAME", 1, 1, NULL,
     OPT_BIT(OPT_CONCURRENCY) | OPT_BIT(OPT_GROUP_CONCURRENCY) | OPT_BIT(OPT_RATE) |
         OPT_BIT(OPT_RATE_PERIOD) | OPT_BIT(OPT_RETENTION), 0,
     "set limits of a queue",
     "They hold over all machines. What is not named stays as it is; `none` takes a limit away. "
     "--concurrency 0 stops the queue.\n"
     "  ganger queues set mail --concurrency 5 --rate 100 --rate-period 1m",
     command_queues_set},
    {"types list", NULL, 0, 0, NULL, 0, 0, "list the job types, with their limits", NULL,
     command_types_list},
    {"types set", "TYPE", 1, 1, NULL,
     OPT_BIT(OPT_CONCURRENCY) | OPT_BIT(OPT_TIMEOUT) | OPT_BIT(OPT_MAX_CRASHES), 0,
     "set limits of a job type",
     "What is not named stays as it is; `none` takes a limit away. --timeout is that of jobs which "
     "are enqueued without one, and comes before the handler's.",
     command_types_set},
    {"groups list", NULL, 0, 0, NULL, 0, 0, "list the groups, with their limits",
     "Groups with live jobs, or with a limit of their own. HELD are the places taken, by jobs that "
     "run or are about to.",
     command_groups_list},
    {"groups set", "KEY", 1, 1, NULL,
     OPT_BIT(OPT_CONCURRENCY) | OPT_BIT(OPT_RATE) | OPT_BIT(OPT_RATE_PERIOD), 0,
     "set limits of a group",
     "They come before the --group-concurrency of the queue. What is not named stays as it is; "
     "`none` takes a limit away.",
     command_groups_set},
    {"pause queue", "NAME...", 1, -1, NULL, 0, 0, "stop claims of queues",
     "What runs goes on, what is enqueued waits.", command_pause_queue},
    {"pause type", "TYPE...", 1, -1, NULL, 0, 0, "stop claims of job types",
     "What runs goes on, what is enqueued waits.", command_pause_type},
    {"resume queue", "NAME...", 1, -1, NULL, 0, 0, "let paused queues go on", NULL,
     command_resume_queue},
    {"resume type", "TYPE...", 1, -1, NULL, 0, 0, "let paused job types go on", NULL,
     command_resume_type},
    {"schedules list", NULL, 0, 0, NULL, 0, 0, "list the schedules", NULL, command_schedules_list},
    {"schedules show", "NAME", 1, 1, NULL, 0, 0, "show all about one schedule", NULL,
     command_schedules_show},
    {"schedules create", "NAME CRON TYPE", 3, 3, NULL,
     TICK_OPTIONS | OPT_BIT(OPT_TIMEZONE) | OPT_BIT(OPT_OVERLAP) | OPT_BIT(OPT_CATCH_UP), 0,
     "enqueue a job at every tick of a cron expression",
     "  ganger schedules create nightly '0 3 * * *' report --timezone Europe/Berlin\n"
     "--overlap: skip makes no job, allow one more, queue_one one more unless one waits already, "
     "cancel_running cancels the earlier ones. --catch-up: none, last (one job for all of them), "
     "all. The first of each is the default.",
     command_schedules_create},
    {"schedules edit", "NAME", 1, 1, NULL,
     OPT_BIT(OPT_CRON) | OPT_BIT(OPT_TIMEZONE) | OPT_BIT(OPT_OVERLAP) | OPT_BIT(OPT_CATCH_UP) |
         OPT_BIT(OPT_TYPE) | OPT_BIT(OPT_PAYLOAD) | OPT_BIT(OPT_SET), 0,
     "change a schedule",
     "--set takes the changes as JSON, and alone reaches the options of the job (all of them are "
     "replaced):\n"
     "  ganger schedules edit nightly --set '{\"options\": {\"queue\": \"reports\"}}'",
     command_schedules_edit},
    {"schedules pause", "NAME...", 1, -1, NULL, 0, 0, "stop schedules from making jobs",
     "Ticks until they are resumed are not missed: they never were.", command_schedules_pause},
    {"schedules resume", "NAME...", 1, -1, NULL, 0, 0, "let paused schedules go on", NULL,
     command_schedules_resume},
    {"schedules delete", "NAME...", 1, -1, NULL, 0, 0, "delete schedules; their jobs stay", NULL,
     command_schedules_delete},
    {"schedules run", "NAME", 1, 1, NULL, 0, 0, "enqueue a schedule's job now", NULL,
     command_schedules_run},
    {"schedules next", "[NAME]", 0, 1, NULL,
     OPT_BIT(OPT_CRON) | OPT_BIT(OPT_TIMEZONE) | OPT_BIT(OPT_LIMIT), 0,
     "show the next ticks of a schedule, or of any expression",
     "Ten, unless --limit says otherwise.\n"
     "  ganger schedules next --cron '0 3 * * mon-fri' --timezone Europe/Berlin",
     command_schedules_next},
    {"batches list", NULL, 0, 0, NULL, OPT_BIT(OPT_LIMIT), 0, "list the batches, newest first",
     "20 rows, unless --limit says otherwise. The items of one: ganger jobs list --batch ID.",
     command_batches_list},
    {"batches show", "ID", 1, 1, NULL, 0, 0, "show how far a batch is", NULL, command_batches_show},
    {"batches create", "TYPE", 1, 1, NULL,
     ITEM_OPTIONS | OPT_BIT(OPT_ITEMS) | OPT_BIT(OPT_ID) | OPT_BIT(OPT_CONCURRENCY) |
         OPT_BIT(OPT_ON_FINISH) | OPT_BIT(OPT_START) | OPT_BIT(OPT_EXPIRES_AT), 0,
     "make a batch: one job for each payload of a file",
     "Prints the id. Nothing of it runs before `ganger batches start ID`, or at once with --start. "
     "Three items run at a time, unless --concurrency says otherwise.\n"
     "  seq 100 | ganger batches create echo --items - --start",
     command_batches_create},
    {"batches start", "ID...", 1, -1, NULL, 0, 0, "let batches start", NULL, command_batches_start},
    {"batches pause", "ID...", 1, -1, NULL, 0, 0, "start no further item; what runs goes on", NULL,
     command_batches_pause},
    {"batches resume", "ID...", 1, -1, NULL, 0, 0, "let paused batches go on", NULL,
     command_batches_resume},
    {"batches cancel", "ID...", 1, -1, NULL, 0, 0, "cancel batches, with what runs of them", NULL,
     command_batches_cancel},
    {"batches clear", "ID...", 1, -1, NULL, 0, 0, "delete finished batches with their items", NULL,
     command_batches_clear},
    {"batches stats", NULL, 0, 0, NULL, 0, 0, "count the batches", NULL, command_batches_stats},
    {"tokens list", NULL, 0, 0, NULL, OPT_BIT(OPT_ALL) | OPT_BIT(OPT_LIMIT), 0,
     "list the tokens that are waited for",
     "The newest 20, unless --limit says otherwise; with --all those that have ended, too.",
     command_tokens_list},
    {"tokens show", "TOKEN", 1, 1, NULL, 0, 0, "show all about one token", NULL,
     command_tokens_show},
    {"tokens create", NULL, 0, 0, NULL,
     OPT_BIT(OPT_TIMEOUT) | OPT_BIT(OPT_TAGS) | OPT_BIT(OPT_JOB), 0, "make a token and print it",
     "Who knows a token may complete it.", command_tokens_create},
    {"tokens complete", "TOKEN", 1, 1, NULL, OPT_BIT(OPT_DATA), 0,
     "complete a token: who waits for it goes on", NULL, command_tokens_complete},
    {"api-tokens list", NULL, 0, 0, NULL, OPT_BIT(OPT_ALL), 0, "list the tokens of the HTTP API",
     "Revoked ones are shown with --all only.", command_api_tokens_list},
    {"api-tokens create", "NAME", 1, 1, NULL,
     OPT_BIT(OPT_SCOPE) | OPT_BIT(OPT_OWNER) | OPT_BIT(OPT_QUEUES) | OPT_BIT(OPT_EXPIRES), 0,
     "make a token of the HTTP API and print it, once",
     "The database keeps only its hash: it cannot be shown again. Scopes: read looks, enqueue "
     "enqueues, work claims jobs and reports on them, operate cancels, retries, pauses and sets limits, "
     "admin may do everything. With --owner or --queues it reaches only those jobs. Without --expires it is good until "
     "it is revoked.\n"
     "  ganger api-tokens create shop --scope enqueue,read --owner shop --expires 90d >shop.token\n"
     "It is sent as: Authorization: Bearer gng_...",
     command_api_tokens_create},
    {"api-tokens revoke", "ID|NAME...", 1, -1, NULL, 0, 0, "make tokens of the HTTP API worthless",
     "Within five seconds. A whole number is an id.", command_api_tokens_revoke},
    {"nodes", NULL, 0, 0, NULL, OPT_BIT(OPT_ALL), 0, "list the machines that run workers",
     "Machines that left in order are shown with --all only.", command_nodes},
    {"workers list", NULL, 0, 0, NULL, 0, 0, "list the worker processes and what they run", NULL,
     command_workers},
    {"workers kill", "ID...", 1, -1, NULL, 0, 0, "end worker processes; others take their place",
     "The running job is asked to stop, and killed at the end of its kill_grace; it counts as "
     "crashed, unless it completes in that time. What the worker has not begun goes back.",
     command_workers_kill},
    {"top", NULL, 0, 0, NULL, OPT_BIT(OPT_ONCE) | OPT_BIT(OPT_INTERVAL), 0,
     "watch jobs, queues, workers and failures, live",
     "Looks once a second, unless --interval says otherwise. Keys: q quits, Tab chooses a pane, arrows scroll it, s sorts it, z gives it all "
     "the room, / filters, p pauses, + and - change the pace, ? explains. With --once, or where the "
     "output is no terminal, it prints everything once; with --json as JSON.",
     command_top},
    {"stats", "[TYPE]", 0, 1, NULL, 0, 0, "count the jobs, and say how long they take",
     "Without TYPE also a row for each job type. AVERAGE and P95 are run times of completed jobs.",
     command_stats},
    {"failures", NULL, 0, 0, NULL, OPT_BIT(OPT_SINCE) | OPT_BIT(OPT_TYPE) | OPT_BIT(OPT_LIMIT), 0,
     "list what jobs failed with, grouped by message",
     "Of 24 hours, unless --since DURATION says otherwise; 20 rows, unless --limit does. A star stands for what differs from job to job. "
     "The first column is for the others:\n"
     "  ganger jobs list --error-group 8d7aa0c7dd1a\n"
     "  ganger jobs retry --status failed --error-group 8d7aa0c7dd1a",
     command_failures},
    {"maintain", NULL, 0, 0, NULL, 0, 0, "do one pass of every cluster duty now",
     "The reaper of the node that is the leader does this by itself, each second.",
     command_maintain},
    {"doctor", NULL, 0, 0, NULL, OPT_BIT(OPT_ALL), 0, "say what is wrong, and how to mend it",
     "Looks at the server's settings, transactions and slots that are open for long, autovacuum, connections, partitions, the schema, "
     "rights, nodes, clocks, and at jobs that are stuck; changes nothing. docs/operating.md lists the checks. With --all also those "
     "that found nothing.\n"
     "Exits 1 when there is a warning or an error. From SQL: select * from ganger.doctor();",
     command_doctor},
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

// SPDX-License-Identifier: MIT
// ganger-bench: runs scenarios on a PostgreSQL server and prints what was measured beside the raw limits.
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/scratch.h"
#include "bench/server_facts.h"
#include "common/base/exit_code.h"
#include "common/base/log.h"

enum { REPEATS = 3, SECONDS = 4, QUICK_SECONDS = 1 };

static const Scenario scenarios[] = {
    {"drain", "no-op jobs that are already there, and what one costs", scenario_drain},
    {"enqueue", "a producer, one by one and in bulk", scenario_enqueue},
    {"latency", "from enqueue to the handler's start, workers idle", scenario_latency},
    {"scheduled", "from a job's run_at to its start", scenario_scheduled},
    {"kill", "from a job's deadline to the death of its process", scenario_kill},
    {"crash", "from the death of a worker to its job being claimable", scenario_crash},
    {"footprint", "memory of the processes, transactions of an idle node", scenario_footprint},
    {"snapshot", "throughput while a session holds a snapshot", scenario_snapshot},
    {"groups", "jobs of many groups, one of each at a time", scenario_groups},
    {"mixed", "short and long jobs together, and one of high priority", scenario_mixed},
    {"exec", "a program for each job", scenario_exec},
    {"sql", "a function in the database for each job", scenario_sql},
    {"features", "dependencies, groups, keys, schedules, events", scenario_features},
    {"scale", "one, two and four nodes on one database", scenario_scale},
    {"memory", "memory under load, and after a million jobs", scenario_memory},
    {"backlog", "throughput beside ten million jobs that wait", scenario_backlog},
    {"lanes", "jobs of 2,000 lanes", scenario_lanes},
    {"pooler", "behind PgBouncer in transaction mode", scenario_pooler},
    {"http", "the HTTP API, its pages over millions of jobs, dawdling clients", scenario_http},
};

enum { SCENARIO_COUNT = (int)(sizeof scenarios / sizeof scenarios[0]) };

typedef struct Options {
    const char *server;
    const char *only[SCENARIO_COUNT];
    int only_count;
    const char *json;
    int repeats;
    int seconds;
    bool is_quick;
} Options;

static void print_help(void)
{
    puts(
        "usage: ganger-bench [options]\n\n"
        "Measures ganger on a PostgreSQL server beside the raw limits of the same server.\n"
        "Makes databases named ganger_bench_* and drops them again; needs a superuser.\n\n"
        "  --database URL   server to use (default: DATABASE_URL, else libpq's environment)\n"
        "  --only NAME      run this scenario; may be repeated\n"
        "  --quick          a tenth of the jobs, one repetition\n"
        "  --repeat N       repetitions (default 3)\n"
        "  --seconds N      length of figures that are a rate over time (default 4)\n"
        "  --json FILE      write the figures as JSON as well; - prints JSON instead of the table\n"
        "                   curves are drawn beside it: FILE-NAME.svg\n"
        "  --list           name the scenarios\n"
        "  --help           this text");
}

static void print_scenarios(void)
{
    for (int i = 0; i < SCENARIO_COUNT; i++) {
        printf("%-10s  %s\n", scenarios[i].name, scenarios[i].about);
    }
}

static _Noreturn void fail_usage(const char *what, const char *value)
{
    (void)fprintf(stderr, "ganger-bench: %s%s\nganger-bench: see ganger-bench --help\n", what,
                  value);
    exit(EXIT_CODE_USAGE);
}

static int read_number(const char *option, const char *text, int most)
{
    char *end = NULL;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || number < 1 || number > most) {
        fail_usage("bad value of ", option);
    }
    return (int)number;
}

static void add_only(Options *options, const char *name)
{
    for (int i = 0; i < SCENARIO_COUNT; i++) {
        if (str_equal(scenarios[i].name, name) && options->only_count < SCENARIO_COUNT) {
            options->only[options->only_count++] = name;
            return;
        }
    }
    fail_usage("no such scenario: ", name);
}

static Options read_options(int argc, char **argv)
{
    static const struct option table[] = {
        {"database", required_argument, NULL, 'd'},
        {"only", required_argument, NULL, 'o'},
        {"quick", no_argument, NULL, 'q'},
        {"repeat", required_argument, NULL, 'r'},
        {"seconds", required_argument, NULL, 's'},
        {"json", required_argument, NULL, 'j'},
        {"list", no_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const char *url = getenv("DATABASE_URL");
    Options options = {.server = url != NULL ? url : ""};
    for (int option; (option = getopt_long(argc, argv, "", table, NULL)) != -1;) {
        switch (option) {
        case 'd':
            options.server = optarg;
            break;
        case 'o':
            add_only(&options, optarg);
            break;
        case 'q':
            options.is_quick = true;
            break;
        case 'r':
            options.repeats = read_number("--repeat", optarg, REPORT_REPEATS_MAX);
            break;
        case 's':
            options.seconds = read_number("--seconds", optarg, 3600);
            break;
        case 'j':
            options.json = optarg;
            break;
        case 'l':
            print_scenarios();
            exit(EXIT_CODE_OK);
        case 'h':
            print_help();
            exit(EXIT_CODE_OK);
        default:
            fail_usage("wrong option", "");
        }
    }
    if (optind < argc) {
        fail_usage("unexpected argument: ", argv[optind]);
    }
    return options;
}

static bool is_wanted(const Options *options, const char *name)
{
    for (int i = 0; i < options->only_count; i++) {
        if (str_equal(options->only[i], name)) {
            return true;
        }
    }
    return options->only_count == 0;
}

static void write_json(const Bench *bench, const char *path)
{
    char *facts = server_facts_json(bench);
    StrBuf text = {0};
    report_write_json(&bench->report, facts, &text);
    free(facts);
    bool is_stdout = str_equal(path, "-");
    FILE *file = is_stdout ? stdout : fopen(path, "we");
    if (file == NULL || fwrite(text.text, 1, text.length, file) != text.length ||
        fclose(file) != 0) {
        bench_fail("%s: %s", path, strerror(errno));
    }
    strbuf_free(&text);
    if (!is_stdout) {
        report_write_curves(&bench->report, path);
    }
}

static char folder[] = "/tmp/ganger-bench.XXXXXX";
static pid_t owner; // forked helpers inherit the exit handler

static void remove_folder(void)
{
    if (getpid() != owner) {
        return;
    }
    static const char *const names[] = {"probe", "tally"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *path = mem_printf("%s/%s", folder, names[i]);
        (void)unlink(path);
        free(path);
    }
    (void)rmdir(folder);
}

int main(int argc, char **argv)
{
    log_init("bench", LOG_FORMAT_AUTO, LOG_LEVEL_WARN);
    Options options = read_options(argc, argv);
    if (mkdtemp(folder) == NULL) {
        bench_fail("%s: %s", folder, strerror(errno));
    }
    owner = getpid();
    (void)atexit(remove_folder);
    Bench bench = {
        .server = options.server,
        .folder = folder,
        .is_quick = options.is_quick,
        .repeats = options.repeats > 0 ? options.repeats
                   : options.is_quick  ? 1
                                       : REPEATS,
        .seconds = options.seconds > 0 ? options.seconds
                   : options.is_quick  ? QUICK_SECONDS
                                       : SECONDS,
    };
    scratch_init(&bench);
    for (int i = 0; i < SCENARIO_COUNT; i++) {
        if (is_wanted(&options, scenarios[i].name)) {
            bench_live("%s", scenarios[i].name);
            scenarios[i].run(&bench);
        }
    }
    bench_live(NULL);
    if (options.json == NULL || !str_equal(options.json, "-")) {
        report_print_table(&bench.report);
    }
    if (options.json != NULL) {
        write_json(&bench, options.json);
    }
    report_free(&bench.report);
    return EXIT_CODE_OK;
}

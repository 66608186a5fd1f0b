// SPDX-License-Identifier: MIT
// Config print: the sample file, the effective values, and the help, all from the table.
#include <inttypes.h>
#include <stdlib.h>

#include "common/base/config.h"
#include "common/base/config_json.h"
#include "common/base/config_mask.h"
#include "common/base/config_options.h"
#include "common/base/config_value.h"

// --- the sample

static const char sample_head[] =
    "# Configuration of ganger.\n"
    "#\n"
    "# Every option stands here with its default, commented out: remove the '#' right before its\n"
    "# name to change it. Durations (30s, 1h30m) and sizes (512MiB) need a unit. ${NAME} in a "
    "value\n"
    "# is replaced from the environment ($${ stands for a plain ${).\n"
    "#\n"
    "# `gangerd --check -c FILE` tells all mistakes of a file. SIGHUP applies a changed file; what "
    "is\n"
    "# marked \"Needs a restart\" must not change then.\n";

static const char sample_handlers[] =
    "  # The built-in handlers.\n"
    "  #noop: {plugin: noop.so}\n"
    "  #sleep: {plugin: noop.so}\n"
    "  #echo: {plugin: noop.so}\n"
    "\n"
    "  # A handler in a shared object.\n"
    "  #send_email:\n"
    "  #  plugin: email.so\n"
    "  #  timeout: 30s\n"
    "\n"
    "  # A program: the payload is its standard input, JSON on its standard output is the output.\n"
    "  #resize:\n"
    "  #  exec: [/usr/bin/convert, \"-\", -resize, 200x200, \"png:-\"]\n"
    "  #  timeout: 1m\n"
    "  #  rlimits: {cpu: 30s, memory: 512MiB, files: 64, file_size: 100MiB}\n"
    "\n"
    "  # A program whose output a function in the database stores, in the transaction that "
    "completes the job.\n"
    "  #measure:\n"
    "  #  exec: [/srv/jobs/measure.sh]\n"
    "  #  apply: app.store_result\n"
    "\n"
    "  # A function in the database, completed in the transaction it runs in.\n"
    "  #rollup:\n"
    "  #  sql: app.rollup\n"
    "\n"
    "  # A request to an HTTP server.\n"
    "  #tell_shop:\n"
    "  #  http:\n"
    "  #    url: https://shop.example.com/hooks/orders\n"
    "  #    secret_file: /etc/ganger/shop.secret\n"
    "  #  timeout: 20s\n"
    "\n"
    "  # The same, to where each job says (metadata {\"url\": ...}), as far as it is allowed.\n"
    "  #deliver:\n"
    "  #  http: {allow: [\"*.example.org\", \"hooks.example.net:8443\"]}\n";

static const char sample_schedules[] =
    "  #nightly_report:\n"
    "  #  cron: \"0 3 * * *\"\n"
    "  #  job_type: report\n"
    "  #  payload: {kind: nightly, pages: [1, 2]}\n"
    "  #  timezone: Europe/Berlin\n"
    "  #  catch_up: last\n"
    "  #  options: {queue: reports, priority: 5, timeout: 10m, tags: [report]}\n";

static const char sample_queues[] = "  #mail:\n"
                                    "  #  concurrency: 20\n"
                                    "  #  rate: 100\n"
                                    "  #  rate_period: 1m\n"
                                    "  #  retention: 7d\n";

// Sections whose options are explained, and shown in examples: not every combination of them makes sense.
static const struct {
    SectionId section;
    SectionId inner[2]; // SECTION_TOP none
    int width;          // of the names
    const char *head;
    const char *examples;
} explained[] = {
    {SECTION_HANDLER,
     {SECTION_WEBHOOK, SECTION_LIMITS},
     18,
     "The key is the job type. A handler is one of plugin, exec, sql or http:",
     sample_handlers},
    {SECTION_SCHEDULE,
     {SECTION_SCHEDULE_OPTIONS},
     22,
     "The key is the schedule's name.",
     sample_schedules},
    {SECTION_QUEUE, {SECTION_TOP}, 17, "The key is the queue's name.", sample_queues},
};

enum { EXPLAINED_COUNT = sizeof explained / sizeof explained[0] };

static void append_spaces(StrBuf *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        strbuf_append_char(out, ' ');
    }
}

// "# Help. Default: the host name. Needs a restart."
static void append_help(const ConfigOption *option, StrBuf *out)
{
    strbuf_append(out, option->help);
    if (option->default_value == NULL) {
        strbuf_printf(out, " Default: %s.",
                      option->default_note != NULL ? option->default_note : "none");
    }
    if (option->apply == APPLY_RESTART) {
        strbuf_append(out, " Needs a restart.");
    }
}

static void print_sample_options(SectionId section, size_t indent, StrBuf *out)
{
    size_t count = 0;
    const ConfigOption *options = config_options(&count);
    for (size_t i = 0; i < count; i++) {
        const ConfigOption *option = &options[i];
        if (option->section != section) {
            continue;
        }
        append_spaces(out, indent);
        strbuf_append(out, "# ");
        append_help(option, out);
        strbuf_append_char(out, '\n');
        append_spaces(out, indent);
        const char *value = option->default_value != NULL ? option->default_value : option->example;
        bool is_list = option->type == OPTION_LIST && option->default_value != NULL;
        strbuf_printf(out, is_list ? "#%s: [%s]\n" : "#%s: %s\n", option->name, value);
    }
}

static void explain_options(SectionId section, size_t indent, int width, StrBuf *out)
{
    size_t count = 0;
    const ConfigOption *options = config_options(&count);
    for (size_t i = 0; i < count; i++) {
        const ConfigOption *option = &options[i];
        if (option->section == section) {
            strbuf_append(out, "  #");
            append_spaces(out, indent);
            strbuf_printf(
                out, "%-*s  %s Default: %s.\n", width - (int)indent, option->name, option->help,
                option->default_value != NULL ? option->default_value : option->default_note);
        }
    }
}

// True when the section is one of those that are explained.
static bool print_explained(SectionId section, StrBuf *out)
{
    for (size_t i = 0; i < EXPLAINED_COUNT; i++) {
        if (explained[i].section != section) {
            continue;
        }
        strbuf_printf(out, "  # %s\n", explained[i].head);
        explain_options(section, 3, explained[i].width + 3, out);
        for (size_t k = 0; k < 2 && explained[i].inner[k] != SECTION_TOP; k++) {
            const SectionId id = explained[i].inner[k];
            const ConfigSection *inner = config_section(id);
            strbuf_printf(out, "  #   %-*s  %s\n", explained[i].width, inner->name, inner->help);
            explain_options(id, 5, explained[i].width + 3, out);
        }
        strbuf_append_char(out, '\n');
        strbuf_append(out, explained[i].examples);
        return true;
    }
    return false;
}

void config_print_sample(StrBuf *out)
{
    strbuf_append(out, sample_head);
    strbuf_append_char(out, '\n');
    print_sample_options(SECTION_TOP, 0, out);
    for (int id = SECTION_TOP + 1; id < SECTION_COUNT; id++) {
        const ConfigSection *section = config_section((SectionId)id);
        if (section->parent != SECTION_TOP) {
            continue;
        }
        strbuf_printf(out, "\n# %s\n%s:\n", section->help, section->name);
        if (print_explained((SectionId)id, out)) {
            continue;
        }
        if (section->is_named) {
            strbuf_append(out, "  default:\n");
            print_sample_options((SectionId)id, 4, out);
        } else {
            print_sample_options((SectionId)id, 2, out);
        }
    }
}

// --- the help

// "node." or "handlers.<job type>.rlimits."
static void append_path(SectionId id, const char *name, StrBuf *out)
{
    if (id == SECTION_TOP) {
        return;
    }
    const ConfigSection *section = config_section(id);
    append_path(section->parent, name, out);
    strbuf_printf(out, "%s.", section->name);
    if (section->is_named) {
        strbuf_printf(out, "%s.", name);
    }
}

void config_print_options(StrBuf *out)
{
    size_t count = 0;
    const ConfigOption *options = config_options(&count);
    for (size_t i = 0; i < count; i++) {
        const ConfigOption *option = &options[i];
        strbuf_append(out, "  ");
        append_path(option->section, "NAME", out);
        strbuf_printf(out, "%s: ", option->name);
        config_value_describe(option, out);
        if (option->default_value != NULL) {
            strbuf_printf(out, " (default %s)", option->default_value);
        }
        strbuf_append(out, "\n      ");
        append_help(option, out);
        strbuf_append_char(out, '\n');
    }
}

// --- the effective values

typedef struct Printer {
    const Config *config;
    bool json;
    size_t width; // of the names; 0 = being measured
    size_t rows;
    StrBuf *out;
} Printer;

static void append_origin(const Printer *printer, const ConfigOption *option, ConfigPlace place,
                          StrBuf *out)
{
    bool is_url = option->section == SECTION_DATABASE && strcmp(option->name, "url") == 0;
    if (is_url && printer->config->database_url_from_env) {
        strbuf_append(out, "environment DATABASE_URL");
    } else if (place.line > 0) {
        strbuf_printf(out, "%s:%d", printer->config->path != NULL ? printer->config->path : "file",
                      place.line);
    } else {
        strbuf_append(out, "default");
    }
}

static void print_json(Printer *printer, const ConfigOption *option, const void *owner,
                       const char *name, const char *value, const char *origin)
{
    StrBuf *out = printer->out;
    strbuf_append(out, printer->rows == 0 ? "" : ",");
    strbuf_append_json(out, name);
    strbuf_append(out, ":{\"value\":");
    bool is_digits = value != NULL && value[strspn(value, "0123456789")] == '\0';
    if (value == NULL) {
        strbuf_append(out, "null");
    } else if (config_value_is_list(option) && option->shown == SHOWN_WHOLE) {
        config_json_append_list(config_value_list(option, owner), out);
    } else if (option->type == OPTION_BOOL || option->type == OPTION_JSON ||
               (option->type == OPTION_INT && is_digits)) {
        strbuf_append(out, value);
    } else {
        strbuf_append_json(out, value);
    }
    strbuf_append(out, ",\"from\":");
    strbuf_append_json(out, origin);
    strbuf_append_char(out, '}');
}

static void append_shown(OptionShown shown, const char *value, StrBuf *out)
{
    switch (shown) {
    case SHOWN_WHOLE:
        strbuf_append(out, value);
        break;
    case SHOWN_WITHOUT_PASSWORD:
        config_mask_url(value, out);
        break;
    case SHOWN_HOST_ONLY:
        config_mask_path(value, out);
        break;
    case SHOWN_NOT:
        strbuf_append(out, "***");
        break;
    }
}

static void print_row(Printer *printer, const ConfigOption *option, const void *owner,
                      const char *name, ConfigPlace place)
{
    StrBuf value = {0};
    StrBuf origin = {0};
    StrBuf whole = {0};
    bool is_set = config_value_format(option, owner, &whole);
    if (is_set) {
        append_shown(option->shown, whole.text, &value);
    }
    strbuf_free(&whole);
    append_origin(printer, option, place, &origin);
    if (printer->json) {
        print_json(printer, option, owner, name, is_set ? value.text : NULL, origin.text);
    } else {
        const char *note = option->default_note != NULL ? option->default_note : "none";
        char *shown = is_set ? mem_strdup(value.text) : mem_printf("(%s)", note);
        strbuf_printf(printer->out, "%-*s  %-16s  %s\n", (int)printer->width, name, shown,
                      origin.text);
        free(shown);
    }
    printer->rows++;
    strbuf_free(&value);
    strbuf_free(&origin);
}

// Of a handler, only what it says or what it is by default: not the other kinds. Of a schedule's job and of a queue, only what is said
// of it.
static bool is_option_shown(const ConfigOption *option, const void *object, ConfigPlace place)
{
    if (option->section == SECTION_SCHEDULE_OPTIONS || option->section == SECTION_QUEUE) {
        return place.line > 0;
    }
    if (config_section(option->section)->owner != OWNER_HANDLER) {
        return true;
    }
    StrBuf value = {0};
    bool is_set = config_value_format(option, object, &value);
    strbuf_free(&value);
    return is_set && (place.line > 0 || strcmp(option->name, "plugin") == 0);
}

static void print_owner(Printer *printer, SectionOwner owner, const void *object,
                        const ConfigPlace *places, const char *object_name)
{
    size_t count = 0;
    const ConfigOption *options = config_owner_options(owner, &count);
    for (size_t i = 0; i < count; i++) {
        StrBuf name = {0};
        append_path(options[i].section, object_name, &name);
        strbuf_append(&name, options[i].name);
        bool is_shown = is_option_shown(&options[i], object, places[i]);
        if (is_shown && printer->width == 0) {
            printer->rows = name.length > printer->rows ? name.length : printer->rows;
        } else if (is_shown) {
            print_row(printer, &options[i], object, name.text, places[i]);
        }
        strbuf_free(&name);
    }
}

static void print_all(Printer *printer)
{
    const Config *config = printer->config;
    print_owner(printer, OWNER_CONFIG, config, config->places, "");
    for (size_t i = 0; i < config->pool_count; i++) {
        const PoolConfig *pool = &config->pools[i];
        print_owner(printer, OWNER_POOL, pool, pool->places, pool->name);
    }
    for (size_t i = 0; i < config->handler_count; i++) {
        const HandlerConfig *handler = &config->handlers[i];
        print_owner(printer, OWNER_HANDLER, handler, handler->places, handler->job_type);
    }
    for (size_t i = 0; i < config->schedule_count; i++) {
        const ScheduleConfig *schedule = &config->schedules[i];
        print_owner(printer, OWNER_SCHEDULE, schedule, schedule->places, schedule->name);
    }
    for (size_t i = 0; i < config->queue_count; i++) {
        const QueueConfig *queue = &config->queues[i];
        print_owner(printer, OWNER_QUEUE, queue, queue->places, queue->name);
    }
}

void config_print_effective(const Config *config, bool json, StrBuf *out)
{
    Printer printer = {.config = config, .json = json, .out = out};
    print_all(&printer);
    printer.width = printer.rows;
    printer.rows = 0;
    strbuf_append(out, json ? "{" : "");
    print_all(&printer);
    strbuf_append(out, json ? "}\n" : "");
}

// SPDX-License-Identifier: MIT
// Config: from a file or bytes to one checked, immutable structure.
#include "common/base/config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/config_check.h"
#include "common/base/config_error.h"
#include "common/base/config_file.h"
#include "common/base/config_mask.h"
#include "common/base/config_options.h"
#include "common/base/config_read.h"
#include "common/base/config_value.h"
#include "common/base/config_yaml.h"

// Between gangerd and its children only: the name a node without node.name has had since its start.
static const char NODE_NAME_VARIABLE[] = "GANGER_DEFAULT_NODE_NAME";

enum { HOST_NAME_BYTES = 256 };

static void fill_defaults(Config *config, ConfigErrors *errors);
static Status load(Config **out, const char *path, bool regular_only, StrBuf *errors);
static void index_handlers(Config *config);

Status config_load(Config **out, const char *path, StrBuf *errors)
{
    return load(out, path, false, errors);
}

Status config_reload(Config **out, const Config *running, StrBuf *errors)
{
    TRY(load(out, running->path, true, errors));
    if (running->has_content && !(*out)->has_content) {
        // An editor that is just saving, or a full disk: nobody empties a file to get the defaults.
        strbuf_printf(errors, "%s: error: the file is empty\n", running->path);
        config_destroy(*out);
        *out = NULL;
        return STATUS_REFUSED;
    }
    config_keep_defaults(running, *out);
    return STATUS_OK;
}

// In the file itself: what a ${NAME} stands for is not.
static bool is_in_file(const Config *config, const char *secret)
{
    return secret != NULL && strstr(config->text, secret) != NULL;
}

// "Authorization: ...", "X-Api-Key: ...": by its name, which most say plainly.
static bool is_secret_header(const char *header)
{
    static const char *const words[] = {"auth",    "token",    "secret",     "key",
                                        "cookie",  "passw",    "passphrase", "credential",
                                        "session", "signature"};
    char *name = mem_strndup(header, strcspn(header, ":"));
    bool is_secret = false;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        is_secret = is_secret || strcasestr(name, words[i]) != NULL;
    }
    free(name);
    return is_secret;
}

// The URLs that chat services give out: who knows one may post there. It ends in a long random word, or has one in its query.
static bool is_secret_url(const char *url)
{
    static const char word[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    enum { RANDOM_WORD_LEAST = 16 };
    const char *scheme_end = url != NULL ? strstr(url, "://") : NULL;
    const char *at = scheme_end != NULL ? scheme_end + 3 : "";
    at += strcspn(at, "/?");
    while (*at != '\0') {
        const size_t length = strspn(at, word);
        if (length >= RANDOM_WORD_LEAST && strcspn(at, "0123456789") < length) {
            return true;
        }
        at += length > 0 ? length : 1;
    }
    return false;
}

static bool has_webhook_secret(const Config *config)
{
    bool is_there = false;
    for (size_t i = 0; i < config->handler_count; i++) {
        const WebhookConfig *http = &config->handlers[i].http;
        is_there = is_there || is_in_file(config, http->secret) ||
                   (is_secret_url(http->url) && is_in_file(config, http->url));
        for (size_t k = 0; k < http->headers.count; k++) {
            const char *header = http->headers.items[k];
            const char *value = strstr(header, ": ");
            is_there = is_there || (value != NULL && value[2] != '\0' && is_secret_header(header) &&
                                    is_in_file(config, value + 2));
        }
    }
    return is_there;
}

static bool is_password_in(const char *text, const char *url)
{
    StrBuf masked = {0};
    bool is_written = strstr(text, url) != NULL;
    if (is_written) {
        config_mask_url(url, &masked);
    }
    bool is_masked = is_written && !str_equal(masked.text, url);
    strbuf_free(&masked);
    return is_masked;
}

static bool has_password(const Config *config)
{
    size_t count = 0;
    const ConfigOption *options = config_owner_options(OWNER_CONFIG, &count);
    bool is_there = has_webhook_secret(config);
    for (size_t i = 0; i < count && !is_there; i++) {
        StrBuf url = {0};
        is_there = options[i].shown == SHOWN_WITHOUT_PASSWORD &&
                   config_value_format(&options[i], config, &url) &&
                   is_password_in(config->text, url.text);
        strbuf_free(&url);
    }
    return is_there;
}

static Status load(Config **out, const char *path, bool regular_only, StrBuf *errors)
{
    StrBuf text = {0};
    *out = NULL;
    Status status = path == NULL ? STATUS_OK : config_file_read(path, regular_only, &text, errors);
    if (status == STATUS_OK) {
        status = config_parse(out, path != NULL ? path : "defaults",
                              text.text != NULL ? text.text : "", text.length, errors);
    }
    if (status == STATUS_OK && path != NULL && has_password(*out)) {
        config_file_warn_of_readers(path, (*out)->user, errors);
    }
    strbuf_free(&text);
    if (status == STATUS_OK && path == NULL) {
        free((*out)->path);
        (*out)->path = NULL;
    }
    return status;
}

// Documents with mistakes are checked to the end all the same, so that all are told at once.
Status config_parse(Config **out, const char *name, const char *text, size_t length, StrBuf *errors)
{
    Config *config = mem_alloc(sizeof *config);
    ConfigErrors *found = mem_alloc(sizeof *found);
    found->name = name;
    config->path = mem_strdup(name);
    config->text = mem_strndup(text, length);
    config->text_length = length;
    config_owner_init(OWNER_CONFIG, config, &config->places);
    yaml_document_t document;
    if (config_yaml_read(text, length, &document, found)) {
        config_read(config, &document, found);
        yaml_document_delete(&document);
        fill_defaults(config, found);
        index_handlers(config);
        config_check(config, found);
    }
    bool is_fine = found->error_count == 0;
    const Status refusal = found->is_out_of_memory ? STATUS_FATAL : STATUS_REFUSED;
    config_errors_write(found, errors);
    config_errors_free(found);
    free(found);
    *out = is_fine ? config : NULL;
    if (!is_fine) {
        config_destroy(config);
    }
    return is_fine ? STATUS_OK : refusal;
}

static char *default_node_name(void)
{
    char host[HOST_NAME_BYTES] = "";
    const char *pinned = getenv(NODE_NAME_VARIABLE);
    if (pinned != NULL && pinned[0] != '\0') {
        return mem_strdup(pinned);
    }
    if (gethostname(host, sizeof host - 1) != 0 || host[0] == '\0') {
        return mem_strdup("localhost");
    }
    return mem_strdup(host);
}

static char *default_state_dir(void)
{
    if (geteuid() == 0) {
        return mem_strdup("/run/ganger");
    }
    const char *runtime_dir = getenv("XDG_RUNTIME_DIR");
    if (runtime_dir != NULL && runtime_dir[0] == '/') {
        return mem_printf("%s/ganger", runtime_dir);
    }
    return mem_printf("/tmp/ganger-%u", (unsigned)geteuid());
}

static void add_default_handlers(Config *config)
{
    static const char *const names[] = {"noop", "sleep", "echo"};
    config->handlers = mem_alloc(sizeof names / sizeof names[0] * sizeof(HandlerConfig));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        HandlerConfig *handler = &config->handlers[config->handler_count++];
        config_owner_init(OWNER_HANDLER, handler, &handler->places);
        handler->job_type = mem_strdup(names[i]);
        handler->kind = HANDLER_PLUGIN;
        handler->plugin = mem_strdup("noop.so");
    }
}

// What the table cannot say: the environment, the machine, the pool and handlers that are built in.
static void fill_defaults(Config *config, ConfigErrors *errors)
{
    const char *url = getenv("DATABASE_URL");
    if (url != NULL && url[0] != '\0') {
        const ConfigOption *option = config_find_option(SECTION_DATABASE, "url");
        StrBuf why = {0};
        if (config_value_set(option, url, config, &why)) {
            config->database_url_from_env = true;
        } else {
            config_error(errors, (ConfigPlace){0}, "environment variable DATABASE_URL: %s",
                         why.text);
        }
        strbuf_free(&why);
    }
    if (config->node_name == NULL) {
        config->node_name = default_node_name();
    }
    if (config->state_dir == NULL) {
        config->state_dir = default_state_dir();
    }
    if (config->pools == NULL) {
        config->pools = mem_alloc(sizeof *config->pools);
        config->pool_count = 1;
        config_owner_init(OWNER_POOL, config->pools, &config->pools->places);
        config->pools->name = mem_strdup("default");
    }
    if (config->handlers == NULL) {
        add_default_handlers(config);
    }
}

void config_pin_defaults(const Config *config)
{
    const ConfigOption *option = config_find_option(SECTION_NODE, "name");
    if (config->places[config_option_index(option)].line == 0 &&
        setenv(NODE_NAME_VARIABLE, config->node_name, 1) != 0) {
        panic("setenv: %s", strerror(errno));
    }
}

void config_destroy(Config *config)
{
    if (config == NULL) {
        return;
    }
    for (size_t i = 0; i < config->pool_count; i++) {
        config_owner_release(OWNER_POOL, &config->pools[i], &config->pools[i].places);
        free(config->pools[i].name);
    }
    free(config->pools);
    for (size_t i = 0; i < config->handler_count; i++) {
        config_owner_release(OWNER_HANDLER, &config->handlers[i], &config->handlers[i].places);
        free(config->handlers[i].job_type);
    }
    free(config->handlers);
    free(config->handlers_by_type);
    for (size_t i = 0; i < config->schedule_count; i++) {
        ScheduleConfig *schedule = &config->schedules[i];
        config_owner_release(OWNER_SCHEDULE, schedule, &schedule->places);
        free(schedule->name);
    }
    free(config->schedules);
    for (size_t i = 0; i < config->queue_count; i++) {
        config_owner_release(OWNER_QUEUE, &config->queues[i], &config->queues[i].places);
        free(config->queues[i].name);
    }
    free(config->queues);
    config_owner_release(OWNER_CONFIG, config, &config->places);
    free(config->path);
    free(config->text);
    free(config);
}

static int compare_types(const void *left, const void *right)
{
    const HandlerConfig *const *a = left;
    const HandlerConfig *const *b = right;
    return strcmp((*a)->job_type, (*b)->job_type);
}

static int compare_to_type(const void *job_type, const void *entry)
{
    const HandlerConfig *const *handler = entry;
    return strcmp(job_type, (*handler)->job_type);
}

static void index_handlers(Config *config)
{
    size_t count = config->handler_count;
    config->handlers_by_type = mem_alloc((count + 1) * sizeof(HandlerConfig *));
    for (size_t i = 0; i < count; i++) {
        config->handlers_by_type[i] = &config->handlers[i];
    }
    qsort(config->handlers_by_type, count, sizeof(HandlerConfig *), compare_types);
}

const HandlerConfig *config_find_handler(const Config *config, const char *job_type)
{
    if (config->handler_count == 0) {
        return NULL;
    }
    const HandlerConfig *const *found =
        bsearch(job_type, config->handlers_by_type, config->handler_count, sizeof(HandlerConfig *),
                compare_to_type);
    return found != NULL ? *found : NULL;
}

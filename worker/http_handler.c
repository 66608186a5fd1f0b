// SPDX-License-Identifier: MIT
// HTTP handler: see the header.
#include "worker/http_handler.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { SECRET_MIN_BYTES = 16, SECRET_MAX_BYTES = 4096 };

// The secret is the file without the line end an editor leaves.
static char *take_secret(char *text, size_t length, const char *path, StrBuf *why)
{
    if (length > 0 && text[length - 1] == '\n') {
        length--;
    }
    if (length > 0 && text[length - 1] == '\r') {
        length--;
    }
    if (length < SECRET_MIN_BYTES || length > SECRET_MAX_BYTES ||
        memchr(text, '\0', length) != NULL) {
        strbuf_printf(why, "secret_file %s: expected one line of %d to %d bytes", path,
                      (int)SECRET_MIN_BYTES, (int)SECRET_MAX_BYTES);
        return NULL;
    }
    return mem_strndup(text, length);
}

static char *read_secret(const char *path, StrBuf *why)
{
    char text[SECRET_MAX_BYTES + 3];
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t length = -1;
    if (fd >= 0) {
        length = read(fd, text, sizeof text);
    }
    const int error = errno;
    if (fd >= 0) {
        close(fd);
    }
    if (length < 0) {
        strbuf_printf(why, "secret_file %s: %s", path, strerror(error));
        return NULL;
    }
    return take_secret(text, (size_t)length, path, why);
}

static bool read_ranges(HttpHandler *self, StrBuf *why)
{
    const StringList *list = &self->config->allow_private;
    const bool is_read = address_ranges_parse(&self->allow_private, list->items, list->count, why);
    self->allow_private_count = is_read ? list->count : 0;
    return is_read;
}

static bool read_files(HttpHandler *self, StrBuf *why)
{
    const WebhookConfig *config = self->config;
    if (config->ca_file != NULL && access(config->ca_file, R_OK) != 0) {
        strbuf_printf(why, "ca_file %s: %s", config->ca_file, strerror(errno));
        return false;
    }
    if (config->secret != NULL) {
        self->secret = mem_strdup(config->secret);
    } else if (config->secret_file != NULL) {
        self->secret = read_secret(config->secret_file, why);
        return self->secret != NULL;
    }
    return true;
}

bool http_handler_create(HttpHandler **out, const WebhookConfig *config, StrBuf *why)
{
    HttpHandler *self = mem_alloc(sizeof *self);
    self->config = config;
    const bool is_ready = read_ranges(self, why) && read_files(self, why);
    if (!is_ready) {
        http_handler_destroy(self);
        self = NULL;
    }
    *out = self;
    return is_ready;
}

void http_handler_destroy(HttpHandler *self)
{
    if (self == NULL) {
        return;
    }
    free(self->secret);
    free(self->allow_private);
    free(self);
}

bool http_handler_allows(const HttpHandler *self, const HttpTarget *target, StrBuf *why)
{
    const WebhookConfig *config = self->config;
    if (!target->is_tls && !config->allow_http) {
        strbuf_append(why, "http:// is not encrypted, and allow_http is not set");
        return false;
    }
    const bool is_allowed = http_hosts_allow(config->allow.items, config->allow.count, target);
    if (!is_allowed) {
        strbuf_printf(why, "%s:%d is not among the hosts of allow", target->host, target->port);
    }
    return is_allowed;
}

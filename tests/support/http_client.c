// SPDX-License-Identifier: MIT
// Http client: see http_client.h.
#include "tests/support/http_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/listen_address.h"

enum { CHUNK_BYTES = 65536, ASK_LIMIT_MS = 30000, SEND_LIMIT_MS = 10000, LOOK_MS = 10 };

void http_free_address(char *address, size_t size)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof any;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&any, sizeof any) != 0 ||
        getsockname(fd, (struct sockaddr *)&any, &length) != 0) {
        fail_msg("no port: %s", strerror(errno));
    }
    close(fd);
    (void)snprintf(address, size, "127.0.0.1:%d", ntohs(any.sin_port));
}

bool http_connect(HttpClient *client, const char *address)
{
    ListenAddress where;
    StrBuf why = {0};
    *client = (HttpClient){.fd = -1};
    if (!listen_address_parse(&where, address, &why)) {
        fail_msg("%s: %s", address, why.text);
    }
    client->fd = socket(where.socket.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0) {
        fail_msg("socket: %s", strerror(errno));
    }
    int connected = 0;
    do {
        connected = connect(client->fd, (const struct sockaddr *)&where.socket, where.length);
    } while (connected != 0 && errno == EINTR);
    return connected == 0;
}

void http_close(HttpClient *client)
{
    if (client->fd >= 0) {
        close(client->fd);
    }
    strbuf_free(&client->in);
    *client = (HttpClient){.fd = -1};
}

void http_reset(HttpClient *client)
{
    struct linger none = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    http_close(client);
}

bool http_send(HttpClient *client, const char *bytes, size_t length)
{
    int64_t until = clock_boot_ms() + SEND_LIMIT_MS;
    while (length > 0) {
        ssize_t sent = send(client->fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) {
            bytes += sent;
            length -= (size_t)sent;
            continue;
        }
        if ((errno != EAGAIN && errno != EINTR) || clock_boot_ms() > until) {
            return false;
        }
        struct pollfd writable = {.fd = client->fd, .events = POLLOUT};
        (void)poll(&writable, 1, LOOK_MS);
    }
    return true;
}

bool http_send_text(HttpClient *client, const char *text)
{
    return http_send(client, text, strlen(text));
}

// Takes in what there is, waiting for it until then; false when nothing came or the end did.
static bool take_in(HttpClient *client, int64_t until)
{
    static char chunk[CHUNK_BYTES];
    while (!client->is_ended) {
        int64_t left = until - clock_boot_ms();
        struct pollfd readable = {.fd = client->fd, .events = POLLIN};
        if (left <= 0 || poll(&readable, 1, (int)left) < 0) {
            return false;
        }
        ssize_t got = recv(client->fd, chunk, sizeof chunk, MSG_DONTWAIT);
        if (got > 0) {
            strbuf_append_bytes(&client->in, chunk, (size_t)got);
            return true;
        }
        client->is_ended = got == 0 || (errno != EAGAIN && errno != EINTR);
    }
    return false;
}

bool http_await_end(HttpClient *client, int64_t limit_ms)
{
    int64_t until = clock_boot_ms() + limit_ms;
    while (take_in(client, until)) {
    }
    return client->is_ended;
}

void http_drop(StrBuf *buf, size_t count)
{
    if (count > 0 && buf->text != NULL) {
        buf->length -= count;
        memmove(buf->text, buf->text + count, buf->length);
        buf->text[buf->length] = '\0';
    }
}

bool http_header(const HttpAnswer *answer, const char *name, char *out, size_t size)
{
    size_t length = strlen(name);
    for (const char *line = strstr(answer->head, "\r\n"); line != NULL;
         line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, length) == 0 && line[2 + length] == ':') {
            const char *value = line + 3 + length + strspn(line + 3 + length, " ");
            (void)snprintf(out, size, "%.*s", (int)strcspn(value, "\r"), value);
            return true;
        }
    }
    return false;
}

// The head up to its empty line, taken out of what came.
static bool read_head(HttpClient *client, HttpAnswer *answer, int64_t until)
{
    const char *end = NULL;
    while (client->in.length == 0 || (end = strstr(client->in.text, "\r\n\r\n")) == NULL) {
        if (!take_in(client, until)) {
            return false;
        }
    }
    size_t length = (size_t)(end - client->in.text) + 4;
    answer->head = mem_strndup(client->in.text, length);
    bool is_answer =
        strncmp(answer->head, "HTTP/1.1 ", 9) == 0 || strncmp(answer->head, "HTTP/1.0 ", 9) == 0;
    answer->status = is_answer ? (int)strtol(answer->head + 9, NULL, 10) : 0;
    if (answer->status < 100 || answer->status > 599) {
        fail_msg("no answer: %.200s", answer->head);
    }
    http_drop(&client->in, length);
    return true;
}

static bool have(HttpClient *client, size_t count, int64_t until)
{
    while (client->in.length < count) {
        if (!take_in(client, until)) {
            return false;
        }
    }
    return true;
}

bool http_read_chunk(HttpClient *client, StrBuf *body, size_t *size, int64_t until)
{
    const char *end = NULL;
    while (client->in.length == 0 || (end = strstr(client->in.text, "\r\n")) == NULL) {
        if (!take_in(client, until)) {
            return false;
        }
    }
    size_t head = (size_t)(end - client->in.text) + 2;
    *size = strtoul(client->in.text, NULL, 16);
    if (!have(client, head + *size + 2, until)) {
        return false;
    }
    strbuf_append_bytes(body, client->in.text + head, *size);
    http_drop(&client->in, head + *size + 2);
    return true;
}

static bool read_chunks(HttpClient *client, StrBuf *body, int64_t until)
{
    size_t size = 1;
    while (size > 0) {
        if (!http_read_chunk(client, body, &size, until)) {
            return false;
        }
    }
    return true;
}

static bool read_body(HttpClient *client, HttpAnswer *answer, int64_t until)
{
    char value[64];
    StrBuf body = {0};
    bool is_whole = true;
    strbuf_append(&body, "");
    if (http_header(answer, "transfer-encoding", value, sizeof value)) {
        is_whole = read_chunks(client, &body, until);
    } else if (http_header(answer, "content-length", value, sizeof value)) {
        size_t length = strtoul(value, NULL, 10);
        is_whole = length == 0 || have(client, length, until);
        if (is_whole && length > 0) {
            strbuf_append_bytes(&body, client->in.text, length);
            http_drop(&client->in, length);
        }
    } else if (answer->status != 204 && answer->status != 304) {
        while (take_in(client, until)) {
        }
        is_whole = client->is_ended;
        strbuf_append_bytes(&body, client->in.text != NULL ? client->in.text : "",
                            client->in.length);
        http_drop(&client->in, client->in.length);
    }
    answer->body_length = body.length;
    answer->body = strbuf_take(&body);
    return is_whole;
}

static bool read_answer(HttpClient *client, HttpAnswer *answer, bool has_body, int64_t limit_ms)
{
    int64_t until = clock_boot_ms() + limit_ms;
    do {
        http_answer_free(answer);
        if (!read_head(client, answer, until)) {
            return false;
        }
    } while (answer->status < 200);
    if (!has_body) {
        answer->body = mem_strdup("");
        return true;
    }
    return read_body(client, answer, until);
}

bool http_read(HttpClient *client, HttpAnswer *answer, int64_t limit_ms)
{
    *answer = (HttpAnswer){0};
    return read_answer(client, answer, true, limit_ms);
}

bool http_read_head(HttpClient *client, HttpAnswer *answer, int64_t limit_ms)
{
    *answer = (HttpAnswer){0};
    return read_answer(client, answer, false, limit_ms);
}

void http_answer_free(HttpAnswer *answer)
{
    free(answer->head);
    free(answer->body);
    *answer = (HttpAnswer){0};
}

HttpAnswer http_ask(const char *address, const char *method, const char *target,
                    const char *headers, const char *body)
{
    HttpClient client;
    HttpAnswer answer = {0};
    StrBuf request = {0};
    const char *host = strncmp(address, "unix:", 5) == 0 ? "localhost" : address;

    strbuf_printf(&request, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s", method, target,
                  host, headers != NULL ? headers : "");
    if (body != NULL) {
        strbuf_printf(&request, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
                      strlen(body));
    }
    strbuf_printf(&request, "\r\n%s", body != NULL ? body : "");
    bool is_answered = http_connect(&client, address) &&
                       http_send(&client, request.text, request.length) &&
                       read_answer(&client, &answer, strcmp(method, "HEAD") != 0, ASK_LIMIT_MS);
    http_close(&client);
    strbuf_free(&request);
    if (!is_answered) {
        http_answer_free(&answer);
    }
    return answer;
}

int http_status(const char *address, const char *method, const char *target, const char *body)
{
    HttpAnswer answer = http_ask(address, method, target, NULL, body);
    int status = answer.status;
    http_answer_free(&answer);
    return status;
}

bool http_await(const char *address, const char *target, int status, int64_t limit_ms)
{
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
    for (int64_t until = clock_boot_ms() + limit_ms; clock_boot_ms() < until;) {
        if (http_status(address, "GET", target, NULL) == status) {
            return true;
        }
        (void)nanosleep(&pause, NULL);
    }
    return false;
}

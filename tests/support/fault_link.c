// SPDX-License-Identifier: MIT
// Fault link: see the header.
#include "tests/support/fault_link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"

enum {
    CHUNK_BYTES = 65536,
    READ_AHEAD_BYTES = 1 << 20,
    LENGTH_BYTES = 4,
    CODE_SSL = 80877103,
    CODE_GSS = 80877104,
    CODE_CANCEL = 80877102,
    FLUSH_MS = 1000
};

FaultLink *fault_link_create(int client, int server)
{
    FaultLink *self = mem_alloc(sizeof *self);
    self->client = client;
    self->server = server;
    return self;
}

static void close_end(int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd);
        *fd = -1;
    }
}

void fault_link_destroy(FaultLink *self)
{
    close_end(&self->client);
    close_end(&self->server);
    strbuf_free(&self->to_server.in);
    strbuf_free(&self->to_server.out);
    strbuf_free(&self->to_client.in);
    strbuf_free(&self->to_client.out);
    free(self);
}

static void drop_front(StrBuf *buf, size_t bytes)
{
    memmove(buf->text, buf->text + bytes, buf->length - bytes);
    buf->length -= bytes;
}

// --- sockets

static void read_some(int fd, FaultPipe *pipe)
{
    char chunk[CHUNK_BYTES];
    ssize_t got = recv(fd, chunk, sizeof chunk, MSG_DONTWAIT);
    if (got > 0) {
        if (!pipe->is_cut) {
            strbuf_append_bytes(&pipe->in, chunk, (size_t)got);
        }
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        pipe->is_at_end = true;
    }
}

static void write_some(int fd, FaultPipe *pipe)
{
    if (pipe->out.length == 0) {
        return;
    }
    ssize_t sent = fd < 0 ? (ssize_t)pipe->out.length
                          : send(fd, pipe->out.text, pipe->out.length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        sent = (ssize_t)pipe->out.length; // its receiver is gone
        pipe->is_cut = true;
    }
    if (sent > 0) {
        drop_front(&pipe->out, (size_t)sent);
    }
}

// What was forwarded is with its receiver, as far as a socket can tell, before anything else is done.
static void flush(int fd, FaultPipe *pipe)
{
    int64_t until = clock_boot_ms() + FLUSH_MS;
    while (pipe->out.length > 0 && clock_boot_ms() < until) {
        struct pollfd wait = {.fd = fd, .events = POLLOUT};
        (void)poll(&wait, 1, FLUSH_MS);
        write_some(fd, pipe);
    }
}

int fault_link_poll(const FaultLink *self, int64_t now_ms, struct pollfd fds[2])
{
    const FaultPipe *pipes[2] = {&self->to_server, &self->to_client};
    const int ends[2] = {self->client, self->server};
    int64_t due = -1;
    for (int i = 0; i < 2; i++) {
        short events = 0;
        if (!pipes[i]->is_at_end &&
            (pipes[i]->held_until == 0 || pipes[i]->in.length < READ_AHEAD_BYTES)) {
            events |= POLLIN;
        }
        if (pipes[1 - i]->out.length > 0) {
            events |= POLLOUT;
        }
        // poll reports a hang-up whatever is asked, so one that has been seen is not asked again.
        fds[i] = (struct pollfd){.fd = events == 0 ? -1 : ends[i], .events = events};
        if (pipes[i]->held_until > 0) {
            int64_t left = pipes[i]->held_until > now_ms ? pipes[i]->held_until - now_ms : 0;
            due = due < 0 || left < due ? left : due;
        }
    }
    return (int)due;
}

// --- messages

static uint32_t read_number(const char *bytes)
{
    uint32_t number;
    memcpy(&number, bytes, sizeof number);
    return ntohl(number);
}

// The value of a name in a startup message: pairs of terminated strings.
static void read_application(FaultLink *self, const FaultMessage *message)
{
    const char *at = message->body + LENGTH_BYTES; // behind the version
    const char *end = message->body + message->length;
    while (at < end && *at != '\0') {
        const char *value = at + strnlen(at, (size_t)(end - at)) + 1;
        if (value >= end) {
            return;
        }
        if (str_equal(at, "application_name")) {
            (void)snprintf(self->application, sizeof self->application, "%.*s",
                           (int)strnlen(value, (size_t)(end - value)), value);
        }
        at = value + strnlen(value, (size_t)(end - value)) + 1;
    }
}

// The first message of a client has no type. 0: not whole yet; otherwise its bytes.
static size_t parse_first(FaultLink *self, FaultMessage *message)
{
    const StrBuf *in = &self->to_server.in;
    if (in->length < (size_t)2 * LENGTH_BYTES) {
        return 0;
    }
    size_t length = read_number(in->text);
    if (in->length < length || length < (size_t)2 * LENGTH_BYTES) {
        return 0;
    }
    uint32_t code = read_number(in->text + LENGTH_BYTES);
    *message = (FaultMessage){.side = FAULT_PROXY_CLIENT,
                              .type = FAULT_PROXY_TYPE_STARTUP,
                              .body = in->text + LENGTH_BYTES,
                              .length = length - LENGTH_BYTES};
    if (code == CODE_SSL || code == CODE_GSS) {
        message->type = 'N';
    } else if (code == CODE_CANCEL) {
        message->type = FAULT_PROXY_TYPE_CANCEL;
        self->has_begun = true;
    } else {
        read_application(self, message);
        self->has_begun = true;
    }
    return length;
}

static size_t parse(FaultLink *self, FaultPipe *pipe, FaultMessage *message)
{
    if (pipe == &self->to_server && !self->has_begun) {
        return parse_first(self, message);
    }
    const StrBuf *in = &pipe->in;
    if (in->length < 1 + LENGTH_BYTES) {
        return 0;
    }
    size_t length = 1 + (size_t)read_number(in->text + 1);
    if (in->length < length) {
        return 0;
    }
    *message =
        (FaultMessage){.side = pipe == &self->to_server ? FAULT_PROXY_CLIENT : FAULT_PROXY_SERVER,
                       .type = in->text[0],
                       .body = in->text + 1 + LENGTH_BYTES,
                       .length = length - 1 - LENGTH_BYTES};
    return length;
}

// --- harm

void fault_link_cut(FaultLink *self)
{
    self->is_ending = true;
    self->to_server.is_cut = true;
    self->to_client.is_cut = true;
    self->to_server.held_until = 0;
    self->to_client.held_until = 0;
    strbuf_clear(&self->to_server.in);
    strbuf_clear(&self->to_client.in);
}

static void reset_client(FaultLink *self)
{
    const struct linger at_once = {.l_onoff = 1};
    (void)setsockopt(self->client, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close_end(&self->client);
    self->to_server.is_at_end = true;
}

static void act(FaultLink *self, const FaultProxyRule *rule, const FaultJudge *judge)
{
    FaultProxySide sides = rule->sides == FAULT_PROXY_ANY ? FAULT_PROXY_BOTH : rule->sides;
    switch (rule->action) {
    case FAULT_PROXY_CUT:
        fault_link_cut(self);
        break;
    case FAULT_PROXY_RESET:
        fault_link_cut(self);
        reset_client(self);
        break;
    case FAULT_PROXY_HALF:
        self->to_server.is_cut = self->to_server.is_cut || (sides & FAULT_PROXY_CLIENT) != 0;
        self->to_client.is_cut = self->to_client.is_cut || (sides & FAULT_PROXY_SERVER) != 0;
        break;
    case FAULT_PROXY_SWALLOW:
        if ((sides & FAULT_PROXY_CLIENT) != 0) {
            self->to_server.is_cut = self->to_server.is_swallowed = true;
        }
        if ((sides & FAULT_PROXY_SERVER) != 0) {
            self->to_client.is_cut = self->to_client.is_swallowed = true;
        }
        break;
    case FAULT_PROXY_CALL:
        judge->call(judge->data, rule);
        break;
    case FAULT_PROXY_DELAY:
        break; // it has been, before the message
    }
}

static void forward(FaultPipe *pipe, size_t bytes)
{
    strbuf_append_bytes(&pipe->out, pipe->in.text, bytes);
    drop_front(&pipe->in, bytes);
}

// One whole message. False: it is held.
static bool pass(FaultLink *self, FaultPipe *pipe, const FaultMessage *message, size_t bytes,
                 const FaultJudge *judge)
{
    if (message->type == 'N' && message->side == FAULT_PROXY_CLIENT) {
        strbuf_append_char(&self->to_client.out, 'N'); // no encryption here
        drop_front(&pipe->in, bytes);
        return true;
    }
    int number = -1;
    const FaultProxyRule *rule = judge->judge(judge->data, self, message, &number);
    if (rule == NULL) {
        forward(pipe, bytes);
        return true;
    }
    const FaultProxyRule struck = *rule;
    if (struck.action == FAULT_PROXY_DELAY) {
        pipe->held_until = clock_boot_ms() + struck.delay_ms;
        pipe->is_delayed = true;
        judge->done(judge->data, number);
        return false;
    }
    if (struck.is_after) {
        forward(pipe, bytes);
        flush(pipe == &self->to_server ? self->server : self->client, pipe);
    }
    act(self, &struck, judge);
    judge->done(judge->data, number);
    if (!struck.is_after && !pipe->is_cut) {
        forward(pipe, bytes);
    }
    return true;
}

static void move(FaultLink *self, FaultPipe *pipe, const FaultJudge *judge)
{
    if (pipe->held_until > 0) {
        if (clock_boot_ms() < pipe->held_until) {
            return;
        }
        pipe->held_until = 0;
    }
    FaultMessage message;
    while (!pipe->is_cut) {
        size_t bytes = parse(self, pipe, &message);
        if (bytes == 0) {
            return;
        }
        if (pipe->is_delayed) { // it has been judged
            pipe->is_delayed = false;
            forward(pipe, bytes);
        } else if (!pass(self, pipe, &message, bytes, judge)) {
            return;
        }
    }
    strbuf_clear(&pipe->in);
}

// --- ends

static bool is_over(const FaultPipe *pipe)
{
    bool is_silent = (pipe->is_at_end && pipe->held_until == 0) || pipe->is_cut;
    return is_silent && pipe->out.length == 0 && !pipe->is_swallowed;
}

bool fault_link_step(FaultLink *self, const struct pollfd fds[2], const FaultJudge *judge)
{
    if ((fds[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0 && !self->to_server.is_at_end) {
        read_some(self->client, &self->to_server);
    }
    if ((fds[1].revents & (POLLIN | POLLHUP | POLLERR)) != 0 && !self->to_client.is_at_end) {
        read_some(self->server, &self->to_client);
    }
    move(self, &self->to_server, judge);
    move(self, &self->to_client, judge);
    write_some(self->server, &self->to_server);
    write_some(self->client, &self->to_client);
    if (self->is_ending) {
        self->to_server.is_swallowed = self->to_client.is_swallowed = false;
        if (self->to_client.out.length == 0) {
            close_end(&self->client);
            self->to_server.is_at_end = true;
        }
    }
    if (is_over(&self->to_server) && !self->to_server.is_shut) {
        // The server reads to the end what it was sent, and then sees that there is no more.
        self->to_server.is_shut = true;
        (void)shutdown(self->server, SHUT_WR);
    }
    if (is_over(&self->to_client) && !self->to_client.is_shut && self->client >= 0) {
        self->to_client.is_shut = true;
        (void)shutdown(self->client, SHUT_WR);
    }
    bool is_any_swallowed = self->to_server.is_swallowed || self->to_client.is_swallowed;
    if (self->to_server.is_at_end && self->to_client.is_at_end) {
        return self->to_server.out.length + self->to_client.out.length > 0 && self->client >= 0;
    }
    // A server that has closed hears nothing more.
    return is_any_swallowed || !(self->to_client.is_at_end && is_over(&self->to_client));
}

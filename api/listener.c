// SPDX-License-Identifier: MIT
// Sockets we listen on, and taking connections from them.
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/http_internal.h"
#include "common/base/log.h"

enum { LISTEN_BACKLOG = 512, ACCEPT_AT_ONCE = 64, SOCKET_MODE = 0660 };

static const char ANSWER_FULL[] =
    "HTTP/1.1 503 Service Unavailable\r\n"
    "Retry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

// True: one connection less waits.
static bool accept_one(Listener *listener)
{
    Server *server = listener->server;
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    struct sockaddr *peer = (struct sockaddr *)(void *)&address;
    int fd = accept4(listener->fd, peer, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        return errno == ECONNABORTED || errno == EINTR;
    }
    if (!http_connections_admit(server, peer)) {
        log_debug("http.full", "connections=%d", server->connection_count);
        (void)!send(fd, ANSWER_FULL, sizeof ANSWER_FULL - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        close(fd);
        return true;
    }
    // It closes the descriptor when it does not take it.
    if (MHD_add_connection(server->mhd, fd, peer, length) != MHD_YES) {
        log_debug("http.refused", "connections=%d", server->connection_count);
    }
    server->needs_pump = true;
    return true;
}

static void on_listener(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)loop;
    (void)events;
    for (int i = 0; i < ACCEPT_AT_ONCE && accept_one(watcher->data); i++) {
    }
}

// A socket file that nobody serves is left over from a process that was killed.
static void remove_stale(const ListenAddress *address)
{
    struct stat info;
    const char *path = listen_address_path(address);
    if (path == NULL || lstat(path, &info) != 0 || !S_ISSOCK(info.st_mode)) {
        return;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return;
    }
    const struct sockaddr *name = (const struct sockaddr *)(const void *)&address->socket;
    if (connect(fd, name, address->length) != 0 && errno == ECONNREFUSED) {
        unlink(path);
    }
    close(fd);
}

static int open_socket(const ListenAddress *address)
{
    int family = address->socket.ss_family;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -1;
    }
    int yes = 1;
    if (family != AF_UNIX) {
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    }
    if (family == AF_INET6) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
    }
    remove_stale(address);
    const struct sockaddr *name = (const struct sockaddr *)(const void *)&address->socket;
    const char *path = listen_address_path(address);
    if (bind(fd, name, address->length) != 0 || (path != NULL && chmod(path, SOCKET_MODE) != 0) ||
        listen(fd, LISTEN_BACKLOG) != 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

static const char *hint_for(int error)
{
    switch (error) {
    case EADDRINUSE:
        return "another program listens there: stop it, or change http.listen";
    case EADDRNOTAVAIL:
        return "this machine has no such address: change http.listen";
    case EACCES:
    case EPERM:
        return "the user of ganger may not listen there: take a port above 1023, or a folder it "
               "may write to";
    case ENOENT:
        return "the folder of the socket does not exist";
    default:
        return "change http.listen";
    }
}

static Status open_listener(Server *server, Listener *listener, const char *text)
{
    StrBuf why = {0};
    listener->server = server;
    listener->fd = -1;
    bool is_valid = listen_address_parse(&listener->address, text, &why);
    if (is_valid) {
        listener->fd = open_socket(&listener->address);
    }
    if (listener->fd < 0) {
        log_error("http.listen_failed", "address=%s reason=\"%s\" hint=\"%s\"", text,
                  is_valid ? strerror(errno) : why.text, is_valid ? hint_for(errno) : "");
    }
    strbuf_free(&why);
    if (listener->fd < 0) {
        return STATUS_FATAL;
    }
    ev_io_init(&listener->io, on_listener, listener->fd, EV_READ);
    listener->io.data = listener;
    ev_io_start(server->api->loop, &listener->io);
    log_info("http.listening", "address=%s", text);
    return STATUS_OK;
}

Status listeners_open(Server *server)
{
    const StringList *addresses = &server->api->config->http_listen;
    server->listeners = mem_alloc(addresses->count * sizeof *server->listeners);
    for (size_t i = 0; i < addresses->count; i++) {
        server->listener_count = i + 1;
        TRY(open_listener(server, &server->listeners[i], addresses->items[i]));
    }
    return STATUS_OK;
}

void listeners_close(Server *server)
{
    for (size_t i = 0; i < server->listener_count; i++) {
        Listener *listener = &server->listeners[i];
        if (listener->fd < 0) {
            continue;
        }
        ev_io_stop(server->api->loop, &listener->io);
        if (listen_address_path(&listener->address) != NULL) {
            unlink(listen_address_path(&listener->address));
        }
        close(listener->fd);
        listener->fd = -1;
    }
    server->listener_count = 0;
    free(server->listeners);
    server->listeners = NULL;
}

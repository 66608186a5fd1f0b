// SPDX-License-Identifier: MIT
// Dev http: see dev_http.h. A port is tried by taking it for a moment; should somebody be quicker afterwards, ganger-api says so.
#include "cli/dev_http.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/listen_address.h"

// 0, or the errno of bind().
static int try_to_bind(const ListenAddress *address)
{
    int on = 1;
    int fd = socket(address->socket.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return errno;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    int error = 0;
    if (bind(fd, (const struct sockaddr *)&address->socket, address->length) != 0 ||
        listen(fd, 1) != 0) {
        error = errno;
    }
    close(fd);
    return error;
}

static Status read_asked(const char *asked, ListenAddress *address, StrBuf *why)
{
    StrBuf wrong = {0};
    if (!listen_address_parse(address, asked, &wrong)) {
        strbuf_printf(why, "--http: %s", wrong.text);
        strbuf_free(&wrong);
        return STATUS_REFUSED;
    }
    if (!listen_address_is_local(address)) {
        strbuf_printf(why,
                      "--http: %s is reached by other machines, and nobody is asked for a token "
                      "here; take an address of "
                      "127.0.0.1, [::1] or unix:, or give a configuration with --config",
                      asked);
        return STATUS_REFUSED;
    }
    return STATUS_OK;
}

Status dev_http_check(const char *asked, StrBuf *why)
{
    ListenAddress address;
    return read_asked(asked, &address, why);
}

static Status check_asked(const char *asked, StrBuf *why)
{
    ListenAddress address;
    TRY(read_asked(asked, &address, why));
    // A socket's file may be left over: ganger-api knows what to do with it.
    int error = listen_address_path(&address) != NULL ? 0 : try_to_bind(&address);
    if (error != 0) {
        strbuf_printf(why, "--http: cannot listen on %s: %s", asked, strerror(error));
        return STATUS_REFUSED;
    }
    return STATUS_OK;
}

Status dev_http_choose(const char *asked, int port, char **out, StrBuf *why)
{
    *out = NULL;
    if (asked != NULL) {
        TRY(check_asked(asked, why));
        *out = mem_strdup(asked);
        return STATUS_OK;
    }
    for (int i = 0; i < DEV_HTTP_PORTS; i++) {
        ListenAddress address;
        char *text = mem_printf("127.0.0.1:%d", port + i);
        if (listen_address_parse(&address, text, why) && try_to_bind(&address) == 0) {
            *out = text;
            return STATUS_OK;
        }
        free(text);
    }
    strbuf_printf(why,
                  "no port from %d to %d is free for the HTTP API; name one with --http, or go "
                  "without it: --no-http",
                  port, port + DEV_HTTP_PORTS - 1);
    return STATUS_REFUSED;
}

char *dev_http_url(const StringList *listen)
{
    StrBuf why = {0};
    char *url = NULL;

    for (size_t i = 0; i < listen->count && url == NULL; i++) {
        ListenAddress address;
        if (!listen_address_parse(&address, listen->items[i], &why) ||
            listen_address_path(&address) != NULL) {
            continue;
        }
        bool is_any = strncmp(listen->items[i], "0.0.0.0:", 8) == 0 ||
                      strncmp(listen->items[i], "[::]:", 5) == 0;
        url = is_any ? mem_printf("http://localhost:%d/", listen_address_port(&address))
                     : mem_printf("http://%s/", listen->items[i]);
    }
    strbuf_free(&why);
    if (url == NULL && listen->count > 0) {
        url = mem_strdup(listen->items[0]);
    }
    return url;
}

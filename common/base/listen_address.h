// SPDX-License-Identifier: MIT
// Listen address: where a server waits for connections, from the text of the configuration: "127.0.0.1:8080", "[::1]:8080",
// "unix:/run/ganger/api.sock". Pure: names are not resolved.
#ifndef COMMON_BASE_LISTEN_ADDRESS_H
#define COMMON_BASE_LISTEN_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/base/memory.h"
#include "common/base/status.h"

typedef struct ListenAddress {
    struct sockaddr_storage socket; // AF_INET, AF_INET6 or AF_UNIX; for bind()
    socklen_t length;
} ListenAddress;

// False: `why` says what is wrong with the text, and what would be right.
MUST_CHECK bool listen_address_parse(ListenAddress *out, const char *text, StrBuf *why);
// Nobody outside of this machine reaches it: a unix socket, 127.0.0.0/8 or ::1.
bool listen_address_is_local(const ListenAddress *address);
// Path of a unix socket; NULL for others.
const char *listen_address_path(const ListenAddress *address);
// 0 for a unix socket.
int listen_address_port(const ListenAddress *address);
// The two cannot both be bound because they are the same.
bool listen_address_equal(const ListenAddress *a, const ListenAddress *b);
// As it is written in the configuration, in its shortest form.
void listen_address_format(const ListenAddress *address, StrBuf *out);

#endif

// SPDX-License-Identifier: MIT
// AddressRange: which addresses of the network a webhook may not be sent to, and the exceptions that are configured. Pure.
#ifndef COMMON_BASE_ADDRESS_RANGE_H
#define COMMON_BASE_ADDRESS_RANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "common/base/memory.h"

typedef struct AddressRange {
    int family; // AF_INET, AF_INET6
    unsigned char bytes[16];
    int bits; // of the prefix
} AddressRange;

// "10.0.0.0/8", "fd00::/8", or one address. False: *why says what is wrong.
bool address_range_parse(AddressRange *out, const char *text, StrBuf *why);
// As many of them, in *out, which is the caller's to free. False: one is wrong, *why says which, and *out is NULL.
bool address_ranges_parse(AddressRange **out, char *const *texts, size_t count, StrBuf *why);

// NULL when `address` may be connected to: it is one of the public Internet, or `allowed` covers it. Otherwise what it is, for a message:
// "a loopback address". An IPv4 address inside an IPv6 one (mapped, NAT64) is judged as the IPv4 address it leads to.
const char *address_refusal(const struct sockaddr *address, const AddressRange *allowed,
                            size_t count);
// The same of an address as text. A name, which may lead anywhere, is not refused.
const char *address_text_refusal(const char *host, const AddressRange *allowed, size_t count);

#endif

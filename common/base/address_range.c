// SPDX-License-Identifier: MIT
// Address range: the table of addresses that are not of the public Internet (IANA special-purpose registries).
#include "common/base/address_range.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>

enum { IPV4_BYTES = 4, IPV6_BYTES = 16, PREFIX_MAX_DIGITS = 3 };

typedef struct Special {
    AddressRange range;
    const char *what;
} Special;

#define V4(a, b, c, d, bits_, what_)                                                               \
    {                                                                                              \
        {.family = AF_INET, .bytes = {(a), (b), (c), (d)}, .bits = (bits_)}, what_                 \
    }
#define V6(bits_, what_, ...)                                                                      \
    {                                                                                              \
        {.family = AF_INET6, .bytes = {__VA_ARGS__}, .bits = (bits_)}, what_                       \
    }

static const Special specials[] = {
    V4(0, 0, 0, 0, 8, "an address of this host"),
    V4(127, 0, 0, 0, 8, "a loopback address"),
    V4(10, 0, 0, 0, 8, "a private address"),
    V4(172, 16, 0, 0, 12, "a private address"),
    V4(192, 168, 0, 0, 16, "a private address"),
    V4(100, 64, 0, 0, 10, "an address behind a carrier's NAT"),
    V4(169, 254, 0, 0, 16, "a link-local address"), // 169.254.169.254: metadata of clouds
    V4(192, 0, 0, 0, 24, "a reserved address"),
    V4(192, 0, 2, 0, 24, "an address for documentation"),
    V4(192, 88, 99, 0, 24, "a reserved address"),
    V4(198, 18, 0, 0, 15, "an address for benchmarks"),
    V4(198, 51, 100, 0, 24, "an address for documentation"),
    V4(203, 0, 113, 0, 24, "an address for documentation"),
    V4(224, 0, 0, 0, 4, "a multicast address"),
    V4(240, 0, 0, 0, 4, "a reserved address"), // with the broadcast address
    V6(128, "an address of this host", 0),
    V6(128, "a loopback address", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1),
    V6(23, "a reserved address", 0x20, 0x01, 0x00, 0x00), // Teredo, ORCHID and the like
    V6(32, "an address for documentation", 0x20, 0x01, 0x0d, 0xb8),
    V6(16, "a 6to4 address", 0x20, 0x02),
    V6(20, "an address for documentation", 0x3f, 0xff, 0x00),
    V6(7, "a private address", 0xfc),
    V6(10, "a link-local address", 0xfe, 0x80),
    V6(10, "a private address", 0xfe, 0xc0),
    V6(8, "a multicast address", 0xff),
};

// All that is handed out of IPv6; the rest is special or not there.
static const AddressRange unicast = {.family = AF_INET6, .bytes = {0x20}, .bits = 3};
// Both have an IPv4 address in their last four bytes: what the kernel, or a translator on the way, connects to.
static const AddressRange mapped = {
    .family = AF_INET6, .bytes = {[10] = 0xff, [11] = 0xff}, .bits = 96};
static const AddressRange nat64 = {
    .family = AF_INET6, .bytes = {0x00, 0x64, 0xff, 0x9b}, .bits = 96};

static int bytes_of(int family)
{
    return family == AF_INET ? IPV4_BYTES : IPV6_BYTES;
}

static bool covers(const AddressRange *range, const AddressRange *address)
{
    if (range->family != address->family) {
        return false;
    }
    const size_t whole = (size_t)range->bits / 8;
    const int rest = range->bits % 8;
    if (memcmp(range->bytes, address->bytes, whole) != 0) {
        return false;
    }
    const int mask = 0xff << (8 - rest) & 0xff;
    return rest == 0 || ((range->bytes[whole] ^ address->bytes[whole]) & mask) == 0;
}

static bool is_covered(const AddressRange *allowed, size_t count, const AddressRange *address)
{
    for (size_t i = 0; i < count; i++) {
        if (covers(&allowed[i], address)) {
            return true;
        }
    }
    return false;
}

static bool read_address(const char *text, AddressRange *out)
{
    const int family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
    memset(out, 0, sizeof *out);
    out->family = family;
    out->bits = 8 * bytes_of(family);
    return inet_pton(family, text, out->bytes) == 1;
}

static bool read_prefix(const char *text, AddressRange *range)
{
    const size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > PREFIX_MAX_DIGITS || text[digits] != '\0') {
        return false;
    }
    const long bits = strtol(text, NULL, 10);
    if (bits > range->bits) {
        return false;
    }
    range->bits = (int)bits;
    return true;
}

bool address_range_parse(AddressRange *out, const char *text, StrBuf *why)
{
    const char *slash = strchr(text, '/');
    char *address = slash != NULL ? mem_strndup(text, (size_t)(slash - text)) : mem_strdup(text);
    const bool is_read =
        read_address(address, out) && (slash == NULL || read_prefix(slash + 1, out));
    free(address);
    if (!is_read) {
        strbuf_printf(why, "expected addresses such as 10.0.0.0/8 or fd00::/8, got %.60s", text);
        return false;
    }
    AddressRange beyond = *out;
    for (int bit = out->bits; bit < 8 * bytes_of(out->family); bit++) {
        beyond.bytes[bit / 8] &= (unsigned char)~(0x80 >> bit % 8);
    }
    if (memcmp(beyond.bytes, out->bytes, sizeof beyond.bytes) != 0) {
        char first[INET6_ADDRSTRLEN] = "";
        (void)inet_ntop(beyond.family, beyond.bytes, first, sizeof first);
        strbuf_printf(why, "%.60s is no range: it begins at %s/%d", text, first, beyond.bits);
        return false;
    }
    return true;
}

bool address_ranges_parse(AddressRange **out, char *const *texts, size_t count, StrBuf *why)
{
    AddressRange *ranges = mem_alloc((count + 1) * sizeof *ranges);
    *out = NULL;
    for (size_t i = 0; i < count; i++) {
        if (!address_range_parse(&ranges[i], texts[i], why)) {
            free(ranges);
            return false;
        }
    }
    *out = ranges;
    return true;
}

static bool take_address(const struct sockaddr *address, AddressRange *out)
{
    memset(out, 0, sizeof *out);
    out->family = address->sa_family;
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        memcpy(out->bytes, &in.sin_addr, IPV4_BYTES);
        return true;
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in;
        memcpy(&in, address, sizeof in);
        memcpy(out->bytes, &in.sin6_addr, IPV6_BYTES);
        return true;
    }
    return false;
}

static const char *refusal_of(AddressRange target, const AddressRange *allowed, size_t count)
{
    if (is_covered(allowed, count, &target)) {
        return NULL;
    }
    if (covers(&mapped, &target) || covers(&nat64, &target)) {
        AddressRange inner = {.family = AF_INET};
        memcpy(inner.bytes, target.bytes + IPV6_BYTES - IPV4_BYTES, IPV4_BYTES);
        target = inner;
        if (is_covered(allowed, count, &target)) {
            return NULL;
        }
    }
    for (size_t i = 0; i < sizeof specials / sizeof specials[0]; i++) {
        if (covers(&specials[i].range, &target)) {
            return specials[i].what;
        }
    }
    return target.family == AF_INET || covers(&unicast, &target) ? NULL : "a reserved address";
}

const char *address_refusal(const struct sockaddr *address, const AddressRange *allowed,
                            size_t count)
{
    AddressRange target;
    return take_address(address, &target) ? refusal_of(target, allowed, count)
                                          : "no address of the Internet";
}

const char *address_text_refusal(const char *host, const AddressRange *allowed, size_t count)
{
    AddressRange target;
    return read_address(host, &target) ? refusal_of(target, allowed, count) : NULL;
}

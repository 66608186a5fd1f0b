// SPDX-License-Identifier: MIT
// Guard: see the header.
#include "api/guard.h"

#include <string.h>
#include <strings.h>

// What has been seen of the headers that say where a request ends and for whom it is.
typedef struct Framing {
    int lengths;
    int encodings;
    int hosts;
} Framing;

// RFC 9110: what names of headers and methods are made of.
static bool is_token(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        bool is_alpha = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool is_digit = c >= '0' && c <= '9';
        if (c == '\0' || (!is_alpha && !is_digit && strchr("!#$%&'*+-.^_`|~", c) == NULL)) {
            return false;
        }
    }
    return length > 0;
}

static bool is_plain(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c < ' ' && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return true;
}

static bool is_named(const GuardHeader *header, const char *name)
{
    return header->name_length == strlen(name) &&
           strncasecmp(header->name, name, header->name_length) == 0;
}

// Digits only, and not more than any body has.
static bool read_length(const GuardHeader *header, int64_t *length)
{
    *length = 0;
    for (size_t i = 0; i < header->value_length; i++) {
        char c = header->value[i];
        if (c < '0' || c > '9' || i >= 18) {
            return false;
        }
        *length = *length * 10 + (c - '0');
    }
    return header->value_length > 0;
}

// A host name or address with an optional port: nothing that would make a URL of it something else.
static bool is_authority(const GuardHeader *header)
{
    for (size_t i = 0; i < header->value_length; i++) {
        unsigned char c = (unsigned char)header->value[i];
        if (c <= ' ' || c >= 0x7f || strchr("/?#@\\,<>\"'`{}|^", c) != NULL) {
            return false;
        }
    }
    return true;
}

static const char *check_header(const GuardHeader *header, Framing *framing, GuardBody *body)
{
    if (!is_token(header->name, header->name_length)) {
        return "a header's name has a character that names have not";
    }
    if (!is_plain(header->value, header->value_length)) {
        return "a header's value has a control character";
    }
    if (is_named(header, "content-length")) {
        framing->lengths++;
        body->has_length = true;
        return read_length(header, &body->length) ? NULL : "Content-Length is no number of bytes";
    }
    if (is_named(header, "transfer-encoding")) {
        framing->encodings++;
        body->is_chunked =
            header->value_length == 7 && strncasecmp(header->value, "chunked", 7) == 0;
        return body->is_chunked ? NULL : "Transfer-Encoding is not chunked";
    }
    if (is_named(header, "host")) {
        framing->hosts++;
        return is_authority(header) ? NULL : "Host is no name or address";
    }
    return is_named(header, "upgrade") && strncasecmp(header->value, "h2c", 3) == 0
               ? "this server speaks HTTP/1.1 alone"
               : NULL;
}

static const char *check_framing(const GuardRequest *request, const Framing *framing)
{
    bool is_1_1 = strcmp(request->version, "HTTP/1.1") == 0;
    if (framing->hosts > 1 || framing->lengths > 1 || framing->encodings > 1) {
        return "Host, Content-Length or Transfer-Encoding stands there twice";
    }
    if (framing->lengths > 0 && framing->encodings > 0) {
        return "Content-Length and Transfer-Encoding exclude each other";
    }
    if (is_1_1 && framing->hosts == 0) {
        return "Host is missing";
    }
    return !is_1_1 && framing->encodings > 0 ? "HTTP/1.0 has no Transfer-Encoding" : NULL;
}

static size_t measure(const GuardRequest *request)
{
    size_t bytes = 0;
    for (size_t i = 0; i < request->header_count; i++) {
        bytes += request->headers[i].name_length + request->headers[i].value_length + 4;
    }
    return bytes;
}

// What is between a name and its value in what was received: 1 a colon, 2 a blank behind it. 0: the two do not stand so.
static size_t gap_of(const GuardHeader *header)
{
    size_t gap = (size_t)((uintptr_t)header->value - (uintptr_t)header->name) - header->name_length;
    return gap <= 2 ? gap : 0;
}

// More bytes than there should be are in no name and no value: a line folded into the next, a value cut at a NUL, or blanks somebody else
// may read as part of it. Fewer: a line ended without its carriage return, where somebody else sees no end.
static const char *check_bytes(const GuardRequest *request)
{
    size_t most = strlen(request->method) + strlen(request->target) + strlen(request->version) + 6;
    size_t least = most;
    if (request->received_bytes == 0) {
        return NULL;
    }
    for (size_t i = 0; i < request->header_count; i++) {
        const GuardHeader *header = &request->headers[i];
        size_t gap = gap_of(header);
        size_t bytes = header->name_length + header->value_length + 2;
        most += bytes + (gap != 0 ? gap : 2);
        least += bytes + (gap != 0 ? gap : 1);
    }
    if (request->received_bytes > most) {
        return "a header has blanks or a folded line where one blank belongs";
    }
    return request->received_bytes < least ? "a line ends without a carriage return" : NULL;
}

GuardVerdict guard_check(const GuardRequest *request, GuardBody *body, const char **why)
{
    *body = (GuardBody){0};
    if (strlen(request->target) > GUARD_TARGET_BYTES_MAX) {
        *why = "the path is longer than 8192 bytes";
        return GUARD_TARGET_LONG;
    }
    size_t header_bytes = request->header_count > GUARD_HEADER_COUNT_MAX ? 0 : measure(request);
    if (request->header_count > GUARD_HEADER_COUNT_MAX || header_bytes > GUARD_HEADER_BYTES_MAX) {
        *why = "more than 100 headers, or more than 16384 bytes of them";
        return GUARD_HEADERS_LARGE;
    }
    if (strcmp(request->version, "HTTP/1.1") != 0 && strcmp(request->version, "HTTP/1.0") != 0) {
        *why = "this server speaks HTTP/1.1 and HTTP/1.0";
        return GUARD_BAD;
    }
    if (!is_token(request->method, strlen(request->method))) {
        *why = "the method has a character that methods have not";
        return GUARD_BAD;
    }
    Framing framing = {0};
    for (size_t i = 0; i < request->header_count; i++) {
        *why = check_header(&request->headers[i], &framing, body);
        if (*why != NULL) {
            return GUARD_BAD;
        }
    }
    *why = check_framing(request, &framing);
    if (*why == NULL) {
        *why = check_bytes(request);
    }
    return *why == NULL ? GUARD_OK : GUARD_BAD;
}

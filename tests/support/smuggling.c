// SPDX-License-Identifier: MIT
// Smuggling: see smuggling.h.
#include "tests/support/smuggling.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SMUGGLING_MAX = 400 };

#define BODY       "{\"job_type\": \"noop\", \"queue\": \"smuggled\"}"
#define LENGTH     "41"
#define CHUNKED    "29\r\n" BODY "\r\n0\r\n\r\n"
#define REQUEST    "POST /api/jobs HTTP/1.1\r\n"
#define HOST       "Host: localhost\r\n"
#define JSON       "Content-Type: application/json\r\n"
#define CL         "Content-Length: " LENGTH "\r\n"
#define TE         "Transfer-Encoding: chunked\r\n"
#define EMPTY_LINE "\r\n"
_Static_assert(sizeof BODY - 1 == 41, "LENGTH and CHUNKED say how long it is");

const char SMUGGLING_CARRIER[] = REQUEST HOST JSON CL EMPTY_LINE BODY;
const char SMUGGLING_CARRIER_CHUNKED[] = REQUEST HOST JSON TE EMPTY_LINE CHUNKED;

static void add(SmugglingSet *set, const char *name, const char *bytes, size_t length)
{
    if (set->count == SMUGGLING_MAX) {
        abort();
    }
    SmugglingVector *vector = &set->items[set->count++];
    (void)snprintf(vector->name, sizeof vector->name, "%s", name);
    strbuf_append_bytes(&vector->bytes, bytes, length);
}

static void add_text(SmugglingSet *set, const char *name, const char *text)
{
    add(set, name, text, strlen(text));
}

// A whole request with these lines among its headers, each with its end.
static void add_lines(SmugglingSet *set, const char *lines, size_t length)
{
    StrBuf bytes = {0};
    char name[80];
    strbuf_append(&bytes, REQUEST HOST JSON);
    strbuf_append_bytes(&bytes, lines, length);
    strbuf_append(&bytes, EMPTY_LINE BODY);
    (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(lines, "\r\n"), lines);
    add(set, name, bytes.text, bytes.length);
    strbuf_free(&bytes);
}

static void add_lengths(SmugglingSet *set)
{
    static const char *const values[] = {
        "+41",
        "-41",
        "-1",
        "0x29",
        "41 41",
        "41, 41",
        "41,41",
        "41,",
        ",41",
        "41;",
        "4_1",
        "",
        "4 1",
        "41\t1",
        "1e1",
        "41.0",
        "NaN",
        "٤١",
        "41\x0b",
        "\x0b"
        "41",
        "18446744073709551657", // 2^64 + 41
        "9223372036854775849",
        "99999999999999999999999999999999",
        "0b101001",
        "\"41\"",
        "(41)",
        "41 close",
        "41\x7f",
        "forty-two",
        "41/1",
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        StrBuf line = {0};
        strbuf_printf(&line, "Content-Length: %s\r\n", values[i]);
        add_lines(set, line.text, line.length);
        strbuf_free(&line);
    }
    static const char *const lines[] = {
        CL CL,
        CL "Content-Length: 40\r\n",
        "Content-Length: 0\r\n" CL,
        CL "content-length: 0\r\n",
        CL "CONTENT-LENGTH: 41\r\n",
        "Content-Length : 41\r\n",
        "Content-Length\t: 41\r\n",
        "Content-Length:\r\n 41\r\n",
        " Content-Length: 41\r\n",
        "X: y\r\n Content-Length: 0\r\n" CL,
        CL "X: y\r\n\tContent-Length: 0\r\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        add_lines(set, lines[i], strlen(lines[i]));
    }
}

static void add_encoding(SmugglingSet *set, const char *lines, const char *body)
{
    StrBuf bytes = {0};
    char name[80];
    strbuf_printf(&bytes, REQUEST HOST JSON "%s" EMPTY_LINE "%s", lines, body);
    (void)snprintf(name, sizeof name, "%.*s | %.20s", (int)strcspn(lines, "\r\n"), lines, body);
    add(set, name, bytes.text, bytes.length);
    strbuf_free(&bytes);
}

static void add_encodings(SmugglingSet *set)
{
    static const char *const values[] = {
        "identity",
        "gzip",
        "deflate",
        "gzip, chunked",
        "chunked, chunked",
        "chunked, identity",
        "chunked, gzip",
        "xchunked",
        "chunkedx",
        "chunk",
        "cow",
        ",chunked",
        "chunked,",
        "chunked;q=1",
        "",
        "\"chunked\"",
        "'chunked'",
        "chunked chunked",
        "\x0b"
        "chunked",
        "chunked\x0b",
        "chunked\x0c",
        "\x01"
        "chunked",
        "chunked\x7f",
        "CHUNKED, identity",
        "chunked/1",
        "=chunked",
        "chunked\xc2\xa0",
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char line[80];
        (void)snprintf(line, sizeof line, "Transfer-Encoding: %s\r\n", values[i]);
        add_encoding(set, line, CHUNKED);
    }
    static const char *const both[] = {
        CL TE,
        TE CL,
        "Content-Length: 0\r\n" TE,
        TE "Content-Length: 0\r\n",
        TE TE,
        TE "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: identity\r\n" TE,
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding\t: chunked\r\n",
        " Transfer-Encoding: chunked\r\n",
        "X: y\r\n Transfer-Encoding: chunked\r\n" CL,
        "Transfer-Encoding:\r\n chunked\r\n",
        "Transfer-Encoding: chunked\r\n , identity\r\n",
        "Content-Length: 41\r\ntransfer-encoding: CHUNKED\r\n",
    };
    for (size_t i = 0; i < sizeof both / sizeof both[0]; i++) {
        add_encoding(set, both[i], CHUNKED);
    }
    add_text(set, "HTTP/1.0 and chunked",
             "POST /api/jobs HTTP/1.0\r\n" HOST JSON TE EMPTY_LINE CHUNKED);
}

static void add_chunks(SmugglingSet *set)
{
    static const char *const bodies[] = {
        "0x29\r\n" BODY "\r\n0\r\n\r\n",
        "+29\r\n" BODY "\r\n0\r\n\r\n",
        "-29\r\n" BODY "\r\n0\r\n\r\n",
        " 29\r\n" BODY "\r\n0\r\n\r\n",
        "2g\r\n" BODY "\r\n0\r\n\r\n",
        "\r\n" BODY "\r\n0\r\n\r\n",
        ";x\r\n" BODY "\r\n0\r\n\r\n",
        "29,\r\n" BODY "\r\n0\r\n\r\n",
        "10000000000000029\r\n" BODY "\r\n0\r\n\r\n",
        "ffffffffffffffffffff\r\n" BODY "\r\n0\r\n\r\n",
        "29\r\n" BODY "0\r\n\r\n",
        "28\r\n" BODY "\r\n0\r\n\r\n",
        "29\r\n" BODY "x\r\n0\r\n\r\n",
        "29\r\n" BODY "\r\nx\r\n\r\n",
        "29\r\n" BODY "\r\n0x0\r\n\r\n",
        "29\r\n" BODY "\r\n-0\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        add_encoding(set, TE, bodies[i]);
    }
}

// Each character that a header's name cannot have, in its middle.
static void add_names(SmugglingSet *set)
{
    static const char separators[] = " \t()<>@,;\\\"/[]?={}\x7f\x80\xff";
    for (size_t i = 0; i < sizeof separators - 1; i++) {
        char line[32];
        (void)snprintf(line, sizeof line, "X-A%cB: c\r\n" CL, separators[i]);
        add_lines(set, line, strlen(line));
    }
    for (int c = 1; c < ' '; c++) {
        char line[32];
        if (c != '\t' && c != '\n' && c != '\r') {
            (void)snprintf(line, sizeof line, "X-A%cB: c\r\n" CL, c);
            add_lines(set, line, strlen(line));
        }
    }
    static const char *const lines[] = {": nameless\r\n" CL, "nothing\r\n" CL, "X-A : c\r\n" CL,
                                        "\tX: c\r\n" CL, "=: c\r\n" CL};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        add_lines(set, lines[i], strlen(lines[i]));
    }
    static const char nul[] = "X-A\0B: c\r\n" CL;
    add_lines(set, nul, sizeof nul - 1);
}

// Each control character, in a value; and ends of lines that are none.
static void add_values(SmugglingSet *set)
{
    for (int c = 1; c < ' '; c++) {
        char line[40];
        if (c != '\t' && c != '\n' && c != '\r') {
            (void)snprintf(line, sizeof line, "X-A: b%cc\r\n" CL, c);
            add_lines(set, line, strlen(line));
        }
    }
    static const char nul[] = "X-A: b\0c\r\n" CL;
    static const char *const lines[] = {
        "X-A: b\x7f\r\n" CL,
        "X-A: b\rContent-Length: 0\r\n" CL,
        "X-A: b\r\r\n" CL,
        "X-A: b\r\n folded\r\n" CL,
        "X-A: b\r\n\tfolded\r\n" CL,
        CL "X-A: b\r\n \r\n",
        "X-A: b\n" CL,
        "X-A: b\nContent-Length: 0\r\n" CL,
        "X-A: b\n\r\n" CL,
    };
    add_lines(set, nul, sizeof nul - 1);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        add_lines(set, lines[i], strlen(lines[i]));
    }
}

static void add_line(SmugglingSet *set, const char *line)
{
    StrBuf bytes = {0};
    strbuf_printf(&bytes, "%s" HOST JSON CL EMPTY_LINE BODY, line);
    add_text(set, line, bytes.text);
    strbuf_free(&bytes);
}

static void add_request_lines(SmugglingSet *set)
{
    static const char *const lines[] = {
        "POST  /api/jobs HTTP/1.1\r\n",
        "POST\t/api/jobs HTTP/1.1\r\n",
        "POST /api/jobs  HTTP/1.1\r\n",
        "POST /api/jobs\tHTTP/1.1\r\n",
        "POST /api/jobs HTTP/1.1 \r\n",
        " POST /api/jobs HTTP/1.1\r\n",
        "POST /api/ jobs HTTP/1.1\r\n",
        "POST /api/jobs HTTP/1.2\r\n",
        "POST /api/jobs HTTP/0.9\r\n",
        "POST /api/jobs HTTP/2.0\r\n",
        "POST /api/jobs HTTP/11\r\n",
        "POST /api/jobs HTTP/1.10\r\n",
        "POST /api/jobs HTTP/1.1x\r\n",
        "POST /api/jobs http/1.1\r\n",
        "POST /api/jobs HTTPS/1.1\r\n",
        "POST /api/jobs HTTP/01.1\r\n",
        "POST /api/jobs\r\n",
        "POST\r\n",
        "/api/jobs HTTP/1.1\r\n",
        "PO(T /api/jobs HTTP/1.1\r\n",
        "P\x01ST /api/jobs HTTP/1.1\r\n",
        "POST api/jobs HTTP/1.1\r\n",
        "POST \\api\\jobs HTTP/1.1\r\n",
        "POST http://other.example.com/api/jobs HTTP/1.1\r\n",
        "POST http://localhost@other/api/jobs HTTP/1.1\r\n",
        "POST *  HTTP/1.1\r\n",
        "CONNECT localhost:80 HTTP/1.1\r\n",
        "POST /api/jobs\x01 HTTP/1.1\r\n",
        "POST /api/jobs HTTP/1.1\n",
        "POST /api/jobs HTTP/1.1\r",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        add_line(set, lines[i]);
    }
    static const char nul[] = "POST /api/jobs\0x HTTP/1.1\r\n" HOST JSON CL EMPTY_LINE BODY;
    add(set, "a NUL in the path", nul, sizeof nul - 1);
}

static void add_hosts(SmugglingSet *set)
{
    static const char *const lines[] = {
        "",
        HOST HOST,
        HOST "Host: other.example.com\r\n",
        "Host: other.example.com\r\nhost: localhost\r\n",
        "Host: a b\r\n",
        "Host: localhost, other\r\n",
        "Host: localhost/api\r\n",
        "Host: user@localhost\r\n",
        "Host: localhost#x\r\n",
        "Host: localhost?x\r\n",
        "Host: http://localhost\r\n",
        "Host: loc\x01lhost\r\n",
        "Host : localhost\r\n",
        " Host: localhost\r\n",
        "Host: localhost\r\n other\r\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        StrBuf bytes = {0};
        char name[80];
        strbuf_printf(&bytes, REQUEST "%s" JSON CL EMPTY_LINE BODY, lines[i]);
        (void)snprintf(name, sizeof name, "host: %.*s", (int)strcspn(lines[i], "\r\n"), lines[i]);
        add_text(set, name, bytes.text);
        strbuf_free(&bytes);
    }
}

// Other protocols at the same port.
static void add_strangers(SmugglingSet *set)
{
    static const char tls[] = "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n";
    add_text(set, "HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    add(set, "TLS", tls, sizeof tls - 1);
    add_text(set, "SMTP", "EHLO localhost\r\nMAIL FROM:<a@b>\r\n\r\n");
    add_text(set, "SSH", "SSH-2.0-OpenSSH_9.2\r\n\r\n");
    add_lines(set, "Upgrade: h2c\r\n" CL, strlen("Upgrade: h2c\r\n" CL));
}

SmugglingSet smuggling_set(void)
{
    SmugglingSet set = {.items = mem_alloc(SMUGGLING_MAX * sizeof(SmugglingVector))};
    add_lengths(&set);
    add_encodings(&set);
    add_chunks(&set);
    add_names(&set);
    add_values(&set);
    add_request_lines(&set);
    add_hosts(&set);
    add_strangers(&set);
    return set;
}

void smuggling_set_free(SmugglingSet *set)
{
    for (size_t i = 0; i < set->count; i++) {
        strbuf_free(&set->items[i].bytes);
    }
    free(set->items);
    *set = (SmugglingSet){.items = NULL};
}

// SPDX-License-Identifier: MIT
// HTTP client: libcurl's multi interface, so that a wait can be ended from outside.
#include "worker/http_client.h"

#include <curl/curl.h>
#include <netdb.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/duration.h"
#include "common/base/log.h"

enum {
    WAKES_MAX = 4,
    CONNECTIONS_KEPT = 8,
    SILENT_SECONDS =
        60,           // then the peer is asked whether it is there: it may have gone without a word
    ASK_SECONDS = 15, // and again, as often as the kernel does (9 times)
    HEADER_TEXT_BYTES = 256 // of a header that is looked at
};

struct HttpClient {
    CURLM *multi;
    CURL *easy; // one handle for all: what it has learned of a host is kept with it
};

typedef struct Transfer { // one exchange on its way
    HttpExchange *exchange;
    char error[CURL_ERROR_SIZE];
    char refused[128]; // an address that is not allowed, and what it is
    struct curl_slist *headers;
} Transfer;

HttpClient *http_client_create(StrBuf *why)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        strbuf_append(why, "libcurl could not be initialised");
        return NULL;
    }
    HttpClient *self = mem_alloc(sizeof *self);
    self->multi = curl_multi_init();
    self->easy = curl_easy_init();
    if (self->multi == NULL || self->easy == NULL) {
        strbuf_append(why, "libcurl has no memory");
        http_client_destroy(self);
        return NULL;
    }
    (void)curl_multi_setopt(self->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT);
    return self;
}

void http_client_destroy(HttpClient *self)
{
    if (self == NULL) {
        return;
    }
    curl_easy_cleanup(self->easy);
    (void)curl_multi_cleanup(self->multi);
    free(self);
}

void http_exchange_free(HttpExchange *exchange)
{
    strbuf_free(&exchange->body);
    free(exchange->error);
    exchange->error = NULL;
}

// --- which addresses

static void note_refused(Transfer *self, const struct sockaddr *address, socklen_t length,
                         const char *what)
{
    char text[NI_MAXHOST] = "?";
    (void)getnameinfo(address, length, text, sizeof text, NULL, 0, NI_NUMERICHOST);
    char *note = mem_printf("%.60s, %s", text, what);
    (void)!str_copy(self->refused, sizeof self->refused, note);
    free(note);
}

static const char *refusal(const Transfer *self, const struct sockaddr *address)
{
    const HttpHandler *handler = self->exchange->handler;
    return address_refusal(address, handler->allow_private, handler->allow_private_count);
}

// The very address that is connected to next, whatever a name server says a moment later.
static curl_socket_t on_open_socket(void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
    Transfer *self = data;
    (void)purpose;
    const char *what = refusal(self, &address->addr);
    if (what != NULL) {
        note_refused(self, &address->addr, address->addrlen, what);
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

// A connection that another handler, which may reach more, has made and left open.
// NOLINTNEXTLINE(readability-non-const-parameter): as libcurl declares it
static int on_before_request(void *data, char *address, char *local, int port, int local_port)
{
    Transfer *self = data;
    (void)local;
    (void)port;
    (void)local_port;
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (getaddrinfo(address, NULL, &hints, &found) != 0) {
        return CURL_PREREQFUNC_ABORT;
    }
    const char *what = refusal(self, found->ai_addr);
    if (what != NULL) {
        note_refused(self, found->ai_addr, found->ai_addrlen, what);
    }
    freeaddrinfo(found);
    return what == NULL ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

// --- the answer

static size_t on_body(char *bytes, size_t size, size_t count, void *data)
{
    Transfer *self = data;
    HttpExchange *exchange = self->exchange;
    const size_t most = (size_t)exchange->handler->config->max_response_bytes;
    const size_t room = most - exchange->body.length;
    const size_t length = size * count;
    strbuf_append_bytes(&exchange->body, bytes, length < room ? length : room);
    exchange->is_cut = length > room;
    return exchange->is_cut ? CURL_WRITEFUNC_ERROR : length; // the rest is not read
}

static size_t on_header(char *bytes, size_t size, size_t count, void *data)
{
    static const char name[] = "retry-after:";
    Transfer *self = data;
    const size_t length = size * count;
    if (length < sizeof name || length >= HEADER_TEXT_BYTES ||
        strncasecmp(bytes, name, sizeof name - 1) != 0) {
        return length;
    }
    size_t begin = sizeof name - 1;
    size_t end = length;
    while (begin < end && strchr(" \t", bytes[begin]) != NULL) {
        begin++;
    }
    while (end > begin && strchr(" \t\r\n", bytes[end - 1]) != NULL) {
        end--;
    }
    char *value = mem_strndup(bytes + begin, end - begin);
    (void)!str_copy(self->exchange->retry_after, sizeof self->exchange->retry_after, value);
    free(value);
    return length;
}

// --- the request

// What decides where a request goes and what is in it: without one of these nothing is sent.
#define REQUIRE(easy, option, value)                                                               \
    check_option(curl_easy_setopt((easy), (option), (value)), #option)

static void check_option(CURLcode code, const char *option)
{
    if (code != CURLE_OK) {
        panic("libcurl does not take %s: %s", option, curl_easy_strerror(code));
    }
}

static void set_connection(CURL *easy, Transfer *self)
{
    const WebhookConfig *config = self->exchange->handler->config;
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); // a resolver that hangs is not waited for
    REQUIRE(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    REQUIRE(easy, CURLOPT_FOLLOWLOCATION, 0L);
    REQUIRE(easy, CURLOPT_PROXY, ""); // not even one of the environment
    (void)curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    (void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)config->connect_timeout_ms);
    (void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, (long)SILENT_SECONDS);
    (void)curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, (long)ASK_SECONDS);
    REQUIRE(easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    REQUIRE(easy, CURLOPT_OPENSOCKETDATA, self);
    REQUIRE(easy, CURLOPT_PREREQFUNCTION, on_before_request);
    REQUIRE(easy, CURLOPT_PREREQDATA, self);
    REQUIRE(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    REQUIRE(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    REQUIRE(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (config->ca_file != NULL) {
        REQUIRE(easy, CURLOPT_CAINFO, config->ca_file);
        REQUIRE(easy, CURLOPT_CAPATH, NULL);
    }
}

// Each counts: one of them is the signature, one may be the password.
static void add_header(Transfer *self, const char *header)
{
    struct curl_slist *longer = curl_slist_append(self->headers, header);
    if (longer == NULL) {
        panic("out of memory in libcurl");
    }
    self->headers = longer;
}

static void set_request(CURL *easy, Transfer *self)
{
    const HttpRequest *request = self->exchange->request;
    StrBuf url = {0};
    http_target_format(&request->target, &url);
    REQUIRE(easy, CURLOPT_URL, url.text); // copied
    strbuf_free(&url);
    // What libcurl would add: Expect, which some servers wait for ever with.
    add_header(self, "Expect:");
    for (size_t i = 0; i < request->header_count; i++) {
        add_header(self, request->headers[i]);
    }
    (void)curl_easy_setopt(easy, CURLOPT_USERAGENT, "ganger/" GANGER_VERSION);
    REQUIRE(easy, CURLOPT_PATH_AS_IS, 1L);
    REQUIRE(easy, CURLOPT_HTTPHEADER, self->headers);
    REQUIRE(easy, CURLOPT_POST, 1L);
    REQUIRE(easy, CURLOPT_CUSTOMREQUEST, request->method);
    REQUIRE(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_length);
    REQUIRE(easy, CURLOPT_POSTFIELDS, request->body);
    REQUIRE(easy, CURLOPT_WRITEFUNCTION, on_body);
    REQUIRE(easy, CURLOPT_WRITEDATA, self);
    REQUIRE(easy, CURLOPT_HEADERFUNCTION, on_header);
    REQUIRE(easy, CURLOPT_HEADERDATA, self);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, self->error);
}

// True when the transfer has ended by itself.
static bool drive(HttpClient *self, HttpExchange *exchange, CURLcode *code)
{
    struct curl_waitfd wakes[WAKES_MAX];
    const unsigned count = (unsigned)exchange->wake_count;
    for (unsigned i = 0; i < count && i < WAKES_MAX; i++) {
        wakes[i] = (struct curl_waitfd){.fd = exchange->wake_fds[i], .events = CURL_WAIT_POLLIN};
    }
    for (;;) {
        int running = 0;
        int left_ms = 0;
        if (curl_multi_perform(self->multi, &running) != CURLM_OK) {
            *code = CURLE_OUT_OF_MEMORY;
            return true;
        }
        int rest = 0;
        const CURLMsg *message = curl_multi_info_read(self->multi, &rest);
        if (message != NULL) {
            *code = message->data.result;
            return true;
        }
        if (exchange->watch(exchange->watch_data, &left_ms) == HTTP_STOP) {
            return false;
        }
        (void)curl_multi_poll(self->multi, wakes, count, left_ms, NULL);
    }
}

static char *error_message(const Transfer *self, CURLcode code)
{
    const HttpTarget *target = &self->exchange->request->target;
    const char *said = self->error[0] != '\0' ? self->error : curl_easy_strerror(code);
    char limit[32];
    duration_format(self->exchange->handler->config->connect_timeout_ms, limit, sizeof limit);
    const bool is_refused = code == CURLE_COULDNT_CONNECT || code == CURLE_ABORTED_BY_CALLBACK;
    if (is_refused && self->refused[0] != '\0') { // none of its addresses was left
        return mem_printf("%s leads to %s, which allow_private does not cover", target->host,
                          self->refused);
    }
    switch ((int)code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return mem_printf("no address was found for %s", target->host);
    case CURLE_COULDNT_CONNECT:
        return mem_printf("could not connect to %s port %d: %s", target->host, target->port, said);
    case CURLE_OPERATION_TIMEDOUT:
        return mem_printf("no connection to %s port %d within %s (connect_timeout)", target->host,
                          target->port, limit);
    case CURLE_PEER_FAILED_VERIFICATION:
        return mem_printf("the certificate of %s is not trusted: %s", target->host, said);
    case CURLE_SSL_CONNECT_ERROR:
        return mem_printf("no TLS with %s port %d: %s", target->host, target->port, said);
    case CURLE_GOT_NOTHING:
        return mem_printf("%s closed the connection without an answer", target->host);
    case CURLE_SEND_ERROR:
        return mem_printf("while the request was sent to %s: %s", target->host, said);
    default:
        return mem_printf("while the answer of %s was read: %s", target->host, said);
    }
}

static void finish(HttpClient *self, Transfer *transfer, CURLcode code)
{
    HttpExchange *exchange = transfer->exchange;
    long status = 0;
    (void)curl_easy_getinfo(self->easy, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_OK || exchange->is_cut) {
        exchange->status = (int)status;
    } else {
        exchange->error = error_message(transfer, code);
    }
}

void http_client_run(HttpClient *self, HttpExchange *exchange)
{
    Transfer transfer = {.exchange = exchange};
    CURLcode code = CURLE_FAILED_INIT;
    set_connection(self->easy, &transfer);
    set_request(self->easy, &transfer);
    const bool is_added = curl_multi_add_handle(self->multi, self->easy) == CURLM_OK;
    if (!is_added || drive(self, exchange, &code)) {
        finish(self, &transfer, code);
    } else {
        exchange->is_stopped = true;
    }
    if (is_added) {
        (void)curl_multi_remove_handle(self->multi, self->easy);
    }
    curl_easy_reset(self->easy); // it points into this call; connections and names stay
    curl_slist_free_all(transfer.headers);
}

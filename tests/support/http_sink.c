// SPDX-License-Identifier: MIT
// HTTP sink: one thread that accepts, and one for each connection.
#include "tests/support/http_sink.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/memory.h"

enum { CONNECTIONS_MAX = 64, REQUESTS_MAX = 256, WAIT_MS = 10000, READ_BYTES = 4096 };

typedef struct Line { // a connection
    HttpSink *sink;
    int fd;
    SSL *ssl;
    pthread_t thread;
} Line;

struct HttpSink {
    int fd;
    int port;
    SSL_CTX *tls;
    pthread_t thread;
    pthread_mutex_t mutex; // of what follows
    pthread_cond_t changed;
    bool is_stopping;
    char *answer;
    bool is_endless;
    Line lines[CONNECTIONS_MAX];
    int line_count;
    char *requests[REQUESTS_MAX];
    int request_count;
};

// --- TLS

static X509 *make_certificate(EVP_PKEY *key)
{
    X509 *certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"sink", -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    static const struct {
        int nid;
        const char *value;
    } extensions[] = {{NID_basic_constraints, "critical,CA:TRUE"},
                      {NID_subject_alt_name, "IP:127.0.0.1"}};
    for (size_t i = 0; i < sizeof extensions / sizeof extensions[0]; i++) {
        X509_EXTENSION *extension =
            X509V3_EXT_conf_nid(NULL, &context, extensions[i].nid, extensions[i].value);
        X509_add_ext(certificate, extension, -1);
        X509_EXTENSION_free(extension);
    }
    X509_sign(certificate, key, EVP_sha256());
    return certificate;
}

static SSL_CTX *make_tls(const char *ca_path)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = make_certificate(key);
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(tls, certificate);
    SSL_CTX_use_PrivateKey(tls, key);
    BIO *file = ca_path != NULL ? BIO_new_file(ca_path, "w") : NULL;
    if (file != NULL) {
        PEM_write_bio_X509(file, certificate);
        BIO_free(file);
    }
    X509_free(certificate);
    EVP_PKEY_free(key);
    return tls;
}

static ssize_t get(const Line *line, char *bytes, size_t size)
{
    return line->ssl != NULL ? SSL_read(line->ssl, bytes, (int)size)
                             : recv(line->fd, bytes, size, 0);
}

static bool put(const Line *line, const char *bytes, size_t length)
{
    while (length > 0) {
        const ssize_t sent = line->ssl != NULL ? SSL_write(line->ssl, bytes, (int)length)
                                               : send(line->fd, bytes, length, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        bytes += sent;
        length -= (size_t)sent;
    }
    return true;
}

// --- a connection

static size_t whole_length(const StrBuf *text)
{
    const char *end = text->text != NULL ? strstr(text->text, "\r\n\r\n") : NULL;
    if (end == NULL) {
        return 0;
    }
    const char *length = strcasestr(text->text, "\r\ncontent-length:");
    const size_t body = length != NULL && length < end
                            ? strtoul(length + strlen("\r\ncontent-length:"), NULL, 10)
                            : 0;
    return (size_t)(end - text->text) + 4 + body;
}

// One request without pipelining; false: the other side has gone.
static bool read_request(const Line *line, StrBuf *out)
{
    char bytes[READ_BYTES];
    while (whole_length(out) == 0 || out->length < whole_length(out)) {
        const ssize_t length = get(line, bytes, sizeof bytes);
        if (length <= 0) {
            return false;
        }
        strbuf_append_bytes(out, bytes, (size_t)length);
    }
    return true;
}

// Keeps the request; *answer is what it gets, caller frees.
static bool take(HttpSink *sink, StrBuf *request, char **answer, bool *is_endless)
{
    pthread_mutex_lock(&sink->mutex);
    const bool has_room = sink->request_count < REQUESTS_MAX;
    if (has_room) {
        sink->requests[sink->request_count++] = strbuf_take(request);
    }
    *answer = sink->answer != NULL ? mem_strdup(sink->answer) : NULL;
    *is_endless = sink->is_endless;
    pthread_cond_broadcast(&sink->changed);
    pthread_mutex_unlock(&sink->mutex);
    return has_room;
}

static bool answer_request(const Line *line, StrBuf *request)
{
    char *answer = NULL;
    bool is_endless = false;
    char bytes[READ_BYTES];
    bool goes_on = take(line->sink, request, &answer, &is_endless);
    if (answer == NULL) { // silence, until the other side has enough
        while (get(line, bytes, sizeof bytes) > 0) {
        }
        return false;
    }
    goes_on = goes_on && answer[0] != '\0' && put(line, answer, strlen(answer));
    memset(bytes, 'x', sizeof bytes);
    while (goes_on && is_endless) {
        goes_on = put(line, bytes, sizeof bytes);
    }
    goes_on = goes_on && strstr(answer, "Connection: close") == NULL;
    free(answer);
    return goes_on;
}

static void *serve(void *data)
{
    Line *line = data;
    bool goes_on = line->ssl == NULL || SSL_accept(line->ssl) == 1;
    while (goes_on) {
        StrBuf request = {0};
        goes_on = read_request(line, &request) && answer_request(line, &request);
        strbuf_free(&request);
    }
    (void)shutdown(line->fd, SHUT_RDWR); // closed when its thread has been joined
    return NULL;
}

static void *accept_all(void *data)
{
    HttpSink *self = data;
    for (;;) {
        const int fd = accept4(self->fd, NULL, NULL, SOCK_CLOEXEC);
        pthread_mutex_lock(&self->mutex);
        const bool is_over = fd < 0 || self->is_stopping || self->line_count == CONNECTIONS_MAX;
        if (!is_over) {
            Line *line = &self->lines[self->line_count++];
            *line = (Line){.sink = self, .fd = fd};
            if (self->tls != NULL) {
                line->ssl = SSL_new(self->tls);
                SSL_set_fd(line->ssl, fd);
            }
            (void)pthread_create(&line->thread, NULL, serve, line);
        }
        pthread_cond_broadcast(&self->changed);
        pthread_mutex_unlock(&self->mutex);
        if (is_over) {
            if (fd >= 0) {
                close(fd);
            }
            return NULL;
        }
    }
}

HttpSink *http_sink_start(bool is_tls, const char *ca_path)
{
    HttpSink *self = mem_alloc(sizeof *self);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    self->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (self->fd < 0 || bind(self->fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
        listen(self->fd, CONNECTIONS_MAX) != 0 ||
        getsockname(self->fd, (struct sockaddr *)&address, &length) != 0) {
        abort();
    }
    self->port = ntohs(address.sin_port);
    self->tls = is_tls ? make_tls(ca_path) : NULL;
    pthread_mutex_init(&self->mutex, NULL);
    pthread_cond_init(&self->changed, NULL);
    self->answer = mem_strdup("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    (void)pthread_create(&self->thread, NULL, accept_all, self);
    return self;
}

void http_sink_stop(HttpSink *self)
{
    pthread_mutex_lock(&self->mutex);
    self->is_stopping = true;
    (void)shutdown(self->fd, SHUT_RDWR);
    pthread_mutex_unlock(&self->mutex);
    pthread_join(self->thread, NULL);
    for (int i = 0; i < self->line_count; i++) {
        (void)shutdown(self->lines[i].fd, SHUT_RDWR);
        pthread_join(self->lines[i].thread, NULL);
        SSL_free(self->lines[i].ssl);
        close(self->lines[i].fd);
    }
    for (int i = 0; i < self->request_count; i++) {
        free(self->requests[i]);
    }
    close(self->fd);
    SSL_CTX_free(self->tls);
    free(self->answer);
    pthread_mutex_destroy(&self->mutex);
    pthread_cond_destroy(&self->changed);
    free(self);
}

int http_sink_port(const HttpSink *self)
{
    return self->port;
}

void http_sink_answer(HttpSink *self, const char *answer)
{
    pthread_mutex_lock(&self->mutex);
    free(self->answer);
    self->answer = answer != NULL ? mem_strdup(answer) : NULL;
    pthread_mutex_unlock(&self->mutex);
}

void http_sink_flood(HttpSink *self, bool is_endless)
{
    pthread_mutex_lock(&self->mutex);
    self->is_endless = is_endless;
    pthread_mutex_unlock(&self->mutex);
}

static int read_count(HttpSink *self, const int *count)
{
    pthread_mutex_lock(&self->mutex);
    const int now = *count;
    pthread_mutex_unlock(&self->mutex);
    return now;
}

int http_sink_connections(HttpSink *self)
{
    return read_count(self, &self->line_count);
}

int http_sink_requests(HttpSink *self)
{
    return read_count(self, &self->request_count);
}

const char *http_sink_request(HttpSink *self, int index)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_MS / 1000;
    pthread_mutex_lock(&self->mutex);
    int failed = 0;
    while (self->request_count <= index && failed == 0) {
        failed = pthread_cond_timedwait(&self->changed, &self->mutex, &until);
    }
    const char *request = self->request_count > index ? self->requests[index] : NULL;
    pthread_mutex_unlock(&self->mutex);
    return request;
}

char *http_sink_header(const char *request, const char *name)
{
    char *key = mem_printf("\r\n%s:", name);
    const char *found = strcasestr(request, key);
    char *value = NULL;
    if (found != NULL && found < strstr(request, "\r\n\r\n")) {
        found += strlen(key);
        found += strspn(found, " ");
        value = mem_strndup(found, strcspn(found, "\r"));
    }
    free(key);
    return value;
}

const char *http_sink_body(const char *request)
{
    return strstr(request, "\r\n\r\n") + 4;
}

// SPDX-License-Identifier: MIT
// Tests of webhooks against a real HTTP server: where nothing is sent to, and the connections that are made.
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "tests/support/webhook_run.h"

// --- where nothing is sent to

static void set_host(Fixture *self, const char *host)
{
    free(self->hosts[0]);
    self->hosts[0] = mem_strdup(host);
    self->run.handler_config.http.allow = (StringList){.items = self->hosts, .count = 1};
}

static void set_job_url(Fixture *self, const char *before, int port, const char *after)
{
    self->run.handler_config.http.url = NULL;
    free(self->run.job.metadata);
    self->run.job.metadata =
        mem_printf("{\"a\": {\"url\": \"no\"}, \"url\": \"%s%d%s\"}", before, port, after);
}

static void test_url_of_the_job(void **state)
{
    Fixture *self = *state;
    const int port = http_sink_port(self->sink);
    char host[64];
    (void)snprintf(host, sizeof host, "127.0.0.1:%d", port);
    set_host(self, host);
    set_job_url(self, "http://127.0.0.1:", port, "/theirs");
    expect(run(self), OUTCOME_COMPLETED, NULL);
    assert_non_null(strstr(http_sink_request(self->sink, 0), "POST /theirs HTTP/1.1"));
    set_job_url(self, "http://127.0.0.2:", port, "/");
    expect(run(self), OUTCOME_DISCARD, "is not among the hosts of allow");
    set_job_url(self, "http://localhost:", port, "/");
    expect(run(self), OUTCOME_DISCARD, "is not among the hosts of allow");
    set_job_url(self, "http://127.0.0.1/", port, "");
    expect(run(self), OUTCOME_DISCARD, "127.0.0.1:80 is not among the hosts of allow");
    set_job_url(self, "http://127.0.0.1:", port, "@evil.example/");
    expect(run(self), OUTCOME_DISCARD, "a user name or password");
    set_job_url(self, "http://2130706433:", port, "/");
    expect(run(self), OUTCOME_DISCARD, "neither a name nor an address in plain decimal form");
    set_job_url(self, "ftp://127.0.0.1:", port, "/");
    expect(run(self), OUTCOME_DISCARD, "does not begin with https:// or http://");
    free(self->run.job.metadata);
    self->run.job.metadata = mem_strdup("{\"url\": 7}");
    expect(run(self), OUTCOME_DISCARD, "the job names no URL: its metadata needs");
    free(self->run.job.metadata);
    self->run.job.metadata = NULL;
    expect(run(self), OUTCOME_DISCARD, "the job names no URL");
    self->run.handler_config.http.allow_http = false;
    set_job_url(self, "http://127.0.0.1:", port, "/");
    expect(run(self), OUTCOME_DISCARD, "http:// is not encrypted");
    assert_int_equal(http_sink_requests(self->sink), 1);
}

// A name that leads inside, as one does after its owner has changed what it stands for.
static void test_private_addresses(void **state)
{
    Fixture *self = *state;
    const int port = http_sink_port(self->sink);
    char host[64];
    self->run.handler_config.http.allow_private = (StringList){0};
    use_config(self);
    (void)snprintf(host, sizeof host, "localhost:%d", port);
    set_host(self, host);
    set_job_url(self, "http://localhost:", port, "/");
    expect(run(self), OUTCOME_ERROR, "localhost leads to ");
    expect(&self->run.result, OUTCOME_ERROR,
           ", a loopback address, which allow_private does not cover");
    (void)snprintf(host, sizeof host, "127.0.0.1:%d", port);
    set_host(self, host);
    set_job_url(self, "http://127.0.0.1:", port, "/");
    expect(run(self), OUTCOME_ERROR, "127.0.0.1 leads to 127.0.0.1, a loopback address");
    (void)snprintf(host, sizeof host, "[::ffff:127.0.0.1]:%d", port);
    set_host(self, host);
    set_job_url(self, "http://[::ffff:7f00:1]:", port, "/");
    expect(run(self), OUTCOME_ERROR, "a loopback address");
    (void)snprintf(host, sizeof host, "0.0.0.0:%d", port);
    set_host(self, host);
    set_job_url(self, "http://0.0.0.0:", port, "/");
    expect(run(self), OUTCOME_ERROR, "an address of this host");
    assert_int_equal(http_sink_connections(self->sink), 0);
}

// One handler's open connection is no way round the addresses of another.
static void test_kept_connections(void **state)
{
    Fixture *self = *state;
    expect(run(self), OUTCOME_COMPLETED, NULL);
    expect(run(self), OUTCOME_COMPLETED, NULL);
    assert_int_equal(http_sink_requests(self->sink), 2);
    assert_int_equal(http_sink_connections(self->sink), 1);
    self->run.handler_config.http.allow_private = (StringList){0};
    use_config(self);
    expect(run(self), OUTCOME_ERROR, "127.0.0.1 leads to 127.0.0.1, a loopback address");
    assert_int_equal(http_sink_requests(self->sink), 2);
    assert_int_equal(http_sink_connections(self->sink), 1);
}

static void test_proxies_of_the_environment(void **state)
{
    Fixture *self = *state;
    static const char *const names[] = {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"};
    for (size_t i = 0; i < 4; i++) {
        (void)setenv(names[i], "http://127.0.0.1:1/", 1);
    }
    expect(run(self), OUTCOME_COMPLETED, NULL);
    assert_int_equal(http_sink_requests(self->sink), 1);
    for (size_t i = 0; i < 4; i++) {
        (void)unsetenv(names[i]);
    }
}

static void test_no_server(void **state)
{
    Fixture *self = *state;
    char url[64];
    HttpSink *gone = http_sink_start(false, NULL);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d/", http_sink_port(gone));
    http_sink_stop(gone);
    self->run.handler_config.http.url = url;
    expect(run(self), OUTCOME_ERROR, "could not connect to 127.0.0.1 port ");
    char nowhere[] = "http://nowhere.invalid/";
    self->run.handler_config.http.url = nowhere;
    expect(run(self), OUTCOME_ERROR, "no address was found for nowhere.invalid");
}

static void test_tls(void **state)
{
    Fixture *self = *state;
    char path[] = "/tmp/ganger-test-XXXXXX";
    close(mkstemp(path));
    use_sink(self, true, path);
    use_config(self);
    expect(run(self), OUTCOME_ERROR, "the certificate of 127.0.0.1 is not trusted");
    assert_int_equal(http_sink_requests(self->sink), 0);
    self->run.handler_config.http.ca_file = path;
    use_config(self);
    expect(run_with(self, ANSWER("200 OK", "", "\"over TLS\"")), OUTCOME_COMPLETED, "over TLS");
    // Its certificate names 127.0.0.1 only.
    char other[64];
    (void)snprintf(other, sizeof other, "https://localhost:%d/", http_sink_port(self->sink));
    self->run.handler_config.http.url = other;
    expect(run(self), OUTCOME_ERROR, "the certificate of localhost is not trusted");
    assert_int_equal(http_sink_requests(self->sink), 1);
    // Who does not speak TLS, and waits.
    HttpSink *plain = http_sink_start(false, NULL);
    (void)snprintf(other, sizeof other, "https://127.0.0.1:%d/", http_sink_port(plain));
    self->run.handler_config.http.connect_timeout_ms = 200;
    expect(run(self), OUTCOME_ERROR, "no connection to 127.0.0.1 port ");
    expect(&self->run.result, OUTCOME_ERROR, "within 200ms (connect_timeout)");
    http_sink_stop(plain);
    (void)unlink(path);
}

// A peer that vanishes without a word: no timeout is needed to learn of it. The connection that was kept still has its options.
static void test_lost_peers_are_noticed(void **state)
{
    Fixture *self = *state;
    expect(run_with(self, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), OUTCOME_COMPLETED, NULL);
    int found = 0;
    for (int fd = 3; fd < 1024; fd++) {
        struct sockaddr_in peer = {0};
        socklen_t length = sizeof peer;
        if (getpeername(fd, (struct sockaddr *)&peer, &length) != 0 || peer.sin_family != AF_INET ||
            ntohs(peer.sin_port) != http_sink_port(self->sink)) {
            continue;
        }
        int values[3] = {0};
        length = sizeof(int);
        assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &values[0], &length), 0);
        assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &values[1], &length), 0);
        assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &values[2], &length), 0);
        assert_int_equal(values[0], 1);
        assert_int_equal(values[1], 60);
        assert_int_equal(values[2], 15);
        found++;
    }
    assert_int_equal(found, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_url_of_the_job),
        TEST(test_private_addresses),
        TEST(test_kept_connections),
        TEST(test_lost_peers_are_noticed),
        TEST(test_proxies_of_the_environment),
        TEST(test_no_server),
        TEST(test_tls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

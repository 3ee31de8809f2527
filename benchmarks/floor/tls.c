// The floor of TLS: OpenSSL in C, both ends of each connection in one thread, non-blocking sockets over loopback.
//
//   what=handshake count=…  full handshakes, one after another: connections per second
//   what=resume count=…     short ones, each with the ticket of the one before
//   what=stream count=…     megabytes from a client to its server: MB/s
//   what=idle count=…       connections that rest: resident memory of one, both of its ends together
//
// TLS 1.3 alone; the client verifies the certificate and its name. After the handshake the server sends one byte, which
// the client reads, and with it the tickets that come before.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ec.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include "common/bench.h"

// Records that go by one system call, each way: what fits the cache.
enum { stream_bytes = 128 * 1024, record_bytes = 16 * 1024 };

struct pair {
    SSL* client;
    SSL* server;
};
static SSL_CTX* client_rules;
static SSL_CTX* server_rules;
static SSL_SESSION* ticket;  // the newest one
static int listener;
static struct sockaddr_in address;

// --- certificate and rules -------------------------------------------------------------------------------------------

static void extend(X509* certificate, int kind, const char* value) {
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(NULL, NULL, kind, value);
    bench_prove(extension != NULL && X509_add_ext(certificate, extension, -1) == 1, "a certificate can be extended");
    X509_EXTENSION_free(extension);
}
// One for localhost that vouches for itself, of the kind that make_self_signed_certificate makes.
static X509* make_certificate(EVP_PKEY* key) {
    X509* const made = X509_new();
    X509_NAME* const name = X509_get_subject_name(made);
    X509_set_version(made, X509_VERSION_3);
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(made), bench_now_ns());
    X509_gmtime_adj(X509_getm_notBefore(made), -24 * 60 * 60);
    X509_gmtime_adj(X509_getm_notAfter(made), 30 * 24 * 60 * 60);
    X509_set_pubkey(made, key);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char*)"localhost", -1, -1, 0);
    X509_set_issuer_name(made, name);
    extend(made, NID_subject_alt_name, "DNS:localhost");
    extend(made, NID_basic_constraints, "critical,CA:TRUE");
    bench_prove(X509_sign(made, key, EVP_sha256()) != 0, "a certificate can be signed");
    return made;
}
static int keep_ticket(SSL* ssl, SSL_SESSION* session) {
    (void)ssl;
    SSL_SESSION_free(ticket);
    ticket = session;
    return 1;  // it is ours now
}
static SSL_CTX* make_rules(const SSL_METHOD* method, int big_buffers) {
    SSL_CTX* const rules = SSL_CTX_new(method);
    bench_prove(rules != NULL && SSL_CTX_set_min_proto_version(rules, TLS1_3_VERSION) == 1, "OpenSSL has TLS 1.3");
    SSL_CTX_set_mode(rules, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(rules, 1);  // what has come by one system call, not two a record
    if (big_buffers) SSL_CTX_set_default_read_buffer_len(rules, stream_bytes);
    return rules;
}
static void make_both_rules(int big_buffers) {
    EVP_PKEY* const key = EVP_EC_gen("P-256");
    X509* const certificate = make_certificate(key);
    server_rules = make_rules(TLS_server_method(), big_buffers);
    SSL_CTX_set_session_cache_mode(server_rules, SSL_SESS_CACHE_OFF);  // tickets need none
    bench_prove(SSL_CTX_use_certificate(server_rules, certificate) == 1 && SSL_CTX_use_PrivateKey(server_rules, key) == 1,
                "the certificate can be used");
    client_rules = make_rules(TLS_client_method(), big_buffers);
    SSL_CTX_set_session_cache_mode(client_rules, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(client_rules, &keep_ticket);
    SSL_CTX_set_verify(client_rules, SSL_VERIFY_PEER, NULL);
    bench_prove(X509_STORE_add_cert(SSL_CTX_get_cert_store(client_rules), certificate) == 1, "the certificate can be trusted");
    X509_free(certificate);
    EVP_PKEY_free(key);
}

// --- connections -----------------------------------------------------------------------------------------------------

static void start_listening(void) {
    socklen_t size = sizeof address;
    listener = socket(AF_INET, SOCK_STREAM, 0);
    address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    bench_prove(bind(listener, (const struct sockaddr*)&address, size) == 0 && listen(listener, 4096) == 0 &&
                    getsockname(listener, (struct sockaddr*)&address, &size) == 0,
                "a port is free");
}
// Whether it was done; if not, it is to be tried again when the socket is ready.
static int done(const SSL* ssl, int result) {
    if (result > 0) return 1;
    const int error = SSL_get_error(ssl, result);
    bench_prove(error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE, "TLS goes well");
    return 0;
}
static void wait_for_bytes(const struct pair* p) {
    struct pollfd both[2] = {{.fd = SSL_get_fd(p->client), .events = POLLIN}, {.fd = SSL_get_fd(p->server), .events = POLLIN}};
    bench_prove(poll(both, 2, 5000) > 0, "bytes come");
}
static void open_sockets(struct pair* p) {
    const int one = 1;
    const int near = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int result = connect(near, (const struct sockaddr*)&address, sizeof address);
    bench_prove(result == 0 || errno == EINPROGRESS, "the server listens");
    const int far = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    bench_prove(far >= 0, "a connection is accepted");
    setsockopt(near, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(far, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    p->client = SSL_new(client_rules);
    p->server = SSL_new(server_rules);
    bench_prove(SSL_set_fd(p->client, near) == 1 && SSL_set_fd(p->server, far) == 1, "a connection is made");
}
// Both ends shake hands, and the server's byte has come.
static struct pair open_pair(SSL_SESSION* resumed) {
    struct pair p;
    char byte = 0;
    open_sockets(&p);
    bench_prove(SSL_set_tlsext_host_name(p.client, "localhost") == 1 && SSL_set1_host(p.client, "localhost") == 1, "the name is set");
    if (resumed != NULL) bench_prove(SSL_set_session(p.client, resumed) == 1, "the ticket is used");
    int client_done = 0;
    int server_done = 0;
    for (;;) {
        if (!client_done) client_done = done(p.client, SSL_connect(p.client));
        if (!server_done) server_done = done(p.server, SSL_accept(p.server));
        if (client_done && server_done) break;
        wait_for_bytes(&p);
    }
    bench_prove(SSL_write(p.server, "!", 1) == 1, "a byte is sent at once");
    while (!done(p.client, SSL_read(p.client, &byte, 1))) wait_for_bytes(&p);
    bench_prove(byte == '!', "the server's byte comes");
    bench_prove(SSL_version(p.client) == TLS1_3_VERSION && SSL_get_verify_result(p.client) == X509_V_OK, "TLS 1.3, verified");
    bench_prove(SSL_session_reused(p.client) == (resumed != NULL), "resumption");
    return p;
}
// The client says goodbye, the server sees it and does, too.
static void close_pair(struct pair* p) {
    char byte = 0;
    SSL_shutdown(p->client);
    close(SSL_get_fd(p->client));
    SSL_free(p->client);
    struct pollfd server = {.fd = SSL_get_fd(p->server), .events = POLLIN};
    bench_prove(poll(&server, 1, 5000) > 0 && SSL_read(p->server, &byte, 1) <= 0 &&
                    SSL_get_shutdown(p->server) == SSL_RECEIVED_SHUTDOWN,
                "the client says goodbye");
    SSL_shutdown(p->server);
    close(server.fd);
    SSL_free(p->server);
}

// --- the jobs --------------------------------------------------------------------------------------------------------

static double per_second(uint64_t begin, long count) { return (double)count * 1e9 / (double)(bench_now_ns() - begin); }

static void measure_handshakes(long count, int resume) {
    const uint64_t begin = bench_now_ns();
    for (long i = 0; i < count; ++i) {
        SSL_SESSION* const used = resume ? ticket : NULL;
        ticket = resume ? NULL : ticket;
        struct pair p = open_pair(used);
        SSL_SESSION_free(used);
        close_pair(&p);
    }
    bench_print(resume ? "tls_resume" : "tls_handshake", "floor", per_second(begin, count), "1/s", "count", (double)count, (const char*)NULL);
}

static void measure_stream(long megabytes) {
    static char piece[stream_bytes - 8 * 1024];  // with the records' own bytes it fits the buffer
    static char into[record_bytes];
    struct pair p = open_pair(NULL);
    const long total = megabytes * 1000000;
    long sent = 0;
    long received = 0;
    memset(piece, 'x', sizeof piece);
    // Records gather here and go to the socket together.
    BIO* const records = BIO_new(BIO_f_buffer());
    BIO_set_write_buffer_size(records, stream_bytes);
    BIO_up_ref(SSL_get_rbio(p.client));
    SSL_set0_wbio(p.client, BIO_push(records, SSL_get_rbio(p.client)));
    const uint64_t begin = bench_now_ns();
    while (received < total) {
        const long before = sent + received;
        if (sent < total) {
            const int size = (int)(total - sent < (long)sizeof piece ? total - sent : (long)sizeof piece);
            if (done(p.client, SSL_write(p.client, piece, size))) sent += size;
        }
        const int flushed = (int)BIO_flush(records);
        for (;;) {
            const int got = SSL_read(p.server, into, sizeof into);
            if (!done(p.server, got)) break;
            bench_prove(into[0] == 'x' && into[got - 1] == 'x', "the bytes are those that were sent");
            received += got;
        }
        if (sent + received == before && flushed == 1) wait_for_bytes(&p);
    }
    bench_print("tls_stream", "floor", per_second(begin, megabytes), "MB/s", "count", (double)megabytes, (const char*)NULL);
    bench_prove(sent == total && received == total, "every byte came");
}

static void measure_idle(long count) {
    const long warm = 20;  // what the first ones alone cost is not counted
    struct pair* const all = calloc((size_t)count, sizeof *all);
    char byte = 0;
    double before = 0;
    for (long i = 0; i < count; ++i) {
        if (i == warm) before = bench_resident();
        all[i] = open_pair(NULL);
        bench_prove(!done(all[i].server, SSL_read(all[i].server, &byte, 1)), "the client is silent");
    }
    bench_print("tls_idle", "floor", (bench_resident() - before) / (double)(count - warm), "B", "count", (double)count, (const char*)NULL);
}

int main(int argc, char** argv) {
    const char* const what = bench_text(argc, argv, "what", "handshake");
    const struct rlimit limit = {1 << 17, 1 << 17};
    setrlimit(RLIMIT_NOFILE, &limit);
    signal(SIGPIPE, SIG_IGN);
    make_both_rules(bench_is(what, "stream"));
    start_listening();
    if (bench_is(what, "stream")) {
        measure_stream(bench_count(argc, argv, "count", 1000));
    } else if (bench_is(what, "idle")) {
        measure_idle(bench_count(argc, argv, "count", 2000));
    } else {
        measure_handshakes(bench_count(argc, argv, "count", 1000), bench_is(what, "resume"));
    }
}

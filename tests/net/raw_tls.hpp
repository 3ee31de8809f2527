// The other end of a TLS connection, worked by hand with OpenSSL itself: it does what our engine never would.
#pragma once
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "support/certificates.hpp"
#include "support/forged_records.hpp"
#include "tls/openssl.hpp"

namespace asyncio::test {

/// A server that has localhost's certificate and requires one of its client; or a client that believes
/// everything.
class RawTls {
  public:
    RawTls(const RawTls&) = delete;
    explicit RawTls(int version = TLS1_3_VERSION, bool server = true)
        : context_(SSL_CTX_new(server ? TLS_server_method() : TLS_client_method())) {
        SSL_CTX_set_max_proto_version(context_.get(), version);
        if (server) be_server();
        ssl_.reset(SSL_new(context_.get()));
        SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
        server ? SSL_set_accept_state(ssl_.get()) : SSL_set_connect_state(ssl_.get());
    }

    /// What it answers to these bytes. What it reads is added to `got`.
    std::string feed(std::string_view bytes) {
        BIO_write(SSL_get_rbio(ssl_.get()), bytes.data(), static_cast<int>(bytes.size()));
        ERR_clear_error();
        if (SSL_is_init_finished(ssl_.get()) != 1) {
            SSL_do_handshake(ssl_.get());
            if (SSL_is_init_finished(ssl_.get()) == 1) handshake_ended = true;
        }
        char memory[4096];
        for (std::size_t count = 0; SSL_read_ex(ssl_.get(), memory, sizeof memory, &count) == 1;)
            got.append(memory, count);
        return output();
    }
    std::string write(std::string_view plain) {
        EXPECT_EQ(SSL_write(ssl_.get(), plain.data(), static_cast<int>(plain.size())),
                  static_cast<int>(plain.size()));
        return output();
    }
    /// A message that has new keys, and no plaintext.
    std::string update_keys(bool ask_for_theirs = false) {
        EXPECT_EQ(SSL_key_update(ssl_.get(),
                                 ask_for_theirs ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED),
                  1);
        EXPECT_EQ(SSL_do_handshake(ssl_.get()), 1);
        return output();
    }
    /// Of TLS 1.2: asks for another handshake.
    std::string renegotiate() {
        EXPECT_EQ(SSL_renegotiate(ssl_.get()), 1);
        SSL_do_handshake(ssl_.get());
        return output();
    }
    std::string say_goodbye() {
        SSL_shutdown(ssl_.get());
        return output();
    }
    bool has_goodbye() const { return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0; }
    SSL* ssl() const { return ssl_.get(); }

    /// Of a connection of TLS 1.3: what it sends may be made by hand from now on. (It must have sent no
    /// tickets.)
    ForgedRecords forger() const { return ForgedRecords(key_line_); }
    void send_no_tickets() { SSL_set_num_tickets(ssl_.get(), 0); }

    std::string got;
    bool handshake_ended = false;

  private:
    void be_server() {
        const Certificates& made = certificates();
        SSL_CTX* const ctx = context_.get();
        EXPECT_EQ(SSL_CTX_use_certificate_file(ctx, made.localhost.certificate.c_str(), SSL_FILETYPE_PEM), 1);
        EXPECT_EQ(SSL_CTX_use_PrivateKey_file(ctx, made.localhost.key.c_str(), SSL_FILETYPE_PEM), 1);
        EXPECT_EQ(SSL_CTX_load_verify_file(ctx, made.root.certificate.c_str()), 1);
        SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
        // The client's certificate stands in the tickets: they take two records.
        SSL_CTX_set_max_send_fragment(ctx, 512);
        // For ForgedRecords.
        SSL_CTX_set_keylog_callback(ctx, &note_key);
        SSL_CTX_set_app_data(ctx, &key_line_);
        const unsigned char name[] = "raw";
        SSL_CTX_set_session_id_context(ctx, name, sizeof name);
    }
    static void note_key(const SSL* ssl, const char* line) noexcept {
        if (std::string_view(line).starts_with("SERVER_TRAFFIC_SECRET_0"))
            *static_cast<std::string*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl))) = line;
    }
    std::string output() const {
        char* bytes = nullptr;
        const long count = BIO_get_mem_data(SSL_get_wbio(ssl_.get()), &bytes);
        std::string all(bytes, static_cast<std::size_t>(count));
        static_cast<void>(BIO_reset(SSL_get_wbio(ssl_.get())));
        return all;
    }
    std::string key_line_;
    detail::SslCtxPtr context_;
    detail::SslPtr ssl_;
};

/// Cuts the first record off.
inline std::string take_record(std::string& records) {
    EXPECT_GT(records.size(), 5u);
    const std::size_t size = 5 + static_cast<unsigned char>(records.at(3)) * std::size_t{256} +
                             static_cast<unsigned char>(records.at(4));
    std::string first = records.substr(0, size);
    records.erase(0, first.size());
    return first;
}

}  // namespace asyncio::test

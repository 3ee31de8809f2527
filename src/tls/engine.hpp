// TlsEngine: one end of a TLS connection, bytes in and bytes out. Knows neither sockets nor loops.
#pragma once
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <string_view>

#include "asyncio/net/ssl_object.hpp"
#include "tls/context.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

/// See engine.cpp.
class TlsEngine {
  public:
    enum class Result : std::uint8_t {
        done,         // what was asked for
        needs_input,  // all input was taken, and more is needed
        busy,    // of `read`: there was much input and no plaintext; go on when others have had their turn
        ended,   // the peer has said that it will send no more
        failed,  // error() says why; nothing works any more
    };

    /// `server_hostname`: of a client whom it wants to talk to, for the checks and for the server to choose
    /// its certificate; may be empty if the context does not check it. `peer`: the other end, for texts and,
    /// of a client, for finding a session to resume.
    TlsEngine(const SslContext& context, std::string_view server_hostname, std::string_view peer);
    TlsEngine(const TlsEngine&) = delete;
    TlsEngine& operator=(const TlsEngine&) = delete;
    ~TlsEngine();

    // `in` is what came from the peer: what was taken is removed from its front. What is to be sent is
    // appended to `out`, also by calls that fail: an alert is worth sending.

    /// Goes on with the handshake.
    Result handshake(std::string_view& in, std::string& out) noexcept;
    /// Decrypts what fits, at most a record.
    Result read(std::string_view& in, std::string& out, char* into, std::size_t room,
                std::size_t& got) noexcept;
    /// Encrypts all of it; or nothing, with `needs_input`: a message of the peer's (a key update, a ticket)
    /// has come in part, and OpenSSL writes nothing before a `read` has seen the rest.
    Result write(std::string_view plain, std::string& out) noexcept;
    /// Says that no more will be sent (close_notify); `needs_input` as `write`. Does nothing before the
    /// handshake is done, and the second time.
    Result send_close(std::string& out) noexcept;

    bool peer_has_closed() const noexcept;
    const std::exception_ptr& error() const noexcept { return error_; }
    /// The stream has ended without the peer's having said so.
    std::exception_ptr truncated() const noexcept;
    std::string_view peer() const noexcept { return peer_; }
    const TlsContext& context() const noexcept { return TlsContext::of(context_); }
    std::shared_ptr<const TlsFacts> facts() const;

    // ---- for OpenSSL's callbacks ----------------------------------------------------------------
    static TlsEngine* of(const SSL* ssl) noexcept;
    static int verified(int ok, X509_STORE_CTX* store) noexcept;
    bool keep_session(SSL_SESSION* session) noexcept;
    bool asked_for(std::string_view name) noexcept;
    int give_input(char* into, std::size_t room, std::size_t* given) noexcept;
    int take_output(const char* bytes, std::size_t count) noexcept;

  private:
    class Call;
    Result outcome(int returned, const char* doing) noexcept;
    void set_host(std::string_view server_hostname);
    void fail(const char* doing, const char* why) noexcept;
    std::exception_ptr make_error(const char* doing) noexcept;
    std::exception_ptr verification_error(const std::string& subject) const;
    std::string session_key() const;

    SslContext context_;
    const std::uint64_t generation_;  // of the context's rules, from before `ssl_` took them over
    SslPtr ssl_;
    bool shaken_ = false;  // the handshake is done
    std::string host_;
    std::string peer_;
    std::exception_ptr error_;
    std::exception_ptr in_callback_;  // what a callback met
    std::string_view* in_ = nullptr;  // these two while a call is under way
    std::string* out_ = nullptr;
    X509Ptr refused_;  // the certificate that was refused,
    int refusal_ = 0;  // and why: X509_V_ERR_…
};

}}}  // namespace asyncio::v1::detail

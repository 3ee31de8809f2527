// TlsEngine: OpenSSL without input and output.
//
// OpenSSL reads and writes through a BIO of ours whose two ends are, while a call is under way, the bytes
// that have come and a string for those that are to go. Both belong to the caller, who has one of each for a
// whole loop: a connection keeps no buffers between calls (SSL_MODE_RELEASE_BUFFERS gives back OpenSSL's own)
// but for a record that has come in part.
//
// Invariants
//   1. Each call empties the thread's error queue before it asks OpenSSL and looks at SSL_get_error right
//      after: what another connection left there is not this one's failure.
//   2. Callbacks are noexcept and only store: the exception they met (`in_callback_`), the certificate that
//      was refused, a session. The caller of the C function turns that into an error.
//   3. A call that failed has set `error_`; nothing is asked of OpenSSL afterwards. What it wrote until then,
//      an alert as a rule, is in `out`.
//   4. Input that has been taken is never needed again; `needs_input` has taken all of it.
//
// The end. TLS has an end of its own, close_notify, so that nobody on the way can cut a stream short without
// being seen: `ended`. When the bytes below simply stop, whoever feeds the engine throws `truncated`.
//
// Renegotiation is refused (SSL_OP_NO_RENEGOTIATION), compression too. TLS 1.3 has messages after the
// handshake, key updates and tickets, which are OpenSSL's affair; but a peer may cut one in two records, and
// between these OpenSSL neither encrypts nor says goodbye: `write` and `send_close` give `needs_input` then.
#include "tls/engine.hpp"

#include <arpa/inet.h>

#include <utility>

#include "asyncio/base/assert.hpp"
#include "tls/certificate.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

// ---- the BIO ------------------------------------------------------------------------------------

namespace {

/// Key updates take some hundred microseconds of arithmetic, and 27 bytes of the peer's.
constexpr int messages_per_read = 16;

TlsEngine* engine_of(BIO* bio) noexcept { return static_cast<TlsEngine*>(BIO_get_data(bio)); }

int bio_read(BIO* bio, char* into, std::size_t room, std::size_t* given) noexcept {
    BIO_clear_retry_flags(bio);
    if (engine_of(bio)->give_input(into, room, given) == 1) return 1;
    BIO_set_retry_read(bio);
    return 0;
}

int bio_write(BIO* bio, const char* bytes, std::size_t count, std::size_t* taken) noexcept {
    BIO_clear_retry_flags(bio);
    *taken = count;
    return engine_of(bio)->take_output(bytes, count);
}

long bio_control(BIO*, int command, long, void*) noexcept { return command == BIO_CTRL_FLUSH ? 1 : 0; }

BIO_METHOD* bio_method() {
    static BIO_METHOD* const method = [] {
        BIO_METHOD* const made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "asyncio");
        if (made == nullptr) throw std::bad_alloc();
        BIO_meth_set_read_ex(made, &bio_read);
        BIO_meth_set_write_ex(made, &bio_write);
        BIO_meth_set_ctrl(made, &bio_control);
        return made;
    }();
    return method;
}

bool is_address(const std::string& host) noexcept {
    unsigned char bytes[16];
    return ::inet_pton(AF_INET, host.c_str(), bytes) == 1 || ::inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

}  // namespace

int TlsEngine::give_input(char* into, std::size_t room, std::size_t* given) noexcept {
    const std::size_t count = in_ == nullptr ? 0 : std::min(room, in_->size());
    if (count == 0) return 0;
    in_->copy(into, count);
    in_->remove_prefix(count);
    *given = count;
    return 1;
}

int TlsEngine::take_output(const char* bytes, std::size_t count) noexcept {
    if (out_ == nullptr) return 1;  // OpenSSL says goodbye when it is freed: nobody listens
    try {
        out_->append(bytes, count);
        return 1;
    } catch (...) {
        in_callback_ = std::current_exception();
        return 0;
    }
}

/// A call into OpenSSL.
class TlsEngine::Call {
  public:
    Call(TlsEngine& engine, std::string_view* in, std::string* out) noexcept : engine_(engine) {
        ASYNCIO_ASSERT(engine.in_ == nullptr && engine.out_ == nullptr);
        ERR_clear_error();
        engine.in_ = in;
        engine.out_ = out;
    }
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    ~Call() {
        engine_.in_ = nullptr;
        engine_.out_ = nullptr;
    }

  private:
    TlsEngine& engine_;
};

// ---- making one ---------------------------------------------------------------------------------

TlsEngine::TlsEngine(const SslContext& rules, std::string_view server_hostname, std::string_view peer)
    : context_(rules),
      generation_(context().sessions.generation()),
      ssl_(require_made(SslPtr(SSL_new(context().ctx())))),
      peer_(peer) {
    SSL_set_app_data(ssl_.get(), this);
    BIO* const bio = BIO_new(bio_method());
    if (bio == nullptr) {
        ERR_clear_error();
        throw std::bad_alloc();
    }
    BIO_set_data(bio, this);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_.get(), bio, bio);
    if (context().is_server()) {
        SSL_set_accept_state(ssl_.get());
        return;
    }
    SSL_set_connect_state(ssl_.get());
    set_host(server_hostname);
    if (const SessionPtr session = TlsContext::of(context_).sessions.take(session_key()))
        SSL_set_session(ssl_.get(), session.get());
    ERR_clear_error();
}

TlsEngine::~TlsEngine() {
    if (ssl_ != nullptr) SSL_set_app_data(ssl_.get(), nullptr);
}

void TlsEngine::set_host(std::string_view server_hostname) {
    host_ = server_hostname;
    if (host_.ends_with('.')) host_.pop_back();
    // "fe80::1%eth0": the part behind is for this machine alone (RFC 4007 §11.2), no certificate has it.
    if (const auto zone = host_.find('%'); zone != std::string::npos && is_address(host_.substr(0, zone)))
        host_.resize(zone);
    if (host_.empty()) {
        if (context().check_hostname)
            throw ValueError(
                "TLS: the context checks the host's name, so give {.server_hostname = …}, or "
                "call set_check_hostname(false)");
        return;
    }
    if (host_.front() == '.' || host_.find('\0') != std::string::npos)
        throw ValueError("TLS: '" + host_ + "' is no server_hostname");
    X509_VERIFY_PARAM* const rules = SSL_get0_param(ssl_.get());
    const bool numeric = is_address(host_);
    bool set = true;
    if (numeric) {
        if (context().check_hostname) set = X509_VERIFY_PARAM_set1_ip_asc(rules, host_.c_str()) == 1;
    } else {
        // RFC 6066 §3: "Literal IPv4 and IPv6 addresses are not permitted in HostName."
        set = SSL_set_tlsext_host_name(ssl_.get(), host_.c_str()) == 1;
        X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        if (context().check_hostname)
            set = set && X509_VERIFY_PARAM_set1_host(rules, host_.data(), host_.size()) == 1;
    }
    if (!set) {
        ERR_clear_error();
        throw ValueError("TLS: '" + host_ + "' is no server_hostname");
    }
}

std::string TlsEngine::session_key() const { return host_ + "\n" + peer_; }

// ---- what OpenSSL tells -------------------------------------------------------------------------

TlsEngine* TlsEngine::of(const SSL* ssl) noexcept { return static_cast<TlsEngine*>(SSL_get_app_data(ssl)); }

int TlsEngine::verified(int ok, X509_STORE_CTX* store) noexcept {
    if (ok == 1) return ok;
    const auto* const ssl =
        static_cast<const SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    TlsEngine* const engine = of(ssl);
    engine->refusal_ = X509_STORE_CTX_get_error(store);
    X509* const certificate = X509_STORE_CTX_get_current_cert(store);
    if (certificate != nullptr) X509_up_ref(certificate);
    engine->refused_.reset(certificate);
    return ok;
}

bool TlsEngine::keep_session(SSL_SESSION* session) noexcept {
    if (SSL_SESSION_is_resumable(session) != 1) return false;
    try {
        const std::string key = session_key();
        TlsContext::of(context_).sessions.put(key, SessionPtr(session), generation_);
        return true;
    } catch (...) {
        return false;
    }
}

/// False: it has failed.
bool TlsEngine::asked_for(std::string_view name) noexcept {
    try {
        host_ = name;
    } catch (...) {
        in_callback_ = std::current_exception();
        return false;
    }
    for (char& each : host_) each = static_cast<char>(each >= 'A' && each <= 'Z' ? each + 32 : each);
    const TlsRules& rules = context().for_name(host_);
    SSL_CTX* const ctx = rules.ctx.get();
    if (SSL_set_SSL_CTX(ssl_.get(), ctx) == nullptr) {
        in_callback_ = std::make_exception_ptr(std::bad_alloc());
        return false;
    }
    // That takes the certificate over, and little else. A second ClientHello may ask for another name: then
    // all of it is set once more.
    SSL_set_verify(ssl_.get(), SSL_CTX_get_verify_mode(ctx), &verified);
    return SSL_set_session_id_context(ssl_.get(), reinterpret_cast<const unsigned char*>(&rules.number),
                                      sizeof rules.number) == 1;
}

// ---- calls --------------------------------------------------------------------------------------

TlsEngine::Result TlsEngine::outcome(int returned, const char* doing) noexcept {
    const int why = SSL_get_error(ssl_.get(), returned);
    if (in_callback_ == nullptr) {
        if (returned > 0) return Result::done;
        if (why == SSL_ERROR_WANT_READ) return Result::needs_input;
        if (why == SSL_ERROR_ZERO_RETURN) return Result::ended;
    }
    error_ = make_error(doing);
    return Result::failed;
}

TlsEngine::Result TlsEngine::handshake(std::string_view& in, std::string& out) noexcept {
    if (error_ != nullptr) return Result::failed;
    const Call call(*this, &in, &out);
    const Result result = outcome(SSL_do_handshake(ssl_.get()), "TLS handshake with ");
    shaken_ = result == Result::done;
    if (result != Result::ended) return result;
    fail("TLS handshake with ", "the peer has closed the connection");
    return Result::failed;
}

TlsEngine::Result TlsEngine::read(std::string_view& in, std::string& out, char* into, std::size_t room,
                                  std::size_t& got) noexcept {
    ASYNCIO_ASSERT(room != 0);
    if (error_ != nullptr) return Result::failed;
    const Call call(*this, &in, &out);
    got = 0;
    // OpenSSL comes back after each message that is none of the program's.
    for (int message = 0; message < messages_per_read; ++message) {
        const Result result = outcome(SSL_read_ex(ssl_.get(), into, room, &got), "TLS: receive from ");
        if (result != Result::needs_input || in.empty()) return result;
    }
    return Result::busy;
}

TlsEngine::Result TlsEngine::write(std::string_view plain, std::string& out) noexcept {
    if (error_ != nullptr) return Result::failed;
    if (plain.empty()) return Result::done;
    const Call call(*this, nullptr, &out);
    std::size_t written = 0;
    const Result result =
        outcome(SSL_write_ex(ssl_.get(), plain.data(), plain.size(), &written), "TLS: send to ");
    if (result == Result::done || result == Result::failed || !peer_has_closed()) return result;
    fail("TLS: send to ", "the peer has said goodbye in the middle of a message");
    return Result::failed;
}

TlsEngine::Result TlsEngine::send_close(std::string& out) noexcept {
    if (error_ != nullptr) return Result::failed;
    if (!shaken_ || (SSL_get_shutdown(ssl_.get()) & SSL_SENT_SHUTDOWN) != 0) return Result::done;
    if (SSL_in_init(ssl_.get()) == 1) return Result::needs_input;
    const Call call(*this, nullptr, &out);
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
    return Result::done;
}

bool TlsEngine::peer_has_closed() const noexcept {
    return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
}

// ---- errors -------------------------------------------------------------------------------------

namespace {

/// What helps, where something does; begins with "; ".
std::string advice_for(const OpensslError& error, const SSL* ssl) {
    if (ERR_GET_LIB(error.code) != ERR_LIB_SSL) return {};
    switch (error.number()) {
        case SSL_R_WRONG_VERSION_NUMBER: return "; the other side does not speak TLS: is it the right port?";
        case SSL_R_HTTP_REQUEST: return "; the client speaks plain HTTP";
        case SSL_R_UNSUPPORTED_PROTOCOL:
        case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
        case SSL_R_VERSION_TOO_LOW: return "; the two sides have no version of TLS in common";
        case SSL_R_NO_SHARED_CIPHER:
        case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
            if (SSL_get_certificate(ssl) == nullptr)
                return "; this server has no certificate: call load_cert_chain";
            return {};
        case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
            return "; the server wants a certificate of its client: call load_cert_chain";
        case SSL_R_TLSV1_ALERT_UNKNOWN_CA: return "; the peer does not trust who has signed our certificate";
        default: return {};
    }
}

std::string advice_for(int refusal, const X509* certificate) {
    switch (refusal) {
        case X509_V_ERR_CERT_HAS_EXPIRED: return " (on " + time_text(X509_get0_notAfter(certificate)) + ")";
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return " (before " + time_text(X509_get0_notBefore(certificate)) + "; are the clocks right?)";
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
            return ": '" + name_text(X509_get_subject_name(certificate)) +
                   "'; if you trust it, say so: create_default_context({.cafile = …})";
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
            return ": '" + name_text(X509_get_issuer_name(certificate)) +
                   "' is not among those that are trusted, and the peer has sent nothing that leads to one: "
                   "its chain is incomplete, or you trust others ({.cafile = …})";
        default: return {};
    }
}

}  // namespace

std::exception_ptr TlsEngine::verification_error(const std::string& subject) const {
    std::string message = X509_verify_cert_error_string(refusal_);
    std::string text = message;
    if (refusal_ == X509_V_ERR_HOSTNAME_MISMATCH || refusal_ == X509_V_ERR_IP_ADDRESS_MISMATCH) {
        text = (refusal_ == X509_V_ERR_HOSTNAME_MISMATCH ? "hostname mismatch" : "IP address mismatch");
        message = text;
        text += ", the certificate is not for '" + host_ + "'";
        if (refused_ != nullptr) text += " but for " + hosts_text(refused_.get());
    } else if (refused_ != nullptr) {
        text += advice_for(refusal_, refused_.get());
    }
    return std::make_exception_ptr(
        SslCertVerificationError(refusal_, message, subject + "certificate verify failed: " + text));
}

void TlsEngine::fail(const char* doing, const char* why) noexcept {
    try {
        error_ = std::make_exception_ptr(SslError(doing + peer_ + ": " + why));
    } catch (...) {
        error_ = std::current_exception();
    }
}

std::exception_ptr TlsEngine::make_error(const char* doing) noexcept {
    OpensslError found;
    try {
        found = take_openssl_error();
        if (in_callback_ != nullptr) return std::exchange(in_callback_, nullptr);
        const std::string subject = doing + peer_ + ": ";
        if (found.is(ERR_LIB_SSL, SSL_R_CERTIFICATE_VERIFY_FAILED)) return verification_error(subject);
        std::string what = found.reason.empty() ? "it has failed" : found.reason;
        if (found.data.find("memory") != std::string::npos ||
            found.is(ERR_GET_LIB(found.code), ERR_R_MALLOC_FAILURE))
            return std::make_exception_ptr(std::bad_alloc());
        if (ERR_GET_LIB(found.code) == ERR_LIB_SSL && found.number() >= SSL_AD_REASON_OFFSET) {
            const std::string alert = SSL_alert_desc_string_long(found.number() - SSL_AD_REASON_OFFSET);
            what = "the peer refuses, with the alert '" + (alert == "unknown" ? found.reason : alert) + "'";
        }
        return std::make_exception_ptr(
            SslError(found.number(), found.reason, subject + what + advice_for(found, ssl_.get())));
    } catch (...) {
        return std::current_exception();
    }
}

std::exception_ptr TlsEngine::truncated() const noexcept {
    try {
        return std::make_exception_ptr(SslEofError(
            SSL_R_UNEXPECTED_EOF_WHILE_READING, "unexpected eof while reading",
            "TLS: receive from " + peer_ +
                ": the connection ended without TLS's closing message: something may be missing"));
    } catch (...) {
        return std::current_exception();
    }
}

// ---- what was agreed on -------------------------------------------------------------------------

std::shared_ptr<const TlsFacts> TlsEngine::facts() const {
    auto facts = std::make_shared<TlsFacts>();
    SSL* const ssl = ssl_.get();
    facts->version = SSL_get_version(ssl);
    if (const SSL_CIPHER* const cipher = SSL_get_current_cipher(ssl)) {
        facts->cipher.name = SSL_CIPHER_get_name(cipher);
        facts->cipher.protocol = SSL_CIPHER_get_version(cipher);
        facts->cipher.secret_bits = SSL_CIPHER_get_bits(cipher, nullptr);
    }
    const unsigned char* protocol = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl, &protocol, &size);
    if (size != 0) facts->alpn.assign(reinterpret_cast<const char*>(protocol), size);
    facts->server_hostname = host_;
    if (const X509* const peer = SSL_get0_peer_certificate(ssl)) facts->peer = describe(peer);
    facts->context = std::make_shared<const SslContext>(context_);
    facts->server_side = context().is_server();
    facts->session_reused = SSL_session_reused(ssl) == 1;
    return facts;
}

}}}  // namespace asyncio::v1::detail

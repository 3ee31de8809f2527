// SslContext: the rules for TLS connections.
//
// All of OpenSSL's callbacks that belong to a context are here; they are noexcept, run no user code and store
// what they learn. Per connection OpenSSL hands them the SSL object, whose app data is its TlsEngine.
//
// Why OpenSSL: it is what Python's ssl is made of (so certificates, ciphers and messages are those that
// people know), every distribution patches it, and it takes bytes from memory as well as from sockets.
#include "tls/context.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "asyncio/base/assert.hpp"
#include "tls/engine.hpp"

namespace asyncio { inline namespace v1 {

namespace detail {

namespace {

/// Sessions of one host, and of all.
constexpr std::size_t sessions_per_key = 4;
constexpr std::size_t sessions_max = 1024;

/// Sessions are only resumed by the server that made them; this tells OpenSSL that ours are all alike.
constexpr unsigned char session_id_context[] = "asyncio";

}  // namespace

OpensslError take_openssl_error() {
    OpensslError error;
    const char* data = nullptr;
    int flags = 0;
    error.code = ERR_get_error_all(nullptr, nullptr, nullptr, &data, &flags);
    if (error.code != 0) {
        if (const char* const reason = ERR_reason_error_string(error.code)) error.reason = reason;
        if (data != nullptr && (flags & ERR_TXT_STRING) != 0) error.data = data;
    }
    ERR_clear_error();
    return error;
}

// ---- sessions -----------------------------------------------------------------------------------

void SessionCache::put(const std::string& key, SessionPtr session) noexcept {
    const std::lock_guard lock(mutex_);
    try {
        if (count_ >= sessions_max) {
            sessions_.clear();
            count_ = 0;
        }
        auto& kept = sessions_[key];
        if (kept.size() == sessions_per_key) {
            kept.erase(kept.begin());
            --count_;
        }
        kept.push_back(std::move(session));
        ++count_;
    } catch (...) {
        // The next connection takes a whole handshake.
    }
}

SessionPtr SessionCache::take(const std::string& key) noexcept {
    const std::lock_guard lock(mutex_);
    const auto found = sessions_.find(key);
    if (found == sessions_.end() || found->second.empty()) return nullptr;
    SessionPtr session = std::move(found->second.back());
    found->second.pop_back();
    --count_;
    if (found->second.empty()) sessions_.erase(found);
    return session;
}

void SessionCache::clear() noexcept {
    const std::lock_guard lock(mutex_);
    sessions_.clear();
    count_ = 0;
}

std::size_t SessionCache::size() const noexcept {
    const std::lock_guard lock(mutex_);
    return count_;
}

// ---- callbacks ----------------------------------------------------------------------------------

namespace {

int new_session(SSL* ssl, SSL_SESSION* session) noexcept {
    auto* const engine = TlsEngine::of(ssl);
    return engine != nullptr && engine->keep_session(session) ? 1 : 0;
}

int choose_protocol(SSL* ssl, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                    unsigned in_size, void*) noexcept {
    const std::string& ours = TlsEngine::of(ssl)->context().alpn;
    if (ours.empty()) return SSL_TLSEXT_ERR_NOACK;
    unsigned char* chosen = nullptr;
    const int found =
        SSL_select_next_proto(&chosen, out_size, reinterpret_cast<const unsigned char*>(ours.data()),
                              static_cast<unsigned>(ours.size()), in, in_size);
    if (found != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

int choose_context(SSL* ssl, int*, void*) noexcept {
    const char* const name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    if (name != nullptr) TlsEngine::of(ssl)->asked_for(name);
    return SSL_TLSEXT_ERR_OK;
}

int verify_flags(SslVerifyMode mode) noexcept {
    switch (mode) {
        case SslVerifyMode::CERT_NONE: return SSL_VERIFY_NONE;
        case SslVerifyMode::CERT_OPTIONAL: return SSL_VERIFY_PEER;
        case SslVerifyMode::CERT_REQUIRED: return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    }
    return SSL_VERIFY_PEER;
}

int openssl_version(SslVersion version) noexcept {
    return version == SslVersion::TLSv1_2 ? TLS1_2_VERSION : TLS1_3_VERSION;
}

}  // namespace

TlsContext::TlsContext(SslPurpose whom)
    : TlsProvider(whom, whom == SslPurpose::SERVER_AUTH),
      ctx(require_made(SslCtxPtr(SSL_CTX_new(TLS_method())))),
      verify_mode(is_server() ? SslVerifyMode::CERT_NONE : SslVerifyMode::CERT_REQUIRED) {
    SSL_CTX_set_min_proto_version(ctx.get(), TLS1_2_VERSION);
    SSL_CTX_set_max_proto_version(ctx.get(), TLS1_3_VERSION);
    SSL_CTX_set_options(ctx.get(),
                        SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    // A connection that rests keeps no buffers.
    SSL_CTX_set_mode(ctx.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(ctx.get(), verify_flags(verify_mode), &TlsEngine::verified);
    // A certificate of one's own may be trusted by itself, without the one that signed it.
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx.get()), X509_V_FLAG_PARTIAL_CHAIN);
    if (is_server()) {
        SSL_CTX_set_session_cache_mode(ctx.get(), SSL_SESS_CACHE_OFF);  // tickets need none
        SSL_CTX_set_session_id_context(ctx.get(), session_id_context, sizeof session_id_context);
        SSL_CTX_set_alpn_select_cb(ctx.get(), &choose_protocol, nullptr);
        SSL_CTX_set_tlsext_servername_callback(ctx.get(), &choose_context);
    } else {
        SSL_CTX_set_session_cache_mode(ctx.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(ctx.get(), &new_session);
    }
}

const TlsContext* TlsContext::for_name(std::string_view name) const noexcept {
    if (const auto found = names.find(name); found != names.end()) return &of(found->second);
    const auto dot = name.find('.');
    if (dot == std::string_view::npos || dot == 0) return nullptr;
    for (const auto& [pattern, context] : names) {
        if (pattern.starts_with("*.") && std::string_view(pattern).substr(1) == name.substr(dot))
            return &of(context);
    }
    return nullptr;
}

const SslContext& usual_ssl_context() {
    static const SslContext context = create_default_context();
    return context;
}

// ---- files --------------------------------------------------------------------------------------

namespace {

std::string quoted(const char* call, std::string_view path) {
    return std::string(call) + " '" + std::string(path) + "'";
}

std::string read_file(const char* call, std::string_view path) {
    const std::string name(path);
    struct Close {
        void operator()(std::FILE* file) const noexcept { std::fclose(file); }
    };
    const std::unique_ptr<std::FILE, Close> file(std::fopen(name.c_str(), "re"));
    if (file == nullptr) throw_os_error(errno, quoted(call, path));
    std::string text;
    char piece[4096];
    for (;;) {
        errno = 0;
        const std::size_t got = std::fread(piece, 1, sizeof piece, file.get());
        text.append(piece, got);
        if (got < sizeof piece) break;
    }
    if (std::ferror(file.get()) != 0) throw_os_error(errno, quoted(call, path));
    return text;
}

[[noreturn]] void throw_ssl(const std::string& subject, const std::string& advice = std::string()) {
    const OpensslError error = take_openssl_error();
    std::string text = subject + ": " + (error.reason.empty() ? "it cannot be used" : error.reason);
    if (!advice.empty()) text += "; " + advice;
    throw SslError(error.number(), error.reason, text);
}

/// The next certificate of PEM text; null when there is none any more.
X509Ptr next_certificate(BIO* from, const std::string& subject) {
    ERR_clear_error();
    X509Ptr found(PEM_read_bio_X509_AUX(from, nullptr, nullptr, nullptr));
    if (found != nullptr) return found;
    const unsigned long error = ERR_peek_last_error();
    if (ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE) {
        ERR_clear_error();
        return nullptr;
    }
    throw_ssl(subject);
}

void trust_all(SSL_CTX* ctx, std::string_view pem, const std::string& subject) {
    const BioPtr bio = bio_of(pem);
    X509_STORE* const store = SSL_CTX_get_cert_store(ctx);
    int count = 0;
    while (const X509Ptr certificate = next_certificate(bio.get(), subject)) {
        if (X509_STORE_add_cert(store, certificate.get()) != 1) throw_ssl(subject);
        ++count;
    }
    if (count == 0)
        throw SslError(subject + ": no certificate in it; it must be PEM, -----BEGIN CERTIFICATE-----");
}

struct PasswordGiven {
    std::string_view text;
    bool asked = false;
};

int give_password(char* buffer, int size, int, void* given) noexcept {
    auto* const password = static_cast<PasswordGiven*>(given);
    password->asked = true;
    if (password->text.empty() || password->text.size() > static_cast<std::size_t>(size)) return -1;
    std::memcpy(buffer, password->text.data(), password->text.size());
    return static_cast<int>(password->text.size());
}

KeyPtr read_key(std::string_view pem, const std::string& subject, std::string_view password) {
    const BioPtr bio = bio_of(pem);
    PasswordGiven given;
    given.text = password;
    ERR_clear_error();
    KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, &give_password, &given));
    if (key != nullptr) return key;
    if (given.asked) {
        const OpensslError error = take_openssl_error();
        throw SslError(error.number(), error.reason,
                       subject + (password.empty() ? ": the key is encrypted: give {.password = …}"
                                                   : ": the password of the key is wrong"));
    }
    const OpensslError error = take_openssl_error();
    throw SslError(error.number(), error.reason, subject + ": no private key in it; it must be PEM");
}

void use_chain(TlsContext& context, std::string_view certificates, std::string_view key_pem,
               const std::string& subject, const std::string& key_subject, std::string_view password) {
    const BioPtr bio = bio_of(certificates);
    const X509Ptr leaf = next_certificate(bio.get(), subject);
    if (leaf == nullptr)
        throw SslError(subject + ": no certificate in it; it must be PEM, -----BEGIN CERTIFICATE-----");
    std::vector<X509Ptr> above;
    while (X509Ptr each = next_certificate(bio.get(), subject)) above.push_back(std::move(each));
    const KeyPtr key = read_key(key_pem, key_subject, password);
    if (X509_check_private_key(leaf.get(), key.get()) != 1) {
        const OpensslError error = take_openssl_error();
        throw SslError(error.number(), error.reason,
                       key_subject + ": this is not the key of the certificate in " + subject);
    }
    SSL_CTX* const ctx = context.ctx.get();
    ERR_clear_error();
    if (SSL_CTX_use_certificate(ctx, leaf.get()) != 1) throw_ssl(subject);
    SSL_CTX_clear_chain_certs(ctx);
    for (const X509Ptr& each : above) {
        if (SSL_CTX_add1_chain_cert(ctx, each.get()) != 1) throw_ssl(subject);
    }
    if (SSL_CTX_use_PrivateKey(ctx, key.get()) != 1) throw_ssl(key_subject);
}

std::string wire_of_protocols(const std::string_view* names, std::size_t count) {
    std::string wire;
    for (std::size_t i = 0; i < count; ++i) {
        if (names[i].empty() || names[i].size() > 255)
            throw ValueError("set_alpn_protocols: a protocol's name has 1 to 255 bytes");
        wire += static_cast<char>(names[i].size());
        wire += names[i];
    }
    return wire;
}

}  // namespace

}  // namespace detail

// ---- the handle ---------------------------------------------------------------------------------

using detail::TlsContext;

SslContext create_default_context(SslContextOptions options) {
    SslContext context(std::make_shared<TlsContext>(options.purpose));
    const VerifyLocations given{options.cafile, options.capath, options.cadata};
    if (!given.cafile.empty() || !given.capath.empty() || !given.cadata.empty()) {
        context.load_verify_locations(given);
    } else if (options.purpose == SslPurpose::SERVER_AUTH) {
        context.load_default_certs();
    }
    return context;
}

void SslContext::load_verify_locations(VerifyLocations locations) {
    SSL_CTX* const ctx = TlsContext::of(*this).ctx.get();
    if (locations.cafile.empty() && locations.capath.empty() && locations.cadata.empty())
        throw ValueError("load_verify_locations: give one of cafile, capath and cadata");
    TlsContext::of(*this).rules_changed();
    if (!locations.cafile.empty()) {
        const std::string pem = detail::read_file("load_verify_locations", locations.cafile);
        detail::trust_all(ctx, pem, detail::quoted("load_verify_locations", locations.cafile));
    }
    if (!locations.cadata.empty()) detail::trust_all(ctx, locations.cadata, "load_verify_locations, cadata");
    if (!locations.capath.empty()) {
        ERR_clear_error();
        if (SSL_CTX_load_verify_dir(ctx, std::string(locations.capath).c_str()) != 1)
            detail::throw_ssl(detail::quoted("load_verify_locations", locations.capath));
    }
    if (!TlsContext::of(*this).is_server()) return;
    // A server names those whom it trusts to its clients, so that they can choose a certificate.
    STACK_OF(X509_OBJECT)* const trusted = X509_STORE_get0_objects(SSL_CTX_get_cert_store(ctx));
    SSL_CTX_set_client_CA_list(ctx, nullptr);
    for (int i = 0; i < sk_X509_OBJECT_num(trusted); ++i) {
        X509* const each = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(trusted, i));
        if (each != nullptr) SSL_CTX_add_client_CA(ctx, each);
    }
}

void SslContext::load_default_certs() {
    TlsContext::of(*this).rules_changed();
    ERR_clear_error();
    // A system without certificates is no error: the handshake says what is missing.
    SSL_CTX_set_default_verify_paths(TlsContext::of(*this).ctx.get());
    ERR_clear_error();
}

void SslContext::load_cert_chain(std::string_view certfile, std::string_view keyfile,
                                 CertChainOptions options) {
    const std::string certificates = detail::read_file("load_cert_chain", certfile);
    const std::string subject = detail::quoted("load_cert_chain", certfile);
    if (keyfile.empty())
        return detail::use_chain(TlsContext::of(*this), certificates, certificates, subject, subject,
                                 options.password);
    const std::string key = detail::read_file("load_cert_chain", keyfile);
    detail::use_chain(TlsContext::of(*this), certificates, key, subject,
                      detail::quoted("load_cert_chain", keyfile), options.password);
}

void SslContext::load_cert_chain_pem(std::string_view certificates, std::string_view key,
                                     CertChainOptions options) {
    detail::use_chain(TlsContext::of(*this), certificates, key, "load_cert_chain_pem", "load_cert_chain_pem",
                      options.password);
}

namespace {

void use_protocols(TlsContext& state, std::string wire) {
    state.alpn = std::move(wire);
    // (0 is success here, alone among these functions.)
    if (SSL_CTX_set_alpn_protos(state.ctx.get(), reinterpret_cast<const unsigned char*>(state.alpn.data()),
                                static_cast<unsigned>(state.alpn.size())) != 0) {
        ERR_clear_error();
        throw std::bad_alloc();
    }
}

}  // namespace

void SslContext::set_alpn_protocols(std::initializer_list<std::string_view> protocols) {
    use_protocols(TlsContext::of(*this), detail::wire_of_protocols(protocols.begin(), protocols.size()));
}
void SslContext::set_alpn_protocols(const std::vector<std::string_view>& protocols) {
    use_protocols(TlsContext::of(*this), detail::wire_of_protocols(protocols.data(), protocols.size()));
}

void SslContext::set_ciphers(std::string_view ciphers) {
    const std::string list(ciphers);
    ERR_clear_error();
    if (SSL_CTX_set_cipher_list(TlsContext::of(*this).ctx.get(), list.c_str()) != 1)
        detail::throw_ssl("set_ciphers '" + list + "'");
}

void SslContext::set_minimum_version(SslVersion version) {
    TlsContext::of(*this).minimum = version;
    SSL_CTX_set_min_proto_version(TlsContext::of(*this).ctx.get(), detail::openssl_version(version));
    TlsContext::of(*this).rules_changed();
}
SslVersion SslContext::minimum_version() const noexcept { return TlsContext::of(*this).minimum; }
void SslContext::set_maximum_version(SslVersion version) {
    TlsContext::of(*this).maximum = version;
    SSL_CTX_set_max_proto_version(TlsContext::of(*this).ctx.get(), detail::openssl_version(version));
    TlsContext::of(*this).rules_changed();
}
SslVersion SslContext::maximum_version() const noexcept { return TlsContext::of(*this).maximum; }

void SslContext::set_verify_mode(SslVerifyMode mode) {
    if (mode == SslVerifyMode::CERT_NONE && TlsContext::of(*this).check_hostname)
        throw ValueError(
            "set_verify_mode: CERT_NONE while the host's name is checked: call "
            "set_check_hostname(false) before");
    TlsContext::of(*this).verify_mode = mode;
    SSL_CTX_set_verify(TlsContext::of(*this).ctx.get(), detail::verify_flags(mode),
                       &detail::TlsEngine::verified);
    TlsContext::of(*this).rules_changed();
}
SslVerifyMode SslContext::verify_mode() const noexcept { return TlsContext::of(*this).verify_mode; }

void SslContext::set_check_hostname(bool on) {
    TlsContext::of(*this).check_hostname = on;
    if (on && TlsContext::of(*this).verify_mode == SslVerifyMode::CERT_NONE)
        set_verify_mode(SslVerifyMode::CERT_REQUIRED);
    TlsContext::of(*this).rules_changed();
}
bool SslContext::check_hostname() const noexcept { return TlsContext::of(*this).check_hostname; }

void SslContext::add_server_name(std::string_view name, const SslContext& context) {
    if (name.empty()) throw ValueError("add_server_name: the name is empty");
    if (!TlsContext::of(*this).is_server() || !TlsContext::of(context).is_server())
        throw ValueError(
            "add_server_name: both contexts are to be for servers: "
            "create_default_context({.purpose = SslPurpose::CLIENT_AUTH})");
    std::string key(name);
    for (char& each : key) each = static_cast<char>(each >= 'A' && each <= 'Z' ? each + 32 : each);
    // Itself it is anyway, and would keep itself alive.
    if (context.state_ == state_) {
        TlsContext::of(*this).names.erase(key);
    } else {
        TlsContext::of(*this).names.insert_or_assign(std::move(key), context);
    }
}

SslPurpose SslContext::purpose() const noexcept { return TlsContext::of(*this).purpose; }
std::size_t SslContext::cached_sessions() const noexcept { return TlsContext::of(*this).sessions.size(); }

}}  // namespace asyncio::v1

// SslContext: the rules for TLS connections.
//
// All of OpenSSL's callbacks that belong to a context are here; they are noexcept, run no user code and store
// what they learn. Per connection OpenSSL hands them the SSL object, whose app data is its TlsEngine.
//
// Why OpenSSL: it is what Python's ssl is made of (so certificates, ciphers and messages are those that
// people know), every distribution patches it, and it takes bytes from memory as well as from sockets.
#include "tls/context.hpp"

#include <dirent.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "asyncio/base/assert.hpp"
#include "tls/engine.hpp"

namespace asyncio { inline namespace v1 {

namespace detail {

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

/// Empty if there is none. (If it is broken, too: OpenSSL refuses that a little later.)
std::string_view name_in_client_hello(SSL* ssl) noexcept {
    const unsigned char* bytes = nullptr;
    std::size_t size = 0;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &bytes, &size) != 1) return {};
    // RFC 6066 §3: the length of a list, and in that an entry: its type, the length of the name, the name.
    constexpr std::size_t before_name = 5;
    if (size < before_name || bytes[2] != TLSEXT_NAMETYPE_host_name) return {};
    if (std::size_t{bytes[3]} * 256 + bytes[4] != size - before_name) return {};
    return {reinterpret_cast<const char*>(bytes) + before_name, size - before_name};
}

/// OpenSSL asks this before it looks at a session that the client would like to resume; its callback for the
/// server's name comes after. By then a session of an open name would have opened those that require a
/// certificate.
int choose_context(SSL* ssl, int* alert, void*) noexcept {
    if (TlsEngine::of(ssl)->asked_for(name_in_client_hello(ssl))) return SSL_CLIENT_HELLO_SUCCESS;
    *alert = SSL_AD_INTERNAL_ERROR;
    return SSL_CLIENT_HELLO_ERROR;
}

/// RFC 6066 §3: a server that has used the name says so.
int acknowledge_name(SSL*, int*, void*) noexcept { return SSL_TLSEXT_ERR_OK; }

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
      rules(std::make_shared<TlsRules>(require_made(SslCtxPtr(SSL_CTX_new(TLS_method()))))),
      verify_mode(is_server() ? SslVerifyMode::CERT_NONE : SslVerifyMode::CERT_REQUIRED) {
    SSL_CTX_set_min_proto_version(ctx(), TLS1_2_VERSION);
    SSL_CTX_set_max_proto_version(ctx(), TLS1_3_VERSION);
    SSL_CTX_set_options(ctx(),
                        SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    // A peer that sends nothing but key updates would keep OpenSSL, and the loop, for as long as there are
    // any.
    SSL_CTX_clear_mode(ctx(), SSL_MODE_AUTO_RETRY);
    // A connection that rests keeps no buffers.
    SSL_CTX_set_mode(ctx(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(ctx(), verify_flags(verify_mode), &TlsEngine::verified);
    // A certificate of one's own may be trusted by itself, without the one that signed it.
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx()), X509_V_FLAG_PARTIAL_CHAIN);
    if (is_server()) {
        SSL_CTX_set_session_cache_mode(ctx(), SSL_SESS_CACHE_OFF);  // tickets need none
        rules->renew();
        SSL_CTX_set_alpn_select_cb(ctx(), &choose_protocol, nullptr);
        SSL_CTX_set_client_hello_cb(ctx(), &choose_context, nullptr);
        SSL_CTX_set_tlsext_servername_callback(ctx(), &acknowledge_name);
    } else {
        SSL_CTX_set_session_cache_mode(ctx(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(ctx(), &new_session);
    }
}

void TlsRules::renew() noexcept {
    static std::atomic<std::uint64_t> last{0};
    number = ++last;
    SSL_CTX_set_session_id_context(ctx.get(), reinterpret_cast<const unsigned char*>(&number), sizeof number);
}

const TlsRules& TlsContext::for_name(std::string_view name) const noexcept {
    if (const auto found = names.find(name); found != names.end()) return *found->second;
    const auto dot = name.find('.');
    if (dot == std::string_view::npos || dot == 0) return *rules;
    for (const auto& [pattern, other] : names) {
        if (pattern.starts_with("*.") && std::string_view(pattern).substr(1) == name.substr(dot))
            return *other;
    }
    return *rules;
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

/// OpenSSL looks into a folder when it needs a certificate, and takes one that is not there for an empty one.
void require_folder(const char* call, std::string_view path) {
    DIR* const folder = ::opendir(std::string(path).c_str());
    if (folder == nullptr) throw_os_error(errno, quoted(call, path));
    ::closedir(folder);
}

[[noreturn]] void throw_ssl(const std::string& subject, const std::string& advice = std::string()) {
    const OpensslError error = take_openssl_error();
    std::string text = subject + ": " + (error.reason.empty() ? "it cannot be used" : error.reason);
    if (!advice.empty()) text += "; " + advice;
    throw SslError(error.number(), error.reason, text);
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

/// The next certificate of PEM text; null when there is none any more.
X509Ptr next_certificate(BIO* from, const std::string& subject) {
    ERR_clear_error();
    PasswordGiven none;  // without a callback OpenSSL asks at the terminal, and waits for the answer
    X509Ptr found(PEM_read_bio_X509_AUX(from, nullptr, &give_password, &none));
    if (found != nullptr) return found;
    if (none.asked) throw_ssl(subject, "the certificate is encrypted, which only keys may be");
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
    const X509StackPtr above = require_made(X509StackPtr(sk_X509_new_null()));
    while (X509Ptr each = next_certificate(bio.get(), subject)) {
        if (sk_X509_push(above.get(), each.get()) == 0) throw std::bad_alloc();
        static_cast<void>(each.release());
    }
    const KeyPtr key = read_key(key_pem, key_subject, password);
    if (X509_check_private_key(leaf.get(), key.get()) != 1) {
        const OpensslError error = take_openssl_error();
        throw SslError(error.number(), error.reason,
                       key_subject + ": this is not the key of the certificate in " + subject);
    }
    // All or nothing: what it has shown until now goes on working if this is no good.
    ERR_clear_error();
    if (SSL_CTX_use_cert_and_key(context.ctx(), leaf.get(), key.get(), above.get(), 1) != 1)
        throw_ssl(subject);
    // A client that resumed a session would go on as who it was.
    context.rules_changed();
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
    SSL_CTX* const ctx = TlsContext::of(*this).ctx();
    if (locations.cafile.empty() && locations.capath.empty() && locations.cadata.empty())
        throw ValueError("load_verify_locations: give one of cafile, capath and cadata");
    if (!locations.capath.empty()) detail::require_folder("load_verify_locations", locations.capath);
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
    SSL_CTX_set_default_verify_paths(TlsContext::of(*this).ctx());
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
    if (SSL_CTX_set_alpn_protos(state.ctx(), reinterpret_cast<const unsigned char*>(state.alpn.data()),
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
    if (SSL_CTX_set_cipher_list(TlsContext::of(*this).ctx(), list.c_str()) != 1)
        detail::throw_ssl("set_ciphers '" + list + "'");
}

void SslContext::set_minimum_version(SslVersion version) {
    TlsContext::of(*this).minimum = version;
    SSL_CTX_set_min_proto_version(TlsContext::of(*this).ctx(), detail::openssl_version(version));
    TlsContext::of(*this).rules_changed();
}
SslVersion SslContext::minimum_version() const noexcept { return TlsContext::of(*this).minimum; }
void SslContext::set_maximum_version(SslVersion version) {
    TlsContext::of(*this).maximum = version;
    SSL_CTX_set_max_proto_version(TlsContext::of(*this).ctx(), detail::openssl_version(version));
    TlsContext::of(*this).rules_changed();
}
SslVersion SslContext::maximum_version() const noexcept { return TlsContext::of(*this).maximum; }

void SslContext::set_verify_mode(SslVerifyMode mode) {
    if (mode == SslVerifyMode::CERT_NONE && TlsContext::of(*this).check_hostname)
        throw ValueError(
            "set_verify_mode: CERT_NONE while the host's name is checked: call "
            "set_check_hostname(false) before");
    TlsContext::of(*this).verify_mode = mode;
    SSL_CTX_set_verify(TlsContext::of(*this).ctx(), detail::verify_flags(mode), &detail::TlsEngine::verified);
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
    TlsContext::of(*this).names.insert_or_assign(std::move(key), TlsContext::of(context).rules);
}

SslPurpose SslContext::purpose() const noexcept { return TlsContext::of(*this).purpose; }
std::size_t SslContext::cached_sessions() const noexcept { return TlsContext::of(*this).sessions.size(); }

}}  // namespace asyncio::v1

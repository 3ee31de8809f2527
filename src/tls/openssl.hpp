// OpenSSL's objects with owners, and its error queue.
#pragma once
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <new>
#include <string>
#include <string_view>

#include "asyncio/net/tls.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

template <auto free>
struct OpensslDelete {
    template <class T>
    void operator()(T* object) const noexcept {
        free(object);
    }
};
template <class T, auto free>
using Openssl = std::unique_ptr<T, OpensslDelete<free>>;

using SslCtxPtr = Openssl<SSL_CTX, &SSL_CTX_free>;
using SslPtr = Openssl<SSL, &SSL_free>;
using SessionPtr = Openssl<SSL_SESSION, &SSL_SESSION_free>;
using BioPtr = Openssl<BIO, &BIO_free_all>;
using X509Ptr = Openssl<X509, &X509_free>;
struct X509StackDelete {
    void operator()(STACK_OF(X509) * stack) const noexcept { sk_X509_pop_free(stack, &X509_free); }
};
using X509StackPtr = std::unique_ptr<STACK_OF(X509), X509StackDelete>;
using KeyPtr = Openssl<EVP_PKEY, &EVP_PKEY_free>;

/// What OpenSSL allocates fails for lack of memory, as a rule.
template <class Pointer>
Pointer require_made(Pointer made) {
    if (made == nullptr) {
        ERR_clear_error();
        throw std::bad_alloc();
    }
    return made;
}

/// A BIO that reads `text`, which must outlive it.
inline BioPtr bio_of(std::string_view text) {
    return require_made(BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))));
}

/// The first error in OpenSSL's queue, which is emptied.
struct OpensslError {
    unsigned long code = 0;
    std::string reason;  // "wrong version number"; empty if there is none
    std::string data;    // what OpenSSL adds to it

    int number() const noexcept { return ERR_GET_REASON(code); }
    bool is(int library, int reason_number) const noexcept {
        return code != 0 && ERR_GET_LIB(code) == library && ERR_GET_REASON(code) == reason_number;
    }
};
OpensslError take_openssl_error();

}}}  // namespace asyncio::v1::detail

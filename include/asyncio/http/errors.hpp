// What can go wrong with a request. The names and their ancestry are aiohttp's.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <system_error>

#include "asyncio/base/config.hpp"
#include "asyncio/base/error.hpp"
#include "asyncio/proto/errors.hpp"
#include "asyncio/proto/headers.hpp"

//   ClientError
//   ├ ClientResponseError           the answer came, and it is a failure or no HTTP    : Error
//   ├ ClientPayloadError            the body is cut off or wrongly framed              : Error
//   ├ InvalidURL                    what was asked for cannot be asked for             : ValueError
//   └ ClientConnectionError
//     ├ SessionClosedError          the session was closed before the answer came      : RuntimeError
//     ├ ResponseClosedError         the body of a closed response was asked for        : RuntimeError
//     ├ ClientOSError               the system reported it: code() is its errno        : OSError
//     │ └ ClientConnectorError      no connection could be made
//     │   ├ ClientConnectorDNSError the name does not resolve: code() is an EAI_... value
//     │   └ ClientSSLError          TLS failed: code() is a number of OpenSSL
//     │     ├ ClientConnectorSSLError         ... for another reason than
//     │     └ ClientConnectorCertificateError ... the server's certificate
//     └ ServerConnectionError
//       ├ ServerDisconnectedError   the server closed instead of answering             : Error
//       └ ServerTimeoutError        the time was up                                    : TimeoutError
//         ├ ConnectionTimeoutError  ... before a connection was there
//         └ SocketTimeoutError      ... while waiting for the server's next bytes
//
// Several of them are two things at once: a ServerTimeoutError is a TimeoutError, so `catch (const
// asyncio::TimeoutError&)` meets it, and a ClientError, so `catch (const http::ClientError&)` does. In C++ a
// class with two std::exception bases would be caught as neither, so only the column on the right brings in
// std::exception, once for each class that is thrown. ClientError, ClientConnectionError and
// ServerConnectionError are therefore abstract and no std::exception themselves: they are there to be caught
// and asked what().
//
// Every text names the request, then the cause: "GET http://h/x: connect 127.0.0.1:1: Connection refused
// [Errno 111]". User names and passwords are left out of it.

namespace asyncio { inline namespace v1 { namespace http {

/// All that a client's request can fail with, apart from cancellation and misuse.
///
/// To be caught by reference and asked what(); `catch (const std::exception&)` meets all of them as well.
///
/// Python      `aiohttp.ClientError`
class ASYNCIO_API ClientError {
  public:
    virtual ~ClientError();
    virtual const char* what() const noexcept = 0;

  protected:
    ClientError() noexcept = default;
    ClientError(const ClientError&) noexcept = default;
    ClientError& operator=(const ClientError&) noexcept = default;
};

/// The server answered with a status that counts as a failure (`raise_for_status`), or with what is no HTTP.
///
/// Python      `aiohttp.ClientResponseError`
class ASYNCIO_API ClientResponseError : public Error, public ClientError {
  public:
    ClientResponseError(std::string_view text, int status, std::string_view message = {},
                        std::shared_ptr<const proto::Headers> headers = nullptr) noexcept
        : Error(text), status_(status), message_(message), headers_(std::move(headers)) {}
    ClientResponseError(const ClientResponseError&) noexcept = default;
    ClientResponseError& operator=(const ClientResponseError&) noexcept = default;
    ~ClientResponseError() override;

    const char* what() const noexcept override { return Error::what(); }
    /// The response's status; 0 if the response could not be understood.
    int status() const noexcept { return status_; }
    /// The response's reason phrase, or what was wrong with it.
    std::string_view message() const noexcept { return message_.view(); }
    /// The response's header fields; null if it could not be understood.
    const proto::Headers* headers() const noexcept { return headers_.get(); }

  private:
    int status_;
    asyncio::detail::SharedText message_;
    std::shared_ptr<const proto::Headers> headers_;
};

/// The body of the response is cut off, or not framed as announced.
///
/// Python      `aiohttp.ClientPayloadError`
class ASYNCIO_API ClientPayloadError : public Error, public ClientError {
  public:
    using Error::Error;
    ClientPayloadError(const ClientPayloadError&) noexcept = default;
    ClientPayloadError& operator=(const ClientPayloadError&) noexcept = default;
    ~ClientPayloadError() override;
    const char* what() const noexcept override { return Error::what(); }
};

/// The URL is none, or it is not for this client: `url()` is what was given.
///
/// Python      `aiohttp.InvalidURL`
class ASYNCIO_API InvalidURL : public proto::InvalidURL, public ClientError {
  public:
    InvalidURL(std::string_view url, std::string_view cause) : proto::InvalidURL(url, cause) {}
    explicit InvalidURL(const proto::InvalidURL& found) noexcept : proto::InvalidURL(found) {}
    InvalidURL(const InvalidURL&) noexcept = default;
    InvalidURL& operator=(const InvalidURL&) noexcept = default;
    ~InvalidURL() override;
    const char* what() const noexcept override { return proto::InvalidURL::what(); }
};

/// Something is wrong with the connection.
///
/// Python      `aiohttp.ClientConnectionError`
class ASYNCIO_API ClientConnectionError : public ClientError {
  public:
    ~ClientConnectionError() override;

  protected:
    ClientConnectionError() noexcept = default;
    ClientConnectionError(const ClientConnectionError&) noexcept = default;
    ClientConnectionError& operator=(const ClientConnectionError&) noexcept = default;
};

/// The session was closed before the response's head had come, or before the request was made.
///
/// Python      `RuntimeError("Session is closed")` or `aiohttp.ClientConnectionError`, by the moment
class ASYNCIO_API SessionClosedError : public RuntimeError, public ClientConnectionError {
  public:
    using RuntimeError::RuntimeError;
    SessionClosedError(const SessionClosedError&) noexcept = default;
    SessionClosedError& operator=(const SessionClosedError&) noexcept = default;
    ~SessionClosedError() override;
    const char* what() const noexcept override { return RuntimeError::what(); }
};

/// The response was closed before its body had been read to the end.
///
/// Python      `aiohttp.ClientConnectionError("Connection closed")`
class ASYNCIO_API ResponseClosedError : public RuntimeError, public ClientConnectionError {
  public:
    using RuntimeError::RuntimeError;
    ResponseClosedError(const ResponseClosedError&) noexcept = default;
    ResponseClosedError& operator=(const ResponseClosedError&) noexcept = default;
    ~ResponseClosedError() override;
    const char* what() const noexcept override { return RuntimeError::what(); }
};

/// The operating system reported a failure of the connection: `code()` is its errno.
///
/// Python      `aiohttp.ClientOSError`
class ASYNCIO_API ClientOSError : public OSError, public ClientConnectionError {
  public:
    ClientOSError(std::error_code code, std::string_view text) : OSError(code, text) {}
    ClientOSError(const ClientOSError&) noexcept = default;
    ClientOSError& operator=(const ClientOSError&) noexcept = default;
    ~ClientOSError() override;
    const char* what() const noexcept override { return OSError::what(); }
};

/// No connection to `host()` could be made.
///
/// Python      `aiohttp.ClientConnectorError`
class ASYNCIO_API ClientConnectorError : public ClientOSError {
  public:
    ClientConnectorError(std::error_code code, std::string_view text, std::string_view host,
                         std::uint16_t port)
        : ClientOSError(code, text), host_(host), port_(port) {}
    ClientConnectorError(const ClientConnectorError&) noexcept = default;
    ClientConnectorError& operator=(const ClientConnectorError&) noexcept = default;
    ~ClientConnectorError() override;

    std::string_view host() const noexcept { return host_.view(); }
    std::uint16_t port() const noexcept { return port_; }

  private:
    asyncio::detail::SharedText host_;
    std::uint16_t port_;
};

/// The host's name does not resolve: `code()` is an EAI_... value in `gai_category()`.
///
/// Python      `aiohttp.ClientConnectorDNSError`
class ASYNCIO_API ClientConnectorDNSError : public ClientConnectorError {
  public:
    using ClientConnectorError::ClientConnectorError;
    ClientConnectorDNSError(const ClientConnectorDNSError&) noexcept = default;
    ClientConnectorDNSError& operator=(const ClientConnectorDNSError&) noexcept = default;
    ~ClientConnectorDNSError() override;
};

/// TLS could not be agreed on.
///
/// Python      `aiohttp.ClientSSLError`
class ASYNCIO_API ClientSSLError : public ClientConnectorError {
  public:
    using ClientConnectorError::ClientConnectorError;
    ClientSSLError(const ClientSSLError&) noexcept = default;
    ClientSSLError& operator=(const ClientSSLError&) noexcept = default;
    ~ClientSSLError() override;
};

/// The handshake failed, but not for the certificate.
///
/// Python      `aiohttp.ClientConnectorSSLError`; there it is an ssl.SSLError as well
class ASYNCIO_API ClientConnectorSSLError : public ClientSSLError {
  public:
    using ClientSSLError::ClientSSLError;
    ClientConnectorSSLError(const ClientConnectorSSLError&) noexcept = default;
    ClientConnectorSSLError& operator=(const ClientConnectorSSLError&) noexcept = default;
    ~ClientConnectorSSLError() override;
};

/// The server's certificate is not to be trusted: the text says why.
///
/// Python      `aiohttp.ClientConnectorCertificateError`
class ASYNCIO_API ClientConnectorCertificateError : public ClientSSLError {
  public:
    using ClientSSLError::ClientSSLError;
    ClientConnectorCertificateError(const ClientConnectorCertificateError&) noexcept = default;
    ClientConnectorCertificateError& operator=(const ClientConnectorCertificateError&) noexcept = default;
    ~ClientConnectorCertificateError() override;
};

/// The server did not do its part.
///
/// Python      `aiohttp.ServerConnectionError`
class ASYNCIO_API ServerConnectionError : public ClientConnectionError {
  public:
    ~ServerConnectionError() override;

  protected:
    ServerConnectionError() noexcept = default;
    ServerConnectionError(const ServerConnectionError&) noexcept = default;
    ServerConnectionError& operator=(const ServerConnectionError&) noexcept = default;
};

/// The server closed the connection before the head of its response was complete.
///
/// Python      `aiohttp.ServerDisconnectedError`
class ASYNCIO_API ServerDisconnectedError : public Error, public ServerConnectionError {
  public:
    using Error::Error;
    ServerDisconnectedError(const ServerDisconnectedError&) noexcept = default;
    ServerDisconnectedError& operator=(const ServerDisconnectedError&) noexcept = default;
    ~ServerDisconnectedError() override;
    const char* what() const noexcept override { return Error::what(); }
};

/// The time for the request was up: `ClientTimeout::total`, or one of those below.
///
/// Python      `aiohttp.ServerTimeoutError`; there, `total` gives a bare TimeoutError
class ASYNCIO_API ServerTimeoutError : public TimeoutError, public ServerConnectionError {
  public:
    using TimeoutError::TimeoutError;
    ServerTimeoutError(const ServerTimeoutError&) noexcept = default;
    ServerTimeoutError& operator=(const ServerTimeoutError&) noexcept = default;
    ~ServerTimeoutError() override;
    const char* what() const noexcept override { return TimeoutError::what(); }
};

/// There was no connection within `ClientTimeout::connect` or `sock_connect`.
///
/// Python      `aiohttp.ConnectionTimeoutError`
class ASYNCIO_API ConnectionTimeoutError : public ServerTimeoutError {
  public:
    using ServerTimeoutError::ServerTimeoutError;
    ConnectionTimeoutError(const ConnectionTimeoutError&) noexcept = default;
    ConnectionTimeoutError& operator=(const ConnectionTimeoutError&) noexcept = default;
    ~ConnectionTimeoutError() override;
};

/// The server was silent for `ClientTimeout::sock_read`.
///
/// Python      `aiohttp.SocketTimeoutError`
class ASYNCIO_API SocketTimeoutError : public ServerTimeoutError {
  public:
    using ServerTimeoutError::ServerTimeoutError;
    SocketTimeoutError(const SocketTimeoutError&) noexcept = default;
    SocketTimeoutError& operator=(const SocketTimeoutError&) noexcept = default;
    ~SocketTimeoutError() override;
};

}}}  // namespace asyncio::v1::http

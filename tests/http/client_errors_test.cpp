#include "asyncio/http/errors.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <exception>
#include <string>
#include <system_error>

namespace {

using namespace asyncio;

template <class E>
std::exception_ptr error() {
    if constexpr (std::is_base_of_v<http::ClientConnectorError, E>) {
        return std::make_exception_ptr(
            E(std::make_error_code(std::errc::connection_refused), "text", "host", 80));
    } else if constexpr (std::is_base_of_v<http::ClientOSError, E>) {
        return std::make_exception_ptr(E(std::make_error_code(std::errc::connection_refused), "text"));
    } else if constexpr (std::is_same_v<E, http::InvalidURL>) {
        return std::make_exception_ptr(E("u", "text"));
    } else if constexpr (std::is_same_v<E, http::ClientResponseError>) {
        return std::make_exception_ptr(E("text", 404));
    } else {
        return std::make_exception_ptr(E("text"));
    }
}

/// Whether `catch (const Base&)` meets an E.
template <class Base, class E>
bool caught_as() {
    try {
        std::rethrow_exception(error<E>());
    } catch (const Base& e) {
        return std::string(e.what()).find("text") != std::string::npos;
    } catch (...) {
        return false;
    }
}

template <class E>
bool caught_as_any() {
    // Two std::exception bases would be ambiguous, and then neither would be caught.
    return caught_as<std::exception, E>() && caught_as<http::ClientError, E>() && caught_as<E, E>();
}

TEST(ClientErrors, EachIsCaughtAsStdExceptionAndAsClientError) {
    EXPECT_TRUE(caught_as_any<http::ClientResponseError>());
    EXPECT_TRUE(caught_as_any<http::ClientPayloadError>());
    EXPECT_TRUE(caught_as_any<http::InvalidURL>());
    EXPECT_TRUE(caught_as_any<http::SessionClosedError>());
    EXPECT_TRUE(caught_as_any<http::ResponseClosedError>());
    EXPECT_TRUE(caught_as_any<http::ClientOSError>());
    EXPECT_TRUE(caught_as_any<http::ClientConnectorError>());
    EXPECT_TRUE(caught_as_any<http::ClientConnectorDNSError>());
    EXPECT_TRUE(caught_as_any<http::ServerDisconnectedError>());
    EXPECT_TRUE(caught_as_any<http::ServerTimeoutError>());
    EXPECT_TRUE(caught_as_any<http::ConnectionTimeoutError>());
    EXPECT_TRUE(caught_as_any<http::SocketTimeoutError>());
}

TEST(ClientErrors, TimeoutsAreTimeoutErrors) {
    EXPECT_TRUE((caught_as<TimeoutError, http::ServerTimeoutError>()));
    EXPECT_TRUE((caught_as<TimeoutError, http::ConnectionTimeoutError>()));
    EXPECT_TRUE((caught_as<TimeoutError, http::SocketTimeoutError>()));
    EXPECT_TRUE((caught_as<OSError, http::SocketTimeoutError>()));
    EXPECT_TRUE((caught_as<http::ServerTimeoutError, http::SocketTimeoutError>()));
    EXPECT_FALSE((caught_as<TimeoutError, http::ServerDisconnectedError>()));
}

TEST(ClientErrors, AncestryIsThatOfAiohttp) {
    EXPECT_TRUE((caught_as<http::ClientConnectionError, http::ServerTimeoutError>()));
    EXPECT_TRUE((caught_as<http::ClientConnectionError, http::ClientConnectorDNSError>()));
    EXPECT_TRUE((caught_as<http::ClientConnectionError, http::SessionClosedError>()));
    EXPECT_TRUE((caught_as<http::ServerConnectionError, http::ServerDisconnectedError>()));
    EXPECT_TRUE((caught_as<http::ClientOSError, http::ClientConnectorDNSError>()));
    EXPECT_TRUE((caught_as<OSError, http::ClientOSError>()));
    EXPECT_TRUE((caught_as<ValueError, http::InvalidURL>()));
    EXPECT_TRUE((caught_as<RuntimeError, http::SessionClosedError>()));
    EXPECT_FALSE((caught_as<http::ClientConnectionError, http::ClientPayloadError>()));
    EXPECT_FALSE((caught_as<http::ClientConnectionError, http::ClientResponseError>()));
}

TEST(ClientErrors, CanBeLookedAtWithoutAThrow) {
    const std::exception_ptr timeout = error<http::SocketTimeoutError>();
    ASSERT_NE(exception_cast<http::ClientError>(timeout), nullptr);
    EXPECT_STREQ(exception_cast<http::ClientError>(timeout)->what(), "text");
    ASSERT_NE(exception_cast<TimeoutError>(timeout), nullptr);
    EXPECT_EQ(describe(timeout), "SocketTimeoutError: text");
}

TEST(ClientErrors, KeepTheErrnoOfTheirCause) {
    const std::exception_ptr refused = error<http::ClientConnectorError>();
    const auto* e = exception_cast<http::ClientConnectorError>(refused);
    ASSERT_NE(e, nullptr);
    EXPECT_EQ(e->code(), std::errc::connection_refused);
    EXPECT_EQ(e->host(), "host");
    EXPECT_EQ(e->port(), 80);
}

}  // namespace

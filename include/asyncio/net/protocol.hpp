// Protocols: what is called when something happens to a connection, for programs that are not made of
// coroutines.
#pragma once
#include <cstddef>
#include <exception>
#include <span>
#include <string_view>

#include "asyncio/base/config.hpp"

namespace asyncio { inline namespace v1 {

class Transport;

/// What all protocols are told. Each function does nothing unless it is overridden.
///
/// Functions are called in turns of the loop, one after another, and must not block. What one throws goes to
/// the exception handler, and the connection is aborted.
///
/// Threads     loop thread only
/// Lifetime    its transport shares it until `connection_lost` has returned
/// Python      asyncio.BaseProtocol
class ASYNCIO_API BaseProtocol {
  public:
    BaseProtocol() = default;
    BaseProtocol(const BaseProtocol&) = delete;
    BaseProtocol& operator=(const BaseProtocol&) = delete;
    virtual ~BaseProtocol();

    /// The first call, once. The transport may be kept.
    virtual void connection_made(Transport transport);
    /// The last call, once. Null: the connection was closed, or the peer has ended it.
    virtual void connection_lost(std::exception_ptr error);
    /// More is unsent than the limit allows: called from inside `Transport::write`.
    virtual void pause_writing();
    /// There is room again.
    virtual void resume_writing();
};

/// A protocol of a stream.
///
/// Threads     loop thread only
/// Python      asyncio.Protocol
class ASYNCIO_API Protocol : public BaseProtocol {
  public:
    /// Bytes have come. They are valid until this returns.
    virtual void data_received(std::string_view data);
    /// The peer will send no more. True: the transport stays open for writing; else it closes.
    virtual bool eof_received();
};

/// A protocol of a stream that says where bytes are to be put.
///
/// Threads     loop thread only
/// Python      asyncio.BufferedProtocol
class ASYNCIO_API BufferedProtocol : public BaseProtocol {
  public:
    /// Memory for bytes that have come, of any size but 0; `size_hint` is how many they are.
    virtual std::span<char> get_buffer(std::size_t size_hint) = 0;
    /// So many bytes were put there.
    virtual void buffer_updated(std::size_t bytes) = 0;
    /// As Protocol::eof_received.
    virtual bool eof_received();
};

}}  // namespace asyncio::v1

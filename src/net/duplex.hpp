// Duplex: a stream with both directions, as reader and writer share it, seen from the writer. A socket or a
// pipe is one (Connection); so may be whatever stands on another Duplex and changes the bytes (TLS): it says
// so by `upper`, and is told what a waiting read or write would be woken for.
#pragma once
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "asyncio/net/address.hpp"
#include "asyncio/net/streams.hpp"
#include "net/inlet.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

struct TlsFacts;

/// Fills in what was left out. Throws  ValueError  low is more than high
WriteBufferLimits checked_limits(WriteBufferLimits limits);

struct Duplex : Inlet {
    // open → closing (close(): what is buffered is sent first) → shut (nothing goes through any more, what is
    // below is being let go) → closed. abort() and a lost stream go straight to shut.
    enum class State : std::uint8_t { open, closing, shut, closed };

    Duplex(LoopCore* l, std::size_t stream_limit) noexcept : Inlet(l, stream_limit) {}
    ~Duplex() override;

    // ---- what makes one, each with its own ---------------------------------------------------------
    /// Sends or buffers all of the parts. Nothing if the stream is no longer open.
    virtual void write(std::span<const std::string_view> parts) = 0;
    virtual void write_eof() = 0;
    virtual bool can_write_eof() const noexcept = 0;
    /// Bytes that were written and not sent yet.
    virtual std::size_t unsent() const noexcept = 0;
    virtual void close() noexcept = 0;
    virtual void shut() noexcept = 0;
    /// For messages: "127.0.0.1:80".
    virtual std::string name() const = 0;
    virtual Address peer() const noexcept = 0;
    virtual Address local() const noexcept = 0;
    /// -1: closed.
    virtual int fileno() const noexcept = 0;
    /// What TLS has agreed on; null without it.
    virtual std::shared_ptr<const TlsFacts> tls_facts() const { return nullptr; }
    /// What the kernel may write to by itself, when nothing is unsent; -1: the bytes are changed on their
    /// way.
    virtual int sendfile_descriptor() const noexcept { return -1; }

    // ---- what all have -----------------------------------------------------------------------------
    virtual void set_limits(WriteBufferLimits limits);
    /// No write will go through any more.
    bool write_lost() const noexcept { return loss != nullptr || state >= State::shut; }
    [[noreturn]] void throw_lost() const;
    void writer_dropped() noexcept;

    void add_waiter(WriteBase* waiter) noexcept;
    void remove_waiter(WriteBase* waiter) noexcept;
    void wake(WriteBase::Want want) noexcept;

    State state = State::open;
    bool paused = false;     // more was unsent than `high`, and not yet as little as `low`
    bool eof_asked = false;  // write_eof()
    unsigned files = 0;      // that are being sent: the kernel may be writing to what is below by itself
    std::size_t high = default_stream_limit;
    std::size_t low = default_stream_limit / 4;
    WriteBase* first_waiter = nullptr;
    std::exception_ptr loss;  // why the stream was lost; null if it was not

  protected:
    /// `unsent` has grown, or become less.
    void note_unsent() noexcept;
};

/// The stream that users of `stream` mean: what stands on it, if anything does.
inline Duplex& topmost(Duplex& stream) noexcept {
    Duplex* top = &stream;
    while (top->upper != nullptr && top->upper->stream() != nullptr) top = top->upper->stream();
    return *top;
}

}}}  // namespace asyncio::v1::detail

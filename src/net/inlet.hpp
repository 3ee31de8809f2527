// Inlet: where the bytes of a StreamReader come from, and the buffer between. A connection is one; so may be
// whatever else has bytes to give: it implements `pull` and calls `received`, `eof = true` or `error = …`,
// then `changed`.
#pragma once
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>

#include "asyncio/core/promise.hpp"
#include "net/spare_buffers.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

class ReadBase;
struct Duplex;

/// Who stands on a stream in place of a reader and writer, and is told when they would be woken. It runs no
/// user code there, and may pull, consume, write and close.
struct Upper {
    virtual void below_changed() noexcept = 0;  // bytes, the end or an error have come
    virtual void below_drained() noexcept = 0;  // what was unsent is no more than `low`, or writing is lost
    virtual void below_closed() noexcept = 0;   // … or writing is lost
    /// The stream that it is to those above it; null if it is none.
    virtual Duplex* stream() noexcept { return nullptr; }

  protected:
    ~Upper() = default;
};

struct Inlet {
    enum class Pulled : std::uint8_t {
        now,    // something has changed: bytes, the end, an error
        later,  // `changed` will be called
    };

    Inlet(LoopCore* l, std::size_t stream_limit) noexcept : loop(l), limit(stream_limit) {}
    Inlet(const Inlet&) = delete;
    Inlet& operator=(const Inlet&) = delete;
    virtual ~Inlet() = default;

    /// Asks for more. Bytes may be put straight into the reader's memory, `into` (then they are told to the
    /// reader), or come through `received`. Called only while neither the end nor an error has come.
    virtual Pulled pull(char* into, std::size_t room) noexcept = 0;
    /// Nobody waits any more. False: `into` is still in use, and `changed` will be called when it no longer
    /// is.
    virtual bool stop_pulling() noexcept = 0;
    /// The StreamReader is gone.
    virtual void reader_dropped() noexcept {}

    void hold() noexcept { ++refs; }
    void drop() noexcept {
        if (--refs == 0) delete this;
    }

    std::string_view unread() const noexcept { return std::string_view(bytes).substr(head); }
    bool ended() const noexcept { return eof || error != nullptr; }
    /// New bytes: to the reader's memory if it gave some, the rest to the buffer. Without memory for them the
    /// stream fails with std::bad_alloc.
    void received(const char* data, std::size_t count) noexcept;
    /// To be called after what `pull` promised for later, and when the end or an error has come.
    void changed() noexcept;
    /// Removes the first `count` unread bytes.
    void consume(std::size_t count) noexcept;
    std::string take(std::size_t count);
    /// Where a buffer that is used up waits for the next one to need it; null if there is no such place (any
    /// more).
    virtual SpareBuffers* spares() noexcept { return nullptr; }
    /// Puts bytes back before the unread ones.
    void put_back(const char* data, std::size_t count) noexcept;

    LoopCore* const loop;
    ReadBase* reader = nullptr;  // the read that is going on
    Upper* upper = nullptr;
    std::string bytes;  // the buffer: read up to `head`; empty when all of it was read
    std::size_t head = 0;
    const std::size_t limit;
    std::exception_ptr error;  // what reads throw when the buffer is used up
    std::uint32_t refs = 1;    // handles, reads that wait, and the owner's own
    bool eof = false;
};

}}}  // namespace asyncio::v1::detail

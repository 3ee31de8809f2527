// TlsStream: TLS over any stream. See stream.cpp.
#pragma once
#include <cstddef>
#include <exception>
#include <span>
#include <string>
#include <string_view>

#include "net/duplex.hpp"
#include "net/tls_hook.hpp"
#include "tls/engine.hpp"
#include "tls/part.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

class HandshakeWait;

struct TlsStream final : Duplex, Upper {
    /// Stands on `below` from now on. `refs` is 2: one until `below` is closed, and one for the caller.
    TlsStream(TlsPart& part, DuplexRef below, const TlsSettings& settings, std::string_view peer);
    ~TlsStream() override;
    static void* operator new(std::size_t bytes) { return take_block(bytes); }
    static void operator delete(void* block, std::size_t bytes) noexcept { give_block(block, bytes); }

    /// The handshake begins in its turn. Throws std::bad_alloc.
    void begin(Duration handshake_timeout);
    /// It has not begun, and never will: `below` is as it was.
    void withdraw() noexcept;
    /// A turn in the line: of the handshake, of reading on, or of the end.
    void step() noexcept;

    // ---- Duplex -------------------------------------------------------------------------------------
    Pulled pull(char* into, std::size_t room) noexcept override;
    bool stop_pulling() noexcept override;
    void reader_dropped() noexcept override;
    SpareBuffers* spares() noexcept override;
    void write(std::span<const std::string_view> parts) override;
    void write_eof() override;
    bool can_write_eof() const noexcept override { return false; }
    std::size_t unsent() const noexcept override { return below->unsent() + held_back.size(); }
    void set_limits(WriteBufferLimits limits) override;
    void close() noexcept override;
    void shut() noexcept override;
    std::string name() const override { return below->name(); }
    Address peer() const noexcept override { return below->peer(); }
    Address local() const noexcept override { return below->local(); }
    int fileno() const noexcept override { return below->fileno(); }
    std::shared_ptr<const TlsFacts> tls_facts() const override;

    // ---- Upper --------------------------------------------------------------------------------------
    void below_changed() noexcept override;
    void below_drained() noexcept override;
    void below_closed() noexcept override;
    Duplex* stream() noexcept override { return this; }

    /// Of the handshake, then of the closing.
    struct Limit : Timer {
        explicit Limit(TlsStream* s) noexcept : Timer(&ops), stream(s) {}
        TlsStream* const stream;
        static const LeafOps ops;
    };

    TlsPart* part;
    const DuplexRef below;
    TlsEngine engine;
    const Duration shutdown_timeout;
    Limit limit_timer;
    std::size_t unsent_at_limit = 0;  // when the limit of the closing was set
    std::string held_back;            // plaintext that waits for the rest of a message of the peer's
    std::size_t answers = 0;          // bytes of OpenSSL's own since nothing was unsent below
    HandshakeWait* waiter = nullptr;  // who waits for the handshake
    Connection* accepted = nullptr;   // whose server's client function is to be called after it
    TlsStream* next_in_line = nullptr;
    bool in_line = false;
    bool shaking = true;  // the handshake is not over
    bool reader_gone = false;

  private:
    enum class Input : unsigned char { changed, none, busy };
    void step_handshake() noexcept;
    void shaken() noexcept;
    void fail_handshake(std::exception_ptr why) noexcept;
    Input decrypt(char* into, std::size_t room) noexcept;
    void answer(const std::string& records) noexcept;
    void input_ended() noexcept;
    void drop_input() noexcept;
    void close_below() noexcept;
    void encrypt(std::span<const std::string_view> parts);
    bool seal(std::string_view plain, std::string& records) noexcept;
    void send(const std::string& records) noexcept;
    void send_held_back() noexcept;
    void read_for_writing() noexcept;
    void say_goodbye() noexcept;
    void fail(const std::exception_ptr& why) noexcept;
    void settle_end() noexcept;
    void set_limit(Duration after) noexcept;
    void limit_reached() noexcept;
    void disarm() noexcept;
    std::string about(const char* doing) const;
    static void rang(Leaf* leaf) noexcept;
    static CancelAnswer unasked(Leaf*) noexcept { return CancelAnswer::pending; }

    mutable std::shared_ptr<const TlsFacts> facts_;  // once they were asked for
};

/// Keeps it alive during a call that may end it.
struct TlsHold {
    TlsStream* stream;
    explicit TlsHold(TlsStream* s) noexcept : stream(s) { s->hold(); }
    TlsHold(const TlsHold&) = delete;
    TlsHold& operator=(const TlsHold&) = delete;
    ~TlsHold() { stream->drop(); }
};

}}}  // namespace asyncio::v1::detail

// Connection: a stream socket, as reader and writer share it. See the head of src/net/streams.cpp.
#pragma once
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "asyncio/core/backend.hpp"
#include "asyncio/net/address.hpp"
#include "asyncio/net/streams.hpp"
#include "net/inlet.hpp"
#include "net/net_part.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

struct Connection final : Inlet {
    // open → closing (close(): what is buffered is sent first) → shut (the descriptor closes as soon as the
    // kernel holds no operation on it) → closed. abort() and a lost connection go straight to shut.
    enum class State : std::uint8_t { open, closing, shut, closed };

    struct Op : Operation {
        Connection* connection;
        Op(OperationKind kind, int fd, void (*done)(Operation*) noexcept, Connection* c) noexcept
            : Operation(kind, fd, done), connection(c) {}
    };
    /// What the kernel did not take at once. Few connections ever have it, and it is half as large as they
    /// are.
    struct Backlog {
        explicit Backlog(Connection* c) noexcept : op(OperationKind::send, c->descriptor, &sent_done, c) {}
        Op op;
        std::string sending;   // what the kernel is sending: not touched while `op` is held
        std::size_t sent = 0;  // … of it
        std::string queued;    // what comes after
        SendPart part{nullptr, 0};
    };

    /// Takes the descriptor over. `refs` is 2: the loop's share, and one for the caller.
    Connection(NetPart& part, int fd, const Address& peer, std::size_t limit) noexcept;
    ~Connection() override;
    static void* operator new(std::size_t bytes) { return take_block(bytes); }
    static void operator delete(void* block, std::size_t bytes) noexcept { give_block(block, bytes); }

    // ---- reading --------------------------------------------------------------------------------
    Pulled pull(char* into, std::size_t room) noexcept override;
    bool stop_pulling() noexcept override;
    void reader_dropped() noexcept override;
    // A closed connection may outlive its loop.
    SpareBuffers* spares() noexcept override { return state < State::shut ? &part->spare_buffers : nullptr; }

    // ---- writing --------------------------------------------------------------------------------
    void write(std::span<const std::string_view> parts);
    void write_eof();
    void set_limits(WriteBufferLimits limits);
    std::size_t unsent() const noexcept {
        return backlog == nullptr ? 0 : backlog->sending.size() - backlog->sent + backlog->queued.size();
    }
    /// No write will go through any more.
    bool write_lost() const noexcept { return loss != nullptr || state >= State::shut; }
    [[noreturn]] void throw_lost() const;

    // ---- ending ---------------------------------------------------------------------------------
    void close() noexcept;
    void shut() noexcept;
    void writer_dropped() noexcept;

    // ---- waiting writers ------------------------------------------------------------------------
    void add_waiter(WriteBase* waiter) noexcept;
    void remove_waiter(WriteBase* waiter) noexcept;

    Address peer() const noexcept;
    Address local() const noexcept;

    NetPart* part;
    int descriptor;
    State state = State::open;
    bool reader_gone = false;
    bool paused = false;     // more was unsent than `high`, and not yet as little as `low`
    bool eof_asked = false;  // write_eof()
    std::uint8_t peer_bytes = 0;
    Op receive_op;
    std::unique_ptr<Backlog> backlog;  // while something waits to be sent, or the kernel holds that operation
    std::size_t high = default_stream_limit;
    std::size_t low = default_stream_limit / 4;
    WriteBase* first_waiter = nullptr;
    std::exception_ptr loss;       // why the connection was lost; null if it was not
    ServerCore* server = nullptr;  // whose client this is
    Connection* next = nullptr;    // in part->connections
    Connection* previous = nullptr;
    alignas(4) std::byte peer_storage[28];  // an IPv4 or IPv6 address

  private:
    void take_received(std::int64_t result) noexcept;
    bool take_sent(std::int64_t result) noexcept;
    std::int64_t send_directly(std::span<const std::string_view> parts) noexcept;
    void push() noexcept;
    void lose(int error) noexcept;
    void lose_writing(int error) noexcept;
    void flushed() noexcept;
    void close_if_free() noexcept;
    void drop_unsent() noexcept;
    void wake(WriteBase::Want want) noexcept;
    void note_loss(const char* doing, int error) noexcept;
    static void received_done(Operation* operation) noexcept;
    static void sent_done(Operation* operation) noexcept;
};

/// Makes the two handles of a connected socket. Takes the descriptor over, also when it throws.
Streams make_streams(NetPart& part, int descriptor, const Address& peer, std::size_t limit);
/// A connection of the running loop, with `refs` == 2. Takes the descriptor over, also when it throws.
Connection* make_connection(NetPart& part, int descriptor, const Address& peer, std::size_t limit);

}}}  // namespace asyncio::v1::detail

// Connection: a descriptor that bytes flow through, as reader and writer share it: a stream socket, or one
// end of a pipe. See the head of connection.cpp.
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
#include "net/duplex.hpp"
#include "net/net_part.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

struct Connection final : Duplex {
    /// The handles that it is made for. Without a writer the reader owns the descriptor.
    enum class Ends : std::uint8_t { both, reading, writing };

    struct Op : Operation {
        Connection* connection;
        Op(OperationKind kind, int fd, void (*done)(Operation*) noexcept, Connection* c) noexcept
            : Operation(kind, fd, done), connection(c) {}
    };
    /// What the kernel did not take at once. Few connections ever have it, and it is half as large as they
    /// are.
    struct Backlog {
        explicit Backlog(Connection* c) noexcept;
        Op op;
        std::string sending;   // what the kernel is sending: not touched while `op` is held
        std::size_t sent = 0;  // … of it
        std::string queued;    // what comes after
        SendPart part{nullptr, 0};
    };

    /// Takes the descriptor over. `refs` is 2: the loop's share, and one for the caller.
    Connection(NetPart& part, int fd, const Address& peer, std::size_t limit, bool is_socket = true,
               Ends ends = Ends::both) noexcept;
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
    void write(std::span<const std::string_view> parts) override;
    void write_eof() override;
    bool can_write_eof() const noexcept override { return ends != Ends::reading; }
    std::size_t unsent() const noexcept override {
        return backlog == nullptr ? 0 : backlog->sending.size() - backlog->sent + backlog->queued.size();
    }

    /// Of the writing end of a pipe: it is lost when nobody reads any more, not only at the next write.
    void watch_hang_up() noexcept;

    // ---- ending ---------------------------------------------------------------------------------
    void close() noexcept override;
    void shut() noexcept override;

    std::string name() const override;
    Address peer() const noexcept override;
    Address local() const noexcept override;
    int fileno() const noexcept override { return descriptor; }
    int sendfile_descriptor() const noexcept override { return descriptor; }

    NetPart* part;
    int descriptor;
    const bool is_socket;
    const Ends ends;
    bool reader_gone;
    std::uint8_t peer_bytes = 0;
    Op receive_op;
    std::unique_ptr<Backlog> backlog;  // while something waits to be sent, or the kernel holds that operation
    ServerCore* server = nullptr;      // whose client this is
    Connection* next = nullptr;        // in part->connections
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
    void note_loss(const char* doing, int error) noexcept;
    static void received_done(Operation* operation) noexcept;
    static void sent_done(Operation* operation) noexcept;
    static void hung_up(Operation* operation) noexcept;
};

/// A descriptor of one direction that is no connected pair: see net/pipe.hpp. As `make_connection`.
Connection* make_pipe_connection(NetPart& part, int descriptor, std::size_t limit, bool is_socket,
                                 Connection::Ends ends);
/// Makes the two handles of a connected socket. Takes the descriptor over, also when it throws.
Streams make_streams(NetPart& part, int descriptor, const Address& peer, std::size_t limit);
/// A connection of the running loop, with `refs` == 2. Takes the descriptor over, also when it throws.
Connection* make_connection(NetPart& part, int descriptor, const Address& peer, std::size_t limit);

}}}  // namespace asyncio::v1::detail

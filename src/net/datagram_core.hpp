// DatagramCore: the socket of a DatagramEndpoint. See the head of datagram.cpp.
#pragma once
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "asyncio/core/backend.hpp"
#include "asyncio/core/wait_queue.hpp"
#include "asyncio/net/datagram.hpp"
#include "net/net_part.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

/// Where a batch of datagrams is received: one for all endpoints of a loop, since what is in there is copied
/// out at once. A megabyte of addresses, but memory only as far as datagrams have ever been long.
struct DatagramBatch {
    static constexpr std::size_t count = 16;
    static constexpr std::size_t datagram_bytes = 65536;
    DatagramBatch();
    std::unique_ptr<char[]> memory;
    sockaddr_storage senders[count];
    iovec parts[count];
    mmsghdr messages[count];
};

struct DatagramCore : std::enable_shared_from_this<DatagramCore> {
    // open → closing (close(): who waits to send still may) → shut (the descriptor closes as soon as the
    // kernel holds no operation on it) → closed.
    enum class State : std::uint8_t { open, closing, shut, closed };

    /// One direction: the tasks that wait, and the operation that tells when they may go on.
    struct Way : Operation {
        Way(DatagramCore* c, OperationKind way_kind) noexcept : Operation(way_kind, -1, &done), core(c) {}
        static void done(Operation* operation) noexcept;
        /// Somebody waits: the kernel is asked, or has told already.
        void arm() noexcept;
        DatagramCore* core;
        WaitQueue tasks;
        int error = 0;  // an errno value: the kernel would not wait; for the next of `tasks`
    };

    /// Takes the descriptor over; lives at least as long as that is open.
    DatagramCore(NetPart& part, int fd) noexcept;
    DatagramCore(const DatagramCore&) = delete;
    DatagramCore& operator=(const DatagramCore&) = delete;
    ~DatagramCore();

    /// False: nothing is there now.
    bool take(Datagram& into);
    bool take_into(std::span<char> memory, std::pair<std::size_t, Address>& into);
    bool has_read_ahead() const noexcept { return taken != read_ahead.size(); }
    /// A woken reader or writer is done: the next of them.
    void serve(Way& way) noexcept;
    /// False: the kernel has no room now. Throws its refusal.
    bool send_one(std::string_view data, const Address& to);
    /// The same for as many segments as one call takes; gives how many bytes; nothing: no room.
    std::optional<std::size_t> send_segments(std::string_view data, std::size_t segment_bytes,
                                             const Address& to);

    void require_here() const;
    [[noreturn]] static void throw_closed(const char* call);
    void close() noexcept;
    void shut() noexcept;
    void handle_dropped() noexcept;

    NetPart* const part;
    LoopImpl* const loop;
    int descriptor;
    State state = State::open;
    bool is_unix;          // whose datagrams may be longer than those of the network
    bool segments;         // the kernel has not refused UDP_SEGMENT on this socket
    unsigned senders = 0;  // calls of `send` that have begun
    Way readable;
    Way writable;
    WaitQueue closers;
    std::vector<Datagram> read_ahead;  // … of which `taken` have been given away
    std::size_t taken = 0;
    int at_once = 0;               // receptions in a row that found something
    const Address peer;            // empty: not connected
    DatagramCore* next = nullptr;  // in part->datagrams
    DatagramCore* previous = nullptr;
    std::shared_ptr<DatagramCore> self;  // while it is open

  private:
    void fill();
    bool fill_with_a_long_one();
    [[noreturn]] void throw_refused(std::int64_t result, const Address& to) const;
    std::size_t receive_batch();
    /// The first of them is the caller's.
    void give_first() noexcept;
    void drop_read_ahead() noexcept {
        read_ahead.clear();
        taken = 0;
    }
    std::string subject(const char* verb) const;
    void close_if_free() noexcept;
};

}}}  // namespace asyncio::v1::detail

// The life of a connection.
//
// A Connection is the socket (or the end of a pipe, which has one of the two directions), its operations (one
// receive, one send: the contract allows no more) and its buffers. Reader, writer, every wait and the loop
// hold shares in it, counted without atomics; it is freed with the last one. The loop's share lasts as long
// as the descriptor is open, so the kernel never looks at freed memory.
//
// Reading is in reader.cpp. Writing tries the kernel first, with the caller's memory (`send_now`, which is
// never held). What it does not take is copied to a Backlog, which is made for that and goes when all of it
// was sent: there `sending` belongs to the kernel until its operation has ended, what is written meanwhile
// collects in `queued`, and the two change places.
//
// How it ends, by who ends it:
//   close(), the writer is dropped: reading ends at once (a waiting reader gets the end of the stream; what
//       is
//       buffered can still be read); what was written is sent; then the descriptor is closed.
//   abort(), the loop closes: the same without the sending.
//   the peer closes its half: receive gives 0: `eof`. Writing goes on.
//   a receive fails (RST): the connection is lost: reader, drain and wait_closed throw the reason, once the
//       buffered bytes are read; the descriptor is closed at once.
//   a send fails: what the peer sent before it went may still be on its way here (a server that refuses an
//       upload answers, then closes). So only writing is lost; the descriptor stays for the reader, which
//       gets those bytes first and the reason in place of the end. Without a reader it closes at once.
//   the peer vanishes silently: nothing happens until TCP gives up (ETIMEDOUT): use timeouts.
//
// Closing a descriptor: operations in flight are cancelled; if the kernel still holds one, shutdown(2) makes
// it end and tells the peer now; when the last has ended the descriptor is closed (`close_if_free`). With
// epoll that is at once. Then who waits is woken. A read into the caller's memory is woken only when the
// kernel has let go of that memory.
//
// After the loop has closed every connection is closed too: handles in globals find the end of the stream,
// writes do nothing, and destroying them frees memory, no more. The loop asks for that (NetPart::shut_down)
// when no task is left, so no wait can be broken by it. Handles may be dropped while the loop exists but does
// not run; not on other threads.
#include "net/connection.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "asyncio/base/error.hpp"
#include "detail/descriptor_table.hpp"
#include "net/server_core.hpp"
#include "net/sockets.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

namespace {

/// Below this the bytes go through the backend's own buffer and are copied: it has room for what comes after,
/// too, and tells that the socket is empty.
constexpr std::size_t direct_bytes_min = 4096;

/// Parts that one system call takes.
constexpr std::size_t parts_max = 16;

/// Keeps a connection alive in functions at whose end it may be closed.
struct Hold {
    Connection* connection;
    explicit Hold(Connection* c) noexcept : connection(c) { c->hold(); }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    ~Hold() { connection->drop(); }
};

}  // namespace

// ---- making one ---------------------------------------------------------------------------------

Connection::Connection(NetPart& p, int fd, const Address& peer_name, std::size_t stream_limit, bool socket,
                       Ends handles) noexcept
    : Duplex(p.loop, stream_limit),
      part(&p),
      descriptor(fd),
      is_socket(socket),
      ends(handles),
      reader_gone(ends == Ends::writing),
      receive_op(is_socket ? OperationKind::receive : OperationKind::read, fd, &received_done, this) {
    refs = 2;
    if (peer_name.size() <= sizeof peer_storage) {
        peer_bytes = static_cast<std::uint8_t>(peer_name.size());
        std::memcpy(peer_storage, peer_name.data(), peer_bytes);
    }
    next = part->connections;
    if (next != nullptr) next->previous = this;
    part->connections = this;
    part->loop->descriptors->give_to_stream(fd);
}

Connection::~Connection() = default;

Connection::Backlog::Backlog(Connection* c) noexcept
    : op(c->is_socket ? OperationKind::send : OperationKind::write, c->descriptor, &sent_done, c) {}

Connection* make_connection(NetPart& part, int descriptor, const Address& peer, std::size_t limit) {
    try {
        return new Connection(part, descriptor, peer, limit);
    } catch (...) {
        part.loop->backend->close_descriptor(descriptor);
        throw;
    }
}

Connection* make_pipe_connection(NetPart& part, int descriptor, std::size_t limit, bool is_socket,
                                 Connection::Ends ends) {
    try {
        return new Connection(part, descriptor, Address(), limit, is_socket, ends);
    } catch (...) {
        part.loop->backend->close_descriptor(descriptor);
        throw;
    }
}

Streams make_streams(NetPart& part, int descriptor, const Address& peer, std::size_t limit) {
    Connection* const connection = make_connection(part, descriptor, peer, limit);
    connection->hold();
    return Streams(StreamReader(connection), StreamWriter(connection));
}

std::string Connection::name() const {
    if (!is_socket) return "the pipe on descriptor " + std::to_string(descriptor);
    return peer().to_string();
}

Address Connection::peer() const noexcept {
    if (peer_bytes != 0) return Address(peer_storage, peer_bytes);
    return descriptor >= 0 && is_socket ? peer_address(descriptor) : Address();
}

Address Connection::local() const noexcept {
    return descriptor >= 0 && is_socket ? local_address(descriptor) : Address();
}

// ---- reading ------------------------------------------------------------------------------------

Inlet::Pulled Connection::pull(char* into, std::size_t room) noexcept {
    ASYNCIO_ASSERT(state == State::open);
    if (receive_op.held) return Pulled::later;  // one that was cancelled has not ended yet
    const bool direct = into != nullptr && room >= direct_bytes_min;
    receive_op.buffer = direct ? into : nullptr;
    receive_op.bytes = direct ? room : 0;
    if (!part->loop->backend->submit(receive_op)) return Pulled::later;
    take_received(receive_op.result);
    return Pulled::now;
}

bool Connection::stop_pulling() noexcept {
    if (!receive_op.held || part->loop->backend->cancel(receive_op)) return true;
    return receive_op.buffer == nullptr;
}

void Connection::take_received(std::int64_t result) noexcept {
    if (result > 0) {
        if (receive_op.buffer != nullptr) {
            reader->took_directly(static_cast<std::size_t>(result));
        } else {
            received(receive_op.data, static_cast<std::size_t>(result));
            if (error != nullptr) {  // no memory for them: what comes after would be torn
                if (loss == nullptr) loss = error;
                shut();
            }
        }
    } else if (result == 0) {
        if (loss != nullptr) {
            error = loss;
        } else {
            eof = true;
        }
    } else if (result != -ECANCELED && state < State::shut) {
        lose(static_cast<int>(-result));
    }
}

void Connection::received_done(Operation* operation) noexcept {
    Connection* const me = static_cast<Op*>(operation)->connection;
    const Hold hold(me);
    me->take_received(operation->result);
    me->changed();
    me->close_if_free();
}

void Connection::reader_dropped() noexcept {
    reader_gone = true;
    if (loss != nullptr || ends == Ends::reading) shut();
}

// ---- writing ------------------------------------------------------------------------------------

void Connection::write(std::span<const std::string_view> parts) {
    if (eof_asked) throw RuntimeError("cannot write after write_eof()");
    if (state != State::open || loss != nullptr) return;
    std::size_t total = 0;
    for (const std::string_view part_bytes : parts) total += part_bytes.size();
    std::size_t done = 0;
    const bool idle = backlog == nullptr;
    if (idle) {
        const std::int64_t taken = send_directly(parts);
        if (taken < 0) return lose_writing(static_cast<int>(-taken));
        done = static_cast<std::size_t>(taken);
        if (done == total) return;
    }
    try {
        if (idle) backlog = std::make_unique<Backlog>(this);
        // Growing by doubles: reserve() alone would copy everything for each small write.
        std::string& rest = idle ? backlog->sending : backlog->queued;
        const std::size_t needed = rest.size() + total - done;
        if (needed > rest.capacity()) rest.reserve(std::max(needed, 2 * rest.capacity()));
    } catch (...) {
        if (idle) backlog.reset();
        if (done != 0) lose_writing(ENOMEM);  // half of it is on its way: this stream cannot go on
        throw;
    }
    std::size_t skip = done;
    for (const std::string_view part_bytes : parts) {
        const std::size_t from = std::min(skip, part_bytes.size());
        skip -= from;
        (idle ? backlog->sending : backlog->queued).append(part_bytes.substr(from));
    }
    note_unsent();
    if (idle) push();
}

/// From the caller's memory, in as many calls as it takes for all of it or the kernel's fill. Gives how many
/// bytes that were, or -errno.
std::int64_t Connection::send_directly(std::span<const std::string_view> parts) noexcept {
    Operation& op = part->send_now;
    op.kind = is_socket ? OperationKind::send_now : OperationKind::write_now;
    op.descriptor = descriptor;
    std::int64_t done = 0;
    for (std::size_t at = 0; at < parts.size();) {
        SendPart table[parts_max];
        std::size_t count = 0;
        std::size_t bytes = 0;
        for (; at < parts.size() && count < parts_max; ++at) {
            if (parts[at].empty()) continue;
            table[count++] = SendPart{parts[at].data(), parts[at].size()};
            bytes += parts[at].size();
        }
        if (count == 0) break;
        op.parts = table;
        op.part_count = count;
        const bool ended_now = part->loop->backend->submit(op);
        ASYNCIO_ASSERT(ended_now, "send_now is never held");
        if (op.result == -EAGAIN) break;
        if (op.result < 0) return op.result;
        done += op.result;
        if (static_cast<std::size_t>(op.result) < bytes) break;
    }
    return done;
}

/// Sends what is buffered, until the kernel has to wait.
void Connection::push() noexcept {
    while (!backlog->sending.empty()) {
        backlog->part =
            SendPart{backlog->sending.data() + backlog->sent, backlog->sending.size() - backlog->sent};
        backlog->op.parts = &backlog->part;
        backlog->op.part_count = 1;
        if (!part->loop->backend->submit(backlog->op)) return;
        if (!take_sent(backlog->op.result)) return;
    }
    flushed();
}

bool Connection::take_sent(std::int64_t result) noexcept {
    if (result < 0) {
        lose_writing(static_cast<int>(-result));
        return false;
    }
    backlog->sent += static_cast<std::size_t>(result);
    if (backlog->sent == backlog->sending.size()) {
        backlog->sending = std::exchange(backlog->queued, std::string());
        backlog->sent = 0;
    }
    note_unsent();
    return true;
}

void Connection::sent_done(Operation* operation) noexcept {
    Connection* const me = static_cast<Op*>(operation)->connection;
    const Hold hold(me);
    if (me->state < State::shut && me->take_sent(operation->result)) me->push();
    me->close_if_free();
}

void Connection::flushed() noexcept {
    backlog.reset();
    if (eof_asked && is_socket) end_sending(descriptor);
    if (state == State::closing) shut();
}

void Connection::write_eof() {
    if (state != State::open || loss != nullptr || eof_asked) return;
    if (!is_socket) return close();
    eof_asked = true;
    if (backlog == nullptr) end_sending(descriptor);
}

/// (The operation that would receive is free: nothing is ever read here.)
void Connection::watch_hang_up() noexcept {
    ASYNCIO_ASSERT(ends == Ends::writing && !receive_op.held);
    receive_op.kind = OperationKind::wait_readable;
    receive_op.complete = &hung_up;
    if (part->loop->backend->submit(receive_op)) hung_up(&receive_op);
}

void Connection::hung_up(Operation* operation) noexcept {
    Connection* const me = static_cast<Op*>(operation)->connection;
    const Hold hold(me);
    // (An error: the kernel would not wait. Then the next write will tell.)
    if (operation->result >= 0 && me->state < State::shut) {
        me->unsent() == 0 ? me->shut() : me->lose_writing(EPIPE);
    }
    me->close_if_free();
}

// ---- ending -------------------------------------------------------------------------------------

void Connection::note_loss(const char* doing, int why) noexcept {
    if (loss != nullptr) return;
    try {
        loss = make_os_error(why, doing + name());
    } catch (...) {
        loss = std::current_exception();
    }
}

/// Nothing can be read any more, nor written.
void Connection::lose(int why) noexcept {
    note_loss(is_socket ? "receive from " : "read from ", why);
    error = loss;
    shut();
}

void Connection::lose_writing(int why) noexcept {
    note_loss(is_socket ? "send to " : "write to ", why);
    if (reader_gone || eof || state == State::closing) return shut();
    drop_unsent();
    wake(WriteBase::Want::drained);
    wake(WriteBase::Want::closed);
}

void Connection::drop_unsent() noexcept {
    paused = false;
    if (backlog == nullptr) return;
    if (!backlog->op.held) return backlog.reset();
    std::string().swap(backlog->queued);  // the rest is read by the kernel
}

void Connection::close() noexcept {
    if (state != State::open) return;
    if (loss != nullptr) return shut();
    const Hold hold(this);
    state = State::closing;
    eof = true;
    if (stop_pulling()) changed();
    if (backlog == nullptr) shut();
}

void Connection::shut() noexcept {
    if (state >= State::shut) return;
    const Hold hold(this);
    state = State::shut;
    if (error == nullptr) eof = true;
    KernelBackend& backend = *part->loop->backend;
    const bool receiving = receive_op.held && !backend.cancel(receive_op);
    const bool sending_on = backlog != nullptr && backlog->op.held && !backend.cancel(backlog->op);
    if ((receiving || sending_on) && is_socket) shut_down_socket(descriptor);
    drop_unsent();
    if (!receiving || receive_op.buffer == nullptr) changed();
    wake(WriteBase::Want::drained);
    close_if_free();
}

void Connection::close_if_free() noexcept {
    if (state != State::shut || receive_op.held || (backlog != nullptr && backlog->op.held)) return;
    state = State::closed;
    drop_unsent();
    part->loop->descriptors->take_from_stream(descriptor);
    part->loop->backend->close_descriptor(std::exchange(descriptor, -1));
    (previous != nullptr ? previous->next : part->connections) = next;
    if (next != nullptr) next->previous = previous;
    wake(WriteBase::Want::closed);
    if (server != nullptr) client_closed(this);
    drop();  // the loop's share
}

}}}  // namespace asyncio::v1::detail

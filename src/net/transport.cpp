// Transports: a driver between a stream and a protocol.
//
// A TransportCore stands on the same object as a pair of stream handles would, in place of them (`Upper`),
// and asks the kernel for bytes for as long as the protocol wants any. What the stream tells it comes from
// inside the backend, where no user code may run: so it takes a turn in the ready queue, for which a slot is
// set aside, and calls the protocol from there. `pause_writing` alone is called from inside `write`, as in
// Python.
//
// Order of the calls: connection_made; then data_received, eof_received, pause_writing and resume_writing as
// it comes; connection_lost, when the descriptor has been closed. After that the protocol is let go, so that
// one which keeps its transport makes no circle for ever.
//
// Shares: one of its own until connection_lost has returned, and one for each handle.
#include "asyncio/net/transport.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>

#include "asyncio/base/error.hpp"
#include "asyncio/core/event_loop.hpp"
#include "asyncio/task/sleep.hpp"
#include "detail/loop_impl.hpp"
#include "detail/owned_descriptor.hpp"
#include "net/call_protocol.hpp"
#include "net/connection.hpp"
#include "net/net_part.hpp"
#include "net/sockets.hpp"
#include "net/stream_access.hpp"
#include "net/tls_hook.hpp"

namespace asyncio { inline namespace v1 {
namespace detail {

namespace {

constexpr int pieces_per_turn = 16;

}  // namespace

struct TransportCore final : Leaf, Upper {
    TransportCore(std::shared_ptr<BaseProtocol> p, std::optional<StreamReader> r,
                  std::optional<StreamWriter> w);
    ~TransportCore() { stream_->drop(); }
    void hold() noexcept { ++refs_; }
    void drop() noexcept {
        if (--refs_ == 0) delete this;
    }

    void set_protocol(std::shared_ptr<BaseProtocol> protocol);
    void pause_reading() noexcept { reading_ = false; }
    void resume_reading() noexcept;
    void write(std::span<const std::string_view> parts);
    void set_limits(WriteBufferLimits limits);
    void close() noexcept;
    bool is_reading() const noexcept { return reading_ && readable_ && !closing(); }
    bool closing() const noexcept {
        return stream_->state != Duplex::State::open || stream_->loss != nullptr;
    }

    void below_changed() noexcept override { queue(); }
    void below_drained() noexcept override { queue(); }
    void below_closed() noexcept override { queue(); }

    const std::shared_ptr<BaseProtocol>& protocol() const noexcept { return protocol_; }
    Duplex* below() const noexcept { return stream_; }
    const std::optional<StreamWriter>& writer() const noexcept { return writer_; }

  private:
    void queue() noexcept;
    void take_turn() noexcept;
    bool read_piece();
    void deliver(std::string_view data);
    void end_of_input();
    void note_no_room() noexcept;
    void note_room();
    void end() noexcept;
    template <class F>
    bool call(const char* function, F&& f) noexcept;
    static void run(Leaf* leaf) noexcept;
    static CancelAnswer unasked(Leaf*) noexcept { return CancelAnswer::pending; }
    static constexpr LeafOps ops_{&unasked, &run, "transport"};

    std::shared_ptr<BaseProtocol> protocol_;
    Protocol* plain_ = nullptr;  // what `protocol_` is: one of these two
    BufferedProtocol* buffered_ = nullptr;
    std::optional<StreamReader> reader_;
    std::optional<StreamWriter> writer_;
    Duplex* stream_;  // behind them
    std::uint32_t refs_ = 1;
    bool readable_;
    bool reading_ = true;
    bool queued_ = false;  // stands in the ready queue
    bool made_ = false;    // connection_made was called
    bool eof_told_ = false;
    bool writing_paused_ = false;  // pause_writing was called
    bool ended_ = false;           // connection_lost was called
};

TransportCore::TransportCore(std::shared_ptr<BaseProtocol> p, std::optional<StreamReader> r,
                             std::optional<StreamWriter> w)
    : Leaf(&ops_),
      reader_(std::move(r)),
      writer_(std::move(w)),
      stream_(writer_.has_value() ? StreamAccess::duplex(*writer_)
                                  : static_cast<Duplex*>(StreamAccess::inlet(*reader_))),
      readable_(reader_.has_value()) {
    set_protocol(std::move(p));
    reserve_slot(stream_->loop);
    stream_->hold();
    ASYNCIO_ASSERT(stream_->upper == nullptr && stream_->reader == nullptr, "somebody else uses this stream");
    stream_->upper = this;
    queue();
}

void TransportCore::set_protocol(std::shared_ptr<BaseProtocol> protocol) {
    auto* const plain = dynamic_cast<Protocol*>(protocol.get());
    auto* const buffered = dynamic_cast<BufferedProtocol*>(protocol.get());
    if (plain == nullptr && buffered == nullptr)
        throw ValueError("a transport's protocol is a Protocol or a BufferedProtocol");
    plain_ = plain;
    buffered_ = buffered;
    protocol_ = std::move(protocol);
}

void TransportCore::resume_reading() noexcept {
    if (reading_ || ended_) return;
    reading_ = true;
    queue();
}

void TransportCore::write(std::span<const std::string_view> parts) {
    if (!writer_.has_value()) throw RuntimeError("nothing can be written to this transport: it only reads");
    if (ended_) return;
    stream_->write(parts);
    note_no_room();
}

void TransportCore::set_limits(WriteBufferLimits limits) {
    stream_->set_limits(limits);
    if (!ended_) note_no_room();
}

void TransportCore::note_no_room() noexcept {
    if (!stream_->paused || writing_paused_) return;
    writing_paused_ = true;
    call("pause_writing", [this] { protocol_->pause_writing(); });
}

void TransportCore::close() noexcept {
    if (writer_.has_value()) return stream_->close();
    stream_->shut();
}

// ---- its turns ----------------------------------------------------------------------------------

void TransportCore::queue() noexcept {
    if (queued_ || ended_) return;
    queued_ = true;
    push_leaf(stream_->loop, this);
}

void TransportCore::run(Leaf* leaf) noexcept {
    auto* const me = static_cast<TransportCore*>(leaf);
    me->queued_ = false;
    me->hold();
    me->take_turn();
    me->drop();
}

/// Calls a function of the protocol. False: it has thrown, or forked, and nothing more is to be done.
template <class F>
bool TransportCore::call(const char* function, F&& f) noexcept {
    LoopImpl* const loop = static_cast<LoopImpl*>(stream_->loop);
    const auto keeps = protocol_;  // set_protocol may take its place meanwhile
    if (!call_protocol(loop, function, f)) {
        stream_->shut();
        return false;
    }
    return current_loop == loop;
}

void TransportCore::take_turn() noexcept {
    if (!std::exchange(made_, true) &&
        !call("connection_made", [this] { protocol_->connection_made(Transport(this)); })) {
        return;
    }
    note_room();
    int pieces = 0;
    while (pieces < pieces_per_turn && readable_ && reading_ && !eof_told_ && !closing()) {
        if (!read_piece()) break;
        ++pieces;
    }
    if (pieces == pieces_per_turn) queue();
    if (stream_->loss != nullptr) stream_->shut();
    // What stands in the queue must live: its next turn is the last, then.
    if (stream_->state == Duplex::State::closed && !queued_) end();
}

/// False: nothing has come.
bool TransportCore::read_piece() {
    if (!stream_->unread().empty()) {
        deliver(stream_->unread());
        return true;
    }
    if (stream_->error != nullptr) return false;  // it is being lost
    if (stream_->eof) {
        end_of_input();
        return true;
    }
    return stream_->pull(nullptr, 0) == Inlet::Pulled::now;
}

void TransportCore::deliver(std::string_view data) {
    if (plain_ != nullptr) {
        const std::size_t size = data.size();
        call("data_received", [&] { plain_->data_received(data); });
        return stream_->consume(size);
    }
    BufferedProtocol* const buffered = buffered_;  // it may put another in its place
    call("get_buffer", [&] {
        const std::span<char> room = buffered->get_buffer(data.size());
        if (room.empty()) throw RuntimeError("get_buffer() returned an empty buffer");
        const std::size_t taken = std::min(room.size(), data.size());
        std::memcpy(room.data(), data.data(), taken);
        stream_->consume(taken);
        buffered->buffer_updated(taken);
    });
}

void TransportCore::end_of_input() {
    eof_told_ = true;
    bool stays_open = false;
    call("eof_received",
         [&] { stays_open = plain_ != nullptr ? plain_->eof_received() : buffered_->eof_received(); });
    if (!stays_open || !writer_.has_value()) close();
}

void TransportCore::note_room() {
    if (!writing_paused_ || stream_->paused || closing()) return;
    writing_paused_ = false;
    call("resume_writing", [this] { protocol_->resume_writing(); });
}

void TransportCore::end() noexcept {
    if (std::exchange(ended_, true)) return;
    stream_->upper = nullptr;
    call("connection_lost", [this] { protocol_->connection_lost(stream_->loss); });
    release_slot(stream_->loop);
    protocol_.reset();
    plain_ = nullptr;
    buffered_ = nullptr;
    drop();  // its own share; the stream stays for the handles
}

// ---- making one ---------------------------------------------------------------------------------

namespace {

Transport make_transport(std::shared_ptr<BaseProtocol> protocol, std::optional<StreamReader> reader,
                         std::optional<StreamWriter> writer) {
    if (protocol == nullptr) throw ValueError("the factory gave no protocol");
    return Transport(new TransportCore(std::move(protocol), std::move(reader), std::move(writer)));
}

Coro<Streams> adopt(OwnedDescriptor socket, std::size_t limit, TlsSettings tls) {
    NetPart& part = running_net_part_with_sockets();
    const int descriptor = socket.get();
    const int flags = ::fcntl(descriptor, F_GETFL);
    if (flags < 0) socket.give();  // it is not open
    int type = 0;
    socklen_t size = sizeof type;
    if (flags < 0 || ::getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &size) != 0)
        throw_os_error(errno, "connect_accepted_socket: descriptor " + std::to_string(descriptor));
    if (type != SOCK_STREAM) {
        throw ValueError("connect_accepted_socket: descriptor " + std::to_string(descriptor) +
                         " is no stream socket");
    }
    if ((flags & O_NONBLOCK) == 0) ::fcntl(descriptor, F_SETFL, flags | O_NONBLOCK);
    const Address peer = peer_address(descriptor);
    if (!tls) co_return make_streams(part, socket.give(), peer, limit);
    DuplexRef bare(make_connection(part, socket.give(), peer, limit));
    Streams streams = co_await open_over_tls(std::move(bare), std::move(tls));
    co_return streams;
}

}  // namespace

Transport attach(std::shared_ptr<BaseProtocol> protocol, Streams streams) {
    return make_transport(std::move(protocol), std::move(streams.reader), std::move(streams.writer));
}
Transport attach(std::shared_ptr<BaseProtocol> protocol, StreamReader reader) {
    return make_transport(std::move(protocol), std::move(reader), std::nullopt);
}
Transport attach(std::shared_ptr<BaseProtocol> protocol, StreamWriter writer) {
    return make_transport(std::move(protocol), std::nullopt, std::move(writer));
}

Coro<> told_of_connection(Transport transport) {
    try {
        co_await sleep(Duration::zero());  // its turn stands before ours
    } catch (...) {
        transport.abort();
        throw;
    }
}

Coro<Streams> adopt_socket(int socket, ConnectOptions options) {
    OwnedDescriptor owned(socket);
    if (options.limit == 0) throw ValueError("connect_accepted_socket: the limit is 0");
    TlsSettings tls;
    if (options.ssl) {
        tls = tls_settings("connect_accepted_socket", options.ssl, SslPurpose::CLIENT_AUTH, {}, {},
                           options.ssl_handshake_timeout, options.ssl_shutdown_timeout);
    }
    return adopt(std::move(owned), options.limit, std::move(tls));
}

}  // namespace detail

// ---- the handle ---------------------------------------------------------------------------------

Transport::Transport(detail::TransportCore* core) noexcept : core_(core) { core_->hold(); }
Transport::Transport(const Transport& other) noexcept : core_(other.core_) {
    if (core_ != nullptr) core_->hold();
}
Transport::~Transport() {
    if (core_ != nullptr) core_->drop();
}

StreamWriter::ExtraInfo Transport::get_extra_info(std::string_view name) const {
    if (core_->writer().has_value()) return core_->writer()->get_extra_info(name);
    const int descriptor = core_->below()->fileno();
    if (name == "pipe" && descriptor >= 0) return StreamWriter::ExtraInfo(descriptor);
    return StreamWriter::ExtraInfo();
}
bool Transport::is_closing() const noexcept { return core_->closing(); }
void Transport::close() noexcept { core_->close(); }
void Transport::abort() noexcept { core_->below()->shut(); }
void Transport::set_protocol(std::shared_ptr<BaseProtocol> protocol) {
    core_->set_protocol(std::move(protocol));
}
std::shared_ptr<BaseProtocol> Transport::get_protocol() const noexcept { return core_->protocol(); }
bool Transport::is_reading() const noexcept { return core_->is_reading(); }
void Transport::pause_reading() noexcept { core_->pause_reading(); }
void Transport::resume_reading() noexcept { core_->resume_reading(); }
void Transport::writelines(std::span<const std::string_view> parts) { core_->write(parts); }
void Transport::write_eof() { core_->below()->write_eof(); }
bool Transport::can_write_eof() const noexcept { return core_->below()->can_write_eof(); }
std::size_t Transport::get_write_buffer_size() const noexcept { return core_->below()->unsent(); }
WriteBufferLimits Transport::get_write_buffer_limits() const noexcept {
    return WriteBufferLimits{core_->below()->high, core_->below()->low};
}
void Transport::set_write_buffer_limits(WriteBufferLimits limits) { core_->set_limits(limits); }

}}  // namespace asyncio::v1

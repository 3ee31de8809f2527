// Datagram endpoints.
//
// A DatagramCore is the socket. The handle, each call that has begun and, while the descriptor is open, the
// core itself have shares in it. A call tries the system call first and waits only when that says EAGAIN: it
// parks in the queue of its direction (`Way`), whose operation, level triggered, asks the kernel. When that
// ends one task is woken; when it is done (`serve`) the next, as long as there is something for it, or the
// kernel is asked anew. So a datagram wakes one task, and a task that is cancelled passes its turn on.
//
// Receiving is by recvfrom(2) as long as datagrams come one by one, else by recvmmsg(2), sixteen at a time,
// into memory that all endpoints of the loop share, and copied out from there: see DatagramBatch. The first
// one is the caller's, the rest is `read_ahead`. (CPU time, 64 B on loopback, g++ -O2: bursts of 64, one by
// one 465 ns each, in batches 410; a round trip between two endpoints 4.75 us, always in batches 5.2.)
//
// Closing: whoever waits is told, operations in flight are cancelled, and the descriptor is closed when the
// kernel has let go of them (`close_if_free`): with epoll that is at once.
//
// Errors of the network (ICMP) are kept by the kernel for connected sockets and come out of the next call,
// whichever that is; then the socket can be used on (udp(7)).
//
// Rejected: a task that receives all the time into a queue of ours. It would need a bound and a policy for
// what does not fit, both of which the kernel's queue has already.
#include "asyncio/net/datagram.hpp"

#include <netinet/udp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "asyncio/base/error.hpp"
#include "asyncio/core/checkpoint.hpp"
#include "detail/descriptor_table.hpp"
#include "detail/warnings.hpp"
#include "net/datagram_core.hpp"
#include "net/sockets.hpp"

namespace asyncio { inline namespace v1 {

namespace detail {

namespace {

// The most that one call takes: UDP_MAX_SEGMENTS, and the longest datagram of IPv4.
constexpr std::size_t segments_max = 64;
constexpr std::size_t segmented_bytes_max = 65507;

// After so many in a row that did not wait there may be more.
constexpr int single_receptions = 2;

constexpr WaitKind receiving("recvfrom");
constexpr WaitKind sending("sendto");
constexpr WaitKind closing("wait_closed");

/// Parks until the way is free, or the endpoint is closed.
class WayWait : public Parking<WayWait> {
  public:
    WayWait(const WaitKind& kind, DatagramCore::Way& way) noexcept : Parking(kind), way_(way) {}
    bool await_ready() const noexcept { return false; }
    void start() noexcept {
        park(way_.tasks);
        way_.arm();
    }
    void await_resume() {
        leave();
        throw_if_cancelled();
        if (const int error = std::exchange(way_.error, 0); error != 0)
            throw_os_error(error, "waiting for a datagram socket");
    }

  private:
    DatagramCore::Way& way_;
};

class ClosedWait : public Parking<ClosedWait> {
  public:
    explicit ClosedWait(DatagramCore& core) noexcept : Parking(closing), core_(core) {}
    bool await_ready() const noexcept { return false; }
    void start() noexcept { park(core_.closers); }
    void await_resume() {
        leave();
        throw_if_cancelled();
    }

  private:
    DatagramCore& core_;
};

/// The result of a system call that would not wait, -1 if it would have to; or an errno value, negative.
template <class Call>
std::int64_t attempt(Call call) noexcept {
    for (;;) {
        const std::int64_t result = call();
        if (result >= 0) return result;
        if (errno != EINTR) return -errno;
    }
}

/// A call that has begun: at its end the next in line has its turn.
class Receiving {
  public:
    explicit Receiving(DatagramCore& core) noexcept : core_(core) {}
    Receiving(const Receiving&) = delete;
    Receiving& operator=(const Receiving&) = delete;
    ~Receiving() { core_.serve(core_.readable); }

  private:
    DatagramCore& core_;
};

class Sending {
  public:
    explicit Sending(DatagramCore& core) noexcept : core_(core) { ++core_.senders; }
    Sending(const Sending&) = delete;
    Sending& operator=(const Sending&) = delete;
    ~Sending() {
        core_.serve(core_.writable);
        if (--core_.senders == 0 && core_.state == DatagramCore::State::closing) core_.shut();
    }

  private:
    DatagramCore& core_;
};

}  // namespace

// ---- the socket ---------------------------------------------------------------------------------

DatagramBatch::DatagramBatch() : memory(new char[count * datagram_bytes]), messages{} {
    for (std::size_t i = 0; i < count; ++i) {
        parts[i] = {memory.get() + i * datagram_bytes, datagram_bytes};
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
        messages[i].msg_hdr.msg_name = &senders[i];
    }
}

DatagramCore::DatagramCore(NetPart& p, int fd) noexcept
    : part(&p),
      loop(p.loop),
      descriptor(fd),
      readable(this, OperationKind::wait_readable),
      writable(this, OperationKind::wait_writable),
      peer(peer_address(fd)) {
    is_unix = local_address(fd).family() == AddressFamily::unix_domain;
    segments = !is_unix;
    readable.Operation::descriptor = writable.Operation::descriptor = fd;
    next = part->datagrams;
    if (next != nullptr) next->previous = this;
    part->datagrams = this;
    loop->descriptors->give_to_stream(fd);
}

DatagramCore::~DatagramCore() { ASYNCIO_ASSERT(state == State::closed); }

std::string DatagramCore::subject(const char* verb) const {
    return std::string(verb) + (peer.empty() ? local_address(descriptor) : peer).to_string();
}

void DatagramCore::Way::arm() noexcept {
    if (held) return;
    if (!core->loop->backend->submit(*this)) return;
    done(this);
}

void DatagramCore::Way::done(Operation* operation) noexcept {
    auto* const way = static_cast<Way*>(operation);
    DatagramCore* const core = way->core;
    if (core->state >= State::shut) return core->close_if_free();
    if (way->result == -ECANCELED) return;
    if (way->result < 0) way->error = static_cast<int>(-way->result);
    way->tasks.unpark_one();
}

void DatagramCore::serve(Way& way) noexcept {
    if (state >= State::shut || way.tasks.first() == nullptr || way.tasks.woken() != 0) return;
    if (&way == &readable && has_read_ahead()) {
        way.tasks.unpark_one();
    } else {
        way.arm();
    }
}

void DatagramCore::require_here() const {
    if (state < State::shut && loop != current_loop)
        throw RuntimeError("this datagram endpoint belongs to another event loop");
}

void DatagramCore::throw_closed(const char* call) {
    throw ConnectionAbortedError(std::string(call) + ": the datagram endpoint is closed");
}

// ---- receiving ----------------------------------------------------------------------------------

bool DatagramCore::take(Datagram& into) {
    if (!has_read_ahead()) fill();
    if (!has_read_ahead()) return false;
    into = std::move(read_ahead[taken]);
    give_first();
    return true;
}

void DatagramCore::give_first() noexcept {
    if (++taken == read_ahead.size()) drop_read_ahead();
}

/// What has come. One datagram, as long as they come one by one: asking for a batch and getting one or none
/// costs a quarter of a microsecond more.
void DatagramCore::fill() {
    if (is_unix && fill_with_a_long_one()) return;
    if (part->datagram_batch == nullptr) part->datagram_batch = std::make_unique<DatagramBatch>();
    if (is_unix) at_once = 0;  // each is looked at before it is taken
    if (at_once < single_receptions) {
        std::pair<std::size_t, Address> got;
        const std::span<char> room(part->datagram_batch->memory.get(), DatagramBatch::datagram_bytes);
        if (!take_into(room, got)) return;
        read_ahead.emplace_back(std::string(room.data(), got.first), got.second);
    } else if (receive_batch() < DatagramBatch::count) {
        at_once = 0;  // there was no more
    }
}

/// Of a Unix socket, if the next one does not fit into the loop's memory.
bool DatagramCore::fill_with_a_long_one() {
    const std::int64_t size =
        attempt([&] { return ::recv(descriptor, nullptr, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT); });
    if (size <= static_cast<std::int64_t>(DatagramBatch::datagram_bytes)) return false;
    std::string data(static_cast<std::size_t>(size), '\0');
    std::pair<std::size_t, Address> got;
    if (!take_into(data, got)) return false;
    data.resize(got.first);
    read_ahead.emplace_back(std::move(data), got.second);
    return true;
}

/// Gives how many they were.
std::size_t DatagramCore::receive_batch() {
    DatagramBatch& batch = *part->datagram_batch;
    for (mmsghdr& each : batch.messages) each.msg_hdr.msg_namelen = sizeof(sockaddr_storage);
    const std::int64_t count = attempt(
        [&] { return ::recvmmsg(descriptor, batch.messages, DatagramBatch::count, MSG_DONTWAIT, nullptr); });
    if (count == -EAGAIN) return 0;
    if (count < 0) throw_os_error(static_cast<int>(-count), subject("receive from "));
    read_ahead.reserve(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i) {
        const mmsghdr& each = batch.messages[i];
        read_ahead.emplace_back(std::string(static_cast<char*>(batch.parts[i].iov_base), each.msg_len),
                                Address(&batch.senders[i], each.msg_hdr.msg_namelen));
    }
    return static_cast<std::size_t>(count);
}

bool DatagramCore::take_into(std::span<char> memory, std::pair<std::size_t, Address>& into) {
    if (has_read_ahead()) {
        const auto& [data, from] = read_ahead[taken];
        const std::size_t bytes = std::min(data.size(), memory.size());
        if (bytes != 0) std::memcpy(memory.data(), data.data(), bytes);
        into = {bytes, from};
        give_first();
        return true;
    }
    sockaddr_storage from{};
    socklen_t from_bytes = sizeof from;
    const std::int64_t bytes = attempt([&] {
        from_bytes = sizeof from;
        return ::recvfrom(descriptor, memory.data(), memory.size(), MSG_DONTWAIT,
                          reinterpret_cast<sockaddr*>(&from), &from_bytes);
    });
    at_once = bytes >= 0 ? at_once + 1 : 0;
    if (bytes == -EAGAIN) return false;
    if (bytes < 0) throw_os_error(static_cast<int>(-bytes), subject("receive from "));
    into = {static_cast<std::size_t>(bytes), Address(&from, from_bytes)};
    return true;
}

namespace {

Coro<std::optional<Datagram>> receive_next(std::shared_ptr<DatagramCore> core) {
    core->require_here();
    co_await checkpoint();
    const Receiving turn(*core);
    Datagram got;
    for (bool in_turn = core->readable.tasks.idle(); core->state == DatagramCore::State::open;
         in_turn = true) {
        if (in_turn && core->take(got)) co_return std::optional<Datagram>(std::move(got));
        co_await WayWait(receiving, core->readable);
    }
    co_return std::nullopt;
}

Coro<Datagram> receive(std::shared_ptr<DatagramCore> core) {
    std::optional<Datagram> got = co_await receive_next(std::move(core));
    if (!got) DatagramCore::throw_closed("recvfrom");
    co_return std::move(*got);
}

Coro<std::pair<std::size_t, Address>> receive_into(std::shared_ptr<DatagramCore> core,
                                                   std::span<char> memory) {
    core->require_here();
    co_await checkpoint();
    const Receiving turn(*core);
    std::pair<std::size_t, Address> got;
    for (bool in_turn = core->readable.tasks.idle(); core->state == DatagramCore::State::open;
         in_turn = true) {
        if (in_turn && core->take_into(memory, got)) co_return got;
        co_await WayWait(receiving, core->readable);
    }
    DatagramCore::throw_closed("recvfrom_into");
}

}  // namespace

// ---- sending ------------------------------------------------------------------------------------

namespace {

/// What sendmsg(2) is told.
struct Message {
    Message(std::string_view data, const Address& to) noexcept
        : part{const_cast<char*>(data.data()), data.size()} {
        header.msg_iov = &part;
        header.msg_iovlen = 1;
        header.msg_name = to.empty() ? nullptr : const_cast<void*>(to.data());
        header.msg_namelen = static_cast<socklen_t>(to.size());
    }
    void cut_into(std::uint16_t segment_bytes) noexcept {
        header.msg_control = control;
        header.msg_controllen = sizeof control;
        cmsghdr* const entry = CMSG_FIRSTHDR(&header);
        entry->cmsg_level = SOL_UDP;
        entry->cmsg_type = UDP_SEGMENT;
        entry->cmsg_len = CMSG_LEN(sizeof segment_bytes);
        std::memcpy(CMSG_DATA(entry), &segment_bytes, sizeof segment_bytes);
    }
    std::int64_t send_from(int descriptor) noexcept {
        return attempt([&] { return ::sendmsg(descriptor, &header, MSG_DONTWAIT | MSG_NOSIGNAL); });
    }

    iovec part;
    msghdr header{};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(std::uint16_t))] = {};
};

}  // namespace

bool DatagramCore::send_one(std::string_view data, const Address& to) {
    const std::int64_t sent = Message(data, to).send_from(descriptor);
    if (sent >= 0) return true;
    // ENOBUFS: the queue of a network device is full; nothing tells when it no longer is.
    if (sent == -EAGAIN) return false;
    throw_refused(sent, to);
}

void DatagramCore::throw_refused(std::int64_t result, const Address& to) const {
    const int error = static_cast<int>(-result);
    if (!to.empty()) throw_os_error(error, "send to " + to.to_string());
    throw_os_error(error, subject("send to "),
                   error == EDESTADDRREQ ? "use sendto, or make the endpoint with a remote_addr" : "");
}

std::optional<std::size_t> DatagramCore::send_segments(std::string_view data, std::size_t segment_bytes,
                                                       const Address& to) {
    const std::size_t whole = std::min(segments_max, segmented_bytes_max / segment_bytes) * segment_bytes;
    if (segments && whole > segment_bytes && data.size() > segment_bytes) {
        const std::string_view piece = data.substr(0, whole);
        Message message(piece, to);
        message.cut_into(static_cast<std::uint16_t>(segment_bytes));
        const std::int64_t sent = message.send_from(descriptor);
        if (sent >= 0) return piece.size();
        if (sent == -EAGAIN) return std::nullopt;
        // A kernel, a device or a route that cannot: one by one they can be sent, or have an error of their
        // own. EINVAL and EMSGSIZE: this segment is longer than the route's packets. All else is the
        // network's answer, perhaps to what was sent before.
        const bool cannot = sent == -EIO || sent == -EOPNOTSUPP || sent == -ENOPROTOOPT;
        if (!cannot && sent != -EINVAL && sent != -EMSGSIZE) throw_refused(sent, to);
        if (cannot) segments = false;
    }
    const std::string_view piece = data.substr(0, segment_bytes);
    if (!send_one(piece, to)) return std::nullopt;
    return piece.size();
}

namespace {

Coro<> send_all(std::shared_ptr<DatagramCore> core, std::string_view data, Address to,
                std::size_t segment_bytes) {
    core->require_here();
    co_await checkpoint();
    if (core->state != DatagramCore::State::open) DatagramCore::throw_closed("sendto");
    const Sending turn(*core);
    for (bool in_turn = core->writable.tasks.idle(); core->state < DatagramCore::State::shut;
         in_turn = true) {
        std::optional<std::size_t> sent;
        if (in_turn && segment_bytes == 0 && core->send_one(data, to)) sent = data.size();
        if (in_turn && segment_bytes != 0) sent = core->send_segments(data, segment_bytes, to);
        if (sent) data.remove_prefix(*sent);
        if (sent && data.empty()) co_return;
        if (sent) {
            co_await checkpoint();
        } else {
            co_await WayWait(sending, core->writable);
        }
    }
    DatagramCore::throw_closed("sendto");
}

}  // namespace

// ---- ending -------------------------------------------------------------------------------------

void DatagramCore::close() noexcept {
    if (state != State::open) return;
    const OnLoop at_home(loop);
    state = State::closing;
    drop_read_ahead();
    readable.tasks.unpark_all();
    if (senders == 0) shut();
}

void DatagramCore::shut() noexcept {
    if (state >= State::shut) return;
    const OnLoop at_home(loop);
    state = State::shut;
    drop_read_ahead();
    readable.tasks.unpark_all();
    writable.tasks.unpark_all();
    for (Way* way : {&readable, &writable}) {
        if (way->held) loop->backend->cancel(*way);
    }
    close_if_free();
}

void DatagramCore::close_if_free() noexcept {
    if (state != State::shut || readable.held || writable.held) return;
    state = State::closed;
    loop->descriptors->take_from_stream(descriptor);
    loop->backend->close_descriptor(std::exchange(descriptor, -1));
    (previous != nullptr ? previous->next : part->datagrams) = next;
    if (next != nullptr) next->previous = previous;
    closers.unpark_all();
    const std::shared_ptr<DatagramCore> last = std::move(self);
}

void DatagramCore::handle_dropped() noexcept {
    if (state == State::open && loop->debug) {
        warn_with(resource_warning, "unclosed DatagramEndpoint", [this] {
            return "unclosed DatagramEndpoint on " + local_address(descriptor).to_string() +
                   ": call close() and await wait_closed()";
        });
    }
    close();
}

namespace {

Coro<> closed(std::shared_ptr<DatagramCore> core) {
    core->require_here();
    co_await checkpoint();
    while (core->state != DatagramCore::State::closed) co_await ClosedWait(*core);
}

}  // namespace
}  // namespace detail

// ---- the handle ---------------------------------------------------------------------------------

Coro<Datagram> DatagramEndpoint::recvfrom() { return detail::receive(core_); }
Coro<std::optional<Datagram>> DatagramEndpoint::next() { return detail::receive_next(core_); }
Coro<std::pair<std::size_t, Address>> DatagramEndpoint::recvfrom_into(std::span<char> memory) {
    return detail::receive_into(core_, memory);
}
Coro<> DatagramEndpoint::sendto(std::string_view data, Address address, DatagramSendOptions options) {
    if (address.empty()) throw ValueError("sendto: the address is empty");
    return detail::send_all(core_, data, address, options.segment_bytes);
}
Coro<> DatagramEndpoint::send(std::string_view data, DatagramSendOptions options) {
    return detail::send_all(core_, data, Address(), options.segment_bytes);
}
void DatagramEndpoint::close() noexcept { core_->close(); }
void DatagramEndpoint::abort() noexcept { core_->shut(); }
bool DatagramEndpoint::is_closing() const noexcept {
    return core_->state != detail::DatagramCore::State::open;
}
Coro<> DatagramEndpoint::wait_closed() { return detail::closed(core_); }
Address DatagramEndpoint::sockname() const {
    return core_->descriptor >= 0 ? detail::local_address(core_->descriptor) : Address();
}
Address DatagramEndpoint::peername() const { return core_->peer; }
int DatagramEndpoint::fileno() const noexcept { return core_->descriptor; }
void DatagramEndpoint::drop() noexcept { core_->handle_dropped(); }

Coro<> DatagramEndpoint::aexit(std::exception_ptr error) {
    error == nullptr ? close() : abort();
    return wait_closed();
}

}}  // namespace asyncio::v1

// Datagrams for protocols: a task receives from the endpoint and calls the protocol, another sends what the
// kernel did not take at once. The endpoint closes when the first has ended.
#include "asyncio/net/datagram_protocol.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <string>

#include "asyncio/base/error.hpp"
#include "asyncio/core/event_loop.hpp"
#include "asyncio/task/task.hpp"
#include "detail/loop_impl.hpp"
#include "net/call_protocol.hpp"
#include "net/duplex.hpp"

namespace asyncio { inline namespace v1 {
namespace detail {

struct DatagramTransportCore {
    DatagramTransportCore(std::shared_ptr<DatagramProtocol> p, DatagramEndpoint e) noexcept
        : protocol(std::move(p)), endpoint(std::move(e)) {}

    template <class F>
    void call(const char* function, F&& f) noexcept {
        const auto keeps = protocol;
        if (keeps != nullptr && !call_protocol(impl_of(current_loop), function, [&] { f(*keeps); })) abort();
    }
    void abort() noexcept {
        kept.clear();
        kept_bytes = 0;
        endpoint.abort();
    }
    void note_room() noexcept {
        if (!paused || kept_bytes > limits.low) return;
        paused = false;
        call("resume_writing", [](DatagramProtocol& p) { p.resume_writing(); });
    }
    void note_no_room() noexcept {
        if (paused || kept_bytes <= limits.high) return;
        paused = true;
        call("pause_writing", [](DatagramProtocol& p) { p.pause_writing(); });
    }

    std::shared_ptr<DatagramProtocol> protocol;  // null: connection_lost was called
    DatagramEndpoint endpoint;
    std::deque<Datagram> kept;  // to be sent when there is room
    std::size_t kept_bytes = 0;
    WriteBufferLimits limits{default_stream_limit, default_stream_limit / 4};
    bool sending = false;  // a task works them off
    bool paused = false;   // pause_writing was called
    bool closing = false;
};

namespace {

using CoreRef = std::shared_ptr<DatagramTransportCore>;

Coro<> send_one(DatagramTransportCore& core, const Datagram& datagram) {
    try {
        if (datagram.second.empty()) {
            co_await core.endpoint.send(datagram.first);
        } else {
            co_await core.endpoint.sendto(datagram.first, datagram.second);
        }
    } catch (const ConnectionAbortedError&) {
        core.kept.clear();  // closed meanwhile
    } catch (const OSError&) {
        const std::exception_ptr error = std::current_exception();
        core.call("error_received", [&](DatagramProtocol& p) { p.error_received(error); });
    }
}

Coro<> send_kept(CoreRef core) {
    try {
        while (!core->kept.empty()) {
            const Datagram datagram = std::move(core->kept.front());
            core->kept.pop_front();
            co_await send_one(*core, datagram);
            core->kept_bytes -= std::min(core->kept_bytes, datagram.first.size());
            core->note_room();
        }
    } catch (...) {
        core->sending = false;
        core->endpoint.abort();
        throw;
    }
    core->sending = false;
    if (core->closing) core->endpoint.close();
}

/// One datagram for the protocol, or an error. False: the endpoint was closed.
Coro<bool> receive_one(DatagramTransportCore& core) {
    try {
        const std::optional<Datagram> got = co_await core.endpoint.next();
        if (!got.has_value()) co_return false;
        if (!core.closing) {
            core.call("datagram_received",
                      [&](DatagramProtocol& p) { p.datagram_received(got->first, got->second); });
        }
    } catch (const OSError&) {
        const std::exception_ptr error = std::current_exception();
        core.call("error_received", [&](DatagramProtocol& p) { p.error_received(error); });
    }
    co_return true;
}

Coro<> receive_all(CoreRef core) {
    std::exception_ptr cancelled;
    std::exception_ptr failure;  // no error of the network: without memory, say
    try {
        core->call("connection_made",
                   [&](DatagramProtocol& p) { p.connection_made(DatagramTransport(core)); });
        for (;;) {
            const bool open = co_await receive_one(*core);
            if (!open) break;
        }
    } catch (const CancelledError&) {
        cancelled = std::current_exception();
    } catch (...) {
        failure = std::current_exception();
    }
    core->abort();
    try {
        co_await core->endpoint.wait_closed();
    } catch (const CancelledError&) {
        cancelled = std::current_exception();
    }
    core->call("connection_lost", [&](DatagramProtocol& p) { p.connection_lost(failure); });
    core->protocol.reset();
    if (cancelled != nullptr) std::rethrow_exception(cancelled);
}

}  // namespace

DatagramTransport attach_datagrams(std::shared_ptr<DatagramProtocol> protocol, DatagramEndpoint endpoint) {
    if (protocol == nullptr) {
        endpoint.close();
        throw ValueError("the factory gave no protocol");
    }
    auto core = std::make_shared<DatagramTransportCore>(std::move(protocol), std::move(endpoint));
    create_task(receive_all(core), {.name = "datagram transport", .eager_start = true});
    return DatagramTransport(std::move(core));
}

}  // namespace detail

DatagramProtocol::~DatagramProtocol() = default;
void DatagramProtocol::connection_made(DatagramTransport) {}
void DatagramProtocol::datagram_received(std::string_view, const Address&) {}
void DatagramProtocol::error_received(std::exception_ptr) {}
void DatagramProtocol::pause_writing() {}
void DatagramProtocol::resume_writing() {}
void DatagramProtocol::connection_lost(std::exception_ptr) {}

void DatagramTransport::sendto(std::string_view data, const Address& address) {
    if (core_->closing || core_->endpoint.is_closing()) return;
    if (address.empty() && core_->endpoint.peername().empty())
        throw ValueError("DatagramTransport::sendto: there is neither an address nor a remote one");
    if (!core_->sending) {
        const ssize_t sent =
            ::sendto(core_->endpoint.fileno(), data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                     address.empty() ? nullptr : static_cast<const sockaddr*>(address.data()),
                     static_cast<socklen_t>(address.size()));
        if (sent >= 0) return;
        if (errno != EAGAIN && errno != EINTR) {
            const std::exception_ptr error = make_os_error(errno, "send a datagram");
            return core_->call("error_received", [&](DatagramProtocol& p) { p.error_received(error); });
        }
    }
    if (!core_->sending) {
        create_task(detail::send_kept(core_), {.name = "datagram transport, sending"});
        core_->sending = true;
    }
    core_->kept.emplace_back(std::string(data), address);
    core_->kept_bytes += data.size();
    core_->note_no_room();
}

void DatagramTransport::close() noexcept {
    core_->closing = true;
    if (!core_->sending) core_->endpoint.close();
}
void DatagramTransport::abort() noexcept {
    core_->closing = true;
    core_->abort();
}
bool DatagramTransport::is_closing() const noexcept { return core_->closing || core_->endpoint.is_closing(); }

StreamWriter::ExtraInfo DatagramTransport::get_extra_info(std::string_view name) const {
    if (name == "socket") {
        const int socket = core_->endpoint.fileno();
        return socket >= 0 ? StreamWriter::ExtraInfo(socket) : StreamWriter::ExtraInfo();
    }
    Address address;
    if (name == "sockname") address = core_->endpoint.sockname();
    if (name == "peername") address = core_->endpoint.peername();
    return address.empty() ? StreamWriter::ExtraInfo() : StreamWriter::ExtraInfo(address);
}
std::size_t DatagramTransport::get_write_buffer_size() const noexcept { return core_->kept_bytes; }
WriteBufferLimits DatagramTransport::get_write_buffer_limits() const noexcept { return core_->limits; }
void DatagramTransport::set_write_buffer_limits(WriteBufferLimits limits) {
    core_->limits = detail::checked_limits(limits);
    core_->note_no_room();
    core_->note_room();
}
std::shared_ptr<DatagramProtocol> DatagramTransport::get_protocol() const noexcept { return core_->protocol; }
void DatagramTransport::set_protocol(std::shared_ptr<DatagramProtocol> protocol) {
    if (protocol == nullptr) throw ValueError("DatagramTransport::set_protocol: there is none");
    if (core_->protocol != nullptr) core_->protocol = std::move(protocol);
}

}}  // namespace asyncio::v1

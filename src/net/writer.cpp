// StreamWriter and its waits.
#include "asyncio/base/error.hpp"
#include "asyncio/core/event_loop.hpp"
#include "asyncio/net/streams.hpp"
#include "net/duplex.hpp"
#include "net/tls_hook.hpp"

namespace asyncio { inline namespace v1 {

namespace detail {

const LeafOps WriteBase::ops_{&WriteBase::cancel, nullptr, "write"};

bool WriteBase::ready() {
    if (cancel_pending()) return false;
    const Duplex& c = *stream_;
    if (want_ == Want::closed) {
        if (c.state != Duplex::State::closed && c.loss == nullptr) return false;
    } else if (!c.write_lost() && (c.paused || c.state != Duplex::State::open)) {
        return false;
    }
    return !budget_spent(current_loop);
}

void WriteBase::begin() {
    const Duplex& c = *stream_;
    const bool over = c.state == Duplex::State::closed || c.loss != nullptr;
    if (!over && c.loop != current_loop) throw RuntimeError("this stream belongs to another event loop");
    stream_->hold();
    held_ = true;
    // Otherwise one turn: the budget is spent, or the connection is being closed and may be so by then.
    const bool must_wait = want_ == Want::closed ? !over : !c.write_lost() && c.paused;
    if (!must_wait) return push_frame(current_loop, frame);
    stream_->add_waiter(this);
    suspend_on(this);
}

void WriteBase::finish() {
    struct Leave {
        WriteBase* wait;
        explicit Leave(WriteBase* w) noexcept : wait(w) {}
        ~Leave() {
            if (wait->held_) wait->leave();
        }
    } const leave(this);
    if (frame != nullptr) throw_if_cancelled(frame->task);
    if (want_ == Want::closed) {
        if (stream_->loss != nullptr) std::rethrow_exception(stream_->loss);
    } else if (stream_->write_lost()) {
        stream_->throw_lost();
    }
}

void WriteBase::write(std::span<const std::string_view> parts) { stream_->write(parts); }

void WriteBase::leave() noexcept {
    if (listed_) stream_->remove_waiter(this);
    held_ = false;
    stream_->drop();
}

CancelAnswer WriteBase::cancel(Leaf* leaf) noexcept {
    auto* const wait = static_cast<WriteBase*>(leaf);
    wait->stream_->remove_waiter(wait);
    return CancelAnswer::resume;
}

}  // namespace detail

void StreamWriter::write_parts(std::span<const std::string_view> parts) { stream_->write(parts); }
void StreamWriter::write_eof() { stream_->write_eof(); }
bool StreamWriter::can_write_eof() const noexcept { return stream_->can_write_eof(); }
void StreamWriter::close() noexcept { stream_->close(); }
void StreamWriter::abort() noexcept { stream_->shut(); }
bool StreamWriter::is_closing() const noexcept {
    return stream_->state != detail::Duplex::State::open || stream_->loss != nullptr;
}
namespace {

bool somebody_reads(const detail::Duplex& stream) noexcept {
    return stream.reader != nullptr || stream.upper != nullptr;
}

/// The writer's stream is `below`; from the handshake's beginning on, what stands on it.
Coro<> go_over_to_tls(detail::Duplex*& place, detail::TlsSettings settings) {
    co_await detail::DrainAwaiter(place);
    if (place->state != detail::Duplex::State::open) throw RuntimeError("start_tls: the stream is closed");
    if (somebody_reads(*place)) throw RuntimeError("start_tls: a task reads this stream: let that end first");
    if (place->eof_asked) throw RuntimeError("start_tls: after write_eof() nothing can be written any more");
    if (place->files != 0)
        throw RuntimeError("start_tls: a task sends a file here: await that sendfile first");
    place->hold();
    detail::DuplexRef made = settings.context->begin(detail::DuplexRef(place), settings);
    made->hold();
    const detail::DuplexRef before(std::exchange(place, made.get()));
    co_await settings.context->handshake_done(std::move(made));
}

}  // namespace

Coro<> StreamWriter::start_tls(const SslContext& context, StartTlsOptions options) {
    const SslPurpose purpose = context.state()->purpose;
    const std::string host = purpose == SslPurpose::SERVER_AUTH ? peername().host() : std::string();
    return go_over_to_tls(stream_,
                          detail::tls_settings("start_tls", context, purpose, options.server_hostname, host,
                                               options.ssl_handshake_timeout, options.ssl_shutdown_timeout));
}

std::optional<SslObject> StreamWriter::ssl_object() const {
    std::shared_ptr<const detail::TlsFacts> facts = stream_->tls_facts();
    if (facts == nullptr) return std::nullopt;
    return SslObject(std::move(facts));
}

StreamWriter::ExtraInfo StreamWriter::get_extra_info(std::string_view name) const {
    if (name == "ssl_object" || name == "cipher" || name == "peercert") {
        const std::optional<SslObject> ssl = ssl_object();
        if (!ssl) return ExtraInfo();
        if (name == "cipher") return ssl->cipher();
        if (name == "ssl_object") return *ssl;
        return ssl->getpeercert() ? ExtraInfo(*ssl->getpeercert()) : ExtraInfo();
    }
    if (name == "socket") {
        const int socket = fileno();
        return socket >= 0 ? ExtraInfo(socket) : ExtraInfo();
    }
    Address address;
    if (name == "peername") address = peername();
    if (name == "sockname") address = sockname();
    return address.empty() ? ExtraInfo() : ExtraInfo(address);
}
Address StreamWriter::peername() const { return stream_->peer(); }
Address StreamWriter::sockname() const { return stream_->local(); }
int StreamWriter::fileno() const noexcept { return stream_->fileno(); }
std::size_t StreamWriter::get_write_buffer_size() const noexcept { return stream_->unsent(); }
WriteBufferLimits StreamWriter::get_write_buffer_limits() const noexcept {
    return WriteBufferLimits{stream_->high, stream_->low};
}
void StreamWriter::set_write_buffer_limits(WriteBufferLimits limits) { stream_->set_limits(limits); }
void StreamWriter::drop() noexcept { stream_->writer_dropped(); }

}}  // namespace asyncio::v1

// StreamWriter and its waits.
#include "asyncio/base/error.hpp"
#include "asyncio/core/event_loop.hpp"
#include "asyncio/net/streams.hpp"
#include "net/duplex.hpp"

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
StreamWriter::ExtraInfo StreamWriter::get_extra_info(std::string_view name) const {
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

// StreamWriter and its waits.
#include "asyncio/base/error.hpp"
#include "asyncio/core/event_loop.hpp"
#include "asyncio/net/streams.hpp"
#include "net/connection.hpp"

namespace asyncio { inline namespace v1 {

namespace detail {

const LeafOps WriteBase::ops_{&WriteBase::cancel, nullptr, "write"};

bool WriteBase::ready() {
    if (cancel_pending()) return false;
    const Connection& c = *connection_;
    if (want_ == Want::closed) {
        if (c.state != Connection::State::closed && c.loss == nullptr) return false;
    } else if (!c.write_lost() && (c.paused || c.state != Connection::State::open)) {
        return false;
    }
    return !budget_spent(current_loop);
}

void WriteBase::begin() {
    const Connection& c = *connection_;
    const bool over = c.state == Connection::State::closed || c.loss != nullptr;
    if (!over && c.loop != current_loop) throw RuntimeError("this stream belongs to another event loop");
    connection_->hold();
    held_ = true;
    // Otherwise one turn: the budget is spent, or the connection is being closed and may be so by then.
    const bool must_wait = want_ == Want::closed ? !over : !c.write_lost() && c.paused;
    if (!must_wait) return push_frame(current_loop, frame);
    connection_->add_waiter(this);
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
        if (connection_->loss != nullptr) std::rethrow_exception(connection_->loss);
    } else if (connection_->write_lost()) {
        connection_->throw_lost();
    }
}

void WriteBase::write(std::span<const std::string_view> parts) { connection_->write(parts); }

void WriteBase::leave() noexcept {
    if (listed_) connection_->remove_waiter(this);
    held_ = false;
    connection_->drop();
}

CancelAnswer WriteBase::cancel(Leaf* leaf) noexcept {
    auto* const wait = static_cast<WriteBase*>(leaf);
    wait->connection_->remove_waiter(wait);
    return CancelAnswer::resume;
}

void Connection::throw_lost() const {
    if (loss != nullptr) std::rethrow_exception(loss);
    throw ConnectionResetError("Connection lost: it was closed");
}

}  // namespace detail

void StreamWriter::write_parts(std::span<const std::string_view> parts) { connection_->write(parts); }
void StreamWriter::write_eof() { connection_->write_eof(); }
void StreamWriter::close() noexcept { connection_->close(); }
void StreamWriter::abort() noexcept { connection_->shut(); }
bool StreamWriter::is_closing() const noexcept {
    return connection_->state != detail::Connection::State::open || connection_->loss != nullptr;
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
Address StreamWriter::peername() const { return connection_->peer(); }
Address StreamWriter::sockname() const { return connection_->local(); }
int StreamWriter::fileno() const noexcept { return connection_->descriptor; }
std::size_t StreamWriter::get_write_buffer_size() const noexcept { return connection_->unsent(); }
WriteBufferLimits StreamWriter::get_write_buffer_limits() const noexcept {
    return WriteBufferLimits{connection_->high, connection_->low};
}
void StreamWriter::set_write_buffer_limits(WriteBufferLimits limits) { connection_->set_limits(limits); }
void StreamWriter::drop() noexcept { connection_->writer_dropped(); }

}}  // namespace asyncio::v1

// StreamReader and its reads.
//
// A read that finds what it wants in the buffer takes it and does not suspend. Otherwise it claims the inlet
// and pulls until it is satisfied; if the bytes are not there yet it sleeps, and is asked again with each
// piece that comes. So the kernel is read only while somebody waits, which is the back-pressure, and only the
// rest that nobody wanted is kept.
//
// Invariants
//   1. `inlet->reader` is the one read that has not ended; a second one throws RuntimeError.
//   2. All that came is in the buffer, or in the memory of the waiting read (`progress_` bytes of it). A read
//      that ends by a cancel or an error puts the latter back, so nothing is ever lost.
//   3. While the kernel fills the caller's own memory the read does not end (`stop_pulling` gave false).
//   4. A read that pulls for long takes turns with the other tasks: `pieces_per_turn`.
#include <algorithm>
#include <cstring>

#include "asyncio/base/error.hpp"
#include "asyncio/core/event_loop.hpp"
#include "asyncio/net/streams.hpp"
#include "net/duplex.hpp"

namespace asyncio { inline namespace v1 {

namespace detail {

namespace {

constexpr int pieces_per_turn = 16;

}  // namespace

// ---- the buffer ---------------------------------------------------------------------------------

void Inlet::received(const char* data, std::size_t count) noexcept {
    if (reader != nullptr && reader->takes_directly() && bytes.empty()) {
        const std::size_t taken = reader->take_directly(data, count);
        data += taken;
        count -= taken;
    }
    if (count == 0) return;
    try {
        if (head > bytes.size() / 2) {
            bytes.erase(0, head);
            head = 0;
        }
        const bool pieces = upper != nullptr || (reader != nullptr && reader->takes_pieces());
        if (pieces && bytes.empty() && bytes.capacity() < count) {
            if (SpareBuffers* const kept = spares()) kept->lend(bytes, count);
        }
        bytes.append(data, count);
    } catch (...) {
        error = std::current_exception();
    }
}

void Inlet::changed() noexcept {
    if (reader != nullptr) reader->progressed();
    if (upper != nullptr) upper->below_changed();
}

void Inlet::consume(std::size_t count) noexcept {
    head += count;
    ASYNCIO_DASSERT(head <= bytes.size());
    if (head != bytes.size()) return;
    head = 0;
    // An idle connection keeps no buffer.
    if (SpareBuffers* const place = spares()) return place->take_back(bytes);
    std::string().swap(bytes);
}

std::string Inlet::take(std::size_t count) {
    if (count == bytes.size() - head && bytes.capacity() <= 2 * count + 64) {
        // Everything: the buffer itself becomes the result.
        bytes.erase(0, head);
        head = 0;
        return std::exchange(bytes, std::string());
    }
    std::string taken(bytes, head, count);
    consume(count);
    return taken;
}

void Inlet::put_back(const char* data, std::size_t count) noexcept {
    try {
        bytes.insert(head, data, count);
    } catch (...) {
        error = std::current_exception();
    }
}

// ---- a read -------------------------------------------------------------------------------------

namespace {

/// What a reader reads from: what stands on the stream that it was made for, if anything does.
Inlet& on_top(Inlet& inlet) noexcept {
    return inlet.upper == nullptr || inlet.upper->stream() == nullptr ? inlet
                                                                      : topmost(*inlet.upper->stream());
}

}  // namespace

const LeafOps ReadBase::ops_{&ReadBase::cancel, &ReadBase::run, "read"};

/// Ends a read when its result has been taken.
struct ReadEnding {
    ReadBase& read;
    explicit ReadEnding(ReadBase& r) noexcept : read(r) {}
    ReadEnding(const ReadEnding&) = delete;
    ReadEnding& operator=(const ReadEnding&) = delete;
    ~ReadEnding() {
        if (read.state_ != ReadBase::State::idle) read.end();
    }
};

bool ReadBase::ready() {
    // After start_tls the reader is that of the stream below still.
    if (inlet_->upper != nullptr) [[unlikely]]
        inlet_ = &on_top(*inlet_);
    LoopCore* const loop = current_loop;
    if (loop == nullptr || loop->current == nullptr || loop->current->pending != 0) return false;
    if (inlet_->reader != nullptr) {
        throw RuntimeError(
            "a read was called while another task waits for data of the same stream: let one task read");
    }
    return satisfied() && !budget_spent(loop);
}

bool ReadBase::begin() {
    LoopCore* const loop = current_loop;
    if (!inlet_->ended() && inlet_->loop != loop)
        throw RuntimeError("this stream belongs to another event loop");
    inlet_->reader = this;
    inlet_->hold();
    state_ = State::pulling;
    if (!satisfied()) {
        if (!advance()) {
            suspend_on(this);
            return true;
        }
        if (!budget_spent(loop)) return false;
    }
    // The budget is spent: one turn. It is the running loop's: an ended stream may be read in any, and its
    // own may have gone.
    state_ = State::woken;
    push_frame(loop, frame);
    return true;
}

/// Pulls until it is satisfied (true), or has to wait, or has had its share of this turn.
bool ReadBase::advance() noexcept {
    if (want_ == Want::into_all && progress_ < amount_ && !inlet_->unread().empty()) {
        const std::size_t taken = take_directly(inlet_->unread().data(), inlet_->unread().size());
        inlet_->consume(taken);
    }
    for (int piece = 0; piece < pieces_per_turn; ++piece) {
        char* into = nullptr;
        std::size_t room = 0;
        if (want_ == Want::into_some || want_ == Want::into_all) {
            into = const_cast<char*>(target_) + progress_;
            room = amount_ - progress_;
        }
        if (inlet_->pull(into, room) == Inlet::Pulled::later) {
            state_ = State::waiting;
            return false;
        }
        if (satisfied()) return true;
    }
    state_ = State::queued;
    push_leaf(inlet_->loop, this);
    return false;
}

bool ReadBase::satisfied() noexcept {
    const std::size_t unread = inlet_->unread().size();
    switch (want_) {
        case Want::some: return amount_ == 0 || unread != 0 || inlet_->ended();
        case Want::exactly: return unread >= amount_ || inlet_->ended();
        case Want::line:
        case Want::until:
        case Want::until_any: return search() || inlet_->ended();
        case Want::all: return inlet_->ended();
        case Want::into_some: return amount_ == 0 || progress_ != 0 || unread != 0 || inlet_->ended();
        case Want::into_all: return progress_ + unread >= amount_ || inlet_->ended();
        case Want::more: return unread > amount_ || inlet_->ended();
    }
    return true;
}

/// Looks for the separator in what it has not searched before. True: found, or the limit is reached.
bool ReadBase::search() noexcept {
    if (found_ || overrun_) return true;
    const std::string_view unread = inlet_->unread();
    if (want_ == Want::until_any) return search_any(unread);
    if (unread.size() < progress_ + amount_) return false;
    const std::size_t at = unread.find(std::string_view(target_, amount_), progress_);
    found_ = at != std::string_view::npos;
    progress_ = found_ ? at : unread.size() + 1 - amount_;
    overrun_ = !found_ && progress_ > inlet_->limit;
    return found_ || overrun_;
}

/// The match that ends first wins; of those that end there the shortest, which is CPython's choice, too.
bool ReadBase::search_any(std::string_view unread) noexcept {
    std::size_t end = unread.size();
    std::size_t start = 0;
    std::size_t longest = 0;
    for (const std::string_view separator : separators()) {
        longest = std::max(longest, separator.size());
        const std::size_t at = unread.substr(0, end).find(separator, progress_);
        if (at == std::string_view::npos) continue;
        if (found_ && at + separator.size() == end && at < start) continue;
        found_ = true;
        start = at;
        end = at + separator.size();
    }
    if (found_) {
        progress_ = start;
    } else if (unread.size() + 1 > progress_ + longest) {
        progress_ = unread.size() + 1 - longest;
    }
    overrun_ = !found_ && progress_ > inlet_->limit;
    return found_ || overrun_;
}

/// Of the separator at `progress_`.
std::size_t ReadBase::found_length() const noexcept {
    if (want_ != Want::until_any) return amount_;
    const std::string_view at = inlet_->unread().substr(progress_);
    std::size_t length = at.size();
    for (const std::string_view separator : separators()) {
        if (at.starts_with(separator)) length = std::min(length, separator.size());
    }
    return length;
}

std::size_t ReadBase::take_directly(const char* data, std::size_t count) noexcept {
    if (want_ != Want::into_some && want_ != Want::into_all) return 0;
    const std::size_t taken = std::min(count, amount_ - progress_);
    if (taken != 0) std::memcpy(const_cast<char*>(target_) + progress_, data, taken);
    progress_ += taken;
    return taken;
}

void ReadBase::progressed() noexcept {
    if (state_ != State::waiting) return;
    state_ = State::pulling;
    // A cancel had to wait until the kernel let go of the caller's memory: now it has.
    if (frame->task->pending != 0 || satisfied() || advance()) wake_up();
}

void ReadBase::run(Leaf* leaf) noexcept {
    auto* const read = static_cast<ReadBase*>(leaf);
    read->state_ = State::pulling;
    if (read->frame->task->pending != 0 || read->satisfied() || read->advance()) read->wake_up();
}

// The loop need not run when a stream is closed, so this is not detail::wake.
void ReadBase::wake_up() noexcept {
    state_ = State::woken;
    frame->task->live.waits_on.clear();
    push_frame(inlet_->loop, frame);
}

CancelAnswer ReadBase::cancel(Leaf* leaf) noexcept {
    auto* const read = static_cast<ReadBase*>(leaf);
    if (read->state_ != State::waiting) return CancelAnswer::pending;  // run() will see it
    if (!read->inlet_->stop_pulling()) return CancelAnswer::pending;
    read->state_ = State::woken;
    return CancelAnswer::resume;
}

void ReadBase::check_cancelled() {
    if (frame == nullptr || frame->task->pending == 0) return;
    give_back();
    throw take_cancel(frame->task);
}

void ReadBase::give_back() noexcept {
    if ((want_ == Want::into_some || want_ == Want::into_all) && progress_ != 0) {
        inlet_->put_back(target_, std::exchange(progress_, 0));
    }
}

void ReadBase::end() noexcept {
    if (state_ == State::waiting) inlet_->stop_pulling();
    state_ = State::idle;
    inlet_->reader = nullptr;
    inlet_->drop();
}

std::string ReadBase::take_text() {
    const ReadEnding ending(*this);
    check_cancelled();
    const std::size_t unread = inlet_->unread().size();
    switch (want_) {
        case Want::some:
            if (amount_ == 0) return {};
            if (unread != 0) return inlet_->take(std::min(amount_, unread));
            if (inlet_->error != nullptr) std::rethrow_exception(inlet_->error);
            return {};
        case Want::exactly:
            if (unread >= amount_) return inlet_->take(amount_);
            if (inlet_->error != nullptr) std::rethrow_exception(inlet_->error);
            throw IncompleteReadError(inlet_->take(unread), amount_);
        case Want::all:
            if (inlet_->error != nullptr) std::rethrow_exception(inlet_->error);
            return inlet_->take(unread);
        default: return take_line();
    }
}

std::string ReadBase::take_line() {
    if (!search()) {
        if (inlet_->error != nullptr) std::rethrow_exception(inlet_->error);
        std::string rest = inlet_->take(inlet_->unread().size());
        if (want_ == Want::line) return rest;
        throw IncompleteReadError(std::move(rest), std::nullopt);
    }
    if (overrun_) throw_overrun("separator is not found, and the chunk exceeds the limit");
    if (progress_ > inlet_->limit)
        throw_overrun("separator is found, but the chunk is longer than the limit");
    return inlet_->take(progress_ + found_length());
}

void ReadBase::throw_overrun(const char* text) {
    const std::size_t consumed = progress_;
    if (want_ != Want::line) throw LimitOverrunError(text, consumed);
    inlet_->consume(found_ ? consumed + amount_ : inlet_->unread().size());
    throw ValueError(std::string("readline: ") + text);
}

std::size_t ReadBase::take_count() {
    const ReadEnding ending(*this);
    check_cancelled();
    if (progress_ < amount_ && !inlet_->unread().empty() && (want_ == Want::into_all || progress_ == 0)) {
        inlet_->consume(take_directly(inlet_->unread().data(), inlet_->unread().size()));
    }
    if (progress_ == amount_ || (want_ == Want::into_some && progress_ != 0)) return progress_;
    if (inlet_->error != nullptr) {
        give_back();
        std::rethrow_exception(inlet_->error);
    }
    if (want_ == Want::into_some) return 0;
    throw IncompleteReadError(std::string(target_, progress_), amount_);
}

bool ReadBase::take_more() {
    const ReadEnding ending(*this);
    check_cancelled();
    if (inlet_->unread().size() > amount_) return true;
    if (inlet_->error != nullptr) std::rethrow_exception(inlet_->error);
    return false;
}

}  // namespace detail

// ---- the handle ---------------------------------------------------------------------------------

std::string_view StreamReader::buffered() const noexcept { return detail::on_top(*inlet_).unread(); }

void StreamReader::consume(std::size_t n) {
    detail::Inlet& inlet = detail::on_top(*inlet_);
    if (n > inlet.unread().size()) throw ValueError("consume: so many bytes are not buffered");
    inlet.consume(n);
}

bool StreamReader::at_eof() const noexcept {
    const detail::Inlet& inlet = detail::on_top(*inlet_);
    return inlet.eof && inlet.unread().empty();
}

std::size_t StreamReader::limit() const noexcept { return inlet_->limit; }

std::size_t StreamReader::checked_count(std::ptrdiff_t n) {
    if (n < 0) throw ValueError("readexactly: the size cannot be negative");
    return static_cast<std::size_t>(n);
}

std::string_view StreamReader::checked_separator(std::string_view separator) {
    if (separator.empty()) throw ValueError("readuntil: the separator has at least one byte");
    return separator;
}

void StreamReader::check_separators(std::span<const std::string_view> separators) {
    if (separators.empty()) throw ValueError("readuntil: there is at least one separator");
    for (const std::string_view separator : separators) static_cast<void>(checked_separator(separator));
}

void StreamReader::drop() noexcept {
    detail::on_top(*inlet_).reader_dropped();
    inlet_->drop();
}

}}  // namespace asyncio::v1

// Descriptors that are not the library's: wait_readable, wait_writable, add_reader, add_writer.
//
// A backend takes one operation of each direction on a descriptor; the table says who has it, so that a
// second one is an error with a name and no assertion. It has also been told which descriptors the streams
// have.
//
// The callback of add_reader is called again and again while the descriptor is ready, once in each iteration,
// as in Python: the operation is submitted anew after the callback has run, and level triggered. A watch that
// is removed while the kernel holds its operation, or while its call stands in the ready queue, stays until
// that has ended; one that is added again meanwhile is the same watch.
#include "asyncio/core/descriptor.hpp"

#include <algorithm>
#include <cerrno>
#include <string>

#include "asyncio/base/error.hpp"
#include "asyncio/core/event_loop.hpp"
#include "detail/context_slot.hpp"
#include "detail/descriptor_table.hpp"
#include "detail/loop_impl.hpp"

namespace asyncio { inline namespace v1 {
namespace detail {

namespace {

constexpr std::uint8_t of_stream = 4;
constexpr std::uint8_t mark_of(Direction direction) noexcept {
    return direction == Direction::reading ? 1 : 2;
}
constexpr OperationKind kind_of(Direction direction) noexcept {
    return direction == Direction::reading ? OperationKind::wait_readable : OperationKind::wait_writable;
}
std::string subject(int fd, Direction direction) {
    return "waiting until descriptor " + std::to_string(fd) + " can be " +
           (direction == Direction::reading ? "read" : "written");
}

}  // namespace

// ---- a coroutine's wait -------------------------------------------------------------------------

constexpr LeafOps DescriptorWait::reading_ops_{&cancel, nullptr, "wait_readable"};
constexpr LeafOps DescriptorWait::writing_ops_{&cancel, nullptr, "wait_writable"};

DescriptorWait::DescriptorWait(int fd, Direction direction) noexcept
    : Leaf(direction == Direction::reading ? &reading_ops_ : &writing_ops_),
      Operation(kind_of(direction), fd, &ready) {}

DescriptorWait::DescriptorWait(DescriptorWait&& other) noexcept
    : DescriptorWait(other.descriptor, other.direction()) {
    ASYNCIO_ASSERT(other.frame == nullptr, "an awaiter is movable until it is awaited");
}

DescriptorWait::~DescriptorWait() { ASYNCIO_ASSERT(!held, "a task ends while it waits for a descriptor"); }

void DescriptorWait::start() {
    LoopImpl* const loop = impl_of(current_loop);
    loop->descriptors->claim(descriptor, direction(), ops->what);
    claimed_ = true;
    if (loop->backend->submit(*this)) return push_frame(loop, frame);
    suspend_on(this);
}

void DescriptorWait::await_resume() {
    if (std::exchange(claimed_, false)) impl_of(current_loop)->descriptors->release(descriptor, direction());
    throw_if_cancelled(current_loop->current);
    if (result < 0) throw_os_error(static_cast<int>(-result), subject(descriptor, direction()));
}

CancelAnswer DescriptorWait::cancel(Leaf* leaf) noexcept {
    auto* const wait = static_cast<DescriptorWait*>(leaf);
    return impl_of(current_loop)->backend->cancel(*wait) ? CancelAnswer::resume : CancelAnswer::pending;
}

void DescriptorWait::ready(Operation* operation) noexcept { wake(static_cast<DescriptorWait*>(operation)); }

// ---- a callback's -------------------------------------------------------------------------------

/// Its call stands in the ready queue as this leaf; the slot there is set aside for as long as it lives.
class DescriptorWatch final : public Leaf, public Operation {
  public:
    DescriptorWatch(DescriptorTable& table, int fd, Direction d) noexcept
        : Leaf(&ops_), Operation(kind_of(d), fd, &ready), direction(d), table_(table) {}

    /// Gives an errno value, negative, if the kernel refuses.
    int arm() noexcept {
        if (!table_.loop_.backend->submit(*this)) return 0;
        if (result < 0) return static_cast<int>(result);
        queue();
        return 0;
    }
    bool busy() const noexcept { return held || queued_ || running_; }

    const Direction direction;
    std::shared_ptr<UniqueFunction<void()>> function;  // null: removed
    ContextRef context;                                // in which it runs; null: an empty one

  private:
    void queue() noexcept {
        queued_ = true;
        push_leaf(&table_.loop_, this);
    }
    static void ready(Operation* operation) noexcept {
        auto* const watch = static_cast<DescriptorWatch*>(operation);
        // A cancelled one ends by its turn in the queue, too: nothing is freed from inside the backend.
        watch->queue();
    }
    static void run(Leaf* leaf) noexcept {
        auto* const watch = static_cast<DescriptorWatch*>(leaf);
        LoopImpl* const loop = &watch->table_.loop_;
        watch->queued_ = false;
        if (watch->result > 0) {
            watch->running_ = true;
            loop->enter_callback_context(watch->context);
            if (const auto function = watch->function) call(loop, *function);
            watch->running_ = false;
            if (current_loop != loop) return;  // in a child process made there
            loop->leave_callback_context();
        }
        int error = watch->result < 0 && watch->result != -ECANCELED ? static_cast<int>(watch->result) : 0;
        if (error == 0 && watch->function != nullptr) error = watch->arm();
        if (error != 0 && watch->function != nullptr) {
            report_exception(loop, "Exception in add_reader or add_writer: it was removed",
                             make_os_error(-error, subject(watch->descriptor, watch->direction)), nullptr);
        }
        if (error != 0 || watch->function == nullptr) watch->table_.erase(watch);
    }
    static void call(LoopImpl* loop, const UniqueFunction<void()>& function) noexcept {
        try {
            function();
        } catch (...) {
            report_exception(loop, "Exception in callback of a descriptor", std::current_exception(),
                             nullptr);
        }
    }
    static constexpr LeafOps ops_{[](Leaf*) noexcept { return CancelAnswer::pending; }, &run, "callback"};

    DescriptorTable& table_;
    bool queued_ = false;
    bool running_ = false;
};

// ---- the table ----------------------------------------------------------------------------------

DescriptorTable::DescriptorTable(LoopImpl& loop) noexcept : loop_(loop) {}
DescriptorTable::~DescriptorTable() = default;

namespace {

constexpr std::uint64_t key_of(int fd, Direction direction) noexcept {
    return static_cast<std::uint64_t>(static_cast<unsigned>(fd)) << 1 |
           (direction == Direction::reading ? 0u : 1u);
}

}  // namespace

void DescriptorTable::give_to_stream(int fd) noexcept {
    try {
        if (static_cast<std::size_t>(fd) >= marks_.size()) marks_.resize(static_cast<std::size_t>(fd) + 1);
    } catch (const std::bad_alloc&) {
        return;
    }
    marks_[static_cast<std::size_t>(fd)] |= of_stream;
}

void DescriptorTable::take_from_stream(int fd) noexcept {
    if (static_cast<std::size_t>(fd) < marks_.size())
        marks_[static_cast<std::size_t>(fd)] &= static_cast<std::uint8_t>(~of_stream);
}

void DescriptorTable::claim(int fd, Direction direction, const char* what) {
    if (fd < 0) {
        throw ValueError(std::string(what) + ": " + std::to_string(fd) +
                         " is no descriptor: was it closed, or never opened?");
    }
    if (static_cast<std::size_t>(fd) >= marks_.size()) marks_.resize(static_cast<std::size_t>(fd) + 1);
    std::uint8_t& mark = marks_[static_cast<std::size_t>(fd)];
    if ((mark & of_stream) != 0) {
        throw RuntimeError(std::string(what) + ": descriptor " + std::to_string(fd) +
                           " belongs to a stream or server: use that");
    }
    if ((mark & mark_of(direction)) != 0) {
        throw RuntimeError(std::string(what) + ": somebody waits for descriptor " + std::to_string(fd) +
                           " already: wait in one task, or use dup(2)");
    }
    mark |= mark_of(direction);
}

void DescriptorTable::release(int fd, Direction direction) noexcept {
    marks_[static_cast<std::size_t>(fd)] &= static_cast<std::uint8_t>(~mark_of(direction));
}

void DescriptorTable::add_watch(int fd, Direction direction, UniqueFunction<void()> function) {
    loop_.require_open();
    loop_.check_thread("add_reader");
    auto shared = std::make_shared<UniqueFunction<void()>>(std::move(function));
    ContextRef context = inherit_context();
    if (const auto found = watches_.find(key_of(fd, direction)); found != watches_.end()) {
        // Also one that was removed and whose operation has not ended: it is armed anew when that has.
        found->second->function.swap(shared);
        found->second->context.swap(context);
        return;
    }
    claim(fd, direction, direction == Direction::reading ? "add_reader" : "add_writer");
    DescriptorWatch* watch = nullptr;
    try {
        reserve_slot(&loop_);
        try {
            auto made = std::make_unique<DescriptorWatch>(*this, fd, direction);
            watch = made.get();
            watch->function = std::move(shared);
            watch->context = std::move(context);
            watches_.emplace(key_of(fd, direction), std::move(made));
        } catch (...) {
            release_slot(&loop_);
            throw;
        }
    } catch (...) {
        release(fd, direction);
        throw;
    }
    if (const int error = watch->arm(); error != 0) {
        erase(watch);
        throw_os_error(-error, subject(fd, direction));
    }
}

bool DescriptorTable::remove_watch(int fd, Direction direction) noexcept {
    const auto found = watches_.find(key_of(fd, direction));
    if (found == watches_.end() || found->second->function == nullptr) return false;
    DescriptorWatch* const watch = found->second.get();
    const auto function = std::exchange(watch->function, nullptr);  // dies last
    if (watch->held) loop_.backend->cancel(*watch);
    if (!watch->busy()) erase(watch);
    return true;
}

void DescriptorTable::remove_all() noexcept {
    // What a callback owned may remove others when it goes, so each search begins anew.
    const auto wanted = [](const auto& entry) { return entry.second->function != nullptr; };
    for (;;) {
        const auto found = std::find_if(watches_.begin(), watches_.end(), wanted);
        if (found == watches_.end()) return;
        remove_watch(found->second->descriptor, found->second->direction);
    }
}

void DescriptorTable::erase(DescriptorWatch* watch) noexcept {
    release(watch->descriptor, watch->direction);
    release_slot(&loop_);
    // Dies last: what its callback owns may come back here.
    const auto gone = watches_.extract(key_of(watch->descriptor, watch->direction));
}

}  // namespace detail

bool EventLoop::remove_watch(int fd, detail::Direction direction) {
    impl_->check_thread("remove_reader");
    return !impl_->closed && impl_->descriptors->remove_watch(fd, direction);
}
void EventLoop::add_watch(int fd, detail::Direction direction, UniqueFunction<void()>&& function) {
    const detail::OnLoop on(impl_.get());
    impl_->descriptors->add_watch(fd, direction, std::move(function));
}

}}  // namespace asyncio::v1

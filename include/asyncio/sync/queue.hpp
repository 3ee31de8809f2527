// Queue, PriorityQueue, LifoQueue.
#pragma once
#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>

#include "asyncio/core/wait_queue.hpp"
#include "asyncio/sync/queue_items.hpp"

namespace asyncio { inline namespace v1 {

/// What all queues have in common, whatever is in them.
///
/// Threads     loop thread
class QueueBase {
  public:
    class Join;

    explicit QueueBase(std::ptrdiff_t maxsize) noexcept
        : limit_(maxsize > 0 ? static_cast<std::size_t>(maxsize) : static_cast<std::size_t>(-1)),
          maxsize_(maxsize) {}
    QueueBase(const QueueBase&) = delete;
    QueueBase& operator=(const QueueBase&) = delete;

    std::size_t qsize() const noexcept { return count_; }
    bool empty() const noexcept { return count_ == 0; }
    /// Never true of one without a limit.
    bool full() const noexcept { return count_ >= limit_; }
    /// As it was made; 0 or less: no limit.
    std::ptrdiff_t maxsize() const noexcept { return maxsize_; }

    /// An item that was got is dealt with. Wakes `join` with the last one.
    /// Throws  ValueError  called more often than there were items
    ///         RuntimeError  this is another thread (debug mode)
    void task_done() {
        check_thread("Queue.task_done");
        if (unfinished_ == 0) [[unlikely]]
            throw_done_too_often();
        if (--unfinished_ == 0) joiners_.unpark_all();
    }
    /// Waits until `task_done` was called for every item that was put.
    ///
    /// Suspends    unless none is unfinished
    /// Cancel      no effect on the queue
    /// Threads     loop thread
    /// Cost        no allocation
    Join join() noexcept;

  protected:
    class Getting;
    class Putting;

    ~QueueBase() = default;

    /// An item is about to be taken by somebody who was not woken for it: if all are promised, one promise is
    /// taken back.
    void claim_item() noexcept {
        if (count_ == getters_.woken() && !shut_down_) [[unlikely]]
            getters_.retract();
    }
    void claim_room() noexcept {
        if (putters_.woken() != 0 && limit_ - count_ == putters_.woken()) [[unlikely]]
            putters_.retract();
    }
    void note_taken() noexcept {
        --count_;
        putters_.unpark_one();
    }
    void note_put() noexcept {
        ++count_;
        ++unfinished_;
        getters_.unpark_one();
    }
    void may_get() const {
        if (count_ == 0) [[unlikely]]
            throw_empty();
    }
    void may_put() const {
        if (shut_down_ || full()) [[unlikely]]
            throw_full();
    }
    bool is_shut_down() const noexcept { return shut_down_; }
    ASYNCIO_ALWAYS_INLINE bool runs_elsewhere() const noexcept { return binding_.runs_elsewhere(); }
    void check_thread(const char* what) const { binding_.check_thread(what); }
    void shut_down(bool immediate) noexcept;

  private:
    [[noreturn]] ASYNCIO_COLD void throw_empty() const;
    [[noreturn]] ASYNCIO_COLD void throw_full() const;
    [[noreturn]] ASYNCIO_COLD static void throw_done_too_often();

    std::size_t count_ = 0;
    std::size_t limit_;
    std::size_t unfinished_ = 0;  // items that were put and are not task_done
    WaitQueue getters_;
    WaitQueue putters_;
    WaitQueue joiners_;
    std::ptrdiff_t maxsize_;
    LoopBinding binding_;
    bool shut_down_ = false;
};

/// The awaiter of `Queue::join`.
class [[nodiscard("nothing is waited for before this is awaited: co_await it")]] QueueBase::Join
    : public Parking<QueueBase::Join> {
  public:
    explicit Join(QueueBase& queue) noexcept : Parking(kind), queue_(&queue) {}
    bool await_ready() const noexcept { return goes_through() && may_go_on(); }
    void start() {
        if (goes_through()) return yield();  // the step's budget is spent, no more
        queue_->binding_.require("Queue");
        park(queue_->joiners_);
    }
    void await_resume() const {
        if (suspended()) throw_if_cancelled();
    }

  private:
    bool goes_through() const noexcept {
        return queue_->unfinished_ == 0 && !queue_->binding_.runs_elsewhere();
    }
    static constexpr WaitKind kind{"Queue.join"};
    QueueBase* queue_;
};

/// A wait for an item.
class QueueBase::Getting : public Parking<QueueBase::Getting> {
  public:
    explicit Getting(QueueBase& queue) noexcept : Parking(kind), base_(&queue) {}
    bool await_ready() const noexcept {
        return base_->count_ != 0 && !base_->runs_elsewhere() && may_go_on();
    }
    void start() {
        if (base_->count_ != 0 || base_->shut_down_ || !base_->binding_.is_here()) [[unlikely]]
            return start_otherwise();
        park(base_->getters_);
    }

  protected:
    /// It has its turn: there is an item, or the queue was shut down; or it throws CancelledError.
    void settle() {
        leave();
        if (cancelled()) [[unlikely]] {
            pass_on();
            throw_if_cancelled();
        }
    }
    /// What it was woken for is for the next.
    void pass_on() noexcept;

    QueueBase& base() const noexcept { return *base_; }

  private:
    void start_otherwise();
    static bool go_on(WaitPlace& waiter) noexcept;
    static const WaitKind kind;
    QueueBase* base_;
};

/// A wait for room.
class QueueBase::Putting : public Parking<QueueBase::Putting> {
  public:
    explicit Putting(QueueBase& queue) noexcept : Parking(kind), base_(&queue) {}
    bool await_ready() const noexcept {
        return !base_->full() && !base_->shut_down_ && !base_->runs_elsewhere() && may_go_on();
    }
    void start() {
        if (!base_->full() || base_->shut_down_ || !base_->binding_.is_here()) [[unlikely]]
            return start_otherwise();
        park(base_->putters_);
    }

  protected:
    void settle() {
        leave();
        if (cancelled()) [[unlikely]] {
            pass_on();
            throw_if_cancelled();
        }
        base_->may_put();
    }
    void pass_on() noexcept;

    QueueBase& base() const noexcept { return *base_; }

  private:
    void start_otherwise();
    static bool go_on(WaitPlace& waiter) noexcept;
    static const WaitKind kind;
    QueueBase* base_;
};

inline QueueBase::Join QueueBase::join() noexcept { return Join(*this); }

/// The queue of `Items`, which say what comes out first: Queue, LifoQueue, PriorityQueue, or one of your own.
///
/// Threads     loop thread
/// Lifetime    must outlive its waiters; destroying it before is an assertion
template <class T, class Items>
class BasicQueue : public QueueBase {
    static_assert(std::is_object_v<T> && std::is_move_constructible_v<T>,
                  "the items of a queue are values that can be moved");

  public:
    using value_type = T;
    class Get;
    class Next;
    class Put;

    /// At most `maxsize` items; 0 or less: any number.
    explicit BasicQueue(std::ptrdiff_t maxsize = 0, Items items = Items())
        requires std::is_move_constructible_v<Items>
        : QueueBase(maxsize), items_(std::move(items)) {}
    explicit BasicQueue(std::ptrdiff_t maxsize = 0)
        requires(!std::is_move_constructible_v<Items>)
        : QueueBase(maxsize) {}

    /// Takes an item; waits until there is one.
    ///
    /// Throws      QueueShutDown  the queue was shut down, and is empty
    /// Suspends    only if it is empty
    /// Cancel      the item stays in the queue
    /// Threads     loop thread
    /// Cost        no allocation
    Get get() noexcept { return Get(*this); }
    /// The same, but the end is a value: `while (auto item = co_await queue.next())`.
    ///
    /// Returns     nothing if the queue was shut down, and is empty
    /// Suspends    only if it is empty
    /// Cancel      the item stays in the queue
    /// Threads     loop thread
    /// Python      no equivalent
    Next next() noexcept { return Next(*this); }
    /// Puts an item; waits until there is room.
    ///
    /// Throws      QueueShutDown  the queue was shut down; std::bad_alloc
    /// Suspends    only if it is full
    /// Cancel      the item was not put, and is destroyed
    /// Threads     loop thread
    template <class U = T>
        requires std::is_constructible_v<T, U&&>
    Put put(U&& item) {
        return Put(*this, std::forward<U>(item));
    }

    /// Throws  QueueEmpty; QueueShutDown  it is empty and was shut down; RuntimeError  this is another thread
    ///         (debug mode)
    T get_nowait() {
        this->check_thread("Queue.get_nowait");
        may_get();
        return take();
    }
    /// Throws  QueueFull; QueueShutDown; std::bad_alloc; RuntimeError  this is another thread (debug mode).
    ///         Nothing has changed then.
    template <class U = T>
        requires std::is_constructible_v<T, U&&>
    void put_nowait(U&& item) {
        this->check_thread("Queue.put_nowait");
        may_put();
        insert(std::forward<U>(item));
    }
    /// The first item, or nothing. Python has no equivalent.
    /// Throws  RuntimeError  this is another thread (debug mode)
    std::optional<T> try_get() {
        this->check_thread("Queue.try_get");
        std::optional<T> item;
        if (!empty()) item.emplace(take());
        return item;
    }

    /// Lets no more items in: `put` throws QueueShutDown, and so does `get` when the queue is empty. With
    /// `immediate` it is emptied now, as if those items were done. All who wait are woken.
    void shutdown(bool immediate = false) noexcept {
        shut_down(immediate);
        if (immediate) items_.clear();
    }

  private:
    T take() {
        claim_item();
        T item = items_.take();
        note_taken();
        return item;
    }
    template <class U>
    void insert(U&& item) {
        claim_room();
        items_.put(std::forward<U>(item));
        note_put();
    }

    Items items_;
};

/// The awaiter of `get`.
template <class T, class Items>
class [[nodiscard("nothing is got before this is awaited: co_await it")]] BasicQueue<T, Items>::Get
    : public QueueBase::Getting {
  public:
    explicit Get(BasicQueue& queue) noexcept : Getting(queue) {}
    ASYNCIO_ALWAYS_INLINE T await_resume() {
        if (suspended()) return take_late();
        return queue().take();
    }

  private:
    ASYNCIO_NOINLINE T take_late() {
        settle();
        queue().may_get();
        try {
            return queue().take();
        } catch (...) {  // the move, or a comparison
            pass_on();
            throw;
        }
    }
    BasicQueue& queue() const noexcept { return static_cast<BasicQueue&>(base()); }
};

/// The awaiter of `next`.
template <class T, class Items>
class [[nodiscard("nothing is got before this is awaited: co_await it")]] BasicQueue<T, Items>::Next
    : public QueueBase::Getting {
  public:
    explicit Next(BasicQueue& queue) noexcept : Getting(queue) {}
    bool await_ready() const noexcept {
        return (!queue().empty() || queue().is_shut_down()) && !queue().runs_elsewhere() && may_go_on();
    }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h, detail::Where where = detail::where_here()) {
        if (!enter(h, where)) return;
        if (queue().is_shut_down() && !queue().runs_elsewhere()) return yield_to_turn();
        start();
    }
    std::optional<T> await_resume() {
        if (suspended()) settle();
        try {
            return queue().try_get();
        } catch (...) {  // the move, or a comparison
            pass_on();
            throw;
        }
    }

  private:
    BasicQueue& queue() const noexcept { return static_cast<BasicQueue&>(base()); }
};

/// The awaiter of `put`; the item lies in it meanwhile.
template <class T, class Items>
class [[nodiscard("nothing is put before this is awaited: co_await it")]] BasicQueue<T, Items>::Put
    : public QueueBase::Putting {
  public:
    template <class U>
    Put(BasicQueue& queue, U&& item) : Putting(queue), item_(std::forward<U>(item)) {}
    ASYNCIO_ALWAYS_INLINE void await_resume() {
        if (suspended()) return put_late();
        queue().insert(std::move(item_));
    }

  private:
    ASYNCIO_NOINLINE void put_late() {
        settle();
        try {
            queue().insert(std::move(item_));
        } catch (...) {
            pass_on();
            throw;
        }
    }
    BasicQueue& queue() const noexcept { return static_cast<BasicQueue&>(base()); }

    T item_;
};

/// Items in the order in which they came.
///
///     Queue<Job> jobs(100);
///     co_await jobs.put(job);                   // waits while there are 100
///     Job next = co_await jobs.get();           // waits until there is one
///     jobs.task_done();                         // for those who wait in jobs.join()
///
/// Those who wait are served in the order in which they came. As in Python, who comes just when there is an
/// item takes it, also if somebody was woken for it: that one waits again.
///
/// Threads     loop thread
/// Lifetime    must outlive its waiters; destroying it before is an assertion
/// Cost        no allocation by waiting; items lie in a ring that doubles when it is full
/// Python      asyncio.Queue
template <class T>
class Queue : public BasicQueue<T, FifoItems<T>> {
  public:
    using BasicQueue<T, FifoItems<T>>::BasicQueue;
};

/// The last item first.
///
/// Threads     loop thread
/// Python      asyncio.LifoQueue
template <class T>
class LifoQueue : public BasicQueue<T, LifoItems<T>> {
  public:
    using BasicQueue<T, LifoItems<T>>::BasicQueue;
};

/// The least item first, by `Compare`.
///
/// Threads     loop thread
/// Cost        put and get are O(log n)
/// Python      asyncio.PriorityQueue
template <class T, class Compare = std::less<T>>
class PriorityQueue : public BasicQueue<T, PriorityItems<T, Compare>> {
  public:
    using BasicQueue<T, PriorityItems<T, Compare>>::BasicQueue;
    explicit PriorityQueue(std::ptrdiff_t maxsize = 0, Compare less = Compare())
        : PriorityQueue::BasicQueue(maxsize, PriorityItems<T, Compare>(std::move(less))) {}
};

}}  // namespace asyncio::v1

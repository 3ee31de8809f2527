// Operations on locks, events, conditions, semaphores and barriers.
#pragma once
#include <asyncio/asyncio.hpp>
#include <memory>
#include <string>

#include "conformance/machine.hpp"

namespace conformance {

/// The primitives of a program.
struct Primitives {
    asyncio::Lock locks[2];
    asyncio::Event events[2];
    asyncio::Condition conditions[2];
    asyncio::Semaphore one;
    asyncio::BoundedSemaphore bounded_two{2};
    asyncio::Semaphore none{0};
    asyncio::Barrier barriers[2] = {asyncio::Barrier(2), asyncio::Barrier(3)};

    asyncio::Semaphore& semaphore(std::size_t slot) {
        return slot == 0 ? one : slot == 1 ? bounded_two : none;
    }
};

/// See README.md, "Synchronisation".
class LockOps : public virtual Machine {
  protected:
    /// Calls `use` with the lock, semaphore or condition that the operation names.
    template <class F>
    auto with_lockable(const Json& op, F use) {
        const std::string& kind = op[1].get_ref<const std::string&>();
        const auto slot = op[2].get<std::size_t>();
        if (kind == "lock") return use(sync_->locks[slot]);
        if (kind == "cond") return use(sync_->conditions[slot]);
        return use(sync_->semaphore(slot));
    }
    void op_release(const Context* context, const Json& op) {
        log(context, "release",
            two_words(op) + with_lockable(op, [](auto& lock) { return attempt([&] { lock.release(); }); }));
    }
    void op_locked(const Context* context, const Json& op) {
        const bool locked = with_lockable(op, [](auto& lock) { return lock.locked(); });
        log(context, "locked", two_words(op) + (locked ? " 1" : " 0"));
    }
    void op_eset(const Context*, const Json& op) { sync_->events[op[1].get<std::size_t>()].set(); }
    void op_eclear(const Context*, const Json& op) { sync_->events[op[1].get<std::size_t>()].clear(); }
    void op_notify(const Context* context, const Json& op) {
        asyncio::Condition& condition = sync_->conditions[op[1].get<std::size_t>()];
        log(context, "notify", slot_text(op) + attempt([&] {
                                   op[2].is_null() ? condition.notify_all()
                                                   : condition.notify(op[2].get<std::size_t>());
                               }));
    }
    void op_bstate(const Context* context, const Json& op) {
        const asyncio::Barrier& barrier = sync_->barriers[op[1].get<std::size_t>()];
        log(context, "bstate",
            slot_text(op) + " " + std::to_string(barrier.n_waiting()) + (barrier.broken() ? " 1" : " 0"));
    }

    template <class Primitive>
    asyncio::Coro<Left> enter(const Context& context, const Json& op, Primitive& primitive) {
        const auto body = [&] {
            log(&context, "entered", two_words(op));
            return run(context, op[3]);
        };
        Left left;
        std::exception_ptr error;
        try {
            left = co_await asyncio::with(primitive, body);
        } catch (...) {
            error = std::current_exception();
        }
        log(&context, "left", two_words(op) + " " + (error != nullptr ? describe(error) : "ok"));
        if (error != nullptr) std::rethrow_exception(error);
        co_return left;
    }
    asyncio::Coro<Left> do_with(const Context& context, const Json& op) {
        if (op[1] == "bar") return enter(context, op, sync_->barriers[op[2].get<std::size_t>()]);
        return with_lockable(op, [&](auto& lock) { return enter(context, op, lock); });
    }
    template <class Primitive>
    asyncio::Coro<Left> acquire(const Context& context, const Json& op, Primitive& primitive) {
        co_await primitive.acquire();
        log(&context, "acquire", two_words(op));
        co_return Left();
    }
    asyncio::Coro<Left> do_acquire(const Context& context, const Json& op) {
        return with_lockable(op, [&](auto& lock) { return acquire(context, op, lock); });
    }
    asyncio::Coro<Left> do_ewait(const Context& context, const Json& op) {
        co_await sync_->events[op[1].get<std::size_t>()].wait();
        log(&context, "ewait", slot_text(op));
        co_return Left();
    }
    asyncio::Coro<Left> do_cwait(const Context& context, const Json& op) {
        co_await sync_->conditions[op[1].get<std::size_t>()].wait();
        log(&context, "cwait", slot_text(op));
        co_return Left();
    }
    asyncio::Coro<Left> do_bwait(const Context& context, const Json& op) {
        const std::size_t index = co_await sync_->barriers[op[1].get<std::size_t>()].wait();
        log(&context, "bwait", slot_text(op) + " " + std::to_string(index));
        co_return Left();
    }
    asyncio::Coro<Left> do_breset(const Context&, const Json& op) {
        co_await sync_->barriers[op[1].get<std::size_t>()].reset();
        co_return Left();
    }
    asyncio::Coro<Left> do_babort(const Context&, const Json& op) {
        co_await sync_->barriers[op[1].get<std::size_t>()].abort();
        co_return Left();
    }

  private:
    std::unique_ptr<Primitives> sync_ = std::make_unique<Primitives>();
};

}  // namespace conformance

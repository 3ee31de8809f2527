// Operations on queues.
#pragma once
#include <asyncio/asyncio.hpp>
#include <memory>
#include <string>

#include "conformance/machine.hpp"

namespace conformance {

/// The queues of a program.
struct Queues {
    asyncio::Queue<int> bounded{1};
    asyncio::Queue<int> unbounded;
    asyncio::LifoQueue<int> lifo{2};
    asyncio::PriorityQueue<int> priority{2};
};

/// See README.md, "Synchronisation".
class QueueOps : public virtual Machine {
  protected:
    /// Calls `use` with the queue in the slot.
    template <class F>
    auto with_queue(const Json& op, F use) {
        switch (op[1].get<int>()) {
            case 0: return use(queues_->bounded);
            case 1: return use(queues_->unbounded);
            case 2: return use(queues_->lifo);
            default: return use(queues_->priority);
        }
    }
    void op_put_nowait(const Context* context, const Json& op) {
        log(context, "put_nowait", slot_text(op) + with_queue(op, [&](auto& queue) {
                                       return attempt([&] { queue.put_nowait(op[2].get<int>()); });
                                   }));
    }
    void op_get_nowait(const Context* context, const Json& op) {
        log(context, "get_nowait", slot_text(op) + with_queue(op, [](auto& queue) {
                                       return attempt([&] { return queue.get_nowait(); });
                                   }));
    }
    void op_qdone(const Context* context, const Json& op) {
        log(context, "qdone",
            slot_text(op) + with_queue(op, [](auto& queue) { return attempt([&] { queue.task_done(); }); }));
    }
    void op_qshut(const Context*, const Json& op) {
        with_queue(op, [&](auto& queue) { queue.shutdown(op[2].get<int>() != 0); });
    }
    void op_qsize(const Context* context, const Json& op) {
        log(context, "qsize", slot_text(op) + with_queue(op, [](auto& queue) {
                                  return " " + std::to_string(queue.qsize()) + (queue.full() ? " 1" : " 0");
                              }));
    }

    template <class Queue>
    asyncio::Coro<Left> put_into(const Context& context, const Json& op, Queue& queue) {
        co_await queue.put(op[2].get<int>());
        log(&context, "put", slot_text(op));
        co_return Left();
    }
    asyncio::Coro<Left> do_put(const Context& context, const Json& op) {
        return with_queue(op, [&](auto& queue) { return put_into(context, op, queue); });
    }
    template <class Queue>
    asyncio::Coro<Left> get_from(const Context& context, const Json& op, Queue& queue) {
        const int value = co_await queue.get();
        log(&context, "get", slot_text(op) + " " + std::to_string(value));
        co_return Left();
    }
    asyncio::Coro<Left> do_get(const Context& context, const Json& op) {
        return with_queue(op, [&](auto& queue) { return get_from(context, op, queue); });
    }
    template <class Queue>
    asyncio::Coro<Left> join_all(const Context& context, const Json& op, Queue& queue) {
        co_await queue.join();
        log(&context, "join", slot_text(op));
        co_return Left();
    }
    asyncio::Coro<Left> do_join(const Context& context, const Json& op) {
        return with_queue(op, [&](auto& queue) { return join_all(context, op, queue); });
    }

  private:
    std::unique_ptr<Queues> queues_ = std::make_unique<Queues>();
};

}  // namespace conformance

// Operations on futures.
#pragma once
#include <asyncio/asyncio.hpp>
#include <map>
#include <string>
#include <string_view>

#include "conformance/machine.hpp"

namespace conformance {

/// `futures_` are the future slots.
class FutureOps : public virtual Machine {
  protected:
    /// Handles outlive the loop here: nothing is to be said of failures that nobody looked at.
    void forget_future_errors() noexcept {
        for (const auto& [slot, future] : futures_) {
            if (future.done() && !future.cancelled()) static_cast<void>(future.exception());
        }
    }

    void put_future(int slot, const asyncio::Future<int>& future) { futures_.insert_or_assign(slot, future); }
    const asyncio::Future<int>* future(const Context* context, std::string_view op, int slot) {
        const auto found = futures_.find(slot);
        if (found != futures_.end()) return &found->second;
        log(context, "empty", op);
        return nullptr;
    }
    void op_fut(const Context*, const Json& op) {
        put_future(op[1].get<int>(), asyncio::get_running_loop().create_future<int>());
    }
    void op_set(const Context* context, const Json& op) {
        const int slot = op[1].get<int>();
        const auto* found = future(context, "set", slot);
        if (found == nullptr) return;
        try {
            found->set_result(op[2].get<int>());
        } catch (const asyncio::InvalidStateError&) {
            return log(context, "set", std::to_string(slot) + " InvalidStateError");
        }
        log(context, "set", std::to_string(slot) + " ok");
    }
    void op_fail(const Context* context, const Json& op) {
        const int slot = op[1].get<int>();
        const auto* found = future(context, "fail", slot);
        if (found == nullptr) return;
        try {
            found->set_exception(asyncio::ValueError(std::to_string(op[2].get<int>())));
        } catch (const asyncio::InvalidStateError&) {
            return log(context, "fail", std::to_string(slot) + " InvalidStateError");
        }
        log(context, "fail", std::to_string(slot) + " ok");
    }
    void op_fcancel(const Context* context, const Json& op) {
        const int slot = op[1].get<int>();
        if (const auto* found = future(context, "fcancel", slot)) {
            const bool accepted = found->cancel(message_of(op));
            log(context, "fcancel", std::to_string(slot) + (accepted ? " 1" : " 0"));
        }
    }
    void op_fstate(const Context* context, const Json& op) {
        const int slot = op[1].get<int>();
        if (const auto* found = future(context, "fstate", slot)) {
            const std::string state = found->cancelled() ? "cancelled" : found->done() ? "done" : "pending";
            log(context, "fstate", std::to_string(slot) + " " + state);
        }
    }
    void op_fcb(const Context* context, const Json& op) {
        if (const auto* found = future(context, "fcb", op[1].get<int>())) {
            found->add_done_callback([this, label = op[2].get<std::string>()] { log(nullptr, "cb", label); });
        }
    }

    asyncio::Coro<Left> do_fawait(const Context& context, const Json& op) {
        const int slot = op[1].get<int>();
        const auto* const found = future(&context, "fawait", slot);
        if (found == nullptr) co_return Left();
        const asyncio::Future<int> awaited = *found;
        const int value = co_await awaited;
        log(&context, "fawait", std::to_string(slot) + " " + std::to_string(value));
        co_return Left();
    }
    asyncio::Coro<Left> do_wait_for_fut(const Context& context, const Json& op) {
        const int slot = op[1].get<int>();
        const auto* const found = future(&context, "wait_for_fut", slot);
        if (found == nullptr) co_return Left();
        const asyncio::Future<int> awaited = *found;
        const int value = co_await asyncio::wait_for(awaited, milliseconds(op[2]));
        log(&context, "wait_for_fut", std::to_string(slot) + " " + std::to_string(value));
        co_return Left();
    }

  private:
    std::map<int, asyncio::Future<int>> futures_;
};

}  // namespace conformance

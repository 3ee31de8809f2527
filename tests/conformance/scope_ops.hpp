// Timeouts and task groups.
#pragma once
#include <asyncio/asyncio.hpp>
#include <exception>
#include <string>

#include "conformance/machine.hpp"

namespace conformance {

/// What is inside of them runs in a Context that knows them.
class ScopeOps : public virtual Machine {
  protected:
    void op_resched(const Context* context, const Json& op) {
        const auto depth = op[1].get<std::size_t>();
        if (depth >= context->timeouts.size()) return log(context, "empty", "resched");
        asyncio::TimePoint when = asyncio::TimePoint::max();
        if (!op[2].is_null()) when = asyncio::get_running_loop().time() + milliseconds(op[2]);
        context->timeouts[context->timeouts.size() - 1 - depth]->reschedule(when);
    }

    asyncio::Coro<Left> do_timeout(const Context& context, const Json& op) {
        asyncio::Timeout scope = asyncio::timeout(milliseconds(op[1]));
        co_return co_await in_timeout(context, scope, op[2]);
    }
    asyncio::Coro<Left> do_timeout_at(const Context& context, const Json& op) {
        asyncio::Timeout scope = asyncio::timeout_at(began_ + milliseconds(op[1]));
        co_return co_await in_timeout(context, scope, op[2]);
    }
    asyncio::Coro<Left> in_timeout(const Context& context, asyncio::Timeout& scope, const Json& ops) {
        Context inside = context;
        inside.timeouts.push_back(&scope);
        const auto body = [&](asyncio::Timeout&) { return run(inside, ops); };
        Left left;
        std::exception_ptr error;
        try {
            left = co_await asyncio::with(scope, body);
        } catch (...) {
            error = std::current_exception();
        }
        const std::string expired = scope.expired() ? "1 " : "0 ";
        log(&context, "timeout", expired + (error != nullptr ? describe(error) : "ok"));
        if (error != nullptr) std::rethrow_exception(error);
        co_return left;
    }
    asyncio::Coro<Left> do_group(const Context& context, const Json& op) {
        asyncio::TaskGroup group;
        Context inside = context;
        inside.group = &group;
        const auto body = [&](asyncio::TaskGroup&) { return run(inside, op[1]); };
        Left left;
        std::exception_ptr error;
        try {
            left = co_await asyncio::with(group, body);
        } catch (...) {
            error = std::current_exception();
        }
        log(&context, "group", error != nullptr ? describe(error) : "ok");
        if (error != nullptr) std::rethrow_exception(error);
        co_return left;
    }
};

}  // namespace conformance

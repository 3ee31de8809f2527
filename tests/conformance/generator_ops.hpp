// Async generators: their bodies, and what asks them.
#pragma once
#include <asyncio/asyncio.hpp>
#include <exception>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "conformance/machine.hpp"

namespace conformance {

/// `generators_` are the generator slots. A body runs in a Context of its own.
class GeneratorOps : public virtual Machine {
  protected:
    using Generator = asyncio::AsyncGenerator<int, int>;

    /// It yields only here, so a `gtry` has no blocks inside.
    Generator generator(Context context, const Json& ops) {
        for (const Json& op : ops) {
            const bool block = op[0] == "gtry";
            const Json steps = block ? op[1] : Json(1, op);
            std::exception_ptr error;
            bool left = false;
            try {
                for (const Json& step : steps) {
                    if (step[0] == "yield") {
                        const std::optional<int> sent = co_yield step[1].get<int>();
                        note_sent(context, sent);
                        continue;
                    }
                    left = co_await leaves(context, step);
                    if (left) break;
                }
            } catch (...) {
                error = std::current_exception();
            }
            if (const Json* const clause = clause_for(op, error)) {
                log(&context, "caught", describe(error));
                Context inside = context;
                inside.caught = std::exchange(error, nullptr);
                try {
                    for (const Json& step : (*clause)[1]) {
                        if (step[0] == "yield") {
                            const std::optional<int> sent = co_yield step[1].get<int>();
                            note_sent(context, sent);
                            continue;
                        }
                        left = co_await leaves(inside, step);
                        if (left) break;
                    }
                } catch (...) {
                    error = std::current_exception();
                }
            }
            const Json cleanup = block ? op[3] : Json::array();
            for (const Json& step : cleanup) {  // what it throws takes the error's place
                if (step[0] == "yield") {
                    const std::optional<int> sent = co_yield step[1].get<int>();
                    note_sent(context, sent);
                } else {
                    co_await leaves(context, step);
                }
            }
            if (error != nullptr) std::rethrow_exception(error);
            if (left) co_return;
        }
    }

    void op_gen(const Context*, const Json& op) {
        const int slot = op[1].get<int>();
        Context inside(interpreter(), "g" + std::to_string(slot));
        generators_.insert_or_assign(slot, generator(std::move(inside), proc_ops(op[2].get<int>())));
    }

    asyncio::Coro<Left> do_anext(const Context& context, const Json& op) {
        const std::optional<int> item = co_await of(op).next();
        log_item(context, "anext", op, item);
        co_return Left();
    }
    asyncio::Coro<Left> do_asend(const Context& context, const Json& op) {
        const std::optional<int> item = co_await of(op).asend(op[2].get<int>());
        log_item(context, "asend", op, item);
        co_return Left();
    }
    asyncio::Coro<Left> do_athrow(const Context& context, const Json& op) {
        const std::exception_ptr error = error_to_throw(op[2]);
        const std::optional<int> item = co_await of(op).athrow(error);
        log_item(context, "athrow", op, item);
        co_return Left();
    }
    asyncio::Coro<Left> do_aclose(const Context& context, const Json& op) {
        co_await of(op).aclose();
        log(&context, "aclose", slot_text(op));
        co_return Left();
    }
    asyncio::Coro<Left> do_gfor(const Context& context, const Json& op) {
        while (auto item = co_await of(op).next()) {
            log_item(context, "item", op, item);
            const Left left = co_await run(context, op[2]);
            if (left.has_value()) co_return left;
        }
        co_return Left();
    }
    asyncio::Coro<Left> do_gwith(const Context& context, const Json& op) {
        const auto body = [&] { return run(context, op[2]); };
        Left left;
        std::exception_ptr error;
        try {
            left = co_await asyncio::with(of(op), body);
        } catch (...) {
            error = std::current_exception();
        }
        log(&context, "closed", slot_text(op) + " " + (error != nullptr ? describe(error) : "ok"));
        if (error != nullptr) std::rethrow_exception(error);
        co_return left;
    }

  private:
    Generator& of(const Json& op) { return generators_.at(op[1].get<int>()); }
    /// One step of a body; true: it was a `ret`.
    asyncio::Coro<bool> leaves(const Context& context, const Json& step) {
        const Json steps(1, step);
        const Left left = co_await run(context, steps);
        co_return left.has_value();
    }
    void note_sent(const Context& context, const std::optional<int>& value) {
        if (value.has_value()) log(&context, "sent", std::to_string(*value));
    }
    void log_item(const Context& context, std::string_view event, const Json& op,
                  const std::optional<int>& item) {
        log(&context, event, slot_text(op) + " " + (item.has_value() ? std::to_string(*item) : "end"));
    }
    /// The first clause of a `gtry` that catches the error, or null.
    static const Json* clause_for(const Json& op, const std::exception_ptr& error) {
        if (error == nullptr || op[0] != "gtry") return nullptr;
        for (const Json& clause : op[2]) {
            if (fits(clause[0].get_ref<const std::string&>(), error)) return &clause;
        }
        return nullptr;
    }
    static std::exception_ptr error_to_throw(const Json& what) {
        if (what == "cancel") return std::make_exception_ptr(asyncio::CancelledError());
        if (what == "exit") return std::make_exception_ptr(asyncio::GeneratorExit());
        return std::make_exception_ptr(asyncio::ValueError(std::to_string(what.get<int>())));
    }

    std::map<int, Generator> generators_;
};

}  // namespace conformance

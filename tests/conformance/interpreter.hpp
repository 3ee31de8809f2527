// Runs one program of the conformance language and writes its trace: interpreter.py once more, on this
// library's public names. README.md defines every operation; both interpreters keep the same order of
// functions.
//
// A procedure is a `Coro<int>`. A list of operations is a coroutine of its own that gives the number of a
// `ret`, or nothing when it went through; block operations await it in place, so the C++ frames nest as the
// program does. What may not be awaited where it is written in Python (inside `catch`) is done after the
// handler, with the exception kept.
#pragma once
#include <algorithm>
#include <asyncio/asyncio.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "conformance/executor_ops.hpp"
#include "conformance/generator_ops.hpp"
#include "conformance/lock_ops.hpp"
#include "conformance/machine.hpp"
#include "conformance/program.hpp"
#include "conformance/queue_ops.hpp"
#include "conformance/scope_ops.hpp"

namespace conformance {

/// The coroutine of every task: the procedure, and a line that says how it ended.
asyncio::Coro<int> task_body(int proc, Context context);

/// One run of one program.
class Interpreter final : public ExecutorOps,
                          public GeneratorOps,
                          public ScopeOps,
                          public LockOps,
                          public QueueOps {
  public:
    explicit Interpreter(const Program& program) : Machine(this, program.procs) {}

    /// Does what asyncio.run does, in virtual time. To be called once.
    void execute(asyncio::Backend backend) {
        asyncio::VirtualClock clock;
        asyncio::RunOptions options;
        options.backend = backend;
        options.clock = &clock;
        try {
            asyncio::Runner runner(options);
            try {
                outcome_ = "value " + std::to_string(runner.run(main()));
            } catch (...) {
                outcome_ = describe(std::current_exception());
            }
            runner.close();
        } catch (...) {
            outcome_ = "closing failed: " + asyncio::describe(std::current_exception());
        }
        forget_errors();
    }
    const std::string& outcome() const noexcept { return outcome_; }

    // ---- operations that never suspend ----------------------------------------------------------

    void run_sync(const Context* context, const Json& op) {
        static const std::unordered_map<std::string_view, SyncOp> ops = {
            {"log", &Interpreter::op_log},
            {"spawn", &Interpreter::op_spawn},
            {"espawn", &Interpreter::op_espawn},
            {"setvar", &Interpreter::op_setvar},
            {"var", &Interpreter::op_var},
            {"cancel", &Interpreter::op_cancel},
            {"state", &Interpreter::op_state},
            {"result", &Interpreter::op_result},
            {"tasks", &Interpreter::op_tasks},
            {"cb", &Interpreter::op_cb},
            {"call_soon", &Interpreter::op_call_soon},
            {"call_later", &Interpreter::op_call_later},
            {"call_at", &Interpreter::op_call_at},
            {"hcancel", &Interpreter::op_hcancel},
            {"fut", &Interpreter::op_fut},
            {"set", &Interpreter::op_set},
            {"fail", &Interpreter::op_fail},
            {"fcancel", &Interpreter::op_fcancel},
            {"fstate", &Interpreter::op_fstate},
            {"fcb", &Interpreter::op_fcb},
            {"raise", &Interpreter::op_raise},
            {"cancel_me", &Interpreter::op_cancel_me},
            {"uncancel", &Interpreter::op_uncancel},
            {"me", &Interpreter::op_me},
            {"raise_timeout", &Interpreter::op_raise_timeout},
            {"raise_cancel", &Interpreter::op_raise_cancel},
            {"reraise", &Interpreter::op_reraise},
            {"gspawn", &Interpreter::op_gspawn},
            {"resched", &Interpreter::op_resched},
            {"release", &Interpreter::op_release},
            {"locked", &Interpreter::op_locked},
            {"eset", &Interpreter::op_eset},
            {"eclear", &Interpreter::op_eclear},
            {"notify", &Interpreter::op_notify},
            {"bstate", &Interpreter::op_bstate},
            {"put_nowait", &Interpreter::op_put_nowait},
            {"get_nowait", &Interpreter::op_get_nowait},
            {"qdone", &Interpreter::op_qdone},
            {"qshut", &Interpreter::op_qshut},
            {"qsize", &Interpreter::op_qsize},
            {"gen", &Interpreter::op_gen},
            {"exec", &Interpreter::op_exec},
            {"gate", &Interpreter::op_gate},
            {"eshut", &Interpreter::op_eshut},
        };
        const auto found = ops.find(op[0].get_ref<const std::string&>());
        if (found == ops.end()) throw std::logic_error("no such operation: " + op.dump());
        (this->*found->second)(context, op);
    }

    // ---- operations that may suspend ------------------------------------------------------------

    asyncio::Coro<Left> run(const Context& context, const Json& ops) override {
        static const std::unordered_map<std::string_view, AsyncOp> awaiting = {
            {"sleep", &Interpreter::do_sleep},
            {"call", &Interpreter::do_call},
            {"await", &Interpreter::do_await},
            {"fawait", &Interpreter::do_fawait},
            {"shield", &Interpreter::do_shield},
            {"gather", &Interpreter::do_gather},
            {"wait", &Interpreter::do_wait},
            {"wait_for", &Interpreter::do_wait_for},
            {"wait_for_call", &Interpreter::do_wait_for_call},
            {"wait_for_fut", &Interpreter::do_wait_for_fut},
            {"as_completed", &Interpreter::do_as_completed},
            {"timeout", &Interpreter::do_timeout},
            {"timeout_at", &Interpreter::do_timeout_at},
            {"group", &Interpreter::do_group},
            {"with", &Interpreter::do_with},
            {"acquire", &Interpreter::do_acquire},
            {"ewait", &Interpreter::do_ewait},
            {"cwait", &Interpreter::do_cwait},
            {"bwait", &Interpreter::do_bwait},
            {"breset", &Interpreter::do_breset},
            {"babort", &Interpreter::do_babort},
            {"put", &Interpreter::do_put},
            {"get", &Interpreter::do_get},
            {"join", &Interpreter::do_join},
            {"anext", &Interpreter::do_anext},
            {"asend", &Interpreter::do_asend},
            {"athrow", &Interpreter::do_athrow},
            {"aclose", &Interpreter::do_aclose},
            {"gfor", &Interpreter::do_gfor},
            {"gwith", &Interpreter::do_gwith},
            {"loop", &Interpreter::do_loop},
            {"try", &Interpreter::do_try},
        };
        for (const Json& op : ops) {
            const std::string& kind = op[0].get_ref<const std::string&>();
            if (kind == "ret") co_return op[1].get<int>();
            const auto found = awaiting.find(kind);
            if (found == awaiting.end()) {
                run_sync(&context, op);
                continue;
            }
            const Left left = co_await (this->*found->second)(context, op);
            if (left.has_value()) co_return left;
        }
        co_return Left();
    }
    asyncio::Coro<int> proc(int number, const Context& context) {
        const Left left = co_await run(context, proc_ops(number));
        co_return left.value_or(0);
    }

  private:
    using SyncOp = void (Interpreter::*)(const Context*, const Json&);
    using AsyncOp = asyncio::Coro<Left> (Interpreter::*)(const Context&, const Json&);

    /// What happens before procedure 0: main's own handle, and the handler.
    asyncio::Coro<int> main() {
        asyncio::EventLoop& loop = asyncio::get_running_loop();
        began_ = loop.time();
        loop.set_exception_handler([this](asyncio::EventLoop&, const asyncio::ExceptionContext& context) {
            if (context.message.starts_with("unhandled exception during asyncio.run() shutdown")) {
                log(nullptr, "handler", "shutdown " + describe(context.exception));
            } else if (context.message.starts_with("Exception in callback")) {
                log(nullptr, "handler", "callback " + describe(context.exception));
            } else if (context.message.find("never retrieved") == std::string::npos) {
                log(nullptr, "handler", context.message);
            }
        });
        const asyncio::AnyTask me = asyncio::current_task();
        me.set_name("m");
        tasks_.emplace(-1, me.as<int>());
        co_return co_await task_body(0, Context(this, "m"));
    }
    /// Handles outlive the loop here: nothing is to be said of failures that nobody looked at.
    void forget_errors() noexcept {
        for (const auto& [slot, task] : tasks_) {
            if (task.done() && !task.cancelled()) static_cast<void>(task.exception());
        }
        forget_future_errors();
    }

    // ---- tasks ----------------------------------------------------------------------------------

    std::string new_name(int slot) {
        const int count = ++spawned_[slot];
        const std::string name = "t" + std::to_string(slot);
        return count == 1 ? name : name + "." + std::to_string(count);
    }
    void put(int slot, const asyncio::Task<int>& task) { tasks_.insert_or_assign(slot, task); }
    const asyncio::Task<int>* task(const Context* context, std::string_view op, int slot) {
        const auto found = tasks_.find(slot);
        if (found != tasks_.end()) return &found->second;
        log(context, "empty", op);
        return nullptr;
    }
    /// The tasks of several slots, empty ones left out.
    struct Found {
        std::vector<int> slots;
        std::vector<asyncio::Task<int>> tasks;

        int slot_of(const asyncio::AnyTask& task) const {
            int slot = 0;
            for (std::size_t i = 0; i != tasks.size(); ++i) {
                if (tasks[i] == task) slot = slots[i];
            }
            return slot;
        }
        std::string slots_of(const std::vector<asyncio::Task<int>>& some) const {
            std::string text;
            for (const auto& each : some) text += (text.empty() ? "" : ",") + std::to_string(slot_of(each));
            return text;
        }
    };
    /// Writes `empty` if there is none, and one was wanted.
    Found taken(const Context& context, std::string_view op, const Json& slots) {
        Found found;
        for (const Json& each : slots) {
            const auto at = tasks_.find(each.get<int>());
            if (at == tasks_.end()) continue;
            found.slots.push_back(at->first);
            found.tasks.push_back(at->second);
        }
        if (found.tasks.empty() && !slots.empty()) log(&context, "empty", op);
        return found;
    }
    static std::string outcome_of(const asyncio::Task<int>& task) {
        try {
            return std::to_string(task.result());
        } catch (...) {
            return describe(std::current_exception(), false);
        }
    }

    // ---- operations that never suspend: everywhere, also in callbacks ---------------------------

    void run_callback(const Json& ops) {
        for (const Json& op : ops) run_sync(nullptr, op);
    }
    void op_log(const Context* context, const Json& op) {
        log(context, "log", op[1].get_ref<const std::string&>());
    }
    void op_spawn(const Context*, const Json& op) { spawn(op, false); }
    void op_espawn(const Context*, const Json& op) { spawn(op, true); }
    void spawn(const Json& op, bool eager) {
        const int slot = op[1].get<int>();
        const std::string name = new_name(slot);
        asyncio::TaskOptions options;
        options.name = name;
        options.eager_start = eager;
        put(slot, asyncio::create_task(task_body(op[2].get<int>(), Context(this, name)), options));
    }
    static const asyncio::ContextVar<int>& variable() {
        static const asyncio::ContextVar<int> made("variable", 0);
        return made;
    }
    void op_setvar(const Context*, const Json& op) { variable().set(op[1].get<int>()); }
    void op_var(const Context* context, const Json&) {
        log(context, "var", std::to_string(variable().get()));
    }
    void op_cancel(const Context* context, const Json& op) {
        const int slot = op[1].get<int>();
        if (const auto* found = task(context, "cancel", slot)) {
            const bool accepted = found->cancel(message_of(op));
            log(context, "cancel", std::to_string(slot) + (accepted ? " 1" : " 0"));
        }
    }
    void op_state(const Context* context, const Json& op) {
        const int slot = op[1].get<int>();
        if (const auto* found = task(context, "state", slot)) {
            const std::string state = found->cancelled() ? "cancelled"
                                      : found->done()    ? "done"
                                                         : "pending " + std::to_string(found->cancelling());
            log(context, "state", std::to_string(slot) + " " + state);
        }
    }
    void op_result(const Context* context, const Json& op) {
        const int slot = op[1].get<int>();
        if (const auto* found = task(context, "result", slot)) {
            log(context, "result", std::to_string(slot) + " " + outcome_of(*found));
        }
    }
    void op_tasks(const Context* context, const Json&) {
        std::string names;
        for (const asyncio::AnyTask& each : asyncio::all_tasks()) {
            const std::string name = each.name();
            if (!name.starts_with("Task-")) names += (names.empty() ? "" : ",") + name;
        }
        log(context, "tasks", names);
    }
    void op_cb(const Context* context, const Json& op) {
        if (const auto* found = task(context, "cb", op[1].get<int>())) {
            found->add_done_callback([this, label = op[2].get<std::string>()] { log(nullptr, "cb", label); });
        }
    }
    void op_call_soon(const Context*, const Json& op) {
        const Json* const ops = &op[2];
        handles_.insert_or_assign(op[1].get<int>(),
                                  asyncio::get_running_loop().call_soon([this, ops] { run_callback(*ops); }));
    }
    void op_call_later(const Context*, const Json& op) {
        const Json* const ops = &op[3];
        handles_.insert_or_assign(
            op[1].get<int>(),
            asyncio::get_running_loop().call_later(milliseconds(op[2]), [this, ops] { run_callback(*ops); }));
    }
    void op_call_at(const Context*, const Json& op) {
        const Json* const ops = &op[3];
        handles_.insert_or_assign(op[1].get<int>(),
                                  asyncio::get_running_loop().call_at(began_ + milliseconds(op[2]),
                                                                      [this, ops] { run_callback(*ops); }));
    }
    void op_hcancel(const Context* context, const Json& op) {
        const auto found = handles_.find(op[1].get<int>());
        if (found == handles_.end()) return log(context, "empty", "hcancel");
        found->second.cancel();
    }
    void op_raise(const Context*, const Json& op) {
        throw asyncio::ValueError(std::to_string(op[1].get<int>()));
    }

    // ---- operations of a task that never suspend ------------------------------------------------

    void op_cancel_me(const Context* context, const Json& op) {
        const std::string message = op.size() > 1 ? op[1].get<std::string>() : std::string();
        log(context, "cancel_me", asyncio::current_task().cancel(message) ? "1" : "0");
    }
    void op_uncancel(const Context* context, const Json&) {
        log(context, "uncancel", std::to_string(asyncio::current_task().uncancel()));
    }
    void op_me(const Context* context, const Json&) {
        log(context, "me", std::to_string(asyncio::current_task().cancelling()));
    }
    void op_raise_timeout(const Context*, const Json&) { throw asyncio::TimeoutError(); }
    void op_raise_cancel(const Context*, const Json&) { throw asyncio::CancelledError(); }
    void op_reraise(const Context* context, const Json&) {
        if (context->caught == nullptr) return log(context, "empty", "reraise");
        std::rethrow_exception(context->caught);
    }
    void op_gspawn(const Context* context, const Json& op) {
        if (context->group == nullptr) return log(context, "empty", "gspawn");
        const int slot = op[1].get<int>();
        Context child(this, new_name(slot));
        child.group = context->group;
        asyncio::TaskOptions options;
        const std::string name = child.name;
        options.name = name;
        put(slot, context->group->create_task(task_body(op[2].get<int>(), std::move(child)), options));
    }
    // ---- operations that may suspend ------------------------------------------------------------

    asyncio::Coro<Left> do_sleep(const Context& context, const Json& op) {
        co_await asyncio::sleep(milliseconds(op[1]));
        log(&context, "slept");
        co_return Left();
    }
    asyncio::Coro<Left> do_call(const Context& context, const Json& op) {
        const int number = op[1].get<int>();
        const int value = co_await proc(number, context);
        log(&context, "call", std::to_string(number) + " " + std::to_string(value));
        co_return Left();
    }
    asyncio::Coro<Left> do_await(const Context& context, const Json& op) {
        const int slot = op[1].get<int>();
        const auto* const found = task(&context, "await", slot);
        if (found == nullptr) co_return Left();
        const asyncio::Task<int> awaited = *found;
        const int value = co_await awaited;
        log(&context, "await", std::to_string(slot) + " " + std::to_string(value));
        co_return Left();
    }
    asyncio::Coro<Left> do_shield(const Context& context, const Json& op) {
        const int slot = op[1].get<int>();
        const auto* const found = task(&context, "shield", slot);
        if (found == nullptr) co_return Left();
        const asyncio::Task<int> inner = *found;
        const int value = co_await asyncio::shield(inner);
        log(&context, "shield", std::to_string(slot) + " " + std::to_string(value));
        co_return Left();
    }
    asyncio::Coro<Left> do_gather(const Context& context, const Json& op) {
        const Found found = taken(context, "gather", op[1]);
        if (found.tasks.empty() && !op[1].empty()) co_return Left();
        std::string parts;
        if (op[2] == 1) {
            const auto outcomes = co_await asyncio::gather(asyncio::return_exceptions, found.tasks);
            for (const asyncio::Outcome<int>& each : outcomes) {
                parts += parts.empty() ? "" : ",";
                parts += each.has_value() ? std::to_string(each.value()) : describe(each.error(), false);
            }
        } else {
            const auto results = co_await asyncio::gather(found.tasks);
            for (const int each : results) parts += (parts.empty() ? "" : ",") + std::to_string(each);
        }
        log(&context, "gather", "[" + parts + "]");
        co_return Left();
    }
    asyncio::Coro<Left> do_wait(const Context& context, const Json& op) {
        const Found found = taken(context, "wait", op[1]);
        if (found.tasks.empty()) co_return Left();
        asyncio::WaitOptions options;
        options.timeout = milliseconds(op[2]);
        if (op[3] == "first") options.return_when = asyncio::FIRST_COMPLETED;
        if (op[3] == "exc") options.return_when = asyncio::FIRST_EXCEPTION;
        const auto sorted = co_await asyncio::wait(found.tasks, options);
        log(&context, "wait", found.slots_of(sorted.done) + "|" + found.slots_of(sorted.pending));
        co_return Left();
    }
    asyncio::Coro<Left> do_wait_for(const Context& context, const Json& op) {
        const int slot = op[1].get<int>();
        const auto* const found = task(&context, "wait_for", slot);
        if (found == nullptr) co_return Left();
        const asyncio::Task<int> awaited = *found;
        const int value = co_await asyncio::wait_for(awaited, milliseconds(op[2]));
        log(&context, "wait_for", std::to_string(slot) + " " + std::to_string(value));
        co_return Left();
    }
    asyncio::Coro<Left> do_wait_for_call(const Context& context, const Json& op) {
        const int number = op[1].get<int>();
        const int value = co_await asyncio::wait_for(proc(number, context), milliseconds(op[2]));
        log(&context, "wait_for_call", std::to_string(number) + " " + std::to_string(value));
        co_return Left();
    }
    asyncio::Coro<Left> do_as_completed(const Context& context, const Json& op) {
        const Found found = taken(context, "as_completed", op[1]);
        if (found.tasks.empty()) co_return Left();
        asyncio::AsCompletedOptions options;
        options.timeout = milliseconds(op[2]);
        auto completed = asyncio::as_completed(found.tasks, options);
        while (auto next = co_await completed.next()) {
            log(&context, "next", std::to_string(found.slot_of(*next)) + " " + outcome_of(*next));
            const Left left = co_await run(context, op[3]);
            if (left.has_value()) co_return left;
        }
        co_return Left();
    }
    asyncio::Coro<Left> do_loop(const Context& context, const Json& op) {
        for (int turns = op[1].get<int>(); turns > 0; --turns) {
            const Left left = co_await run(context, op[2]);
            if (left.has_value()) co_return left;
        }
        co_return Left();
    }
    asyncio::Coro<Left> do_try(const Context& context, const Json& op) {
        Left left;
        std::exception_ptr error;
        try {
            left = co_await run(context, op[1]);
        } catch (...) {
            error = std::current_exception();
        }
        if (error != nullptr) {
            for (const Json& clause : op[2]) {
                if (!fits(clause[0].get_ref<const std::string&>(), error)) continue;
                log(&context, "caught", describe(error));
                Context inside = context;
                inside.caught = std::exchange(error, nullptr);
                try {
                    left = co_await run(inside, clause[1]);
                } catch (...) {
                    error = std::current_exception();
                }
                break;
            }
        }
        if (op.size() > 3)
            co_await run(context, op[3]);  // the `finally`: what it throws takes the error's place
        if (error != nullptr) std::rethrow_exception(error);
        co_return left;
    }

    std::string outcome_;
    std::map<int, asyncio::Task<int>> tasks_;
    std::map<int, asyncio::Handle> handles_;
    std::map<int, int> spawned_;
};

inline asyncio::Coro<int> task_body(int proc, Context context) {
    Interpreter& interpreter = *context.interpreter;
    int value = 0;
    try {
        value = co_await interpreter.proc(proc, context);
    } catch (...) {
        interpreter.log(&context, "end", describe(std::current_exception()));
        throw;
    }
    interpreter.log(&context, "end", std::to_string(value));
    co_return value;
}

}  // namespace conformance

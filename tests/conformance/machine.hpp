// The machine that runs the programs: what all parts of the language share. README.md defines it.
#pragma once
#include <asyncio/asyncio.hpp>
#include <chrono>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "conformance/program.hpp"

namespace conformance {

/// The name of an exception, as README.md defines it.
inline std::string describe(const std::exception_ptr& error, bool with_message = true) {
    if (const auto* cancelled = asyncio::exception_cast<asyncio::CancelledError>(error)) {
        if (!with_message || cancelled->message().empty()) return "CancelledError";
        return "CancelledError(" + std::string(cancelled->message()) + ")";
    }
    if (const auto* value = asyncio::exception_cast<asyncio::ValueError>(error)) {
        // Those of the program carry its number, those of the library a text of its own.
        const std::string text = value->what();
        const bool of_program = text.find_first_not_of("0123456789") == std::string::npos;
        return of_program ? "ValueError(" + text + ")" : "ValueError";
    }
    if (const auto* group = asyncio::exception_cast<asyncio::ExceptionGroup>(error)) {
        std::string members;
        for (const std::exception_ptr& member : group->exceptions()) {
            members += (members.empty() ? "" : ",") + describe(member);
        }
        return "ExceptionGroup[" + members + "]";
    }
    if (asyncio::exception_cast<asyncio::GeneratorExit>(error) != nullptr) return "GeneratorExit";
    if (asyncio::exception_cast<asyncio::TimeoutError>(error) != nullptr) return "TimeoutError";
    if (asyncio::exception_cast<asyncio::BrokenBarrierError>(error) != nullptr) return "BrokenBarrierError";
    if (asyncio::exception_cast<asyncio::QueueShutDown>(error) != nullptr) return "QueueShutDown";
    if (asyncio::exception_cast<asyncio::RuntimeError>(error) != nullptr) return "RuntimeError";
    if (asyncio::exception_cast<asyncio::InvalidStateError>(error) != nullptr) return "InvalidStateError";
    return "unexpected " + asyncio::describe(error);
}

/// Whether an `except` clause of this kind catches the exception.
inline bool fits(const std::string& kind, const std::exception_ptr& error) {
    if (asyncio::exception_cast<asyncio::GeneratorExit>(error) != nullptr) return kind == "exit";
    if (kind == "exit") return false;
    if (kind == "cancel") return asyncio::is_cancelled(error);
    if (kind == "timeout") return asyncio::exception_cast<asyncio::TimeoutError>(error) != nullptr;
    if (kind == "value") return asyncio::exception_cast<asyncio::ValueError>(error) != nullptr;
    if (kind == "group") return asyncio::exception_cast<asyncio::ExceptionGroup>(error) != nullptr;
    if (kind == "runtime") return asyncio::exception_cast<asyncio::RuntimeError>(error) != nullptr;
    if (kind == "error") return !asyncio::is_cancelled(error);
    if (kind == "any") return true;
    throw std::logic_error("no such kind of exception: " + kind);
}

inline asyncio::Duration milliseconds(const Json& value) {
    if (value.is_null()) return asyncio::Duration::none();
    return std::chrono::milliseconds(value.get<int>());
}

class Interpreter;

/// Where a coroutine stands: its task's name and the scopes around the current operation.
struct Context {
    Interpreter* interpreter;
    std::string name;
    asyncio::TaskGroup* group = nullptr;
    std::vector<asyncio::Timeout*> timeouts = {};  // outermost first
    std::exception_ptr caught = nullptr;

    Context(Interpreter* i, std::string n) : interpreter(i), name(std::move(n)) {}
};

/// What a list of operations came to: nothing, or the number of the `ret` that leaves the procedure.
using Left = std::optional<int>;

/// The trace of a run, and how its operations are written. The parts of the language are classes that have
/// this one in common.
class Machine {
  public:
    Machine(Interpreter* interpreter, const Json& procs) : interpreter_(interpreter), procs_(procs) {}
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    /// Writes a line; of a plain callback if there is no context.
    void log(const Context* context, std::string_view event, std::string_view detail = {}) {
        const auto now = (asyncio::get_running_loop().time() - began_) / std::chrono::milliseconds(1);
        std::string line = std::to_string(now) + " " + (context != nullptr ? context->name : "-") + " ";
        line += event;
        if (!detail.empty()) {
            line += " ";
            line += detail;
        }
        trace_.push_back(std::move(line));
    }
    const std::vector<std::string>& trace() const noexcept { return trace_; }

    /// Runs operations in turn.
    virtual asyncio::Coro<Left> run(const Context& context, const Json& ops) = 0;

  protected:
    virtual ~Machine() = default;

    /// What the function gives, or the error that says no.
    template <class F>
    static std::string attempt(F function) {
        try {
            if constexpr (std::is_void_v<decltype(function())>) {
                function();
                return " ok";
            } else {
                return " " + std::to_string(function());
            }
        } catch (const asyncio::RuntimeError&) {
            return " RuntimeError";
        } catch (const asyncio::ValueError&) {
            return " ValueError";
        } catch (const asyncio::QueueEmpty&) {
            return " QueueEmpty";
        } catch (const asyncio::QueueFull&) {
            return " QueueFull";
        } catch (const asyncio::QueueShutDown&) {
            return " QueueShutDown";
        }
    }
    static std::string message_of(const Json& op) {
        return op.size() > 2 ? op[2].get<std::string>() : std::string();
    }
    static std::string two_words(const Json& op) {
        return op[1].get<std::string>() + " " + std::to_string(op[2].get<int>());
    }
    static std::string slot_text(const Json& op) { return std::to_string(op[1].get<int>()); }

    asyncio::TimePoint began_{};

    Interpreter* interpreter() const noexcept { return interpreter_; }
    const Json& proc_ops(int number) const { return procs_[static_cast<std::size_t>(number)]; }

  private:
    Interpreter* interpreter_;
    const Json& procs_;
    std::vector<std::string> trace_;
};

}  // namespace conformance

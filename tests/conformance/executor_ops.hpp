// Calls on executors, with real threads: the programs do not depend on when these answer.
#pragma once
#include <asyncio/asyncio.hpp>
#include <memory>
#include <string>

#include "conformance/future_ops.hpp"
#include "support/gate.hpp"

namespace conformance {

/// Executor 0 has four workers, executor 1 has one.
class ExecutorOps : public FutureOps {
  protected:
    void op_exec(const Context* context, const Json& op) {
        const int slot = op[1].get<int>();
        try {
            put_future(slot, asyncio::get_running_loop().run_in_executor(
                                 pool(op[2]), &call, gate_, op[3].get<std::string>(), op[4].get<int>()));
        } catch (const asyncio::RuntimeError&) {
            return log(context, "exec", std::to_string(slot) + " RuntimeError");
        }
        if (op[3] == "hold") gate_->wait_until_somebody_is_there();  // it has begun, as it has there
    }
    void op_gate(const Context*, const Json&) { gate_->open(); }
    void op_eshut(const Context*, const Json& op) {
        pool(op[1]).shutdown({.wait = false, .cancel_futures = op[2].get<int>() != 0});
    }

  private:
    /// Runs on a thread.
    static int call(const std::shared_ptr<asyncio::test::Gate>& gate, const std::string& what, int value) {
        if (what == "hold") gate->pass();
        if (what == "fail") throw asyncio::ValueError(std::to_string(value));
        return value;
    }
    asyncio::ThreadPoolExecutor& pool(const Json& number) { return number == 0 ? four_ : one_; }

    std::shared_ptr<asyncio::test::Gate> gate_ = std::make_shared<asyncio::test::Gate>();
    asyncio::ThreadPoolExecutor four_{{.max_workers = 4}};
    asyncio::ThreadPoolExecutor one_{{.max_workers = 1}};
};

}  // namespace conformance

// Debug mode: a server that was dropped while it served.
#include <gtest/gtest.h>

#include <string>

#include "debug/debug_support.hpp"
#include "support/loop_fixture.hpp"

namespace asyncio { namespace {

using namespace std::chrono_literals;

class UnclosedServer : public test::BackendTest {};
ASYNCIO_ON_REAL_BACKENDS(UnclosedServer);

Coro<> serve(StreamReader, StreamWriter) { co_return; }

TEST_P(UnclosedServer, IsNamedInDebugModeUnlessItWasClosedOrUsedInAScope) {
    for (const bool debug : {true, false}) {
        debug_test::Warnings warnings;
        run(
            []() -> Coro<> {
                Server closed = co_await start_server(serve, "127.0.0.1", 0);
                closed.close();
                co_await closed.wait_closed();
                auto nothing = [](Server&) {};
                co_await with(start_server(serve, "127.0.0.1", 0), nothing);
                Server dropped = co_await start_server(serve, "127.0.0.1", 0);
            },
            {.debug = debug, .watchdog = 0s});
        EXPECT_EQ(warnings.count("ResourceWarning: unclosed Server on 127.0.0.1:"), debug ? 1u : 0u)
            << warnings.text();
        EXPECT_EQ(warnings.all().size(), debug ? 1u : 0u) << warnings.text();
    }
}

}}  // namespace asyncio

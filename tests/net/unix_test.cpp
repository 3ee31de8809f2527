// Unix sockets: connections, servers, and the files that they leave.
#include "asyncio/net/unix.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <filesystem>

#include "net/net_fixture.hpp"
#include "support/cancel_points.hpp"
#include "support/folder.hpp"

namespace asyncio::test { namespace {

Coro<> shout(StreamReader reader, StreamWriter writer) {
    std::string line = co_await reader.readline();
    for (char& c : line) c = static_cast<char>(std::toupper(c));
    co_await writer.send(line);
    writer.close();
    co_await writer.wait_closed();
}

Coro<std::string> ask(std::string path) {
    auto [reader, writer] = co_await open_unix_connection(path);
    co_await writer.send("hello\n");
    std::string answer = co_await reader.readline();
    writer.close();
    co_await writer.wait_closed();
    co_return answer;
}

class Unix : public BackendTest {};
ASYNCIO_ON_REAL_BACKENDS(Unix);

TEST_P(Unix, AServerAndItsClientTalkThroughAFileThatGoesWithTheServer) {
    run([]() -> Coro<> {
        const Folder folder;
        const std::string path = folder / "server.sock";
        auto server = co_await start_unix_server(shout, path);
        EXPECT_EQ(server.sockets().front().path(), path);
        std::string answer = co_await ask(path);
        EXPECT_EQ(answer, "HELLO\n");
        server.close();
        co_await server.wait_finished();
        EXPECT_FALSE(std::filesystem::exists(path));
        const auto gone = co_await try_wait_for(ask(path), 5s);
        EXPECT_NE(gone.error_as<FileNotFoundError>(), nullptr) << gone.what();
        EXPECT_NE(gone.what().find(path), std::string::npos) << gone.what();
    });
}

TEST_P(Unix, AnAbstractNameNeedsNoFile) {
    run([]() -> Coro<> {
        using namespace std::string_literals;
        const std::string name = "\0asyncio-test-"s + std::to_string(::getpid());
        auto server = co_await start_unix_server(shout, name);
        std::string answer = co_await ask(name);
        EXPECT_EQ(answer, "HELLO\n");
        auto second = co_await try_wait_for([&]() { return start_unix_server(shout, name); }, 5s);
        EXPECT_NE(second.error_as<OSError>(), nullptr) << "it is taken";
        server.close();
        co_await server.wait_finished();
    });
}

TEST_P(Unix, ASocketFileThatWasLeftBehindIsReplacedAndNoOtherFile) {
    run([]() -> Coro<> {
        const Folder folder;
        const std::string path = folder / "left.sock";
        {
            auto crashed = co_await start_unix_server(shout, path, {.cleanup_socket = false});
            crashed.close();
            co_await crashed.wait_closed();
        }
        EXPECT_TRUE(std::filesystem::exists(path));
        const auto refused = co_await try_wait_for(ask(path), 5s);
        EXPECT_NE(refused.error_as<ConnectionRefusedError>(), nullptr) << refused.what();
        auto server = co_await start_unix_server(shout, path);
        std::string answer = co_await ask(path);
        EXPECT_EQ(answer, "HELLO\n");
        server.close();
        co_await server.wait_finished();

        const std::string file = folder / "file";
        ::close(::open(file.c_str(), O_CREAT | O_WRONLY, 0644));
        const auto taken = co_await try_wait_for([&]() { return start_unix_server(shout, file); }, 5s);
        EXPECT_NE(taken.error_as<OSError>(), nullptr);
        EXPECT_NE(taken.what().find(file), std::string::npos) << taken.what();
        EXPECT_TRUE(std::filesystem::exists(file));
    });
}

TEST_P(Unix, AFileThatHasTakenTheServersPlaceIsLeftAlone) {
    run([]() -> Coro<> {
        const Folder folder;
        const std::string path = folder / "server.sock";
        auto first = co_await start_unix_server(shout, path);
        auto second = co_await start_unix_server(shout, path);
        first.close();
        co_await first.wait_closed();
        std::string answer = co_await ask(path);
        EXPECT_EQ(answer, "HELLO\n");
        second.close();
        co_await second.wait_finished();
        EXPECT_FALSE(std::filesystem::exists(path));
    });
}

TEST_P(Unix, PathsThatCannotBeAreNamed) {
    run([]() -> Coro<> {
        EXPECT_THROW(static_cast<void>(open_unix_connection("")), ValueError);
        EXPECT_THROW(static_cast<void>(open_unix_connection(std::string(108, 'x'))), ValueError);
        EXPECT_THROW(static_cast<void>(start_unix_server(shout, "")), ValueError);
        const auto nowhere =
            co_await try_wait_for([]() { return start_unix_server(shout, "/no/such/folder/x.sock"); }, 5s);
        EXPECT_NE(nowhere.error_as<FileNotFoundError>(), nullptr) << nowhere.what();
        EXPECT_NE(nowhere.what().find("/no/such/folder/x.sock"), std::string::npos) << nowhere.what();
    });
}

TEST_P(Unix, CancelledAtAnyPointNoFileIsLeft) {
    const Folder folder;
    const std::string path = folder / "server.sock";
    expect_each_cancel_point(
        [&]() -> Coro<> {
            co_await with(start_unix_server(shout, path), [&]() -> Coro<> {
                std::string answer = co_await ask(path);
                EXPECT_EQ(answer, "HELLO\n");
            });
        },
        [&] { return !std::filesystem::exists(path); },
        {.backend = backend(), .simulate = false, .may_report = true});
}

// Python at the other end, both ways.
TEST_P(Unix, PythonTalksToUs) {
    run([]() -> Coro<> {
        const Folder folder;
        const std::string path = folder / "server.sock";
        auto server = co_await start_unix_server(shout, path);
        const std::string program =
            "python3 -c \"import asyncio\nasync def main():\n"
            "    r, w = await asyncio.open_unix_connection('" +
            path +
            "')\n"
            "    w.write(b'from python\\n')\n"
            "    assert await r.readline() == b'FROM PYTHON\\n'\n"
            "asyncio.run(main())\"";
        int status = co_await to_thread([&] { return std::system(program.c_str()); });
        EXPECT_EQ(status, 0);
        server.close();
        co_await server.wait_finished();
    });
}

}}  // namespace asyncio::test

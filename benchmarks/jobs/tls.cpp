// TLS with both ends in one loop: what=handshake (full ones), resume (short ones), stream (MB/s through one
// connection), idle (memory of a connection that rests, both of its ends together).
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/ours.hpp"

namespace {

using namespace bench;

struct Ends {
    Ends() : made(asyncio::make_self_signed_certificate({"localhost"})) {
        server.load_cert_chain_pem(made.certificate, made.key);
        client.load_verify_locations({.cadata = made.certificate});
    }
    const asyncio::SelfSignedCertificate made;
    asyncio::SslContext server =
        asyncio::create_default_context({.purpose = asyncio::SslPurpose::CLIENT_AUTH});
    asyncio::SslContext client = asyncio::create_default_context();
};

// Sends a byte, takes so many, and sends another one when all have come.
asyncio::Coro<> take_all(asyncio::StreamReader reader, asyncio::StreamWriter writer, std::size_t expected) {
    std::vector<char> memory(256 * 1024);
    co_await writer.send("!");
    while (expected != 0) {
        const std::size_t got = co_await reader.readinto_some(memory);
        bench_prove(got != 0 && got <= expected && memory[0] == 'x' && memory[got - 1] == 'x',
                    "the bytes are those that were sent");
        expected -= got;
    }
    co_await writer.send("!");
}

asyncio::Coro<> rest(asyncio::StreamReader reader, asyncio::StreamWriter writer) {
    try {
        co_await writer.send("!");
        co_await reader.readexactly(1);
    } catch (const asyncio::Error&) {
    } catch (const asyncio::OSError&) {}
}

// The handshake, and the server's byte has come, and with it the tickets before it.
asyncio::Coro<asyncio::Streams> connect(Ends& ends, std::uint16_t port, bool resumed = false) {
    if (!resumed) ends.client.set_minimum_version(asyncio::SslVersion::TLSv1_2);  // forgets the sessions
    asyncio::Streams streams = co_await asyncio::open_connection(
        "127.0.0.1", port, {.ssl = ends.client, .server_hostname = "localhost", .ssl_shutdown_timeout = 0s});
    const std::string byte = co_await streams.reader.readexactly(1);
    const std::optional<asyncio::SslObject> agreed = streams.writer.ssl_object();
    bench_prove(byte == "!", "the server's byte comes");
    bench_prove(agreed->version() == "TLSv1.3" && agreed->getpeercert(), "TLS 1.3, verified");
    bench_prove(agreed->session_reused() == resumed, "resumption");
    co_return streams;
}

asyncio::Coro<> handshakes(Ends& ends, long count, bool resumed) {
    auto server = co_await asyncio::start_server(rest, "127.0.0.1", 0, {.ssl = ends.server});
    const std::uint64_t begin = bench_now_ns();
    for (long i = 0; i < count; ++i) {
        asyncio::Streams streams = co_await connect(ends, server.port(), resumed && i != 0);
        streams.writer.close();
        co_await streams.writer.wait_closed();
    }
    bench_print(resumed ? "tls_resume" : "tls_handshake", impl, 1e9 / ns_each(begin, count), "1/s", "count",
                static_cast<double>(count), nullptr);
    server.close();
    server.abort_clients();
}

asyncio::Coro<> stream(Ends& ends, long megabytes) {
    const auto handle = [megabytes](asyncio::StreamReader reader, asyncio::StreamWriter writer) {
        return take_all(std::move(reader), std::move(writer),
                        static_cast<std::size_t>(megabytes) * 1'000'000);
    };
    auto server = co_await asyncio::start_server(handle, "127.0.0.1", 0, {.ssl = ends.server});
    asyncio::Streams streams = co_await connect(ends, server.port());
    const std::string piece(1'000'000, 'x');
    const std::uint64_t begin = bench_now_ns();
    for (long i = 0; i < megabytes; ++i) co_await streams.writer.send(piece);
    co_await streams.reader.readexactly(1);  // every byte has come
    bench_print("tls_stream", impl, 1e9 / ns_each(begin, megabytes), "MB/s", "count",
                static_cast<double>(megabytes), nullptr);
    streams.writer.close();
    co_await streams.writer.wait_closed();
    server.close();
    server.abort_clients();
}

asyncio::Coro<> idle(Ends& ends, long count) {
    const long warm = 20;  // what the first ones alone cost is not counted
    auto server = co_await asyncio::start_server(rest, "127.0.0.1", 0, {.backlog = 4096, .ssl = ends.server});
    std::vector<asyncio::Streams> all;
    all.reserve(static_cast<std::size_t>(count));
    for (long i = 0; i < warm; ++i) all.push_back(co_await connect(ends, server.port()));
    const double before = bench_resident();
    for (long i = warm; i < count; ++i) all.push_back(co_await connect(ends, server.port()));
    bench_print("tls_idle", impl, (bench_resident() - before) / static_cast<double>(count - warm), "B",
                "count", static_cast<double>(count), nullptr);
    for (asyncio::Streams& each : all) each.writer.abort();
    server.close();
    server.abort_clients();
    co_await server.wait_finished();
}

}  // namespace

int main(int argc, char** argv) {
    Ends ends;
    const char* const what = bench_text(argc, argv, "what", "handshake");
    const asyncio::RunOptions options = run_options(argc, argv);
    if (bench_is(what, "stream")) {
        asyncio::run(stream(ends, bench_count(argc, argv, "count", 1000)), options);
    } else if (bench_is(what, "idle")) {
        asyncio::run(idle(ends, bench_count(argc, argv, "count", 2000)), options);
    } else {
        asyncio::run(handshakes(ends, bench_count(argc, argv, "count", 1000), bench_is(what, "resume")),
                     options);
    }
}

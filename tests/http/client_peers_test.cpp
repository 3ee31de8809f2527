// Real servers on the other side: nginx and Python's http.server.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "asyncio/http/client_session.hpp"
#include "asyncio/http/get_sync.hpp"
#include "http/client_support.hpp"

extern char** environ;

namespace {

using namespace asyncio;
using namespace asyncio::test;
using namespace std::chrono_literals;

/// A server program in a directory of its own, ended with this object.
class Peer {
  public:
    Peer() {
        char name[] = "/tmp/asyncio_peer_XXXXXX";
        directory = ::mkdtemp(name);
    }
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;
    ~Peer() {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            int status = 0;
            ::waitpid(pid_, &status, 0);
        }
        if (reserved_ >= 0) ::close(reserved_);
        std::error_code ignored;
        std::filesystem::remove_all(directory, ignored);
    }

    void write(const std::string& name, const std::string& content) const {
        std::ofstream(directory + "/" + name) << content;
    }

    void start(std::vector<std::string> command) {
        std::vector<char*> arguments;
        for (std::string& each : command) arguments.push_back(each.data());
        arguments.push_back(nullptr);
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        const std::string log = directory + "/output";
        posix_spawn_file_actions_addopen(&actions, 1, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        posix_spawn_file_actions_adddup2(&actions, 1, 2);
        const int error = ::posix_spawn(&pid_, arguments[0], &actions, nullptr, arguments.data(), environ);
        posix_spawn_file_actions_destroy(&actions);
        EXPECT_EQ(error, 0) << command[0];
    }

    /// Reserves a port for the server: bound here as long as this object lives, never listening. The server
    /// shares it because both set SO_REUSEPORT; no other process is given it, not even in the moment before
    /// the server binds.
    void reserve_port() {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* const name = reinterpret_cast<sockaddr*>(&address);
        const int on = 1;
        reserved_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        EXPECT_EQ(::setsockopt(reserved_, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on), 0);
        EXPECT_EQ(::bind(reserved_, name, size), 0);
        EXPECT_EQ(::getsockname(reserved_, name, &size), 0);
        port = ntohs(address.sin_port);
    }

    /// Waits until it accepts connections.
    bool wait_until_ready() const {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address.sin_port = htons(port);
        for (int i = 0; i < 500; ++i) {
            const int probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
            const bool connected =
                ::connect(probe, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
            ::close(probe);
            if (connected) return true;
            ::usleep(10'000);
        }
        return false;
    }

    std::string output() const {
        std::ifstream file(directory + "/output");
        return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }

    std::string url(std::string_view path) const {
        return "http://127.0.0.1:" + std::to_string(port) + std::string(path);
    }

    std::string directory;
    std::uint16_t port = 0;

  private:
    pid_t pid_ = 0;
    int reserved_ = -1;
};

constexpr const char* nginx_program = "/usr/sbin/nginx";

void start_nginx(Peer& peer) {
    peer.reserve_port();
    peer.write("page.html", "<p>a page</p>\n");
    peer.write("large.bin", std::string(3 << 20, 'z'));
    peer.write("nginx.conf", R"(daemon off; master_process off; pid nginx.pid; error_log stderr;
events { worker_connections 2000; }
http {
    access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi; keepalive_requests 1000000; default_type text/plain;
    server {
        listen 127.0.0.1:)" + std::to_string(peer.port) +
                                 R"( backlog=4096 reuseport;
        root .;
        location = /hello { return 200 "hello $request_method $arg_q"; }
        location = /connections { return 200 "$connection $connection_requests"; }
        location = /missing { return 404 "no\n"; }
        location = /empty { return 204; }
        location = /close { keepalive_timeout 0; return 200 "bye"; }
        location /ssi/ { alias ./; ssi on; ssi_types *; }
    }
}
)");
    peer.start({nginx_program, "-p", peer.directory, "-c", "nginx.conf"});
    EXPECT_TRUE(peer.wait_until_ready()) << peer.output();
}

class ClientPeers : public BackendTest {};
ASYNCIO_ON_REAL_BACKENDS(ClientPeers);

TEST_P(ClientPeers, NginxAnswersWhatItShould) {
    if (::access(nginx_program, X_OK) != 0) GTEST_SKIP() << "nginx is not installed";
    Peer nginx;
    start_nginx(nginx);
    run([&]() -> Coro<> {
        http::ClientSession session;
        auto page = co_await session.get(nginx.url("/page.html"));
        EXPECT_EQ(page.status, 200);
        EXPECT_EQ(page.headers.get("content-type", ""), "text/html");
        std::string text = co_await page.text();
        EXPECT_EQ(text, "<p>a page</p>\n");

        text =
            co_await (co_await session.get(nginx.url("/hello"), {.params = http::params("q", "x")})).text();
        EXPECT_EQ(text, "hello GET x");
        auto missing = co_await session.get(nginx.url("/missing"));
        EXPECT_EQ(missing.status, 404);
        EXPECT_EQ(missing.reason, "Not Found");
        auto empty = co_await session.get(nginx.url("/empty"));
        EXPECT_EQ(empty.status, 204);
        text = co_await empty.read();
        EXPECT_EQ(text, "");
        auto head = co_await session.head(nginx.url("/large.bin"));
        EXPECT_EQ(head.content_length(), 3u << 20);
        auto large = co_await session.get(nginx.url("/large.bin"));
        std::size_t bytes = 0;
        while (auto piece = co_await large.content().read_chunk()) bytes += piece->size();
        EXPECT_EQ(bytes, 3u << 20);
        auto chunked = co_await session.get(nginx.url("/ssi/page.html"));
        EXPECT_EQ(chunked.headers.get("transfer-encoding", ""), "chunked");
        text = co_await chunked.text();
        EXPECT_EQ(text, "<p>a page</p>\n");

        text = co_await (co_await session.get(nginx.url("/connections"))).text();
        EXPECT_TRUE(text.ends_with(" 8")) << "all on one connection: " << text;
        (void)co_await session.get(nginx.url("/close"));
        EXPECT_EQ(session.connections().idle, 0u);
    });
}

TEST_P(ClientPeers, NginxServesManyAtOnceOverFewConnections) {
    if (::access(nginx_program, X_OK) != 0) GTEST_SKIP() << "nginx is not installed";
    Peer nginx;
    start_nginx(nginx);
    run([&]() -> Coro<> {
        http::ClientSession session{{.limit = 20}};
        auto fetch = [](http::ClientSession& s, std::string url) -> Coro<std::string> {
            auto response = co_await s.get(url);
            co_return co_await response.text();
        };
        std::vector<Coro<std::string>> jobs;
        for (int i = 0; i < 1000; ++i)
            jobs.push_back(fetch(session, nginx.url("/hello?q=" + std::to_string(i))));
        auto pages = co_await gather(std::move(jobs));
        for (std::size_t i = 0; i < 1000; ++i) EXPECT_EQ(pages[i], "hello GET " + std::to_string(i));
        EXPECT_EQ(session.connections().idle, 20u);
    });
}

TEST_P(ClientPeers, PythonsServerAnswersWhatItShould) {
    Peer python;
    python.write("server.py", R"(
import http.server, socket, sys

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/chunks":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for part in (b"one ", b"two ", b"three"):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.write(b"0\r\n\r\n")
            return
        self.answer(("%s %s" % (self.path, self.client_address[1])).encode())

    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass

class Server(http.server.ThreadingHTTPServer):
    def server_bind(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        super().server_bind()

Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
)");
    python.reserve_port();
    python.start({"/usr/bin/env", "python3", python.directory + "/server.py", std::to_string(python.port)});
    ASSERT_TRUE(python.wait_until_ready()) << python.output();
    run([&]() -> Coro<> {
        http::ClientSession session;
        std::string first = co_await (co_await session.get(python.url("/a"))).text();
        std::string second = co_await (co_await session.get(python.url("/a"))).text();
        EXPECT_TRUE(first.starts_with("/a ")) << first;
        EXPECT_EQ(first, second) << "from the same port: the connection was kept";
        std::string chunks = co_await (co_await session.get(python.url("/chunks"))).text();
        EXPECT_EQ(chunks, "one two three");
        const std::string body(1 << 20, 'b');
        auto echo = co_await session.post(python.url("/echo"), http::bytes(body));
        std::string back = co_await echo.read();
        EXPECT_TRUE(back == body);
        auto unsupported = co_await session.put(python.url("/x"), http::text("y"));
        EXPECT_EQ(unsupported.status, 501);
    });
    auto page = http::get_sync(python.url("/sync"));
    EXPECT_EQ(page.status, 200);
    EXPECT_EQ(page.reason, "OK");
    EXPECT_TRUE(page.ok());
    EXPECT_TRUE(page.text.starts_with("/sync ")) << page.text;
    EXPECT_TRUE(page.headers.contains("Server"));
}

class GetSync : public LoopTest {};

TEST_F(GetSync, IsRefusedInsideOfALoop) {
    run_and_check([]() -> Coro<> {
        std::string failure;
        try {
            http::get_sync("http://127.0.0.1:1/");
        } catch (const RuntimeError& e) {
            failure = e.what();
        }
        EXPECT_EQ(failure, "this would block the loop: co_await session.get(url)");
        co_return;
    });
}

TEST_F(GetSync, ThrowsWhatTheRequestThrows) {
    EXPECT_THROW(http::get_sync("http://127.0.0.1:1/"), http::ClientConnectorError);
    EXPECT_THROW(http::get_sync("nonsense"), http::InvalidURL);
}

}  // namespace

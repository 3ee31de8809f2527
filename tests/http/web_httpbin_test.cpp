// The application of asyncio-httpbin, embedded; and clients that others have written.
#include <gtest/gtest.h>

#include <cstdlib>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "http/web_support.hpp"
#include "httpbin_app/httpbin_app.hpp"
#include "httpbin_app/json.hpp"

namespace asyncio::test { namespace {

using nlohmann::json;

class WebHttpbin : public WebTest {
  protected:
    template <class Body>
    void serve_httpbin(Body body) {
        web::Application app = make_httpbin();
        serve(app, body);
        EXPECT_TRUE(reported.empty()) << reported.front();
    }
};
ASYNCIO_ON_REAL_BACKENDS(WebHttpbin);

/// What a command prints. Blocks: for to_thread.
std::string output_of(const std::string& command) {
    std::string output;
    FILE* const pipe = ::popen(("{ " + command + "\n} 2>&1").c_str(), "re");
    if (pipe == nullptr) return "popen failed";
    char buffer[4096];
    for (std::size_t n = 0; (n = std::fread(buffer, 1, sizeof buffer, pipe)) != 0;) output.append(buffer, n);
    const int status = ::pclose(pipe);
    if (status != 0) output += " [status " + std::to_string(status) + "]";
    return output;
}

TEST_P(WebHttpbin, TellsAsJsonWhatWasAsked) {
    serve_httpbin([](web::Site& site) -> Coro<> {
        Client client = co_await Client::connect(site.port());
        const Reply reply = co_await client.ask(
            get("/get?a=1&b=%22%0A%c3%a4%ff&a=2", "X-Two: 1\r\nX-Two: 2\r\nX-Raw: \xe4\r\n"));
        EXPECT_EQ(reply.status, 200);
        EXPECT_EQ(reply.header("Content-Type"), "application/json");
        const json told = json::parse(reply.body, nullptr, false);
        EXPECT_FALSE(told.is_discarded()) << reply.body;
        EXPECT_EQ(told["args"]["a"], (json{"1", "2"}));
        EXPECT_EQ(told["args"]["b"], "\"\n\xc3\xa4\xef\xbf\xbd");
        EXPECT_EQ(told["headers"]["Host"], "test");
        EXPECT_EQ(told["headers"]["X-Two"], "1,2");
        EXPECT_EQ(told["headers"]["X-Raw"], "\xef\xbf\xbd");
        EXPECT_EQ(told["origin"], "127.0.0.1");
        EXPECT_EQ(told["url"], "http://test/get?a=1&b=%22%0A%c3%a4%ff&a=2");
        const Reply index = co_await client.ask(get("/"));
        EXPECT_NE(index.body.find("/delay/{seconds}"), std::string::npos);
    });
}

TEST_P(WebHttpbin, EchoesWhatIsPosted) {
    serve_httpbin([](web::Site& site) -> Coro<> {
        Client client = co_await Client::connect(site.port());
        const auto told = [](const Reply& reply) { return json::parse(reply.body, nullptr, false); };
        const Reply text = co_await client.ask(post("/post?q=1", "a \"text\""));
        EXPECT_EQ(told(text)["data"], "a \"text\"");
        EXPECT_EQ(told(text)["json"], nullptr);
        EXPECT_EQ(told(text)["args"]["q"], "1");
        const Reply value =
            co_await client.ask(post("/post", "{\"a\": [1, -2.5e3]}", "Content-Type: application/json\r\n"));
        EXPECT_EQ(told(value)["json"]["a"][1], -2500.0);
        EXPECT_EQ(told(value)["data"], "{\"a\": [1, -2.5e3]}");
        const Reply broken =
            co_await client.ask(post("/post", "{\"a\": ", "Content-Type: application/json\r\n"));
        EXPECT_EQ(told(broken)["json"], nullptr);
        const Reply form = co_await client.ask(
            post("/post", "x=1&y=a+b", "Content-Type: application/x-www-form-urlencoded\r\n"));
        EXPECT_EQ(told(form)["form"]["y"], "a b");
        EXPECT_EQ(told(form)["data"], "");
        const Reply wrong = co_await client.ask(get("/post"));
        EXPECT_EQ(wrong.status, 405);
        EXPECT_EQ(wrong.header("Allow"), "POST");
    });
}

TEST_P(WebHttpbin, SendsBytesThatTheSeedDetermines) {
    serve_httpbin([](web::Site& site) -> Coro<> {
        Client client = co_await Client::connect(site.port());
        const Reply whole = co_await client.ask(get("/bytes/200001"));
        EXPECT_EQ(whole.body.size(), 200001u);
        const Reply again = co_await client.ask(get("/bytes/200001"));
        EXPECT_EQ(whole.body, again.body);
        const Reply start = co_await client.ask(get("/bytes/1003"));
        EXPECT_EQ(start.body, whole.body.substr(0, 1003));
        const Reply seeded = co_await client.ask(get("/bytes/1003?seed=5"));
        EXPECT_NE(seeded.body, start.body);
        const Reply none = co_await client.ask(get("/bytes/0"));
        EXPECT_EQ(none.header("Content-Length"), "0");
        const Reply head = co_await client.ask("HEAD /bytes/104857600 HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD");
        EXPECT_EQ(head.header("Content-Length"), "104857600");
    });
}

TEST_P(WebHttpbin, SendsLinesStatusesAndAnswersLate) {
    serve_httpbin([](web::Site& site) -> Coro<> {
        Client client = co_await Client::connect(site.port());
        const Reply lines = co_await client.ask(get("/stream/3"));
        EXPECT_EQ(lines.header("Transfer-Encoding"), "chunked");
        EXPECT_EQ(std::count(lines.body.begin(), lines.body.end(), '\n'), 3);
        EXPECT_EQ(json::parse(lines.body.substr(0, lines.body.find('\n')))["id"], 0);
        const Reply empty = co_await client.ask(get("/stream/0"));
        EXPECT_EQ(empty.body, "");
        for (const int code : {200, 204, 304, 404, 418, 503}) {
            const Reply reply = co_await client.ask(get("/status/" + std::to_string(code)));
            EXPECT_EQ(reply.status, code);
            EXPECT_TRUE(reply.keep_alive);
        }
        const Reply moved = co_await client.ask(post("/status/302", "x"));
        EXPECT_EQ(moved.header("Location"), "/get");
        const auto before = get_running_loop().time();
        const Reply late = co_await client.ask(get("/delay/0.05"));
        EXPECT_GE(time_until(get_running_loop().time(), before).seconds(), 0.05);
        EXPECT_EQ(late.status, 200);
    });
}

TEST_P(WebHttpbin, RefusesBadValuesAndSaysWhy) {
    serve_httpbin([](web::Site& site) -> Coro<> {
        Client client = co_await Client::connect(site.port());
        for (const char* path :
             {"/delay/x", "/delay/-1", "/delay/nan", "/delay/inf", "/delay/1e9", "/delay/1s", "/bytes/-1",
              "/bytes/104857601", "/bytes/1.5", "/bytes/%20", "/bytes/1?seed=x", "/stream/x",
              "/stream/99999999999999999999", "/status/99", "/status/600", "/status/x", "/status/100"}) {
            const Reply reply = co_await client.ask(get(path));
            EXPECT_EQ(reply.status, 400) << path;
            EXPECT_NE(reply.body.find("must be"), std::string::npos) << path << ": " << reply.body;
            EXPECT_TRUE(reply.keep_alive);
        }
    });
}

TEST_P(WebHttpbin, ServesPythonsHttpClient) {
    const std::string script = R"(
import http.client, sys, json
c = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]))
sockets = set()
def ask(method, path, **more):
    c.request(method, path, **more)
    sockets.add(c.sock)
    r = c.getresponse()
    return r.status, r.read(), r
for i in range(20):
    assert json.loads(ask('GET', '/get?i=%d' % i)[1])['args'] == {'i': str(i)}
assert len(ask('GET', '/bytes/1000000')[1]) == 1000000
assert ask('GET', '/stream/1000')[1].count(b'\n') == 1000
assert ask('HEAD', '/bytes/77')[2].getheader('Content-Length') == '77'
assert json.loads(ask('POST', '/post', body=b'hello')[1])['data'] == 'hello'
chunks = json.loads(ask('POST', '/post', body=iter([b'he', b'llo'] * 1000))[1])
assert chunks['data'] == 'hello' * 1000
assert ask('GET', '/none')[0] == 404
assert ask('DELETE', '/get')[0] == 405
assert len(sockets) == 1, 'the connection was not kept'
print('well')
)";
    serve_httpbin([&](web::Site& site) -> Coro<> {
        const std::string command = "python3 - " + std::to_string(site.port()) + " <<'END'" + script + "END";
        const std::string output = co_await to_thread(output_of, command);
        EXPECT_EQ(output, "well\n");
    });
}

TEST_P(WebHttpbin, ServesCurl) {
    if (std::system("command -v curl >/dev/null 2>&1") != 0) GTEST_SKIP() << "curl is not installed";
    serve_httpbin([](web::Site& site) -> Coro<> {
        const std::string base = site.url();
        const auto curl = [](const std::string& arguments) -> Coro<std::string> {
            const std::string output = co_await to_thread(output_of, "curl -sS --max-time 60 " + arguments);
            co_return output;
        };
        const std::string twice = co_await curl("-w '%{num_connects},' -o /dev/null -o /dev/null " + base +
                                                "/get " + base + "/get");
        EXPECT_EQ(twice, "1,0,");
        const std::string large = co_await curl(base + "/bytes/20000000 | wc -c | tr -d ' \\n'");
        EXPECT_EQ(large, "20000000");
        // More than a megabyte: curl asks for 100 Continue first.
        const std::string post = co_await to_thread(output_of,
                                                    "head -c 3000000 /dev/zero | curl -sS -o /dev/null -w "
                                                    "'%{http_code} %{size_upload}' --data-binary @- " +
                                                        base + "/post");
        EXPECT_EQ(post, "200 3000000");
        const std::string old =
            co_await curl("--http1.0 -w ' %{http_code} %{http_version}' -o /dev/null " + base + "/stream/10");
        EXPECT_EQ(old, " 200 1.1");
        const std::string head = co_await curl("-I -o /dev/null -w '%{http_code}' " + base + "/bytes/5");
        EXPECT_EQ(head, "200");
    });
}

TEST(HttpbinJson, EscapesEveryText) {
    for (const std::string& text :
         {std::string("plain"), std::string("\"\\/\b\f\n\r\t\x1f\x7f"), std::string("\0x", 2),
          std::string("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80")}) {
        std::string out;
        httpbin::append_json(out, text);
        EXPECT_EQ(json::parse(out, nullptr, false), json(text)) << out;
    }
    for (const char* bad :
         {"\x80", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\xf8", "a\xc3"}) {
        std::string out;
        httpbin::append_json(out, bad);
        EXPECT_FALSE(json::parse(out, nullptr, false).is_discarded()) << out;
        EXPECT_NE(out.find("\\ufffd"), std::string::npos) << out;
    }
}

TEST(HttpbinJson, KnowsJsonWhenItSeesIt) {
    for (const char* good : {"1", " null ", "-0", "1.5E+3", "\"\\u00e4\\n\"", "[]", "[ 1 , [ ] ]", "{}",
                             "{\"a\" : {\"b\":[true,false]}}"}) {
        EXPECT_TRUE(httpbin::is_json(good)) << good;
        EXPECT_TRUE(json::accept(good)) << good;
    }
    for (const char* bad : {"", "01", "+1", ".5", "1.", "1e", "nul", "[1,]", "{\"a\"}", "{a:1}", "\"\n\"",
                            "\"\\x\"", "\"", "\"\\u12g4\"", "[", "1 2", "\"\xff\"", "{\"a\":1,}"}) {
        EXPECT_FALSE(httpbin::is_json(bad)) << bad;
        EXPECT_FALSE(json::accept(bad)) << bad;
    }
    EXPECT_FALSE(httpbin::is_json(std::string(100'000, '[')));
}

}}  // namespace asyncio::test

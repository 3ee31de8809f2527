#include "asyncio/proto/url.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "asyncio/base/error.hpp"
#include "asyncio/proto/errors.hpp"

namespace asyncio::proto { namespace {

TEST(Url, IsTakenApart) {
    const Url url("https://user:secret@Example.ORG:8443/a/b?x=1&y=2#top");
    EXPECT_EQ(url.scheme(), "https");
    EXPECT_EQ(url.user(), "user");
    EXPECT_EQ(url.password(), "secret");
    EXPECT_EQ(url.host(), "example.org");
    EXPECT_EQ(url.port(), 8443);
    EXPECT_EQ(url.explicit_port(), 8443);
    EXPECT_EQ(url.raw_path(), "/a/b");
    EXPECT_EQ(url.raw_query_string(), "x=1&y=2");
    EXPECT_EQ(url.raw_fragment(), "top");
    EXPECT_EQ(url.target(), "/a/b?x=1&y=2");
    EXPECT_EQ(url.authority(), "example.org:8443");
    EXPECT_EQ(url.origin(), "https://example.org:8443");
    EXPECT_EQ(url.str(), "https://user:secret@example.org:8443/a/b?x=1&y=2#top");
}

TEST(Url, HasNormalForm) {
    const std::vector<std::pair<std::string, std::string>> cases{
        {"HTTP://EXAMPLE.com", "http://example.com/"},
        {"http://a:80/", "http://a/"},
        {"https://a:443", "https://a/"},
        {"https://a:80/", "https://a:80/"},
        {"ws://a:80/", "ws://a/"},
        {"http://a:/x", "http://a/x"},
        {"http://a:0080/x", "http://a/x"},
        {"http://a?b", "http://a/?b"},
        {"http://a#b", "http://a/#b"},
        {"http://a/?", "http://a/"},
        {"http://a/#", "http://a/"},
        {"http://@a/", "http://a/"},
        {"http://:@a/", "http://a/"},
        {"http://u:@a/", "http://u@a/"},
        {"http://:p@a/", "http://:p@a/"},
        {"http://u@v:p@a/", "http://u%40v:p@a/"},
        {"http://a/a/../b/./c", "http://a/b/c"},
        {"http://a/../../x", "http://a/x"},
        {"http://a/b/..", "http://a/"},
        {"http://a/b/.", "http://a/b/"},
        {"http://a/b/c/../..", "http://a/"},
        {"http://a/..", "http://a/"},
        {"http://a//b///c", "http://a//b///c"},
        {"http://a/b/%2e%2E/c", "http://a/c"},
        {"http://a/...", "http://a/..."},
        // yarl's habits
        {"http://a/%7Ex/%2fy/a b/\xc3\xa9?q=a b&c=\xc3\xa9+%2b#fr ag",
         "http://a/~x/%2Fy/a%20b/%C3%A9?q=a+b&c=%C3%A9+%2B#fr%20ag"},
        {"http://a/?a=b%20c", "http://a/?a=b%20c"},
        {"http://a/%zz%4%", "http://a/%25zz%254%25"},
        {"http://a/\"<>^`{|}[]\\", "http://a/%22%3C%3E%5E%60%7B%7C%7D%5B%5D%5C"},
        {"http://a/?x=%41%26[]", "http://a/?x=A%26%5B%5D"},
        {"http://a/?\"'<>`|^{}", "http://a/?%22'%3C%3E%60%7C%5E%7B%7D"},
        {"http://a/x;y=1?p;q", "http://a/x;y=1?p;q"},
        {"http://a/%2B+%3F?", "http://a/%2B+%3F"},
        {"http://u%40:p%3A@h/", "http://u%40:p%3A@h/"},
        // hosts
        {"http://[2001:DB8:0:0::1]:8080/", "http://[2001:db8::1]:8080/"},
        {"http://[::]", "http://[::]/"},
        {"http://[::1]:80", "http://[::1]/"},
        {"http://[1:0:0:2:0:0:0:3]/", "http://[1:0:0:2::3]/"},
        {"http://[1:0:2:0:3:0:4:0]/", "http://[1:0:2:0:3:0:4:0]/"},
        {"http://[1:2:3:4:5:6:7::]/", "http://[1:2:3:4:5:6:7:0]/"},
        {"http://[1::]/", "http://[1::]/"},
        {"http://[::ffff:1.2.3.4]/", "http://[::ffff:102:304]/"},
        {"http://[64:ff9b::1.2.3.4]/", "http://[64:ff9b::102:304]/"},
        {"http://127.0.0.1/", "http://127.0.0.1/"},
        {"http://xn--bcher-kva.example/", "http://xn--bcher-kva.example/"},
        {"http://a_b-c.d/", "http://a_b-c.d/"},
        {"http://example.org./", "http://example.org./"},
        {"http://1.2.3.4.example/", "http://1.2.3.4.example/"},
        // other schemes
        {"mailto:x@y", "mailto:x@y"},
        {"file:///etc/passwd", "file:///etc/passwd"},
        {"data:text/plain,hi", "data:text/plain,hi"},
        {"unix://sock:5/x", "unix://sock:5/x"},
        {"about:", "about:"},
    };
    for (const auto& [text, normal] : cases) {
        SCOPED_TRACE(text);
        const Url url(text);
        EXPECT_EQ(url.str(), normal);
        EXPECT_EQ(Url(url.str()), url) << "the normal form of the normal form";
    }
}

TEST(Url, SaysWhatIsWrong) {
    const std::vector<std::pair<std::string, std::string>> cases{
        {"", "empty"},
        {"example.org", "no scheme"},
        {"/path", "no scheme"},
        {"//host/path", "no scheme"},
        {"?x:y", "no scheme"},
        {"localhost:8080/x", "no scheme: did you mean 'http://...'?"},
        {"127.0.0.1:8080", "no scheme: did you mean 'http://...'?"},
        {"127.0.0.1:9002/get", "no scheme: did you mean 'http://...'?"},
        {"[::1]:9002/get", "no scheme: did you mean 'http://...'?"},
        {"127.0.0.1:x/get", "scheme"},
        {"://a", "scheme"},
        {"1http://a", "scheme"},
        {"ht tp://a", "scheme"},
        {"http:a", "'//' and a host"},
        {"http:/a", "'//' and a host"},
        {"http:", "'//' and a host"},
        {"http://", "no host"},
        {"http:///x", "no host"},
        {"http://?x", "no host"},
        {"http://u@/x", "no host"},
        {"http://:80/x", "no host"},
        {"x://:80/", "port but no host"},
        {"http://a b/", "space or backslash"},
        {"http://a\\b/", "space or backslash"},
        {"http://a\\@b/", "space or backslash"},
        {"http://a%20b/", "character '%' in the host"},
        {"http://a<b/", "character '<' in the host"},
        {"http://b\xc3\xbc"
         "cher.example/",
         "not ASCII; write its punycode form"},
        {"http://.a/", "empty label"},
        {"http://a..b/", "empty label"},
        {"http://a:b/", "port 'b'"},
        {"http://a:0/", "port '0'"},
        {"http://a:65536/", "port '65536'"},
        {"http://a:-1/", "port '-1'"},
        {"http://a:+1/", "port '+1'"},
        {"http://a:80x/", "port '80x'"},
        {"http://a:80:80/", "port '80:80'"},
        {"http://a:99999999999999999999/", "port"},
        {"http://[::1/", "']'"},
        {"http://[]/", "not an IPv6"},
        {"http://[::1]x/", "port 'x'"},
        {"http://[1:2:3]/", "not an IPv6"},
        {"http://[1::2::3]/", "not an IPv6"},
        {"http://[:::]/", "not an IPv6"},
        {"http://[1:2:3:4:5:6:7:8:9]/", "not an IPv6"},
        {"http://[1:2:3:4:5:6:7:8::]/", "not an IPv6"},
        {"http://[12345::]/", "not an IPv6"},
        {"http://[g::]/", "not an IPv6"},
        {"http://[1:]/", "not an IPv6"},
        {"http://[:1]/", "not an IPv6"},
        {"http://[::1.2.3]/", "not an IPv6"},
        {"http://[1.2.3.4]/", "not an IPv6"},
        {"http://[1:2:3:4:5:6:7:1.2.3.4]/", "not an IPv6"},
        {"http://[fe80::1%25eth0]/", "zones"},
        {"http://127.1/", "IPv4"},
        {"http://2130706433/", "IPv4"},
        {"http://0x7f.0.0.1/", "IPv4"},
        {"http://0x7f000001/", "IPv4"},
        {"http://0177.0.0.1/", "IPv4"},
        {"http://127.0.0.01/", "IPv4"},
        {"http://127.0.0.256/", "IPv4"},
        {"http://127.0.0.1./", "IPv4"},
        {"http://1.2.3.4.5/", "IPv4"},
        {"http://a/\r\nX: y", "control character '\\r'"},
        {"http://a/\n", "control character '\\n'"},
        {"http://a/\t", "control character '\\x09'"},
        {"http://a\x7f/", "control character '\\x7f'"},
        {std::string("http://a/\0", 10), "control character '\\x00'"},
        {"http://a/" + std::string((1 << 20) + 1, 'x'), "longer"},
    };
    for (const auto& [text, because] : cases) {
        SCOPED_TRACE(text.substr(0, 100));
        try {
            const Url url(text);
            ADD_FAILURE() << "accepted as " << url.str();
        } catch (const InvalidURL& e) {
            const std::string what = e.what();
            EXPECT_TRUE(what.starts_with("invalid URL '")) << what;
            EXPECT_NE(what.find(because), std::string::npos) << what;
            EXPECT_LT(what.size(), 400U);
            EXPECT_EQ(what.find_first_of("\r\n"), std::string::npos);
        }
    }
}

TEST(Url, KeepsPasswordsOutOfErrors) {
    try {
        Url("http://joe:secret@bad host/");
        FAIL();
    } catch (const ValueError& e) {
        const std::string what = e.what();
        EXPECT_EQ(what.find("secret"), std::string::npos) << what;
        EXPECT_NE(what.find("http://***@bad host/"), std::string::npos) << what;
    }
}

TEST(Url, KnowsDefaultPorts) {
    EXPECT_EQ(Url("http://a").port(), 80);
    EXPECT_EQ(Url("https://a").port(), 443);
    EXPECT_EQ(Url("wss://a").port(), 443);
    EXPECT_EQ(Url("gopher://a").port(), 0);
    EXPECT_EQ(Url("http://a").explicit_port(), std::nullopt);
    EXPECT_EQ(Url("http://a:80").explicit_port(), 80);
    EXPECT_EQ(Url("http://a:80").authority(), "a");
    EXPECT_EQ(Url("https://a:80").authority(), "a:80");
}

TEST(Url, GivesAnIpv6HostWithoutBracketsButAnAuthorityWithThem) {
    const Url url("http://[::1]:8080/");
    EXPECT_EQ(url.host(), "::1");
    EXPECT_TRUE(url.is_ipv6());
    EXPECT_EQ(url.authority(), "[::1]:8080");
    EXPECT_FALSE(Url("http://a/").is_ipv6());
}

TEST(Url, DecodesOnRequest) {
    const Url url("http://j%40ne:p%3aw@a/a%20b/%C3%A9%2F?x=a+b%26&y&=z&&x=%zz#f%20g");
    EXPECT_EQ(url.user(), "j@ne");
    EXPECT_EQ(url.password(), "p:w");
    EXPECT_TRUE(url.has_credentials());
    EXPECT_EQ(url.path(), "/a b/\xc3\xa9/");
    EXPECT_EQ(url.fragment(), "f g");
    EXPECT_EQ(url.query(), (QueryPairs{{"x", "a b&"}, {"y", ""}, {"", "z"}, {"x", "%zz"}}));
    const Url plain("http://a/");
    EXPECT_EQ(plain.user(), "");
    EXPECT_EQ(plain.password(), "");
    EXPECT_FALSE(plain.has_credentials());
    EXPECT_TRUE(plain.query().empty());
}

TEST(Url, JoinsReferencesAsTheRfcShows) {
    const Url base("http://a/b/c/d;p?q");
    // RFC 3986 §5.4; where the RFC's result is no URL of this library, the scheme of the RFC's example is
    // left out.
    const std::vector<std::pair<std::string, std::string>> cases{
        {"g:h", "g:h"},
        {"g", "http://a/b/c/g"},
        {"./g", "http://a/b/c/g"},
        {"g/", "http://a/b/c/g/"},
        {"/g", "http://a/g"},
        {"//g", "http://g/"},
        {"?y", "http://a/b/c/d;p?y"},
        {"g?y", "http://a/b/c/g?y"},
        {"#s", "http://a/b/c/d;p?q#s"},
        {"g#s", "http://a/b/c/g#s"},
        {"g?y#s", "http://a/b/c/g?y#s"},
        {";x", "http://a/b/c/;x"},
        {"g;x", "http://a/b/c/g;x"},
        {"g;x?y#s", "http://a/b/c/g;x?y#s"},
        {"", "http://a/b/c/d;p?q"},
        {".", "http://a/b/c/"},
        {"./", "http://a/b/c/"},
        {"..", "http://a/b/"},
        {"../", "http://a/b/"},
        {"../g", "http://a/b/g"},
        {"../..", "http://a/"},
        {"../../", "http://a/"},
        {"../../g", "http://a/g"},
        {"../../../g", "http://a/g"},
        {"../../../../g", "http://a/g"},
        {"/./g", "http://a/g"},
        {"/../g", "http://a/g"},
        {"g.", "http://a/b/c/g."},
        {".g", "http://a/b/c/.g"},
        {"g..", "http://a/b/c/g.."},
        {"..g", "http://a/b/c/..g"},
        {"./../g", "http://a/b/g"},
        {"./g/.", "http://a/b/c/g/"},
        {"g/./h", "http://a/b/c/g/h"},
        {"g/../h", "http://a/b/c/h"},
        {"g;x=1/./y", "http://a/b/c/g;x=1/y"},
        {"g;x=1/../y", "http://a/b/c/y"},
        {"g?y/./x", "http://a/b/c/g?y/./x"},
        {"g?y/../x", "http://a/b/c/g?y/../x"},
        {"g#s/./x", "http://a/b/c/g#s/./x"},
        {"https://other:444/x", "https://other:444/x"},
        {"a b\xc3\xa9", "http://a/b/c/a%20b%C3%A9"},
        {"/x:y", "http://a/x:y"},
        {"?x:y", "http://a/b/c/d;p?x:y"},
    };
    for (const auto& [reference, result] : cases) EXPECT_EQ(base.join(reference).str(), result) << reference;
    EXPECT_EQ(Url("http://u:p@a:81").join("x").str(), "http://u:p@a:81/x");
    EXPECT_EQ(Url("http://u:p@a:81").join("//b/x").str(), "http://b/x");
    EXPECT_EQ(Url("http://a/b#f").join("").str(), "http://a/b");
    EXPECT_THROW(base.join("http://"), InvalidURL);
    EXPECT_THROW(base.join("/a\r\nX: y"), InvalidURL);
    EXPECT_THROW(base.join("//"), InvalidURL);
}

TEST(Url, TakesMoreQueryAndGivesUpParts) {
    const Url url("http://a/p#f");
    EXPECT_EQ(url.with_query_added("a b", "c&d=e+f%").str(), "http://a/p?a+b=c%26d%3De%2Bf%25#f");
    EXPECT_EQ(url.with_query_added("x", "1").with_query_added("x", "2").target(), "/p?x=1&x=2");
    EXPECT_EQ(url.with_query_added("n", "\xc3\xa9;?/").query(), (QueryPairs{{"n", "\xc3\xa9;?/"}}));
    EXPECT_EQ(url.without_fragment().str(), "http://a/p");
    EXPECT_EQ(url.without_fragment().raw_fragment(), "");
    const Url secret("http://u:p@a:80/x");
    EXPECT_EQ(secret.without_credentials().str(), "http://a/x");
    EXPECT_EQ(secret.without_credentials().explicit_port(), 80);
}

TEST(Url, EmptyOneHasOnlyEmptyParts) {
    const Url url;
    EXPECT_TRUE(url.empty());
    EXPECT_EQ(url.host(), "");
    EXPECT_EQ(url.target(), "");
    EXPECT_EQ(url.raw_query_string(), "");
    EXPECT_EQ(url.raw_fragment(), "");
    EXPECT_EQ(url.user(), "");
    EXPECT_EQ(url.join("http://a").str(), "http://a/");
}

TEST(Target, IsSplitInEveryForm) {
    const auto split = [](std::string_view target) {
        const Target parts = split_target(target);
        return std::string(parts.raw_path) + " " + std::string(parts.raw_query_string);
    };
    EXPECT_EQ(split("/a?b=c?d"), "/a b=c?d");
    EXPECT_EQ(split("/a"), "/a ");
    EXPECT_EQ(split("http://h:1/a?b"), "/a b");
    EXPECT_EQ(split("http://h"), "/ ");
    EXPECT_EQ(split("http://h?b"), "/ b");
    EXPECT_EQ(split("*"), "* ");
    EXPECT_EQ(split("h:443"), "h:443 ");
    EXPECT_EQ(split("/a?u=http://x/y"), "/a u=http://x/y");
}

TEST(Target, OfTheAbsoluteFormHasASchemeAndAnAuthority) {
    const auto split = [](std::string_view target) {
        const Target parts = split_target(target);
        return std::string(parts.scheme) + " " + std::string(parts.authority);
    };
    EXPECT_EQ(split("http://h:1/a?b"), "http h:1");
    EXPECT_EQ(split("HTTP://h"), "HTTP h");
    EXPECT_EQ(split("http://h?b"), "http h");
    EXPECT_EQ(split("http:///a"), "http ");
    EXPECT_EQ(split("http://u@[::1]:2/a"), "http u@[::1]:2");
    EXPECT_EQ(split("/a?u=http://x/y"), " ");
    EXPECT_EQ(split("//h/a"), " ");
    EXPECT_EQ(split("*"), " ");
    EXPECT_EQ(split("h:443"), " ");
}

TEST(Query, IsParsedAndWritten) {
    EXPECT_EQ(parse_query("a=1&b=2+3&c=%C3%A9"), (QueryPairs{{"a", "1"}, {"b", "2 3"}, {"c", "\xc3\xa9"}}));
    EXPECT_TRUE(parse_query("").empty());
    std::string out;
    append_query(out, "a b", "=&");
    append_query(out, "", "");
    EXPECT_EQ(out, "a+b=%3D%26&=");
    EXPECT_EQ(percent_decode("a+b%2"), "a+b%2");
    EXPECT_EQ(percent_decode("a+b%00", true), std::string("a b\0", 4));
}

}}  // namespace asyncio::proto

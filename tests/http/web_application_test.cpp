// Routes: which are accepted, and which one is found.
#include <gtest/gtest.h>

#include <asyncio/http/web.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "http/web/router.hpp"

namespace asyncio::test { namespace {

namespace web = http::web;
using web::detail::MatchInfo;
using web::detail::Router;

Coro<web::Response> nothing(web::Request&) { co_return web::Response(); }

class Routes {
  public:
    void add(std::string_view method, std::string_view path) {
        handlers_.push_back(router_.keep(web::Handler(nothing)));
        router_.add(method, path, handlers_.back());
        paths_.emplace_back(path);
    }
    /// The path of the route that answers, with what its names stand for: "/a/{b} b=1"; "none"; or "405 GET".
    std::string find(std::string_view method, std::string_view path, std::string_view name = {}) {
        MatchInfo match;
        const web::Handler* const handler = router_.find(method, path, match);
        if (handler == nullptr) {
            const std::string allowed = router_.allowed(path);
            return allowed.empty() ? "none" : "405 " + allowed;
        }
        std::string found;
        for (std::size_t i = 0; i != handlers_.size(); ++i) {
            if (handlers_[i] == handler) found = paths_[i];
        }
        if (!name.empty()) found += " " + (match.find(name) == nullptr ? "?" : *match.find(name));
        return found;
    }

  private:
    Router router_{web::ApplicationOptions()};
    std::vector<std::string> paths_;
    std::vector<web::Handler*> handlers_;
};

TEST(Application, FindsPlainPathsByTheirNormalForm) {
    Routes routes;
    routes.add("GET", "/");
    routes.add("GET", "/a b");
    routes.add("GET", "/caf\xc3\xa9/~x");
    EXPECT_EQ(routes.find("GET", "/"), "/");
    EXPECT_EQ(routes.find("GET", "/a%20b"), "/a b");
    EXPECT_EQ(routes.find("GET", "/%61%20%62"), "/a b");
    EXPECT_EQ(routes.find("GET", "/caf%c3%a9/%7ex"), "/caf\xc3\xa9/~x");
    EXPECT_EQ(routes.find("GET", "/caf\xc3\xa9/~x"), "/caf\xc3\xa9/~x");
    EXPECT_EQ(routes.find("GET", ""), "none");
    EXPECT_EQ(routes.find("GET", "//"), "none");
    EXPECT_EQ(routes.find("GET", "*"), "none");
    EXPECT_EQ(routes.find("GET", "/A%20b"), "none") << "case counts";
}

TEST(Application, ANameTakesOnePieceOfThePath) {
    Routes routes;
    routes.add("GET", "/user/{id}");
    routes.add("GET", "/user/{id}/posts/{post}");
    EXPECT_EQ(routes.find("GET", "/user/5", "id"), "/user/{id} 5");
    EXPECT_EQ(routes.find("GET", "/user/a%2Fb%20%c3%a4", "id"), "/user/{id} a/b \xc3\xa4")
        << "an escaped slash is no slash";
    EXPECT_EQ(routes.find("GET", "/user/5/posts/x", "post"), "/user/{id}/posts/{post} x");
    EXPECT_EQ(routes.find("GET", "/user/"), "none");
    EXPECT_EQ(routes.find("GET", "/user/5/"), "none");
    EXPECT_EQ(routes.find("GET", "/user/5/6"), "none");
    EXPECT_EQ(routes.find("GET", "/user"), "none");
    EXPECT_EQ(routes.find("GET", "/user/%zz", "id"), "/user/{id} %zz");
}

TEST(Application, ANameMayHaveTextAroundItAndAPattern) {
    Routes routes;
    routes.add("GET", "/f/{name}.txt");
    routes.add("GET", "/f/v{major:\\d+}-final");
    routes.add("GET", "/static/{path:.*}");
    routes.add("GET", "/some/{path:.+}");
    routes.add("GET", "/seg/{x:[^/]+}");
    EXPECT_EQ(routes.find("GET", "/f/a.b.txt", "name"), "/f/{name}.txt a.b");
    EXPECT_EQ(routes.find("GET", "/f/.txt"), "none");
    EXPECT_EQ(routes.find("GET", "/f/v12-final", "major"), "/f/v{major:\\d+}-final 12");
    EXPECT_EQ(routes.find("GET", "/f/v1x-final"), "none");
    EXPECT_EQ(routes.find("GET", "/static/a/b/c", "path"), "/static/{path:.*} a/b/c");
    EXPECT_EQ(routes.find("GET", "/static/", "path"), "/static/{path:.*} ");
    EXPECT_EQ(routes.find("GET", "/static"), "none");
    EXPECT_EQ(routes.find("GET", "/some/a", "path"), "/some/{path:.+} a");
    EXPECT_EQ(routes.find("GET", "/some/"), "none");
    EXPECT_EQ(routes.find("GET", "/seg/a", "x"), "/seg/{x:[^/]+} a");
}

TEST(Application, PrefersPlainPathsThenTheOrderOfAdding) {
    Routes routes;
    routes.add("GET", "/x/{any}");
    routes.add("GET", "/x/{other:\\d+}");
    routes.add("GET", "/x/known");
    routes.add("PUT", "/x/{only_put}");
    EXPECT_EQ(routes.find("GET", "/x/known"), "/x/known");
    EXPECT_EQ(routes.find("GET", "/x/5"), "/x/{any}");
    EXPECT_EQ(routes.find("PUT", "/x/known"), "/x/{only_put}")
        << "a path that lacks the method is no dead end";
    EXPECT_EQ(routes.find("POST", "/x/known"), "405 GET, PUT");
    EXPECT_EQ(routes.find("POST", "/y"), "none");
}

TEST(Application, RefusesRoutesThatCannotBeMeant) {
    web::Application app;
    app.add_get("/a", nothing);
    app.add_get("/a/{b}", nothing);
    app.add_post("/a", nothing);
    const auto refusal = [&](std::string_view method, std::string_view path) -> std::string {
        try {
            app.add_route(method, path, nothing);
        } catch (const ValueError& error) {
            return error.what();
        }
        return "";
    };
    for (const char* path : {"", "a", "/{", "/}", "/{}", "/{a b}", "/{1}", "/{a}{b}", "/{a{b}}",
                             "/{a:[a-z]+}", "/{a:.*}/b", "/{a:.*}b", "/{a}/{a}", "/x{a}y{b}", "/}a{"}) {
        EXPECT_NE(refusal("GET", path), "") << path;
    }
    EXPECT_NE(refusal("GET", "/a"), "");
    EXPECT_NE(refusal("HEAD", "/a"), "") << "add_get has taken it";
    EXPECT_NE(refusal("*", "/a"), "");
    EXPECT_NE(refusal("GET", "/%61"), "") << "another spelling of /a";
    EXPECT_NE(refusal("GET", "/a/{b}"), "");
    EXPECT_NE(refusal("G T", "/c"), "");
    EXPECT_NE(refusal("", "/c"), "");
    EXPECT_EQ(refusal("PUT", "/a"), "");
    EXPECT_EQ(refusal("GET", "/a/{c}"), "") << "another name is another route, found after the first";
    EXPECT_THROW(app.add_get("/empty", web::Handler()), ValueError);
    EXPECT_NE(refusal("GET", "/{a:[a-z]+}").find("\\d+"), std::string::npos) << "says what there is";
}

}}  // namespace asyncio::test

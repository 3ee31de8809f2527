// Which handler answers a method and path. Private to src/http/web.
#pragma once
#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "asyncio/http/web/application.hpp"

namespace asyncio { inline namespace v1 { namespace http::web::detail {

/// What the names of a route stood for. One object serves a connection for all its requests: its strings keep
/// their memory.
class MatchInfo {
  public:
    void clear() noexcept { size_ = 0; }
    void add(std::string_view name, std::string_view raw_value);
    /// Null if there is no such name.
    const std::string* find(std::string_view name) const noexcept;
    /// Values are taken raw, while a match may still fail.
    void decode();

  private:
    struct Entry {
        std::string_view name;  // in the resource
        std::string value;
    };
    std::vector<Entry> entries_;
    std::size_t size_ = 0;
};

class Router {
  public:
    explicit Router(ApplicationOptions options) : options_(options) {}
    Router(const Router&) = delete;
    Router& operator=(const Router&) = delete;

    /// Throws as Application::add_route.
    void add(std::string_view method, std::string_view path, Handler* handler);
    /// Checks everything that `add` may complain about, so that several routes are added or none.
    void check(std::string_view method, std::string_view path) const;
    Handler* keep(Handler handler);

    /// The handler, or null; `match` is what its names stood for, empty if there is no handler.
    const Handler* find(std::string_view method, std::string_view raw_path, MatchInfo& match) const;
    /// The methods under which this path is known, "GET, HEAD"; empty if it is not known at all.
    std::string allowed(std::string_view raw_path) const;

    const ApplicationOptions& options() const noexcept { return options_; }
    /// From now on nothing is added.
    void freeze() noexcept { frozen_ = true; }
    void require_thawed() const;

  private:
    struct Route {
        std::string method;
        const Handler* handler;
    };
    enum class Kind : unsigned char { literal, segment, digits, rest, rest_or_nothing };
    /// What stands between two slashes: a literal, or a name with text before and behind it.
    struct Segment {
        std::string prefix;  // the whole literal
        std::string suffix;
        std::string name;
        Kind kind = Kind::literal;
    };
    struct Resource {
        std::string path;  // normal form
        std::vector<Segment> segments;
        std::vector<Route> routes;

        const Handler* handler_for(std::string_view method) const noexcept;
        bool matches(std::string_view path, MatchInfo& match) const;
    };
    /// The resources without names, by their path: a hash table with open addressing. It hashes but the size
    /// and the two ends of a path, since a client cannot choose what is in it.
    class PlainPaths {
      public:
        void add(const Resource& resource);
        const Resource* find(std::string_view path) const noexcept;

      private:
        static std::size_t hash(std::string_view path) noexcept;
        void put(const Resource& resource) noexcept;
        std::vector<const Resource*> places_;  // a power of two, at least half of them empty
        std::size_t count_ = 0;
    };

    static std::vector<Segment> parse(std::string_view path);
    static Segment parse_segment(std::string_view text, std::string_view path, bool last);
    static bool has_names(const std::vector<Segment>& segments) noexcept;
    const Handler* find_normal(std::string_view method, std::string_view path, MatchInfo& match) const;
    Resource* known(const std::string& normal, const std::vector<Segment>& segments) noexcept;

    ApplicationOptions options_;
    bool frozen_ = false;
    std::deque<Handler> handlers_;
    std::deque<Resource> resources_;  // those with names, in order, are looked at one by one
    std::vector<const Resource*> dynamic_;
    PlainPaths plain_;
};

struct ApplicationAccess {
    static const std::shared_ptr<Router>& router(Application& application) noexcept {
        return application.router_;
    }
};

}}}  // namespace asyncio::v1::http::web::detail

// Application: which handler answers which request.
#pragma once
#include <cstddef>
#include <memory>
#include <string_view>

#include "asyncio/base/config.hpp"
#include "asyncio/base/function.hpp"
#include "asyncio/base/option.hpp"
#include "asyncio/core/coro.hpp"
#include "asyncio/http/web/request.hpp"
#include "asyncio/http/web/response.hpp"

namespace asyncio { inline namespace v1 { namespace http::web {

namespace detail {
class Router;
struct ApplicationAccess;
}  // namespace detail

/// Anything that gives a `Coro<Response>` for a `Request&`: a function, a lambda (also one that owns what it
/// captures), an object. The application keeps it.
using Handler = UniqueFunction<Coro<Response>(Request&)>;

/// What an application is made with. All members may be left out.
struct ApplicationOptions {
    std::size_t client_max_size =
        1024 * 1024;  ///< bytes of a body that `Request::read` takes; more is answered with 413
};
static_assert(OptionStruct<ApplicationOptions>);

/// The routes of a server.
///
///     web::Application app;
///     app.add_get("/hello/{name}", hello);
///     web::run_app(app, {.port = 8080});
///
/// A path is matched piece by piece between its slashes: `{name}` takes what is there, at least one
/// character, also beside other text (`{name}.txt`); `{name:\d+}` takes digits alone; `{name:.*}` as the last
/// takes all that is left, slashes too. Paths without names are looked at first, the others in the order in
/// which they were added. A path that is known under other methods is answered with 405 and Allow, an unknown
/// one with 404.
///
/// An HTTPError that leaves a handler is its response. Any other exception is answered with 500 and told to
/// the loop's exception handler. A client that goes away does not cancel its handler.
///
/// Threads     add routes before the server starts; then one loop
/// Python      `aiohttp.web.Application`
class ASYNCIO_API Application {
  public:
    explicit Application(ApplicationOptions options = ApplicationOptions());
    Application(Application&&) noexcept;
    Application& operator=(Application&&) noexcept;
    ~Application();

    /// Adds a route; `method` "*" is any. It answers HEAD requests only if it says so.
    ///
    /// Throws  ValueError    a path that does not begin with a slash or whose braces cannot be understood, a
    ///                       method that is no token, no handler, or the route exists already
    ///         RuntimeError  a server has started with this application
    void add_route(std::string_view method, std::string_view path, Handler handler);

    /// Answers GET, and HEAD, for which the handler is run too and its body left out.
    ///
    /// Throws  as add_route()
    void add_get(std::string_view path, Handler handler);
    void add_post(std::string_view path, Handler handler) { add_route("POST", path, std::move(handler)); }
    void add_put(std::string_view path, Handler handler) { add_route("PUT", path, std::move(handler)); }
    void add_patch(std::string_view path, Handler handler) { add_route("PATCH", path, std::move(handler)); }
    void add_delete(std::string_view path, Handler handler) { add_route("DELETE", path, std::move(handler)); }

  private:
    friend struct detail::ApplicationAccess;
    std::shared_ptr<detail::Router> router_;  // shared with the servers that were started
};

}}}  // namespace asyncio::v1::http::web

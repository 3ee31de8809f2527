// Unix sockets, and the files that they leave.
//
// The kernel removes no socket's file: not when the socket is closed, nor when its process has died, and
// bind(2) refuses a path that exists. So a socket file that is in the way is removed first, whoever's it was
// (as Python does: two servers on one path are a mistake that nothing can tell from a server that crashed),
// and a server that is closed removes its own, unless another one has taken its place.
#include "asyncio/net/unix.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "net/server_core.hpp"
#include "net/socket_file.hpp"

namespace asyncio { inline namespace v1 {

namespace detail {

SocketFile::SocketFile(std::string path) : path_(std::move(path)) {
    struct stat status{};
    if (::stat(path_.c_str(), &status) != 0) return;
    device_ = status.st_dev;
    inode_ = status.st_ino;
}

SocketFile::~SocketFile() {
    struct stat status{};
    if (inode_ == 0 || ::stat(path_.c_str(), &status) != 0) return;
    if (status.st_dev == device_ && status.st_ino == inode_) ::unlink(path_.c_str());
}

void remove_stale_socket(const std::string& path) noexcept {
    struct stat status{};
    if (path.empty() || path.front() == '\0') return;  // the kernel's own names leave no files
    // What cannot be removed is bind's to complain about.
    if (::stat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode)) ::unlink(path.c_str());
}

Coro<Server> serve_path(ClientFunction function, Address address, ServerOptions options, TlsSettings tls,
                        bool cleans_up) {
    std::string path = address.path();
    remove_stale_socket(path);
    Server server = co_await serve_on(std::move(function), address, options, std::move(tls));
    if (cleans_up) server.core_->file = std::make_unique<SocketFile>(std::move(path));
    co_return server;
}

Coro<Server> serve_unix(ClientFunction function, std::string_view path, UnixServerOptions options) {
    const Address address = Address::unix_path(path);
    const ServerOptions common{.limit = options.limit, .backlog = options.backlog, .reuse_address = false};
    TlsSettings tls = tls_settings("start_unix_server", options.ssl, SslPurpose::CLIENT_AUTH, {}, {},
                                   options.ssl_handshake_timeout, options.ssl_shutdown_timeout);
    const bool is_file = path.front() != '\0';
    return serve_path(std::move(function), address, common, std::move(tls),
                      is_file && options.cleanup_socket);
}

}  // namespace detail

Coro<Streams> open_unix_connection(std::string_view path, UnixConnectOptions options) {
    return open_connection(Address::unix_path(path), {.limit = options.limit,
                                                      .timeout = options.timeout,
                                                      .ssl = options.ssl,
                                                      .server_hostname = options.server_hostname,
                                                      .ssl_handshake_timeout = options.ssl_handshake_timeout,
                                                      .ssl_shutdown_timeout = options.ssl_shutdown_timeout});
}

}}  // namespace asyncio::v1

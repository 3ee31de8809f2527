// SocketFile: the file of a Unix socket, removed with it.
#pragma once
#include <sys/types.h>

#include <string>

namespace asyncio { inline namespace v1 { namespace detail {

class SocketFile {
  public:
    /// The file at `path`, as it is now.
    explicit SocketFile(std::string path);
    SocketFile(const SocketFile&) = delete;
    SocketFile& operator=(const SocketFile&) = delete;
    /// Removes it, unless another file has taken its place.
    ~SocketFile();

  private:
    std::string path_;
    dev_t device_ = 0;
    ino_t inode_ = 0;  // 0: there was none
};

/// Removes what a socket has left at `path`, so that another can be bound there. Nothing if that is no
/// socket.
void remove_stale_socket(const std::string& path) noexcept;

}}}  // namespace asyncio::v1::detail

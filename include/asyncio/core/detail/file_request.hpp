// A call of the file system: what a backend may take as an operation of kind `file`, and what a thread makes
// where it takes none.
#pragma once
#include <cstddef>
#include <cstdint>

#include "asyncio/base/config.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

/// Each is one system call, and what FileRequest holds are its arguments.
enum class FileVerb : std::uint8_t {
    open,         // openat: path, flags, mode; gives the descriptor
    close,        // close: descriptor
    read,         // pread: descriptor, buffer, bytes, offset; read if that is negative
    write,        // pwrite: likewise, from `buffer`, which is not written to
    sync,         // fsync: descriptor; fdatasync if flags is not 0
    truncate,     // ftruncate: descriptor, offset
    status,       // statx: path, flags; buffer is a struct statx
    rename,       // renameat2: path, other, flags
    unlink,       // unlinkat: path, flags
    make_folder,  // mkdirat: path, mode
    link,         // linkat: path, other
    symlink,      // symlinkat: what it says in path, where it lies in other
};

/// The memory that it names belongs to the call until that has ended. Paths are relative to the working
/// directory.
struct FileRequest {
    FileVerb verb;
    bool waits = false;  // open: the ring is not to try first whether it can do without waiting
    int descriptor = -1;
    int flags = 0;
    unsigned mode = 0;
    const char* path = nullptr;
    const char* other = nullptr;
    void* buffer = nullptr;
    std::size_t bytes = 0;
    std::int64_t offset = 0;

    explicit FileRequest(FileVerb v) noexcept : verb(v) {}
};

/// Makes the call, and blocks meanwhile. Gives its result, or -errno.
std::int64_t perform(const FileRequest& request) noexcept;

/// A `read` of what lies in memory already: gives its result, or -errno; -EAGAIN if it would have to wait,
/// -EOPNOTSUPP if the file system cannot tell.
std::int64_t read_without_waiting(const FileRequest& request) noexcept;

}}}  // namespace asyncio::v1::detail

// The calls of the file system as they are made on a thread.
#include "asyncio/core/detail/file_request.hpp"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "asyncio/base/assert.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

namespace {

std::int64_t call(const FileRequest& r) noexcept {
    switch (r.verb) {
        case FileVerb::open: return ::openat(AT_FDCWD, r.path, r.flags, r.mode);
        case FileVerb::close: return ::close(r.descriptor);
        case FileVerb::read:
            return r.offset < 0 ? ::read(r.descriptor, r.buffer, r.bytes)
                                : ::pread(r.descriptor, r.buffer, r.bytes, r.offset);
        case FileVerb::write:
            return r.offset < 0 ? ::write(r.descriptor, r.buffer, r.bytes)
                                : ::pwrite(r.descriptor, r.buffer, r.bytes, r.offset);
        case FileVerb::sync: return r.flags != 0 ? ::fdatasync(r.descriptor) : ::fsync(r.descriptor);
        case FileVerb::truncate: return ::ftruncate(r.descriptor, r.offset);
        case FileVerb::status:
            return ::statx(AT_FDCWD, r.path, r.flags, STATX_BASIC_STATS | STATX_BTIME,
                           static_cast<struct statx*>(r.buffer));
        case FileVerb::rename:
            return ::renameat2(AT_FDCWD, r.path, AT_FDCWD, r.other, static_cast<unsigned>(r.flags));
        case FileVerb::unlink: return ::unlinkat(AT_FDCWD, r.path, r.flags);
        case FileVerb::make_folder: return ::mkdirat(AT_FDCWD, r.path, r.mode);
        case FileVerb::link: return ::linkat(AT_FDCWD, r.path, AT_FDCWD, r.other, 0);
        case FileVerb::symlink: return ::symlinkat(r.path, AT_FDCWD, r.other);
    }
    ASYNCIO_ASSERT(false, "a call of the file system of unknown kind");
    return -1;
}

}  // namespace

std::int64_t perform(const FileRequest& request) noexcept {
    for (;;) {
        const std::int64_t result = call(request);
        if (result >= 0) return result;
        if (errno != EINTR) return -errno;
        // Interrupted or not, Linux has closed it (close(2)): the number may be somebody else's by now.
        if (request.verb == FileVerb::close) return 0;
    }
}

std::int64_t read_without_waiting(const FileRequest& request) noexcept {
    const iovec piece{request.buffer, request.bytes};
    const ssize_t result =
        ::preadv2(request.descriptor, &piece, 1, request.offset < 0 ? -1 : request.offset, RWF_NOWAIT);
    return result >= 0 ? result : -errno;
}

}}}  // namespace asyncio::v1::detail

#if defined(ASYNCIO_HAVE_LIBURING)

#include "backend/io_uring_files.hpp"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cstddef>

namespace asyncio { inline namespace v1 { namespace detail {

namespace {

/// IORING_OP_FTRUNCATE, since Linux 6.9; liburing 2.3 does not know it.
constexpr unsigned opcode_ftruncate = 55;
/// What one call moves at most (MAX_RW_COUNT); an entry has 32 bits for it.
constexpr std::size_t bytes_max = 0x7ffff000;

struct Needed {
    FileVerb verb;
    unsigned opcode;
};
constexpr Needed needed[] = {
    {FileVerb::open, IORING_OP_OPENAT},     {FileVerb::close, IORING_OP_CLOSE},
    {FileVerb::read, IORING_OP_READ},       {FileVerb::write, IORING_OP_WRITE},
    {FileVerb::sync, IORING_OP_FSYNC},      {FileVerb::truncate, opcode_ftruncate},
    {FileVerb::status, IORING_OP_STATX},    {FileVerb::rename, IORING_OP_RENAMEAT},
    {FileVerb::unlink, IORING_OP_UNLINKAT}, {FileVerb::make_folder, IORING_OP_MKDIRAT},
    {FileVerb::link, IORING_OP_LINKAT},     {FileVerb::symlink, IORING_OP_SYMLINKAT},
};
constexpr std::uint32_t asked = 1u << 31;

std::uint32_t ask(::io_uring& ring) noexcept {
    io_uring_probe* const probe = ::io_uring_get_probe_ring(&ring);
    if (probe == nullptr) return 0;  // no memory, or a filter: threads will do
    std::uint32_t verbs = 0;
    for (const Needed& each : needed) {
        const bool known =
            each.opcode <= probe->last_op && (probe->ops[each.opcode].flags & IO_URING_OP_SUPPORTED) != 0;
        if (known) verbs |= 1u << static_cast<unsigned>(each.verb);
    }
    ::io_uring_free_probe(probe);
    return verbs;
}

unsigned length(std::size_t bytes) noexcept { return static_cast<unsigned>(std::min(bytes, bytes_max)); }

}  // namespace

std::uint32_t file_verbs_of(::io_uring& ring) noexcept {
    // Relaxed: whoever comes at the same time finds the same.
    static std::atomic<std::uint32_t> known{0};
    std::uint32_t verbs = known.load(std::memory_order_relaxed);
    if (verbs == 0) {
        verbs = ask(ring) | asked;
        known.store(verbs, std::memory_order_relaxed);
    }
    return verbs;
}

void prepare_file(const FileRequest& r, ::io_uring_sqe* sqe) noexcept {
    // -1 is the descriptor's own position (IORING_FEAT_RW_CUR_POS, since Linux 5.6).
    const auto offset = static_cast<__u64>(r.offset < 0 ? -1 : r.offset);
    switch (r.verb) {
        case FileVerb::open:
            ::io_uring_prep_openat(sqe, AT_FDCWD, r.path, r.flags, r.mode);
            if (r.waits) sqe->flags |= IOSQE_ASYNC;
            break;
        case FileVerb::close: ::io_uring_prep_close(sqe, r.descriptor); break;
        case FileVerb::read:
            ::io_uring_prep_read(sqe, r.descriptor, r.buffer, length(r.bytes), offset);
            break;
        case FileVerb::write:
            ::io_uring_prep_write(sqe, r.descriptor, r.buffer, length(r.bytes), offset);
            break;
        case FileVerb::sync:
            ::io_uring_prep_fsync(sqe, r.descriptor, r.flags != 0 ? IORING_FSYNC_DATASYNC : 0);
            break;
        case FileVerb::truncate:
            ::io_uring_prep_rw(static_cast<int>(opcode_ftruncate), sqe, r.descriptor, nullptr, 0,
                               static_cast<__u64>(r.offset));
            break;
        case FileVerb::status:
            ::io_uring_prep_statx(sqe, AT_FDCWD, r.path, r.flags, STATX_BASIC_STATS | STATX_BTIME,
                                  static_cast<struct statx*>(r.buffer));
            break;
        case FileVerb::rename:
            ::io_uring_prep_renameat(sqe, AT_FDCWD, r.path, AT_FDCWD, r.other,
                                     static_cast<unsigned>(r.flags));
            break;
        case FileVerb::unlink: ::io_uring_prep_unlinkat(sqe, AT_FDCWD, r.path, r.flags); break;
        case FileVerb::make_folder: ::io_uring_prep_mkdirat(sqe, AT_FDCWD, r.path, r.mode); break;
        case FileVerb::link: ::io_uring_prep_linkat(sqe, AT_FDCWD, r.path, AT_FDCWD, r.other, 0); break;
        case FileVerb::symlink: ::io_uring_prep_symlinkat(sqe, r.path, AT_FDCWD, r.other); break;
    }
}

}}}  // namespace asyncio::v1::detail

#endif

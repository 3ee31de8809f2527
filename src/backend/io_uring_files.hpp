// Calls of the file system as entries of the ring.
#pragma once
#include <cstdint>

#include "asyncio/core/detail/file_request.hpp"

struct io_uring;
struct io_uring_sqe;

namespace asyncio { inline namespace v1 { namespace detail {

/// A bit for each FileVerb that this kernel's rings take. Asked once per process.
std::uint32_t file_verbs_of(::io_uring& ring) noexcept;

void prepare_file(const FileRequest& request, ::io_uring_sqe* sqe) noexcept;

}}}  // namespace asyncio::v1::detail

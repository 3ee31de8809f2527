#include "asyncio/core/backend.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

std::unique_ptr<KernelBackend> make_io_uring_backend(int, const BackendOptions&, std::string_view& reason) {
    reason = "this library was built without liburing";
    return nullptr;
}

}}}  // namespace asyncio::v1::detail

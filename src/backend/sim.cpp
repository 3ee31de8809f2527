// The simulated backend: no kernel. The loop above it keeps a virtual clock, so nothing ever waits for real
// time, and with a seed it runs ready tasks in an order made from that seed. Sockets are not simulated yet:
// each operation ends with -ENOSYS. What remains is the wake descriptor, for threads that post to the loop.
#include <errno.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "asyncio/base/assert.hpp"
#include "asyncio/core/backend.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

namespace {

class SimBackend final : public KernelBackend {
  public:
    explicit SimBackend(int wake_descriptor) noexcept : wake_descriptor_(wake_descriptor) {}

    Backend kind() const noexcept override { return Backend::sim; }
    bool submit(Operation& operation) noexcept override {
        operation.result = -ENOSYS;
        return true;
    }
    bool cancel(Operation&) noexcept override { return false; }
    void close_descriptor(int descriptor) noexcept override { ::close(descriptor); }
    std::size_t in_flight() const noexcept override { return 0; }
    int descriptor() const noexcept override { return -1; }

    std::uint64_t now() noexcept override {
        timespec time;
        clock_gettime(CLOCK_MONOTONIC, &time);
        return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000u +
               static_cast<std::uint64_t>(time.tv_nsec);
    }

    void poll(std::uint64_t deadline) noexcept override {
        if (deadline == 0) return;  // posts are seen by their own flag
        timespec wait{};
        if (deadline != no_deadline) {
            const std::uint64_t at = now();
            const std::uint64_t left = deadline > at ? deadline - at : 0;
            wait = {static_cast<time_t>(left / 1'000'000'000u), static_cast<long>(left % 1'000'000'000u)};
        }
        pollfd entry{wake_descriptor_, POLLIN, 0};
        if (ppoll(&entry, 1, deadline == no_deadline ? nullptr : &wait, nullptr) > 0) {
            std::uint64_t count;
            [[maybe_unused]] const auto read_bytes = ::read(wake_descriptor_, &count, sizeof count);
        }
    }

  private:
    int wake_descriptor_;
};

}  // namespace

std::unique_ptr<KernelBackend> make_sim_backend(int wake_descriptor, const BackendOptions&,
                                                std::string_view&) {
    return std::make_unique<SimBackend>(wake_descriptor);
}

}}}  // namespace asyncio::v1::detail

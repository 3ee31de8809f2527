// The net layer's part of a loop.
#include "net/net_part.hpp"

#include <cstdlib>

#include "asyncio/base/error.hpp"
#include "asyncio/core/event_loop.hpp"
#include "asyncio/net/resolver.hpp"
#include "net/connection.hpp"
#include "net/datagram_core.hpp"
#include "net/server_core.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

namespace {

/// glibc returns the end of the heap to the system as soon as 128 KiB of it are free, and has it zeroed and
/// mapped again for the next message: an echo of 16 KiB strings took twice the time for that. Freeing one
/// large block raises the mark to twice its size (mallopt(3), M_TRIM_THRESHOLD: "dynamic").
void keep_some_heap() noexcept {
    static const bool done = [] {
        auto* const block = static_cast<char*>(std::malloc(std::size_t{1} << 20));
        // Looked at, or compilers leave out both calls.
        if (block != nullptr) *const_cast<volatile char*>(block) = 0;
        std::free(block);
        return true;
    }();
    static_cast<void>(done);
}

}  // namespace

NetPart::NetPart(LoopImpl* l) noexcept : loop(l) { keep_some_heap(); }

NetPart& net_part_of(LoopImpl* loop) {
    if (loop->net == nullptr) loop->net = std::make_unique<NetPart>(loop);
    return static_cast<NetPart&>(*loop->net);
}

NetPart& running_net_part() {
    static_cast<void>(get_running_loop());
    NetPart& part = net_part_of(impl_of(current_loop));
    if (part.closing) throw RuntimeError("the event loop is closing: it takes no more connections");
    return part;
}

NetPart& running_net_part_with_sockets() {
    NetPart& part = running_net_part();
    if (part.loop->backend->kind() == Backend::sim) {
        throw RuntimeError(
            "the backend 'sim' has no sockets: choose another with ASYNCIO_BACKEND= (epoll, io_uring) or "
            "{.backend = …}");
    }
    return part;
}

NetPart::~NetPart() {
    ASYNCIO_ASSERT(connections == nullptr && servers == nullptr && datagrams == nullptr,
                   "a loop is gone whose sockets are open");
}

void NetPart::shut_down() noexcept {
    closing = true;
    if (tls != nullptr) tls->shut_down();
    // Each takes itself off the list, now or when the kernel lets go of it.
    while (servers != nullptr) servers->close();
    for (Connection* each = connections; each != nullptr;) {
        Connection* const following = each->next;
        each->shut();
        each = following;
    }
    for (DatagramCore* each = datagrams; each != nullptr;) {
        DatagramCore* const following = each->next;
        each->shut();
        each = following;
    }
    while (bound != nullptr) bound->loop_closes();
    if (default_resolver != nullptr) shut_down_default_resolver(*default_resolver);
}

void LoopBound::bind(NetPart& part) noexcept {
    part_ = &part;
    next_ = part.bound;
    if (next_ != nullptr) next_->previous_ = this;
    part.bound = this;
}

void LoopBound::unbind() noexcept {
    NetPart* const part = std::exchange(part_, nullptr);
    if (part == nullptr) return;
    (previous_ != nullptr ? previous_->next_ : part->bound) = next_;
    if (next_ != nullptr) next_->previous_ = previous_;
}

}}}  // namespace asyncio::v1::detail

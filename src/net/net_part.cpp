// The net layer's part of a loop.
#include "net/net_part.hpp"

#include "asyncio/base/error.hpp"
#include "asyncio/core/event_loop.hpp"
#include "asyncio/net/resolver.hpp"
#include "net/connection.hpp"
#include "net/server_core.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

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

NetPart::~NetPart() {
    ASYNCIO_ASSERT(connections == nullptr && servers == nullptr, "a loop is gone whose sockets are open");
}

void NetPart::shut_down() noexcept {
    closing = true;
    // Each takes itself off the list, now or when the kernel lets go of it.
    while (servers != nullptr) servers->close();
    for (Connection* each = connections; each != nullptr;) {
        Connection* const following = each->next;
        each->shut();
        each = following;
    }
    if (default_resolver != nullptr) shut_down_default_resolver(*default_resolver);
}

}}}  // namespace asyncio::v1::detail

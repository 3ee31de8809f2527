// What a loop keeps of the net layer: its connections and servers, and who resolves names. Made when first
// needed.
#pragma once
#include <memory>

#include "asyncio/core/backend.hpp"
#include "detail/loop_impl.hpp"
#include "net/spare_buffers.hpp"

namespace asyncio { inline namespace v1 {

class Resolver;

namespace detail {

struct Connection;
struct ServerCore;

struct NetPart final : LoopPart {
    explicit NetPart(LoopImpl* l) noexcept;
    ~NetPart() override;
    void shut_down() noexcept override;

    LoopImpl* const loop;
    Connection* connections = nullptr;           // those whose descriptor is open, by Connection::next
    ServerCore* servers = nullptr;               // those that listen, by ServerCore::next
    std::shared_ptr<Resolver> resolver;          // the user's; null: the default one
    std::shared_ptr<Resolver> default_resolver;  // null until it is first needed
    SpareBuffers spare_buffers;
    std::unique_ptr<LoopPart> tls;  // made by the first stream of TLS
    Operation send_now{OperationKind::send_now, -1,
                       nullptr};  // never held, so that one serves all connections
    bool closing = false;
};

std::shared_ptr<Resolver> make_default_resolver(LoopImpl* loop);
void shut_down_default_resolver(Resolver& resolver) noexcept;

/// Of the running loop.
/// Throws  RuntimeError  no loop is running, or it is closing
NetPart& running_net_part();
/// The same, for whoever opens sockets.
/// Throws  RuntimeError  as above, or the backend has no sockets: named, with the cure
NetPart& running_net_part_with_sockets();
/// Of a loop.
NetPart& net_part_of(LoopImpl* loop);

}  // namespace detail
}}  // namespace asyncio::v1

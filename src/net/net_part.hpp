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
struct DatagramBatch;
struct DatagramCore;
struct ServerCore;

struct NetPart;

/// What must let go of its loop before that is gone.
class LoopBound {
  public:
    LoopBound() = default;
    LoopBound(const LoopBound&) = delete;
    LoopBound& operator=(const LoopBound&) = delete;

  protected:
    ~LoopBound() { unbind(); }
    void bind(NetPart& part) noexcept;
    void unbind() noexcept;

  private:
    friend struct NetPart;
    /// No task is left. It calls `unbind`.
    virtual void loop_closes() noexcept = 0;

    NetPart* part_ = nullptr;
    LoopBound* next_ = nullptr;
    LoopBound* previous_ = nullptr;
};

struct NetPart final : LoopPart {
    explicit NetPart(LoopImpl* l) noexcept;
    ~NetPart() override;
    void shut_down() noexcept override;

    LoopImpl* const loop;
    Connection* connections = nullptr;              // those whose descriptor is open, by Connection::next
    ServerCore* servers = nullptr;                  // those that listen, by ServerCore::next
    DatagramCore* datagrams = nullptr;              // those whose descriptor is open, by DatagramCore::next
    std::unique_ptr<DatagramBatch> datagram_batch;  // null until somebody receives
    LoopBound* bound = nullptr;                     // by LoopBound::next_
    std::shared_ptr<Resolver> resolver;             // the user's; null: the default one
    std::shared_ptr<Resolver> default_resolver;     // null until it is first needed
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

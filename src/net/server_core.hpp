// What a Server handle, its listening sockets and its clients share. See the head of src/net/server.cpp.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "asyncio/core/backend.hpp"
#include "asyncio/net/server.hpp"
#include "asyncio/task/future.hpp"
#include "net/net_part.hpp"
#include "net/socket_file.hpp"
#include "net/tls_hook.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

/// One listening socket. Has a slot of the ready queue set aside: its turns are where clients are taken in,
/// since the kernel's completions may run no user code.
struct Acceptor : Timer {
    Acceptor(ServerCore* server, int fd, const Address& where) noexcept;

    /// Puts it into the ready queue: it accepts in its turn.
    void queue() noexcept;
    void close() noexcept;

    ServerCore* const core;
    const Address address;
    int descriptor;
    struct AcceptOp : Operation {
        Acceptor* acceptor;
        AcceptOp(int fd, Acceptor* a) noexcept
            : Operation(OperationKind::accept, fd, &accepted), acceptor(a) {}
    } op;
    bool queued = false;      // stands in the ready queue
    bool has_result = false;  // op has ended since the last turn
    bool told = false;        // the exception handler knows that resources have run out

  private:
    static void accepted(Operation* operation) noexcept;
    static void turn(Leaf* leaf) noexcept;
    static CancelAnswer unasked(Leaf*) noexcept { return CancelAnswer::pending; }
    static const LeafOps ops_;
    bool take(std::int64_t result) noexcept;
    void pause(int error) noexcept;
    void close_if_free() noexcept;
};

/// The task of one client.
struct ClientTask : Waiter {
    ClientTask(ServerCore* c, Connection* conn, PromiseBase* t) noexcept;
    ~ClientTask();
    ServerCore* const core;
    Connection* const connection;
    PromiseBase* const task;
    ClientTask* next = nullptr;  // in core->tasks
    ClientTask* previous = nullptr;

  private:
    static void ended(Waiter* waiter, PromiseBase* record) noexcept;
};

struct ServerCore {
    ServerCore(NetPart& p, ClientFunction function, const ServerOptions& server_options,
               TlsSettings tls_settings);
    ServerCore(const ServerCore&) = delete;
    ServerCore& operator=(const ServerCore&) = delete;
    ~ServerCore();
    void hold() noexcept { ++refs; }
    void drop() noexcept {
        if (--refs == 0) delete this;
    }

    /// Binds and listens; -errno with `step` if that fails, 0, or 1 if this machine lacks the address's
    /// family.
    int add_socket(const Address& address, const char*& step);
    void start() noexcept;
    void close() noexcept;
    void close_clients() noexcept;
    void abort_clients() noexcept;
    void cancel_tasks() noexcept;
    void take_client(int descriptor) noexcept;
    /// Calls the client function. `stream` is the connection, or what stands on it.
    void deliver(Connection* connection, Duplex* stream) noexcept;
    /// Closed, and so are all its sockets; with `handlers_too`, the clients' tasks have ended.
    bool quiet(bool handlers_too) const noexcept {
        return closed && open_sockets == 0 && open_clients == 0 && (!handlers_too || tasks == nullptr);
    }
    /// To be asked while anything of it is open: its loop has not gone then.
    /// Throws  RuntimeError  another loop runs
    void require_own_loop() const;
    void check_waiters() noexcept;

    NetPart* part;
    std::uint32_t refs = 1;  // the handle, open sockets, open connections, clients' tasks
    bool closed = false;
    ClientFunction on_client;
    ContextRef context;  // in which the server was started: those of its clients are copies
    ServerOptions options;
    TlsSettings tls;
    std::vector<std::unique_ptr<Acceptor>> acceptors;
    std::unique_ptr<SocketFile> file;  // of a Unix socket that cleans up; removed when it closes
    std::size_t open_sockets = 0;      // that listen
    std::size_t open_clients = 0;
    ClientTask* tasks = nullptr;
    ServerClosedAwaiter* first_waiter = nullptr;
    Future<void>* forever = nullptr;  // what serve_forever waits for
    ServerCore* next = nullptr;       // in part->servers, until it is closed
    ServerCore* previous = nullptr;

  private:
    void start_task(Connection* connection, PromiseBase* frame);
};

/// Listens on an address.
Coro<Server> serve_on(ClientFunction function, Address address, ServerOptions options, TlsSettings tls);

/// A connection of a server has been closed.
void client_closed(Connection* connection) noexcept;

}}}  // namespace asyncio::v1::detail

// Servers.
//
// A ServerCore is shared by the handle, the listening sockets, the open connections and the tasks of clients;
// the client function lives in it, so it outlives the tasks that may refer to its captures.
//
// Accepting. Each socket keeps one accept operation with the kernel. When it ends, the acceptor takes a turn
// of the ready queue and goes on accepting until the kernel has no more, or its share of the turn is used up.
// A client is a connection and, if the client function is a coroutine, a task: that very coroutine, promoted;
// a ClientTask watches its end.
//
// Running out of descriptors or memory (EMFILE, ENFILE, ENOBUFS, ENOMEM) leaves connections in the backlog.
// The exception handler is told once, accepting rests for a second (asyncio's ACCEPT_RETRY_DELAY), and so on
// until one is accepted again. ECONNABORTED, and errors of the network that Linux reports on accept
// (accept(2)), concern one connection that has gone: the next one is accepted.
//
// Closing a socket: the accept operation is cancelled; the descriptor is closed when it has ended. A
// connection that it brings all the same is closed, like those in the backlog. Entries of the ready queue
// cannot be taken back: an acceptor that stands there is freed after its turn.
#include "asyncio/net/server.hpp"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "asyncio/base/error.hpp"
#include "asyncio/net/resolver.hpp"
#include "detail/at_home.hpp"
#include "detail/context_slot.hpp"
#include "detail/descriptor_table.hpp"
#include "detail/warnings.hpp"
#include "net/connection.hpp"
#include "net/server_core.hpp"
#include "net/sockets.hpp"

namespace asyncio { inline namespace v1 {

namespace detail {

namespace {

constexpr int accepts_per_turn = 64;
constexpr std::uint64_t retry_delay_ns = 1'000'000'000;

KernelBackend& backend_of(const NetPart* part) noexcept { return *part->loop->backend; }

bool out_of_resources(int error) noexcept {
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

bool concerns_one_connection(int error) noexcept {
    switch (error) {
        case ECONNABORTED:
        case EINTR:
        case EPERM:  // a firewall
        case EPROTO:
        case ENETDOWN:
        case ENOPROTOOPT:
        case EHOSTDOWN:
        case ENONET:
        case EHOSTUNREACH:
        case ENETUNREACH: return true;
        default: return false;
    }
}

}  // namespace

// ---- a listening socket -------------------------------------------------------------------------

const LeafOps Acceptor::ops_{&Acceptor::unasked, &Acceptor::turn, "accept"};

Acceptor::Acceptor(ServerCore* server, int fd, const Address& where) noexcept
    : Timer(&ops_), core(server), address(where), descriptor(fd), op(fd, this) {}

void Acceptor::queue() noexcept {
    queued = true;
    push_leaf(core->part->loop, this);
}

void Acceptor::accepted(Operation* operation) noexcept {
    Acceptor* const me = static_cast<AcceptOp*>(operation)->acceptor;
    me->has_result = true;
    if (me->core->closed) {
        me->close_if_free();
    } else {
        me->queue();
    }
}

void Acceptor::turn(Leaf* leaf) noexcept {
    auto* const me = static_cast<Acceptor*>(leaf);
    ServerCore* const core = me->core;
    core->hold();
    me->queued = false;
    bool go_on = true;
    // (Closed meanwhile, close_if_free finds the connection and closes that, too.)
    if (!core->closed && std::exchange(me->has_result, false)) go_on = me->take(me->op.result);
    for (int i = 0; go_on && !core->closed && i < accepts_per_turn; ++i) {
        if (!backend_of(core->part).submit(me->op)) {
            go_on = false;
        } else {
            go_on = me->take(me->op.result);
        }
    }
    if (core->closed) {
        me->close_if_free();
    } else if (go_on) {
        me->queue();
    }
    core->drop();
}

/// Deals with what accept gave. False: accepting rests.
bool Acceptor::take(std::int64_t result) noexcept {
    if (result >= 0) {
        told = false;
        core->take_client(static_cast<int>(result));
        return true;
    }
    const auto error = static_cast<int>(-result);
    if (concerns_one_connection(error)) return true;
    if (error != ECANCELED) pause(error);
    return false;
}

void Acceptor::pause(int error) noexcept {
    LoopImpl* const loop = core->part->loop;
    if (!std::exchange(told, true)) {
        try {
            const char* const text = out_of_resources(error)
                                         ? "accepting rests for a second: the system is out of resources"
                                         : "accepting rests for a second";
            report_exception(loop, text, make_os_error(error, "accept on " + address.to_string()), nullptr);
        } catch (...) {
            report_exception(loop, "accepting rests for a second: no memory", nullptr, nullptr);
        }
    }
    if (core->closed) return;  // the handler may have done that
    try {
        arm_timer(loop, this, saturating_add(read_clock(loop), retry_delay_ns));
    } catch (...) {
        queue();  // no memory for a timer: at once, then
    }
}

void Acceptor::close() noexcept {
    if (armed()) disarm_timer(core->part->loop, this);
    // Nobody is to connect any more, also if the kernel takes its time with the cancel.
    if (op.held && !backend_of(core->part).cancel(op)) shut_down_socket(descriptor);
    close_if_free();
}

void Acceptor::close_if_free() noexcept {
    if (op.held || queued || descriptor < 0) return;
    KernelBackend& backend = backend_of(core->part);
    if (std::exchange(has_result, false) && op.result >= 0)
        backend.close_descriptor(static_cast<int>(op.result));
    core->part->loop->descriptors->take_from_stream(descriptor);
    backend.close_descriptor(std::exchange(descriptor, -1));
    release_slot(core->part->loop);
    --core->open_sockets;
    core->check_waiters();
    core->drop();
}

// ---- the server ---------------------------------------------------------------------------------

ServerCore::ServerCore(NetPart& p, ClientFunction function, const ServerOptions& server_options,
                       TlsSettings tls_settings)
    : part(&p),
      on_client(std::move(function)),
      context(inherit_context()),
      options(server_options),
      tls(std::move(tls_settings)) {
    next = part->servers;
    if (next != nullptr) next->previous = this;
    part->servers = this;
}

ServerCore::~ServerCore() {
    ASYNCIO_ASSERT(closed && open_sockets == 0 && open_clients == 0 && tasks == nullptr &&
                   first_waiter == nullptr);
}

int ServerCore::add_socket(const Address& address, const char*& step) {
    step = "socket for ";
    const int descriptor = open_stream_socket(address.family());
    if (descriptor == -EAFNOSUPPORT || descriptor == -EPROTONOSUPPORT) return 1;
    if (descriptor < 0) return descriptor;
    struct Guard {
        KernelBackend& backend;
        int fd;
        ~Guard() {
            if (fd >= 0) backend.close_descriptor(fd);
        }
    } guard{backend_of(part), descriptor};
    if (options.reuse_address) set_option(descriptor, SOL_SOCKET, SO_REUSEADDR, 1);
    step = "SO_REUSEPORT on ";
    if (options.reuse_port) {
        if (const int error = set_option(descriptor, SOL_SOCKET, SO_REUSEPORT, 1); error < 0) return error;
    }
    if (address.family() == AddressFamily::ipv6) set_option(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    // Accepted sockets inherit it.
    if (address.family() != AddressFamily::unix_domain) set_no_delay(descriptor);
    step = "bind ";
    if (const int error = bind_socket(descriptor, address); error < 0) return error;
    step = "listen on ";
    if (const int error = listen_on(descriptor, options.backlog); error < 0) return error;
    reserve_slot(part->loop);
    try {
        acceptors.push_back(std::make_unique<Acceptor>(this, descriptor, local_address(descriptor)));
    } catch (...) {
        release_slot(part->loop);
        throw;
    }
    guard.fd = -1;
    part->loop->descriptors->give_to_stream(descriptor);
    ++open_sockets;
    hold();  // until the socket is closed
    return 0;
}

void ServerCore::start() noexcept {
    for (const auto& acceptor : acceptors) acceptor->queue();
}

void ServerCore::close() noexcept {
    if (std::exchange(closed, true)) return;
    hold();
    (previous != nullptr ? previous->next : part->servers) = next;
    if (next != nullptr) next->previous = previous;
    file.reset();
    for (const auto& acceptor : acceptors) acceptor->close();
    if (forever != nullptr) {
        const AtHome at_home(forever->record());
        forever->cancel();
    }
    check_waiters();
    drop();
}

void ServerCore::close_clients() noexcept {
    // Closing may take a connection off the list, but runs no user code that could take off another.
    for (Connection* each = part->connections; each != nullptr;) {
        Connection* const following = each->next;
        if (each->server == this) topmost(*each).close();
        each = following;
    }
}

void ServerCore::abort_clients() noexcept {
    for (Connection* each = part->connections; each != nullptr;) {
        Connection* const following = each->next;
        if (each->server == this) topmost(*each).shut();
        each = following;
    }
}

void ServerCore::cancel_tasks() noexcept {
    for (ClientTask* each = tasks; each != nullptr; each = each->next) request_cancel(each->task);
}

void ServerCore::take_client(int descriptor) noexcept {
    Connection* connection = nullptr;
    try {
        const Address peer = peer_address(descriptor);
        connection = make_connection(*part, descriptor, peer, options.limit);
        connection->server = this;
        hold();
        ++open_clients;
        if (tls) {
            tls.context->accept(connection, tls);
        } else {
            deliver(connection, connection);
        }
    } catch (...) {
        report_exception(part->loop, "a client was accepted and lost", std::current_exception(), nullptr);
        if (connection != nullptr) connection->close();
    }
    if (connection != nullptr) connection->drop();
}

void ServerCore::deliver(Connection* connection, Duplex* stream) noexcept {
    try {
        if (context != nullptr)
            part->loop->callback_context = std::make_shared<ContextState>(context->bindings);
        stream->hold();
        StreamReader reader(stream);
        stream->hold();
        StreamWriter writer(stream);
        Coro<> body = on_client(std::move(reader), std::move(writer));
        if (body.valid()) start_task(connection, body.release());
    } catch (...) {
        report_exception(part->loop, "Unhandled exception in client_connected_cb", std::current_exception(),
                         nullptr);
        stream->close();
    }
    part->loop->leave_callback_context();
}

void ServerCore::start_task(Connection* connection, PromiseBase* frame) {
    std::unique_ptr<ClientTask> client;
    try {
        client = std::make_unique<ClientTask>(this, connection, frame);
        frame->set(adopted);  // it may borrow from the client function, which waits for it
        promote(frame, 1);
    } catch (...) {
        client.reset();
        frame->handle().destroy();
        throw;
    }
    add_waiter(frame,
               client.get());  // a fresh task has a slot of its own and no other waiter: this needs no memory
    client->next = tasks;
    if (tasks != nullptr) tasks->previous = client.get();
    tasks = client.release();
}

ClientTask::ClientTask(ServerCore* c, Connection* conn, PromiseBase* t) noexcept
    : Waiter(&ended), core(c), connection(conn), task(t) {
    core->hold();
    connection->hold();
}

ClientTask::~ClientTask() {
    connection->drop();
    core->drop();
}

void ClientTask::ended(Waiter* waiter, PromiseBase* record) noexcept {
    auto* const me = static_cast<ClientTask*>(waiter);
    ServerCore* const core = me->core;
    core->hold();
    if (record->is(has_error) && !record->is(was_cancelled | retrieved)) {
        record->set(retrieved);
        report_exception(core->part->loop, "Unhandled exception in client_connected_cb", record->error(),
                         record);
        topmost(*me->connection).close();
    }
    (me->previous != nullptr ? me->previous->next : core->tasks) = me->next;
    if (me->next != nullptr) me->next->previous = me->previous;
    release(record);
    delete me;
    core->check_waiters();
    core->drop();
}

void client_closed(Connection* connection) noexcept {
    ServerCore* const core = std::exchange(connection->server, nullptr);
    --core->open_clients;
    core->check_waiters();
    core->drop();
}

// ---- waiting for the end ------------------------------------------------------------------------

const LeafOps ServerClosedAwaiter::ops_{&ServerClosedAwaiter::cancel, nullptr, "wait_closed"};

void ServerCore::require_own_loop() const {
    if (part->loop != current_loop) throw RuntimeError("this server belongs to another event loop");
}

void ServerCore::check_waiters() noexcept {
    if (!quiet(false)) return;
    for (ServerClosedAwaiter** at = &first_waiter; *at != nullptr;) {
        ServerClosedAwaiter* const waiter = *at;
        if (!quiet(waiter->handlers_too_)) {
            at = &waiter->next_;
            continue;
        }
        *at = std::exchange(waiter->next_, nullptr);
        waiter->listed_ = false;
        waiter->frame->task->live.waits_on.clear();
        push_frame(part->loop, waiter->frame);
    }
}

bool ServerClosedAwaiter::await_ready() const noexcept {
    const LoopCore* const loop = current_loop;
    if (loop == nullptr || loop->current == nullptr || loop->current->pending != 0) return false;
    return core_->quiet(handlers_too_) && !budget_spent(current_loop);
}

void ServerClosedAwaiter::begin() {
    // A server that has ended may have outlived its loop, and may be asked in any.
    const bool over = core_->quiet(handlers_too_);
    if (!over) core_->require_own_loop();
    core_->hold();
    held_ = true;
    if (over) return push_frame(current_loop, frame);
    ServerClosedAwaiter** last = &core_->first_waiter;
    while (*last != nullptr) last = &(*last)->next_;
    *last = this;  // first come, first served
    listed_ = true;
    suspend_on(this);
}

void ServerClosedAwaiter::await_resume() {
    if (held_) leave();
    if (frame != nullptr) throw_if_cancelled(frame->task);
}

void ServerClosedAwaiter::leave() noexcept {
    if (listed_) cancel(this);
    held_ = false;
    core_->drop();
}

CancelAnswer ServerClosedAwaiter::cancel(Leaf* leaf) noexcept {
    auto* const me = static_cast<ServerClosedAwaiter*>(leaf);
    ServerClosedAwaiter** at = &me->core_->first_waiter;
    while (*at != me) at = &(*at)->next_;
    *at = std::exchange(me->next_, nullptr);
    me->listed_ = false;
    return CancelAnswer::resume;
}

// ---- starting -----------------------------------------------------------------------------------

namespace {

/// Owns a server that is being made.
Server listen_on_all(ClientFunction function, const std::vector<Address>& addresses,
                     const ServerOptions& options, TlsSettings tls) {
    NetPart& part = running_net_part_with_sockets();
    auto* const core = new ServerCore(part, std::move(function), options, std::move(tls));
    Server server(core);  // closes what was opened if an address fails
    int last_error = 0;
    std::string last_subject;
    for (const Address& address : addresses) {
        const char* step = "";
        const int error = core->add_socket(address, step);
        if (error == 0) continue;
        last_error = error > 0 ? EAFNOSUPPORT : -error;
        last_subject = step + address.to_string();
        // A family that this machine lacks, or has switched off, is no reason to fail while another one can
        // be had.
        if (error < 0 && last_error != EADDRNOTAVAIL) throw_os_error(last_error, last_subject);
    }
    if (core->acceptors.empty()) throw_os_error(last_error, last_subject);
    core->start();
    return server;
}

Coro<Server> serve_named(ClientFunction function, std::string host, std::uint16_t port, ServerOptions options,
                         TlsSettings tls) {
    std::vector<Address> addresses;
    if (host.empty()) {
        if (options.family != AddressFamily::ipv6)
            addresses.push_back(Address::any_host(AddressFamily::ipv4, port));
        if (options.family != AddressFamily::ipv4)
            addresses.push_back(Address::any_host(AddressFamily::ipv6, port));
    } else {
        addresses = co_await resolve(host, port, options.family);
    }
    co_return listen_on_all(std::move(function), addresses, options, std::move(tls));
}

TlsSettings tls_of(ServerOptions& options) {
    // (The context is kept; what `options` points to may not outlive the call.)
    const SslOption ssl = std::exchange(options.ssl, SslOption());
    return tls_settings("start_server", ssl, SslPurpose::CLIENT_AUTH, {}, {}, options.ssl_handshake_timeout,
                        options.ssl_shutdown_timeout);
}

/// A share of a server for a coroutine.
class CoreRef {
  public:
    explicit CoreRef(ServerCore* core) noexcept : core_(core) { core_->hold(); }
    CoreRef(CoreRef&& other) noexcept : core_(std::exchange(other.core_, nullptr)) {}
    CoreRef& operator=(CoreRef&&) = delete;
    ~CoreRef() {
        if (core_ != nullptr) core_->drop();
    }
    ServerCore* operator->() const noexcept { return core_; }
    ServerCore* get() const noexcept { return core_; }

  private:
    ServerCore* core_;
};

Coro<> run_forever(CoreRef core) {
    if (core->forever != nullptr) throw RuntimeError("serve_forever: somebody awaits it already");
    if (core->closed) throw RuntimeError("serve_forever: the server is closed");
    core->require_own_loop();
    Future<void> stopped;
    core->forever = &stopped;
    std::exception_ptr error;
    try {
        co_await stopped;
    } catch (...) {
        error = std::current_exception();
    }
    core->forever = nullptr;
    core->close();
    core->close_clients();
    co_await ServerClosedAwaiter(core.get(), false);
    std::rethrow_exception(error);
}

Coro<> leave_server(CoreRef core, bool failed) {
    core->close();
    if (failed) core->close_clients();
    std::exception_ptr cancelled;
    while (!core->quiet(true)) {
        try {
            co_await ServerClosedAwaiter(core.get(), true);
        } catch (const CancelledError&) {
            // Leaving is finished all the same, but now it does not wait for the clients' good will.
            cancelled = std::current_exception();
            core->abort_clients();
            core->cancel_tasks();
        }
    }
    if (cancelled != nullptr) std::rethrow_exception(cancelled);
}

}  // namespace

Coro<Server> serve_host(ClientFunction function, std::string_view host, std::uint16_t port,
                        ServerOptions options) {
    TlsSettings tls = tls_of(options);
    return serve_named(std::move(function), std::string(host), port, options, std::move(tls));
}
Coro<Server> serve_on(ClientFunction function, Address address, ServerOptions options, TlsSettings tls) {
    const std::vector<Address> addresses(1, address);
    co_return listen_on_all(std::move(function), addresses, options, std::move(tls));
}
Coro<Server> serve_address(ClientFunction function, const Address& address, ServerOptions options) {
    TlsSettings tls = tls_of(options);
    return serve_on(std::move(function), address, options, std::move(tls));
}

}  // namespace detail

// ---- the handle ---------------------------------------------------------------------------------

Coro<> Server::serve_forever() { return detail::run_forever(detail::CoreRef(core_)); }
void Server::close() noexcept { core_->close(); }
void Server::close_clients() noexcept { core_->close_clients(); }
void Server::abort_clients() noexcept { core_->abort_clients(); }
bool Server::is_serving() const noexcept { return !core_->closed; }
std::size_t Server::connections() const noexcept { return core_->open_clients; }

std::vector<Address> Server::sockets() const {
    std::vector<Address> addresses;
    if (core_->closed) return addresses;
    for (const auto& acceptor : core_->acceptors) addresses.push_back(acceptor->address);
    return addresses;
}

std::uint16_t Server::port() const noexcept {
    return core_->closed ? 0 : core_->acceptors.front()->address.port();
}

Coro<> Server::aexit(std::exception_ptr error) {
    return detail::leave_server(detail::CoreRef(core_), error != nullptr);
}

void Server::drop() noexcept {
    if (!core_->closed && core_->part->loop->debug) {
        detail::warn_with(detail::resource_warning, "unclosed Server", [this] {
            return "unclosed Server on " + core_->acceptors.front()->address.to_string() +
                   ": call close() and await wait_closed(), or use with(server, body)";
        });
    }
    core_->close();
    core_->drop();
}

}}  // namespace asyncio::v1

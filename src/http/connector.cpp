// The pool of connections.
//
// A request first gets a slot, the right to one connection to its origin, and then a connection: an idle one
// if there is, else it makes one. The slot is held until the body has been read or the connection is closed.
//
//   1. in_use_ counts slots, and never exceeds `limit`; Origin::in_use those of an origin, at most
//      `limit_per_host`. Idle connections count as well when one is about to be made: the oldest give way. So
//      a session stays within a number of descriptors that its user has chosen.
//   2. Whoever finds no slot waits in one queue, first come, first served. When a slot gets free, the first
//      waiter is served whose origin has room. So whenever a request arrives, each waiter lacks room, and a
//      newcomer that finds some overtakes nobody who could have had it.
//   3. A slot is granted by handing it to the waiter, not by waking somebody who then looks for one: nobody
//      can snatch it in between, and a waiter that is cancelled at that moment passes it on when it is
//      destroyed.
//   4. The idle connection used last is taken first: it is the least likely to have been closed by its
//      server, and the others get old and go.
//   5. An idle connection is closed keepalive_timeout after its last use, by a timer that is set for the
//      oldest one. As connections are reused it is often early: it then sets itself anew.
//   6. All this belongs to one loop (HomeLoop), which may be closed before the session. That closes the
//      connections and drops the timer's callback: what is left of them here is dead, and is freed without
//      it.
//
// An Origin exists while a slot, a waiter or an idle connection refers to it, so a crawler of a million hosts
// does not collect a million of them.
#include "http/connector.hpp"

#include "asyncio/base/assert.hpp"
#include "detail/at_home.hpp"

namespace asyncio { inline namespace v1 { namespace http { namespace detail {

void Slot::give_back() noexcept {
    if (connector_ == nullptr) return;
    std::exchange(connector_, nullptr)->free_slot(*origin_);
}

OriginRef::OriginRef(Connector& connector, std::string_view authority,
                     const std::shared_ptr<asyncio::detail::TlsProvider>& tls)
    : connector_(connector), origin_(connector.origin(authority, tls)) {
    ++origin_.interested;
}

OriginRef::~OriginRef() {
    --origin_.interested;
    connector_.forget_if_unused(origin_);
}

SlotWaiter::SlotWaiter(Connector& connector, Origin& origin) : connector_(connector), origin_(origin) {
    ++origin_.interested;
    ++connector_.waiting_;
    connector_.waiters_.push_back(*this);
}

SlotWaiter::~SlotWaiter() {
    if (hook_.unlink_if_linked()) --connector_.waiting_;
    slot_.give_back();
    --origin_.interested;
    connector_.forget_if_unused(origin_);
}

Connector::Connector(const ClientSessionOptions& options) noexcept
    : limit_(options.limit),
      limit_per_host_(options.limit_per_host),
      keepalive_timeout_(options.keepalive_timeout),
      keeps_(!options.force_close && options.keepalive_timeout > Duration::zero()) {}

Connector::~Connector() {
    close();
    ASYNCIO_ASSERT(in_use_ == 0 && waiting_ == 0, "a session's pool dies before its requests");
}

Origin& Connector::origin(std::string_view authority,
                          const std::shared_ptr<asyncio::detail::TlsProvider>& tls) {
    if (auto found = origins_.find(OriginKey{authority, tls.get()}); found != origins_.end())
        return *found->second;
    auto made = std::make_unique<Origin>(authority, tls);
    const OriginKey key{made->authority, tls.get()};
    return *origins_.emplace(key, std::move(made)).first->second;
}

bool Connector::has_room(const Origin& origin) const noexcept {
    return (limit_ == 0 || in_use_ < limit_) && (limit_per_host_ == 0 || origin.in_use < limit_per_host_);
}

Slot Connector::try_slot(Origin& origin) noexcept {
    if (!has_room(origin)) return Slot();
    ++in_use_;
    ++origin.in_use;
    ++origin.interested;
    return Slot(this, &origin);
}

void Connector::free_slot(Origin& origin) noexcept {
    ASYNCIO_ASSERT(in_use_ > 0 && origin.in_use > 0 && origin.interested > 0);
    --in_use_;
    --origin.in_use;
    --origin.interested;
    grant();
    forget_if_unused(origin);
}

void Connector::grant() noexcept {
    for (auto at = waiters_.begin(); at != waiters_.end();) {
        SlotWaiter& waiter = *at;
        ++at;
        if (waiter.granted.done()) continue;  // It was cancelled, and will leave the queue in its turn.
        if (limit_ != 0 && in_use_ >= limit_) return;
        waiter.slot_ = try_slot(waiter.origin_);
        if (!waiter.slot_) continue;
        waiter.hook_.unlink();
        --waiting_;
        const asyncio::detail::AtHome at_home(waiter.granted.record());
        waiter.granted.set_result();
    }
}

void Connector::forget_if_unused(Origin& origin) noexcept {
    if (origin.interested == 0 && origin.idle.empty())
        origins_.erase(OriginKey{origin.authority, origin.tls.get()});
}

std::unique_ptr<Connection> Connector::unlink(Connection& connection) noexcept {
    connection.idle_hook.unlink();
    connection.age_hook.unlink();
    connection.origin = nullptr;
    --idle_;
    return std::unique_ptr<Connection>(&connection);
}

std::unique_ptr<Connection> Connector::take_idle(Origin& origin) noexcept {
    ASYNCIO_ASSERT(origin.in_use > 0, "who takes a connection has a slot");
    while (!origin.idle.empty()) {
        std::unique_ptr<Connection> connection = unlink(origin.idle.back());
        if (connection->fresh()) return connection;
    }
    return nullptr;
}

void Connector::give_back(std::unique_ptr<Connection> connection, Slot slot) noexcept {
    ASYNCIO_ASSERT(connection != nullptr && slot);
    if (keeps_) {
        Connection* const kept = connection.release();
        kept->origin = &slot.origin();
        kept->idle_since = get_running_loop().time();
        slot.origin().idle.push_back(*kept);
        by_age_.push_back(*kept);
        ++idle_;
        watch_idle();
    }
    connection.reset();
    slot.give_back();
}

void Connector::make_room() noexcept {
    // In use is also who was granted a slot and has not taken its connection yet, so this may close one too
    // many.
    while (limit_ != 0 && in_use_ + idle_ > limit_ && !by_age_.empty()) take_any_idle();
}

std::unique_ptr<Connection> Connector::take_any_idle() noexcept {
    if (by_age_.empty()) return nullptr;
    Origin& origin = *by_age_.front().origin;
    std::unique_ptr<Connection> connection = unlink(by_age_.front());
    forget_if_unused(origin);
    return connection;
}

void Connector::close() noexcept {
    keeps_ = false;
    if (expiry_) std::exchange(expiry_, std::nullopt)->cancel();
    while (take_any_idle() != nullptr) {}
}

void Connector::watch_idle() noexcept {
    if (expiry_ || by_age_.empty() || keepalive_timeout_.is_infinite()) return;
    try {
        expiry_ = get_running_loop().call_at(by_age_.front().idle_since + keepalive_timeout_,
                                             [this] { drop_expired(); });
    } catch (const std::bad_alloc&) {
        // They live longer: the next one that is given back tries again.
    }
}

void Connector::drop_expired() noexcept {
    expiry_.reset();
    const TimePoint now = get_running_loop().time();
    while (!by_age_.empty() && by_age_.front().idle_since + keepalive_timeout_ <= now) take_any_idle();
    watch_idle();
}

}}}}  // namespace asyncio::v1::http::detail

// Happy eyeballs (RFC 8305): connecting to a name does not hang because the first of its addresses does.
//
// The idea. The addresses are put in an order in which the families take turns. The first is tried; whenever
// `delay` has passed without a connection, or an attempt has failed, the next one starts beside those that
// run. The first that connects wins, the others are given up. All attempts lie in the race and the race in
// the coroutine that awaits it: there are no tasks, and nothing outlives the call.
//
// The two queries of §3 (AAAA and A, each used when it comes) are not here: the resolver answers both
// together.
//
// Invariants
//   1. `running_` attempts are held by the kernel, with their addresses. The coroutine goes on with a cancel,
//      a winner or a failure only when it is 0: `Change` takes a turn of the ready queue first (`by_turn`),
//      so a cancel that comes between a wake-up and the turn is seen, too.
//   2. Completions and the timer only note what has happened; what can fail (memory, descriptors) happens in
//      `advance`, in the coroutine's own step.
//   3. An attempt that has failed has no descriptor any more.
#include "net/connect_race.hpp"

#include <errno.h>

#include "asyncio/base/error.hpp"
#include "net/sockets.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

std::vector<Address> interleave_families(std::vector<Address> addresses, unsigned first_count) {
    if (first_count == 0 || addresses.empty()) return addresses;
    std::vector<Address> first;
    std::vector<Address> second;
    for (const Address& each : addresses)
        (each.family() == addresses.front().family() ? first : second).push_back(each);
    std::vector<Address> ordered;
    ordered.reserve(addresses.size());
    auto one = first.begin();
    auto other = second.begin();
    for (unsigned lead = first_count; lead > 1 && one != first.end(); --lead) ordered.push_back(*one++);
    while (one != first.end() || other != second.end()) {
        if (one != first.end()) ordered.push_back(*one++);
        if (other != second.end()) ordered.push_back(*other++);
    }
    return ordered;
}

// ---- the coroutine's wait -----------------------------------------------------------------------

const LeafOps ConnectRace::Change::ops_{
    &ConnectRace::Change::cancel, &ConnectRace::Change::run, "connect", nullptr, nullptr, false, true};

CancelAnswer ConnectRace::Change::cancel(Leaf* leaf) noexcept {
    ConnectRace& race = static_cast<Change*>(leaf)->race_;
    Change* const waiter = std::exchange(race.waiter_, nullptr);  // the answer wakes it, nobody else
    race.stop();
    if (race.running_ == 0) return CancelAnswer::resume;
    race.waiter_ = waiter;
    return CancelAnswer::pending;
}

void ConnectRace::Change::run(Leaf* leaf) noexcept {
    auto* const me = static_cast<Change*>(leaf);
    PromiseBase* const task = me->frame->task;
    if (task->pending != 0) {
        me->race_.stop();
        if (me->race_.running_ != 0) {
            me->race_.waiter_ = me;
            task->live.waits_on = me;
            return;
        }
    }
    step_frame(current_loop, me->frame);
}

void ConnectRace::wake_waiter() noexcept {
    if (waiter_ == nullptr) return;
    PromiseBase* const task = waiter_->frame->task;
    if (task->pending != 0 && running_ != 0) return;  // it has no use for less than the end
    task->live.waits_on.clear();
    push_turn(current_loop, std::exchange(waiter_, nullptr));
}

// ---- the race -----------------------------------------------------------------------------------

const LeafOps ConnectRace::Pause::ops{[](Leaf*) noexcept { return CancelAnswer::pending; },
                                      [](Leaf* leaf) noexcept {
                                          ConnectRace* const race = static_cast<Pause*>(leaf)->race;
                                          race->due_ = true;
                                          race->wake_waiter();
                                      },
                                      "connect"};

ConnectRace::ConnectRace(NetPart& part, std::vector<Address> addresses, const Address& from, Duration delay)
    : part_(part), addresses_(std::move(addresses)), from_(from), delay_(delay) {}

ConnectRace::~ConnectRace() {
    ASYNCIO_ASSERT(running_ == 0, "a race ends whose attempts the kernel holds");
    disarm_timer(part_.loop, &pause_);
}

void ConnectRace::advance() noexcept {
    try {
        while (!decided() && next_ != addresses_.size() && (due_ || running_ == 0)) start_next();
        if (!decided() && next_ != addresses_.size() && delay_.has_value() && !pause_.armed()) {
            arm_timer(part_.loop, &pause_,
                      saturating_add(now_ns(part_.loop), static_cast<std::uint64_t>(delay_.count_ns())));
        }
    } catch (...) {
        broken_ = std::current_exception();
    }
    if (decided()) stop();
}

void ConnectRace::start_next() {
    Attempt& attempt = attempts_.emplace_back(this, addresses_[next_]);
    next_ += 1;
    due_ = false;
    disarm_timer(part_.loop, &pause_);
    if (attempt.error = prepare(attempt); attempt.error != 0) {
        due_ = true;
        return;
    }
    attempt.descriptor = attempt.socket.get();
    attempt.address = attempt.to.data();
    attempt.address_bytes = attempt.to.size();
    ++running_;
    if (part_.loop->backend->submit(attempt)) ended(attempt);
}

/// A socket of the address's family, bound if a local address was asked for; or an errno value.
int ConnectRace::prepare(Attempt& attempt) noexcept {
    const AddressFamily family = attempt.to.family();
    if (!from_.empty() && from_.family() != family) return EAFNOSUPPORT;
    const int descriptor = open_stream_socket(family);
    if (descriptor < 0) return -descriptor;
    attempt.socket = Socket(part_.loop, descriptor);
    if (family != AddressFamily::unix_domain) set_no_delay(descriptor);
    const int error = from_.empty() ? 0 : bind_socket(descriptor, from_);
    if (error < 0) attempt.socket.close();
    return -error;
}

void ConnectRace::done(Operation* operation) noexcept {
    auto* const attempt = static_cast<Attempt*>(operation);
    ConnectRace* const race = attempt->race;
    race->ended(*attempt);
    race->wake_waiter();
}

void ConnectRace::ended(Attempt& attempt) noexcept {
    --running_;
    if (attempt.result == 0 && !decided()) {
        winner_ = &attempt;
        return;
    }
    attempt.error = attempt.result == 0 ? ECANCELED : static_cast<int>(-attempt.result);
    attempt.socket.close();
    due_ = true;
}

/// Nothing more starts, and what runs is given up.
void ConnectRace::stop() noexcept {
    next_ = addresses_.size();
    disarm_timer(part_.loop, &pause_);
    for (Attempt& each : attempts_) {
        if (each.held && part_.loop->backend->cancel(each)) ended(each);
    }
}

std::pair<Socket, Address> ConnectRace::winner(const std::string& target) {
    ASYNCIO_ASSERT(over());
    if (broken_ != nullptr) std::rethrow_exception(broken_);
    if (winner_ == nullptr) throw_failures(target);
    return {std::move(winner_->socket), winner_->to};
}

/// "connect localhost:1 ([::1]:1, 127.0.0.1:1): Connection refused"
void ConnectRace::throw_failures(const std::string& target) const {
    bool same = true;
    std::string text;
    std::string places;
    const int first = attempts_.front().error;
    for (const Attempt& each : attempts_) {
        std::string place = each.to.to_string();
        if (!from_.empty()) place += " from " + from_.to_string();
        same &= each.error == first;
        places += (places.empty() ? "" : ", ") + place;
        text += (text.empty() ? "" : ", ") + std::string(OSError(each.error, place).what());
    }
    if (attempts_.size() == 1 && places == target) throw_os_error(first, "connect " + target);
    if (same) throw_os_error(first, "connect " + target + " (" + places + ")");
    throw OSError("connect " + target + ": several addresses failed: " + text);
}

}}}  // namespace asyncio::v1::detail

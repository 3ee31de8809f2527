// Names to addresses: getaddrinfo on up to four threads of the loop's own.
//
// They are not those of to_thread: a name server that does not answer holds a thread for many seconds, and
// must not hold up the program's other blocking calls (nor they it). A thread ends when it had nothing to do
// for a while.
//
// A look-up (`Lookup`) is shared by the loop and the thread, and owns what it needs: the name, the results,
// the callback that brings it back. So a wait that is cancelled just leaves it, and a loop that closes leaves
// the threads that are in getaddrinfo behind; they free what they hold when they return. They do not keep the
// loop's wake descriptor open meanwhile: the way back is a weak pointer, followed under the pool's mutex and
// only while the pool is not ending. Equal look-ups in flight are one; each wait is told.
//
// Who writes what: the thread alone from the moment it takes the job to the post; the loop before and after.
// The mutexes of the queue and of the loop's posts order the two.
#include "asyncio/net/resolver.hpp"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "asyncio/base/error.hpp"
#include "asyncio/core/event_loop.hpp"
#include "net/net_part.hpp"

namespace asyncio { inline namespace v1 {

Resolver::~Resolver() = default;

namespace detail {

namespace {

constexpr unsigned threads_max = 4;
constexpr std::chrono::seconds thread_idle_max{10};

class LookupWait;

struct Lookup {
    std::string host;
    AddressFamily family = AddressFamily::any;
    std::weak_ptr<RemoteState> remote;
    PostPtr back;                    // made beforehand: the way back must not fail
    std::vector<LookupWait*> waits;  // the loop's
    bool counted = false;            // among LoopImpl::thread_jobs
    std::vector<Address> addresses;  // the results
    int failure = 0;                 // an EAI_ value
    int system_error = 0;            // errno, if that is EAI_SYSTEM
};

int native_family(AddressFamily family) noexcept {
    return family == AddressFamily::ipv4 ? AF_INET : family == AddressFamily::ipv6 ? AF_INET6 : AF_UNSPEC;
}

/// On a thread of the pool.
void look_up(Lookup& lookup) noexcept {
    addrinfo hints{};
    hints.ai_family = native_family(lookup.family);
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    lookup.failure = ::getaddrinfo(lookup.host.c_str(), nullptr, &hints, &found);
    if (lookup.failure == EAI_SYSTEM) lookup.system_error = errno;
    if (lookup.failure != 0) return;
    try {
        for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
            const Address address(each->ai_addr, each->ai_addrlen);
            const auto& known = lookup.addresses;
            if (!address.empty() && std::find(known.begin(), known.end(), address) == known.end()) {
                lookup.addresses.push_back(address);
            }
        }
        if (lookup.addresses.empty()) lookup.failure = EAI_NODATA;
    } catch (...) {
        lookup.failure = EAI_MEMORY;
    }
    ::freeaddrinfo(found);
}

/// Threads and their queue. The threads hold it, too: it may outlive the resolver.
struct Pool {
    std::mutex mutex;
    std::condition_variable work;              // a job, or the end
    std::condition_variable fewer;             // a thread has ended or has begun a job
    std::deque<std::shared_ptr<Lookup>> jobs;  // all below guarded by mutex
    unsigned threads = 0;
    unsigned idle = 0;
    unsigned busy = 0;
    bool ending = false;

    static void thread_main(std::shared_ptr<Pool> pool) noexcept {
        std::unique_lock lock(pool->mutex);
        for (;;) {
            ++pool->idle;
            pool->work.wait_for(lock, thread_idle_max, [&] { return pool->ending || !pool->jobs.empty(); });
            --pool->idle;
            if (pool->jobs.empty() || pool->ending) break;
            std::shared_ptr<Lookup> job = std::move(pool->jobs.front());
            pool->jobs.pop_front();
            ++pool->busy;
            pool->fewer.notify_all();
            lock.unlock();
            look_up(*job);
            // From here on the thread is no longer at the mercy of a name server: a closing loop waits for
            // it.
            lock.lock();
            --pool->busy;
            std::shared_ptr<RemoteState> remote;
            if (!pool->ending) remote = job->remote.lock();
            lock.unlock();
            PostPtr back = std::move(job->back);
            if (remote != nullptr && remote->post_made(back.get())) {
                static_cast<void>(back.release());  // it is the loop's now
            }
            back.reset();
            job.reset();
            remote.reset();
            lock.lock();
        }
        --pool->threads;
        pool->fewer.notify_all();
    }
};

}  // namespace

class ThreadResolver final : public Resolver {
  public:
    explicit ThreadResolver(LoopImpl* loop) : loop_(loop), pool_(std::make_shared<Pool>()) {}
    ~ThreadResolver() override { shut_down(); }

    Coro<std::vector<Address>> resolve(std::string_view host, std::uint16_t port,
                                       AddressFamily family) override;
    /// Threads without a job end before this returns; the others are left behind.
    void shut_down() noexcept;

    /// Nobody waits for it any more: the loop may call itself idle.
    void uncount(Lookup& lookup) noexcept {
        if (std::exchange(lookup.counted, false)) --loop_->thread_jobs;
    }

  private:
    std::shared_ptr<Lookup> find_or_start(std::string_view host, AddressFamily family);
    void start(const std::shared_ptr<Lookup>& lookup);
    void finish(Lookup& lookup) noexcept;
    void forget(const Lookup* lookup) noexcept {
        const auto is_it = [lookup](const auto& each) { return each.get() == lookup; };
        in_flight_.erase(std::remove_if(in_flight_.begin(), in_flight_.end(), is_it), in_flight_.end());
    }

    LoopImpl* loop_;
    bool shut_ = false;  // the loop has closed, or is about to
    std::shared_ptr<Pool> pool_;
    std::vector<std::shared_ptr<Lookup>> in_flight_;
};

namespace {

/// Waits for a look-up.
class LookupWait : public Leaf {
  public:
    LookupWait(ThreadResolver* resolver, Lookup* lookup) noexcept
        : Leaf(&ops_), resolver_(resolver), lookup_(lookup) {}
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h, Where where = where_here()) {
        if (enter_leaf(this, h, where)) return;
        lookup_->waits.push_back(this);
        suspend_on(this);
    }
    void await_resume() const { throw_if_cancelled(frame->task); }

  private:
    static CancelAnswer cancel(Leaf* leaf) noexcept;
    static const LeafOps ops_;
    ThreadResolver* resolver_;
    Lookup* lookup_;
};

}  // namespace

const LeafOps LookupWait::ops_{&LookupWait::cancel, nullptr, "resolve"};

CancelAnswer LookupWait::cancel(Leaf* leaf) noexcept {
    auto* const wait = static_cast<LookupWait*>(leaf);
    auto& waits = wait->lookup_->waits;
    waits.erase(std::remove(waits.begin(), waits.end(), wait), waits.end());
    // Nobody wants it any more. Who asks again may still share it.
    if (waits.empty()) wait->resolver_->uncount(*wait->lookup_);
    return CancelAnswer::resume;
}

Coro<std::vector<Address>> ThreadResolver::resolve(std::string_view host, std::uint16_t port,
                                                   AddressFamily family) {
    if (shut_ || impl_of(current_loop) != loop_) {
        throw RuntimeError("this resolver belongs to another event loop, or to one that has closed");
    }
    const std::shared_ptr<Lookup> lookup = find_or_start(host, family);
    co_await LookupWait(this, lookup.get());
    if (lookup->failure == EAI_SYSTEM) throw_os_error(lookup->system_error, "resolve '" + lookup->host + "'");
    if (lookup->failure != 0) throw gaierror(lookup->failure, "resolve '" + lookup->host + "'");
    std::vector<Address> addresses;
    addresses.reserve(lookup->addresses.size());
    for (const Address& each : lookup->addresses) addresses.push_back(each.with_port(port));
    co_return addresses;
}

std::shared_ptr<Lookup> ThreadResolver::find_or_start(std::string_view host, AddressFamily family) {
    for (const std::shared_ptr<Lookup>& each : in_flight_) {
        if (each->family != family || each->host != host) continue;
        if (!std::exchange(each->counted, true)) ++loop_->thread_jobs;
        return each;
    }
    auto lookup = std::make_shared<Lookup>();
    lookup->host = host;
    lookup->family = family;
    lookup->remote = loop_->remote;
    lookup->back = PostPtr(make_post([this, share = lookup] { finish(*share); }));
    in_flight_.push_back(lookup);
    try {
        start(lookup);
    } catch (...) {
        lookup->back.reset();  // or the two would hold each other for ever
        in_flight_.pop_back();
        throw;
    }
    lookup->counted = true;
    ++loop_->thread_jobs;
    return lookup;
}

void ThreadResolver::start(const std::shared_ptr<Lookup>& lookup) {
    std::lock_guard lock(pool_->mutex);
    pool_->jobs.push_back(lookup);
    if (pool_->idle < pool_->jobs.size() && pool_->threads < threads_max) {
        // Signals are the loop's thread's business.
        sigset_t all;
        sigset_t before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        bool started = true;
        try {
            std::thread(&Pool::thread_main, pool_).detach();
            ++pool_->threads;
        } catch (...) {
            started = false;
        }
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
        if (!started && pool_->threads == 0) {
            pool_->jobs.pop_back();
            throw_os_error(EAGAIN, "starting a thread to resolve '" + lookup->host + "'",
                           "the limit of threads or of memory is reached");
        }
    }
    pool_->work.notify_one();
}

/// On the loop's thread: the answer is there.
void ThreadResolver::finish(Lookup& lookup) noexcept {
    uncount(lookup);
    for (LookupWait* wait : lookup.waits) wake(wait);
    lookup.waits.clear();
    forget(&lookup);
}

void ThreadResolver::shut_down() noexcept {
    if (std::exchange(shut_, true)) return;
    std::deque<std::shared_ptr<Lookup>> not_begun;
    {
        std::unique_lock lock(pool_->mutex);
        pool_->ending = true;
        not_begun.swap(pool_->jobs);
        pool_->work.notify_all();
        pool_->fewer.wait(lock, [&] { return pool_->threads == pool_->busy; });
    }
    for (const std::shared_ptr<Lookup>& each : not_begun) each->back.reset();  // which holds it in turn
    for (const std::shared_ptr<Lookup>& each : in_flight_) uncount(*each);
    in_flight_.clear();
}

std::shared_ptr<Resolver> make_default_resolver(LoopImpl* loop) {
    return std::make_shared<ThreadResolver>(loop);
}

void shut_down_default_resolver(Resolver& resolver) noexcept {
    static_cast<ThreadResolver&>(resolver).shut_down();
}

namespace {

std::shared_ptr<Resolver> resolver_of(NetPart& part) {
    if (part.resolver != nullptr) return part.resolver;
    if (part.default_resolver == nullptr) part.default_resolver = make_default_resolver(part.loop);
    return part.default_resolver;
}

Coro<std::vector<Address>> resolve_owned(std::string host, std::uint16_t port, AddressFamily family) {
    std::vector<Address> addresses;
    if (const auto numeric = Address::parse(host, port)) {
        if (family != AddressFamily::any && numeric->family() != family) {
            throw gaierror(EAI_ADDRFAMILY, "resolve '" + host + "'");
        }
        addresses.push_back(*numeric);
    } else {
        const std::shared_ptr<Resolver> resolver = resolver_of(running_net_part());
        addresses = co_await resolver->resolve(host, port, family);
        if (addresses.empty()) throw gaierror(EAI_NODATA, "resolve '" + host + "'");
    }
    co_return addresses;
}

}  // namespace
}  // namespace detail

Coro<std::vector<Address>> resolve(std::string_view host, std::uint16_t port, AddressFamily family) {
    if (host.empty()) throw ValueError("resolve: the host is empty");
    if (host.find('\0') != std::string_view::npos) throw ValueError("resolve: the host contains a zero byte");
    return detail::resolve_owned(std::string(host), port, family);
}

std::shared_ptr<Resolver> get_resolver(EventLoop& loop) {
    loop.impl().require_open();
    return detail::resolver_of(detail::net_part_of(&loop.impl()));
}

void set_resolver(EventLoop& loop, std::shared_ptr<Resolver> resolver) {
    loop.impl().require_open();
    detail::NetPart& part = detail::net_part_of(&loop.impl());
    std::swap(part.resolver, resolver);  // the old one dies last, when all is consistent
}

}}  // namespace asyncio::v1

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
#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "asyncio/base/error.hpp"
#include "asyncio/core/checkpoint.hpp"
#include "asyncio/core/event_loop.hpp"
#include "net/net_part.hpp"

namespace asyncio { inline namespace v1 {

Resolver::~Resolver() = default;

namespace detail {

namespace {

constexpr unsigned threads_max = 4;
constexpr std::chrono::seconds thread_idle_max{10};

class LookupWait;

/// What is asked: a name's addresses; or, with an address, its name.
struct Question {
    std::string host;  // empty: none
    std::string service;
    AddressInfoOptions options;
    Address address;

    friend bool operator==(const Question& a, const Question& b) noexcept {
        return a.host == b.host && a.service == b.service && a.options.family == b.options.family &&
               a.options.type == b.options.type && a.options.protocol == b.options.protocol &&
               a.options.flags == b.options.flags && a.address == b.address;
    }
    std::string text() const {
        if (!address.empty()) return "getnameinfo " + address.to_string();
        return "resolve '" + host + (service.empty() ? "'" : "', service '" + service + "'");
    }
};

struct Answer {
    std::vector<AddressInfo> found;
    std::pair<std::string, std::string> name;  // of an address: host, service
    int failure = 0;                           // an EAI_ value
    int system_error = 0;                      // errno, if that is EAI_SYSTEM
};

struct Lookup {
    Question question;
    Answer answer;
    std::weak_ptr<RemoteState> remote;
    PostPtr back;                    // made beforehand: the way back must not fail
    std::vector<LookupWait*> waits;  // the loop's
    bool counted = false;            // among LoopImpl::thread_jobs
};

int native_family(AddressFamily family) noexcept {
    return family == AddressFamily::ipv4 ? AF_INET : family == AddressFamily::ipv6 ? AF_INET6 : AF_UNSPEC;
}

void find_addresses(const Question& question, Answer& answer) {
    addrinfo hints{};
    hints.ai_family = native_family(question.options.family);
    hints.ai_socktype = question.options.type;
    hints.ai_protocol = question.options.protocol;
    hints.ai_flags = question.options.flags;
    const auto or_null = [](const std::string& text) { return text.empty() ? nullptr : text.c_str(); };
    addrinfo* found = nullptr;
    answer.failure = ::getaddrinfo(or_null(question.host), or_null(question.service), &hints, &found);
    if (answer.failure == EAI_SYSTEM) answer.system_error = errno;
    if (answer.failure != 0) return;
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, &::freeaddrinfo);
    for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
        const Address address(each->ai_addr, each->ai_addrlen);
        if (address.empty()) continue;
        answer.found.push_back({address.family(), each->ai_socktype, each->ai_protocol,
                                each->ai_canonname != nullptr ? each->ai_canonname : "", address});
    }
    if (answer.found.empty()) answer.failure = EAI_NODATA;
}

void find_name(const Question& question, Answer& answer) {
    std::array<char, NI_MAXHOST> host{};
    std::array<char, NI_MAXSERV> service{};
    answer.failure = ::getnameinfo(static_cast<const sockaddr*>(question.address.data()),
                                   static_cast<socklen_t>(question.address.size()), host.data(), host.size(),
                                   service.data(), service.size(), question.options.flags);
    if (answer.failure == EAI_SYSTEM) answer.system_error = errno;
    if (answer.failure == 0) answer.name = {host.data(), service.data()};
}

/// On a thread of the pool, or at once if it needs no server.
void ask(const Question& question, Answer& answer) noexcept {
    try {
        question.address.empty() ? find_addresses(question, answer) : find_name(question, answer);
    } catch (...) {
        answer.failure = EAI_MEMORY;
    }
}

void require_answer(const Question& question, const Answer& answer) {
    if (answer.failure == EAI_SYSTEM) throw_os_error(answer.system_error, question.text());
    if (answer.failure != 0) throw gaierror(answer.failure, question.text());
}

std::vector<Address> different_addresses(const Answer& answer, std::uint16_t port) {
    std::vector<Address> addresses;
    addresses.reserve(answer.found.size());
    for (const AddressInfo& each : answer.found) {
        const Address address = each.address.with_port(port);
        if (std::find(addresses.begin(), addresses.end(), address) == addresses.end())
            addresses.push_back(address);
    }
    return addresses;
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
            ask(job->question, job->answer);
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
    /// The answer, or what it failed with as an exception.
    Coro<Answer> ask_on_thread(Question question);
    /// Threads without a job end before this returns; the others are left behind.
    void shut_down() noexcept;

    /// Nobody waits for it any more: the loop may call itself idle.
    void uncount(Lookup& lookup) noexcept {
        if (std::exchange(lookup.counted, false)) --loop_->thread_jobs;
    }

  private:
    std::shared_ptr<Lookup> find_or_start(Question question);
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

Coro<Answer> ThreadResolver::ask_on_thread(Question question) {
    if (shut_ || impl_of(current_loop) != loop_) {
        throw RuntimeError("this resolver belongs to another event loop, or to one that has closed");
    }
    const std::shared_ptr<Lookup> lookup = find_or_start(std::move(question));
    co_await LookupWait(this, lookup.get());
    require_answer(lookup->question, lookup->answer);
    co_return lookup->answer;
}

Coro<std::vector<Address>> ThreadResolver::resolve(std::string_view host, std::uint16_t port,
                                                   AddressFamily family) {
    Question question;
    question.host = host;
    question.options.family = family;
    question.options.type = SOCK_STREAM;
    const Answer answer = co_await ask_on_thread(std::move(question));
    co_return different_addresses(answer, port);
}

std::shared_ptr<Lookup> ThreadResolver::find_or_start(Question question) {
    for (const std::shared_ptr<Lookup>& each : in_flight_) {
        if (!(each->question == question)) continue;
        if (!std::exchange(each->counted, true)) ++loop_->thread_jobs;
        return each;
    }
    auto lookup = std::make_shared<Lookup>();
    lookup->question = std::move(question);
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
            throw_os_error(EAGAIN, "starting a thread to " + lookup->question.text(),
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

Coro<Answer> ask_anywhere(Question question, bool needs_no_server) {
    if (!needs_no_server) {
        NetPart& part = running_net_part();
        if (part.default_resolver == nullptr) part.default_resolver = make_default_resolver(part.loop);
        const std::shared_ptr<Resolver> threads = part.default_resolver;
        co_return co_await static_cast<ThreadResolver&>(*threads).ask_on_thread(std::move(question));
    }
    co_await checkpoint();
    Answer answer;
    ask(question, answer);
    require_answer(question, answer);
    co_return answer;
}

Coro<std::vector<AddressInfo>> found_by(Coro<Answer> asking) {
    Answer answer = co_await std::move(asking);
    co_return std::move(answer.found);
}
Coro<std::pair<std::string, std::string>> named_by(Coro<Answer> asking) {
    Answer answer = co_await std::move(asking);
    co_return std::move(answer.name);
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

Coro<std::vector<AddressInfo>> EventLoop::getaddrinfo(std::string_view host, std::string_view service,
                                                      AddressInfoOptions options) {
    const auto zero = [](std::string_view text) { return text.find('\0') != std::string_view::npos; };
    if (zero(host) || zero(service))
        throw ValueError("getaddrinfo: the host or service contains a zero byte");
    if (host.empty() && service.empty()) throw ValueError("getaddrinfo: neither a host nor a service");
    detail::Question question;
    question.host = host;
    question.service = service;
    question.options = options;
    const bool numeric_service = service.find_first_not_of("0123456789") == std::string_view::npos;
    const bool needs_no_server = (host.empty() || Address::parse(host, 0)) && numeric_service;
    return detail::found_by(detail::ask_anywhere(std::move(question), needs_no_server));
}
Coro<std::vector<AddressInfo>> EventLoop::getaddrinfo(std::string_view host, std::uint16_t port,
                                                      AddressInfoOptions options) {
    return getaddrinfo(host, std::string_view(std::to_string(port)), options);
}
Coro<std::vector<AddressInfo>> EventLoop::getaddrinfo(std::string_view host, std::uint16_t port) {
    return getaddrinfo(host, port, AddressInfoOptions());
}

Coro<std::pair<std::string, std::string>> EventLoop::getnameinfo(Address address, int flags) {
    if (address.family() != AddressFamily::ipv4 && address.family() != AddressFamily::ipv6)
        throw ValueError("getnameinfo: an address with a host and a port is wanted");
    detail::Question question;
    question.address = address;
    question.options.flags = flags;
    const bool needs_no_server = (flags & NI_NUMERICHOST) != 0 && (flags & NI_NUMERICSERV) != 0;
    return detail::named_by(detail::ask_anywhere(std::move(question), needs_no_server));
}

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

// A Resolver on c-ares.
//
// c-ares makes, reads and closes its sockets itself; it tells (`socket_changed`) which ones it wants to be
// told of, and when it next wants to look at the clock. The loop calls back for each (add_reader, add_writer,
// a timer), and `process` hands that on.
//
// A look-up is shared by all who ask for the same while it is under way. c-ares keeps a share of its own,
// given back by its callback, which it calls once for each, whatever happens. A look-up that nobody wants any
// more goes on until its answer comes, unless it is the last: then all are cancelled, which closes the
// sockets.
//
// Callbacks of c-ares only write down what they are told and wake tasks; nothing is resumed, closed or thrown
// inside of c-ares.
//
// When the loop closes before the resolver goes, c-ares ends with it (LoopBound).
#include "asyncio/net/cares_resolver.hpp"

#include "asyncio/base/error.hpp"

#if defined(ASYNCIO_HAVE_CARES)

#include <ares.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "asyncio/core/checkpoint.hpp"
#include "asyncio/core/event_loop.hpp"
#include "asyncio/core/wait_queue.hpp"
#include "net/net_part.hpp"

namespace asyncio { inline namespace v1 {

namespace detail { namespace {

/// What somebody asked for, and what came of it.
struct Lookup {
    std::string host;
    AddressFamily family = AddressFamily::any;
    unsigned wanted = 0;  // who waits for it
    bool done = false;
    int status = ARES_ECANCELLED;
    std::vector<Address> found;  // with port 0
    WaitQueue waits;
};

constexpr WaitKind resolving("resolve");

class LookupWait : public Parking<LookupWait> {
  public:
    explicit LookupWait(Lookup& lookup) noexcept : Parking(resolving), lookup_(lookup) {}
    bool await_ready() const noexcept { return false; }
    void start() noexcept { park(lookup_.waits); }
    void await_resume() {
        leave();
        throw_if_cancelled();
    }

  private:
    Lookup& lookup_;
};

int native_family(AddressFamily family) noexcept {
    return family == AddressFamily::ipv4 ? AF_INET : family == AddressFamily::ipv6 ? AF_INET6 : AF_UNSPEC;
}

/// The value of getaddrinfo(3) that says the same.
int eai_of(int status) noexcept {
    switch (status) {
        case ARES_ENODATA: return EAI_NODATA;
        case ARES_ENOTFOUND:
        case ARES_ENONAME:
        case ARES_EBADNAME: return EAI_NONAME;
        case ARES_ESERVFAIL:
        case ARES_ETIMEOUT:
        case ARES_ECONNREFUSED: return EAI_AGAIN;
        case ARES_ENOMEM: return EAI_MEMORY;
        default: return EAI_FAIL;
    }
}

/// "c-ares: Timeout while contacting DNS servers"
std::string reason(int status) {
    // It says one or the other, by its version, of servers that refuse, fail and cannot be reached.
    if (status == ARES_ECONNREFUSED || status == ARES_ESERVFAIL)
        return "no name server gave an answer: each refused, failed or is not there";
    return std::string("c-ares: ") + ares_strerror(status);
}

[[noreturn]] void throw_status(int status, const char* doing) {
    if (status == ARES_ENOMEM) throw std::bad_alloc();
    throw OSError(std::string("c-ares cannot ") + doing + ": " + ares_strerror(status));
}

class CaresResolver final : public Resolver,
                            private LoopBound,
                            public std::enable_shared_from_this<CaresResolver> {
  public:
    explicit CaresResolver(const CaresOptions& options);
    ~CaresResolver() override { end(); }

    Coro<std::vector<Address>> resolve(std::string_view host, std::uint16_t port,
                                       AddressFamily family) override;

  private:
    /// Somebody waits for a look-up.
    class Wanted {
      public:
        Wanted(CaresResolver& resolver, Lookup& lookup) noexcept : resolver_(resolver), lookup_(lookup) {
            ++lookup_.wanted;
            ++resolver_.wanted_;
        }
        Wanted(const Wanted&) = delete;
        Wanted& operator=(const Wanted&) = delete;
        ~Wanted() {
            --lookup_.wanted;
            if (--resolver_.wanted_ == 0) resolver_.give_up_all();
        }

      private:
        CaresResolver& resolver_;
        Lookup& lookup_;
    };
    /// c-ares's share in a look-up.
    struct Share {
        CaresResolver* resolver;
        std::shared_ptr<Lookup> lookup;
    };
    struct Tick : Timer {
        CaresResolver* resolver;
        explicit Tick(CaresResolver* r) noexcept : Timer(&ops), resolver(r) {}
        static const LeafOps ops;
    };

    void set_up(const CaresOptions& options);
    void belong_here();
    void end() noexcept;
    void loop_closes() noexcept override { end(); }
    static Coro<std::vector<Address>> look_up(std::shared_ptr<CaresResolver> resolver, std::string host,
                                              std::uint16_t port, AddressFamily family);
    std::shared_ptr<Lookup> find_or_start(std::string_view host, AddressFamily family);
    void process(ares_socket_t readable, ares_socket_t writable) noexcept;
    void set_timer() noexcept;
    void give_up_all() noexcept;
    void watch(int fd, bool reading, bool writing) noexcept;
    void answer(Lookup& lookup, int status, const ares_addrinfo* result) noexcept;
    static void socket_changed(void* data, ares_socket_t fd, int readable, int writable) noexcept;
    static void answered(void* data, int status, int timeouts, ares_addrinfo* result) noexcept;

    ares_channel channel_ = nullptr;  // null when it has ended
    LoopImpl* loop_ = nullptr;        // null until it is first used
    unsigned wanted_ = 0;             // waits for any look-up
    std::vector<std::shared_ptr<Lookup>> in_flight_;
    Tick tick_{this};
};

// ---- beginning and end --------------------------------------------------------------------------

CaresResolver::CaresResolver(const CaresOptions& options) {
    if (options.tries < 1) throw ValueError("make_cares_resolver: tries is less than 1");
    if (options.ndots < 0) throw ValueError("make_cares_resolver: ndots is negative");
    if (options.timeout <= Duration::zero() || !options.timeout.has_value())
        throw ValueError("make_cares_resolver: the timeout must be more than zero, and finite");
    static const int library = ares_library_init(ARES_LIB_INIT_ALL);
    if (library != ARES_SUCCESS) throw_status(library, "begin");
    set_up(options);
    if (options.servers.empty()) return;
    const std::string servers(options.servers);
    if (const int status = ares_set_servers_ports_csv(channel_, servers.c_str()); status != ARES_SUCCESS) {
        ares_destroy(std::exchange(channel_, nullptr));
        if (status == ARES_ENOMEM) throw std::bad_alloc();
        throw ValueError("make_cares_resolver: these are no name servers: '" + servers + "'");
    }
}

void CaresResolver::set_up(const CaresOptions& options) {
    ares_options wanted{};
    int mask =
        ARES_OPT_SOCK_STATE_CB | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS | ARES_OPT_LOOKUPS;
    wanted.sock_state_cb = &socket_changed;
    wanted.sock_state_cb_data = this;
    constexpr std::int64_t timeout_ms_max = 3'600'000;
    wanted.timeout =
        static_cast<int>(std::min(timeout_ms_max, (options.timeout.count_ns() + 999'999) / 1'000'000));
    wanted.tries = options.tries;
    wanted.ndots = options.ndots;
    char lookups_both[] = "fb";
    char lookups_servers[] = "b";
    wanted.lookups = options.hosts_file ? lookups_both : lookups_servers;
    std::vector<std::string> domains;
    std::vector<char*> pointers;
    if (!options.search.empty()) {
        std::string_view rest = options.search == "." ? std::string_view() : options.search;
        while (!rest.empty()) {
            const std::size_t comma = std::min(rest.find(','), rest.size());
            if (comma != 0) domains.emplace_back(rest.substr(0, comma));
            rest.remove_prefix(std::min(comma + 1, rest.size()));
        }
        for (std::string& each : domains) pointers.push_back(each.data());
        wanted.domains = pointers.data();
        wanted.ndomains = static_cast<int>(pointers.size());
        mask |= ARES_OPT_DOMAINS;
    }
    if (const int status = ares_init_options(&channel_, &wanted, mask); status != ARES_SUCCESS) {
        channel_ = nullptr;
        throw_status(status, "begin");
    }
}

void CaresResolver::belong_here() {
    NetPart& part = running_net_part_with_sockets();
    if (loop_ == nullptr && channel_ != nullptr) {
        loop_ = part.loop;
        bind(part);
    }
    if (channel_ == nullptr || loop_ != part.loop)
        throw RuntimeError("this resolver belongs to another event loop, or to one that has closed");
}

/// The loop closes, or the last share in this is given up.
void CaresResolver::end() noexcept {
    if (channel_ == nullptr) return;
    ares_destroy(std::exchange(channel_, nullptr));
    if (loop_ == nullptr) return;
    disarm_timer(loop_, &tick_);
    unbind();
}

// ---- the loop and c-ares ------------------------------------------------------------------------

const LeafOps CaresResolver::Tick::ops{[](Leaf*) noexcept { return CancelAnswer::pending; },
                                       [](Leaf* leaf) noexcept {
                                           static_cast<Tick*>(leaf)->resolver->process(ARES_SOCKET_BAD,
                                                                                       ARES_SOCKET_BAD);
                                       },
                                       "resolve"};

void CaresResolver::process(ares_socket_t readable, ares_socket_t writable) noexcept {
    ares_process_fd(channel_, readable, writable);
    set_timer();
}

void CaresResolver::set_timer() noexcept {
    timeval space{};
    const timeval* const rest = ares_timeout(channel_, nullptr, &space);
    disarm_timer(loop_, &tick_);
    if (rest == nullptr) return;
    const auto ns =
        (static_cast<std::uint64_t>(rest->tv_sec) * 1'000'000 + static_cast<std::uint64_t>(rest->tv_usec)) *
        1'000;
    try {
        arm_timer(loop_, &tick_, saturating_add(now_ns(loop_), ns));
    } catch (...) {
        // Without memory for it the look-ups end by their answers, or by being cancelled.
    }
}

void CaresResolver::socket_changed(void* data, ares_socket_t fd, int readable, int writable) noexcept {
    static_cast<CaresResolver*>(data)->watch(fd, readable != 0, writable != 0);
}

void CaresResolver::watch(int fd, bool reading, bool writing) noexcept {
    if (loop_ == nullptr) return;
    EventLoop& loop = *loop_->owner;
    try {
        const auto can_read = [this, fd] { process(fd, ARES_SOCKET_BAD); };
        const auto can_write = [this, fd] { process(ARES_SOCKET_BAD, fd); };
        if (reading) {
            loop.add_reader(fd, can_read);
        } else {
            loop.remove_reader(fd);
        }
        if (writing) {
            loop.add_writer(fd, can_write);
        } else {
            loop.remove_writer(fd);
        }
    } catch (...) {
        // A socket that cannot be watched has no answer, so its query ends by its time limit.
    }
}

// ---- look-ups -----------------------------------------------------------------------------------

void CaresResolver::answered(void* data, int status, int /*timeouts*/, ares_addrinfo* result) noexcept {
    const std::unique_ptr<Share> share(static_cast<Share*>(data));
    share->resolver->answer(*share->lookup, status, result);
    if (result != nullptr) ares_freeaddrinfo(result);
}

void CaresResolver::answer(Lookup& lookup, int status, const ares_addrinfo* result) noexcept {
    lookup.status = status;
    try {
        for (const ares_addrinfo_node* each = result != nullptr ? result->nodes : nullptr; each != nullptr;
             each = each->ai_next) {
            const Address address(each->ai_addr, static_cast<std::size_t>(each->ai_addrlen));
            const bool known =
                std::find(lookup.found.begin(), lookup.found.end(), address) != lookup.found.end();
            if (!address.empty() && !known) lookup.found.push_back(address);
        }
    } catch (...) {
        lookup.status = ARES_ENOMEM;
    }
    if (lookup.status == ARES_SUCCESS && lookup.found.empty()) lookup.status = ARES_ENODATA;
    lookup.done = true;
    lookup.waits.unpark_all();
    const auto is_it = [&lookup](const auto& each) { return each.get() == &lookup; };
    in_flight_.erase(std::remove_if(in_flight_.begin(), in_flight_.end(), is_it), in_flight_.end());
}

std::shared_ptr<Lookup> CaresResolver::find_or_start(std::string_view host, AddressFamily family) {
    for (const std::shared_ptr<Lookup>& each : in_flight_) {
        if (each->host == host && each->family == family) return each;
    }
    auto lookup = std::make_shared<Lookup>();
    lookup->host = host;
    lookup->family = family;
    auto share = std::make_unique<Share>(Share{this, lookup});
    in_flight_.push_back(lookup);
    ares_addrinfo_hints hints{};
    hints.ai_family = native_family(family);
    hints.ai_socktype = SOCK_STREAM;
    ares_getaddrinfo(channel_, lookup->host.c_str(), nullptr, &hints, &answered, share.release());
    set_timer();
    return lookup;
}

/// Nobody waits for anything: what is still under way is for nobody.
void CaresResolver::give_up_all() noexcept {
    if (channel_ == nullptr || in_flight_.empty()) return;
    ares_cancel(channel_);
    set_timer();
}

Coro<std::vector<Address>> CaresResolver::resolve(std::string_view host, std::uint16_t port,
                                                  AddressFamily family) {
    return look_up(shared_from_this(), std::string(host), port, family);
}

/// It keeps the resolver: the caller may have no use for it after this.
Coro<std::vector<Address>> CaresResolver::look_up(std::shared_ptr<CaresResolver> resolver, std::string host,
                                                  std::uint16_t port, AddressFamily family) {
    resolver->belong_here();
    co_await checkpoint();
    const std::shared_ptr<Lookup> lookup = resolver->find_or_start(host, family);
    const Wanted wanted(*resolver, *lookup);
    while (!lookup->done) co_await LookupWait(*lookup);
    if (lookup->status != ARES_SUCCESS) {
        throw gaierror(eai_of(lookup->status), "resolve '" + lookup->host + "'", reason(lookup->status));
    }
    std::vector<Address> found = lookup->found;
    for (Address& each : found) each = each.with_port(port);
    co_return found;
}

}}  // namespace detail

std::shared_ptr<Resolver> make_cares_resolver(CaresOptions options) {
    return std::make_shared<detail::CaresResolver>(options);
}

bool has_cares_resolver() noexcept { return true; }

}}  // namespace asyncio::v1

#else

namespace asyncio { inline namespace v1 {

std::shared_ptr<Resolver> make_cares_resolver(CaresOptions) {
    throw RuntimeError(
        "this library was built without c-ares: install it (Debian: libc-ares-dev) and build anew with "
        "-DASYNCIO_WITH_CARES=ON, or keep the default resolver");
}

bool has_cares_resolver() noexcept { return false; }

}}  // namespace asyncio::v1

#endif

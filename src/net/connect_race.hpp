// ConnectRace: several addresses, attempts that start one after another, the first that connects (RFC 8305).
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "asyncio/base/duration.hpp"
#include "asyncio/core/backend.hpp"
#include "asyncio/net/address.hpp"
#include "net/net_part.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

/// The addresses in the order in which they are tried: the families take turns, that of the first address
/// begins with `first_count` of them; 0 leaves the order as it is.
/// See  RFC 8305 §4, "First Address Family Count"
std::vector<Address> interleave_families(std::vector<Address> addresses, unsigned first_count);

/// A socket that is being connected.
class Socket {
  public:
    Socket(LoopImpl* loop, int descriptor) noexcept : loop_(loop), descriptor_(descriptor) {}
    Socket(Socket&& other) noexcept : loop_(other.loop_), descriptor_(other.give()) {}
    Socket& operator=(Socket&& other) noexcept {
        std::swap(loop_, other.loop_);
        std::swap(descriptor_, other.descriptor_);
        return *this;
    }
    ~Socket() { close(); }
    int get() const noexcept { return descriptor_; }
    int give() noexcept { return std::exchange(descriptor_, -1); }
    void close() noexcept {
        if (descriptor_ >= 0) loop_->backend->close_descriptor(give());
    }

  private:
    LoopImpl* loop_;
    int descriptor_;
};

/// See connect_race.cpp.
class ConnectRace {
  public:
    /// `from`: where to connect from; empty: anywhere. `delay`: between two starts.
    ConnectRace(NetPart& part, std::vector<Address> addresses, const Address& from, Duration delay);
    ConnectRace(const ConnectRace&) = delete;
    ConnectRace& operator=(const ConnectRace&) = delete;
    ~ConnectRace();

    /// Starts what is due. What goes wrong ends the race and is thrown by `winner`.
    void advance() noexcept;
    /// The kernel holds nothing of it, and it is decided.
    bool over() const noexcept { return running_ == 0 && (decided() || next_ == addresses_.size()); }
    /// When it is over: the connected socket and its peer.
    /// Throws  OSError  of all attempts, if none has won
    std::pair<Socket, Address> winner(const std::string& target);

    /// Waits until something has changed. A cancel ends all attempts, and is thrown when the kernel has let
    /// go of the last one.
    class Change : public Leaf {
      public:
        explicit Change(ConnectRace& race) noexcept : Leaf(&ops_), race_(race) {}
        bool await_ready() const noexcept { return false; }
        template <class Promise>
        void await_suspend(std::coroutine_handle<Promise> h, Where where = where_here()) {
            if (current_loop->current->pending != 0) race_.stop();
            if (race_.running_ == 0 && enter_leaf(this, h, where)) return;
            frame = awaiting(h);
            frame->where = where;
            race_.waiter_ = this;
            suspend_on(this);
        }
        void await_resume() const { throw_if_cancelled(frame->task); }

      private:
        friend class ConnectRace;
        static CancelAnswer cancel(Leaf* leaf) noexcept;
        static void run(Leaf* leaf) noexcept;
        static const LeafOps ops_;
        ConnectRace& race_;
    };

  private:
    struct Attempt : Operation {
        ConnectRace* race;
        Address to;
        Socket socket;
        int error = 0;  // an errno value, when it has failed
        Attempt(ConnectRace* r, const Address& address) noexcept
            : Operation(OperationKind::connect, -1, &done), race(r), to(address), socket(r->part_.loop, -1) {}
    };
    struct Pause : Timer {
        ConnectRace* race;
        explicit Pause(ConnectRace* r) noexcept : Timer(&ops), race(r) {}
        static const LeafOps ops;
    };

    bool decided() const noexcept { return winner_ != nullptr || broken_ != nullptr; }
    void start_next();
    int prepare(Attempt& attempt) noexcept;
    void ended(Attempt& attempt) noexcept;
    void stop() noexcept;
    void wake_waiter() noexcept;
    static void done(Operation* operation) noexcept;
    [[noreturn]] void throw_failures(const std::string& target) const;

    NetPart& part_;
    const std::vector<Address> addresses_;
    const Address from_;
    const Duration delay_;
    std::deque<Attempt> attempts_;
    std::size_t next_ = 0;     // of addresses_: not tried yet
    std::size_t running_ = 0;  // attempts that the kernel holds
    bool due_ = true;          // the next one may start
    Pause pause_{this};
    Attempt* winner_ = nullptr;
    std::exception_ptr broken_;
    Change* waiter_ = nullptr;  // suspended; null from the moment in which it has been given its turn
};

}}}  // namespace asyncio::v1::detail

// Streams: StreamReader, StreamWriter, open_connection. (Servers: net/server.hpp.)
#pragma once
#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "asyncio/base/duration.hpp"
#include "asyncio/base/option.hpp"
#include "asyncio/core/coro.hpp"
#include "asyncio/net/address.hpp"
#include "asyncio/net/sendfile.hpp"
#include "asyncio/net/ssl_object.hpp"

namespace asyncio { inline namespace v1 {

class StreamReader;
class StreamWriter;

/// How many bytes a line may have by default, and how much may wait to be sent before `drain` waits.
inline constexpr std::size_t default_stream_limit = 64 * 1024;

namespace detail {

struct Inlet;         // where a reader's bytes come from: src/net/inlet.hpp
struct Duplex;        // an inlet with a way out, such as a socket: src/net/duplex.hpp
struct StreamAccess;  // the way in for the library's own layers: src/net/stream_access.hpp

/// A read that waits. It claims the inlet for as long, pulls from it, and hands back what it has taken if it
/// is cancelled.
class ReadBase : public Leaf {
  public:
    using ScopedAwaitableTag = void;
    /// Before it is awaited.
    ReadBase(ReadBase&& other) noexcept : ReadBase(other.inlet_, other.want_, other.amount_, other.target_) {
        ASYNCIO_ASSERT(other.frame == nullptr, "an awaiter is movable until it is awaited");
    }
    bool await_ready() { return ready(); }
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> h, Where where = where_here()) {
        if (enter_leaf(this, h, where)) return true;
        return begin();
    }
    /// Something has come, or nothing will any more.
    void progressed() noexcept;
    /// Bytes for the caller's own memory; returns how many it took.
    std::size_t take_directly(const char* data, std::size_t count) noexcept;
    /// It has memory of its own to be filled.
    bool takes_directly() const noexcept { return want_ == Want::into_some || want_ == Want::into_all; }
    /// It takes pieces out of the buffer, rather than the buffer itself.
    bool takes_pieces() const noexcept {
        return want_ == Want::more || want_ == Want::line || want_ == Want::until || want_ == Want::until_any;
    }
    /// So many bytes were put there already.
    void took_directly(std::size_t count) noexcept { progress_ += count; }

  protected:
    enum class Want : std::uint8_t {
        some,       // at most `amount_`
        exactly,    // `amount_`
        line,       // up to "\n"
        until,      // up to the separator, `amount_` bytes at `target_`
        until_any,  // up to one of `amount_` separators, an array of std::string_view at `target_`
        all,        // up to the end
        into_some,  // at least a byte into `amount_` bytes at `target_`
        into_all,   // all `amount_` bytes at `target_`
        more,       // more unread bytes than `amount_`
    };
    ReadBase(Inlet* inlet, Want want, std::size_t amount, const char* target) noexcept
        : Leaf(&ops_), inlet_(inlet), want_(want), amount_(amount), target_(target) {}
    ~ReadBase() {
        if (state_ != State::idle) [[unlikely]]
            end();
    }

    std::string take_text();
    std::size_t take_count();
    bool take_more();
    /// An awaiter that has the separators in itself was moved.
    void look_for(const std::string_view* separators) noexcept {
        target_ = reinterpret_cast<const char*>(separators);
    }

  private:
    // idle: has no claim · pulling: asks the inlet for bytes · waiting: the inlet will call progressed() ·
    // queued: has a turn of its own in the ready queue, since it has pulled enough for one turn · woken: its
    // coroutine has one.
    enum class State : std::uint8_t { idle, pulling, waiting, queued, woken };

    bool ready();
    bool begin();
    bool advance() noexcept;
    bool satisfied() noexcept;
    bool search() noexcept;
    bool search_any(std::string_view unread) noexcept;
    std::span<const std::string_view> separators() const noexcept {
        return {reinterpret_cast<const std::string_view*>(target_), amount_};
    }
    std::size_t found_length() const noexcept;
    void wake_up() noexcept;
    void check_cancelled();
    void give_back() noexcept;
    void end() noexcept;
    std::string take_line();
    [[noreturn]] void throw_overrun(const char* text);
    static CancelAnswer cancel(Leaf* leaf) noexcept;
    static void run(Leaf* leaf) noexcept;
    static const LeafOps ops_;
    friend struct ReadEnding;

    Inlet* inlet_;
    Want want_;
    State state_ = State::idle;
    bool found_ = false;    // a separator, at progress_
    bool overrun_ = false;  // no separator in as many bytes as the limit allows
    std::size_t amount_;
    const char* target_;        // memory to fill, or a separator, or several
    std::size_t progress_ = 0;  // bytes filled, or searched
};

class [[nodiscard("nothing is read before this is awaited")]] ReadAwaiter : public ReadBase {
  public:
    using Want = ReadBase::Want;
    ReadAwaiter(Inlet* inlet, std::size_t amount, bool exactly) noexcept
        : ReadBase(inlet, exactly ? Want::exactly : Want::some, amount, nullptr) {}
    explicit ReadAwaiter(Inlet* inlet) noexcept : ReadBase(inlet, Want::all, 0, nullptr) {}
    std::string await_resume() { return take_text(); }

  protected:
    ReadAwaiter(Inlet* inlet, Want want, std::string_view separator) noexcept
        : ReadBase(inlet, want, separator.size(), separator.data()) {}
    ReadAwaiter(Inlet* inlet, std::span<const std::string_view> separators) noexcept
        : ReadBase(inlet, Want::until_any, separators.size(),
                   reinterpret_cast<const char*>(separators.data())) {}
};

class [[nodiscard("nothing is read before this is awaited")]] LineAwaiter : public ReadAwaiter {
  public:
    explicit LineAwaiter(Inlet* inlet) noexcept : ReadAwaiter(inlet, Want::line, "\n") {}
    LineAwaiter(Inlet* inlet, std::string_view separator) noexcept
        : ReadAwaiter(inlet, Want::until, separator) {}
    LineAwaiter(Inlet* inlet, std::span<const std::string_view> separators) noexcept
        : ReadAwaiter(inlet, separators) {}
};

/// Of several separators, which lie in here.
template <std::size_t Count>
class [[nodiscard("nothing is read before this is awaited")]] UntilAnyAwaiter : public LineAwaiter {
  public:
    UntilAnyAwaiter(Inlet* inlet, const std::array<std::string_view, Count>& separators) noexcept
        : LineAwaiter(inlet, std::span<const std::string_view>(separators)), separators_(separators) {
        look_for(separators_.data());
    }
    UntilAnyAwaiter(UntilAnyAwaiter&& other) noexcept
        : LineAwaiter(std::move(other)), separators_(other.separators_) {
        look_for(separators_.data());
    }

  private:
    std::array<std::string_view, Count> separators_;
};

class [[nodiscard("nothing is read before this is awaited")]] FillAwaiter : public ReadBase {
  public:
    FillAwaiter(Inlet* inlet, std::span<char> into) noexcept
        : ReadBase(inlet, Want::into_all, into.size(), into.data()) {}
    void await_resume() { take_count(); }
};

class [[nodiscard("nothing is read before this is awaited")]] ReadSomeAwaiter : public ReadBase {
  public:
    ReadSomeAwaiter(Inlet* inlet, std::span<char> into) noexcept
        : ReadBase(inlet, Want::into_some, into.size(), into.data()) {}
    std::size_t await_resume() { return take_count(); }
};

class [[nodiscard("nothing is read before this is awaited")]] MoreAwaiter : public ReadBase {
  public:
    MoreAwaiter(Inlet* inlet, std::size_t known) noexcept : ReadBase(inlet, Want::more, known, nullptr) {}
    bool await_resume() { return take_more(); }
};

/// A wait for the writing side of a connection. Stands in the connection's list while it is suspended.
class WriteBase : public Leaf {
  public:
    using ScopedAwaitableTag = void;
    /// Before it is awaited.
    WriteBase(WriteBase&& other) noexcept : WriteBase(other.stream_, other.want_) {
        ASYNCIO_ASSERT(other.frame == nullptr, "an awaiter is movable until it is awaited");
    }

    enum class Want : std::uint8_t { drained, closed };

  protected:
    WriteBase(Duplex* stream, Want want) noexcept : Leaf(&ops_), stream_(stream), want_(want) {}
    ~WriteBase() {
        if (held_) [[unlikely]]
            leave();
    }
    static bool cancel_pending() noexcept {
        const LoopCore* const loop = current_loop;
        return loop == nullptr || loop->current == nullptr || loop->current->pending != 0;
    }
    bool ready();
    void begin();
    void finish();
    void write(std::span<const std::string_view> parts);

  private:
    void leave() noexcept;
    static CancelAnswer cancel(Leaf* leaf) noexcept;
    static const LeafOps ops_;
    friend struct Duplex;

    Duplex* stream_;
    WriteBase* next_ = nullptr;
    Want want_;
    bool listed_ = false;  // the connection will wake it
    bool held_ = false;    // it has a share in the connection
};

class [[nodiscard("nothing is waited for before this is awaited")]] DrainAwaiter : public WriteBase {
  public:
    explicit DrainAwaiter(Duplex* stream) noexcept : WriteBase(stream, Want::drained) {}
    bool await_ready() { return ready(); }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h, Where where = where_here()) {
        if (!enter_leaf(this, h, where)) begin();
    }
    void await_resume() { finish(); }
};

class [[nodiscard("nothing is waited for before this is awaited")]] ClosedAwaiter : public WriteBase {
  public:
    explicit ClosedAwaiter(Duplex* stream) noexcept : WriteBase(stream, Want::closed) {}
    bool await_ready() { return ready(); }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h, Where where = where_here()) {
        if (!enter_leaf(this, h, where)) begin();
    }
    void await_resume() { finish(); }
};

template <std::size_t Count>
class [[nodiscard("nothing is sent before this is awaited")]] SendAwaiter : public WriteBase {
  public:
    template <class... Parts>
    explicit SendAwaiter(Duplex* stream, Parts... parts) noexcept
        : WriteBase(stream, Want::drained), parts_{parts...} {}
    bool await_ready() {
        if (cancel_pending()) return false;  // then nothing is written
        write(parts_);
        return ready();
    }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> h, Where where = where_here()) {
        if (!enter_leaf(this, h, where)) begin();
    }
    void await_resume() { finish(); }

  private:
    std::array<std::string_view, Count> parts_;
};

}  // namespace detail

/// The reading end of a connection. Bytes are taken from the kernel only while somebody reads, so a peer that
/// sends faster than it is read is slowed down.
///
/// One task reads at a time. A read that is cancelled loses nothing: what has come is there for the next one.
/// When the writer is closed, reads give what is buffered and then the end of the stream.
///
/// Threads     loop thread only
/// Lifetime    shares the connection with its writer; may outlive the writer and the loop
/// Python      asyncio.StreamReader
class StreamReader {
  public:
    /// For the library's own layers: adopts one share of the inlet.
    explicit StreamReader(detail::Inlet* adopted) noexcept : inlet_(adopted) {}
    StreamReader(StreamReader&& other) noexcept : inlet_(std::exchange(other.inlet_, nullptr)) {}
    StreamReader& operator=(StreamReader&& other) noexcept {
        StreamReader old(std::move(*this));
        inlet_ = std::exchange(other.inlet_, nullptr);
        return *this;
    }
    ~StreamReader() {
        if (inlet_ != nullptr) drop();
    }

    /// Reads what is there, at most `n` bytes; with -1, everything up to the end of the stream.
    ///
    /// Returns     empty at the end of the stream, and if `n` is 0
    /// Throws      OSError  the connection failed; RuntimeError  another task reads
    /// Suspends    only if nothing is there
    /// Cancel      nothing is lost
    /// Threads     loop thread
    /// Cost        the string; one system call if nothing is buffered
    detail::ReadAwaiter read(std::ptrdiff_t n = -1) {
        if (n < 0) return detail::ReadAwaiter(inlet_);
        return detail::ReadAwaiter(inlet_, static_cast<std::size_t>(n), false);
    }
    /// Reads up to and with the next "\n".
    ///
    /// Returns     the rest without "\n" at the end of the stream, at last an empty string
    /// Throws      ValueError  the line is longer than the limit: what was searched of it is dropped; as
    ///             `read`
    /// Suspends    only if no whole line is there
    /// Cancel      nothing is lost
    /// Threads     loop thread
    detail::LineAwaiter readline() { return detail::LineAwaiter(inlet_); }
    /// Reads exactly `n` bytes.
    ///
    /// Throws      IncompleteReadError  the stream ended before: `partial()` is what came; ValueError  `n` is
    ///             negative; as `read`
    /// Suspends    only if not all is there
    /// Cancel      nothing is lost
    /// Threads     loop thread
    detail::ReadAwaiter readexactly(std::ptrdiff_t n) {
        return detail::ReadAwaiter(inlet_, checked_count(n), true);
    }
    /// Reads up to and with the separator.
    ///
    /// Throws      IncompleteReadError  the stream ended before; LimitOverrunError  the limit was reached:
    ///             the data stays, read `consumed()` bytes of it to go on; ValueError  the separator is
    ///             empty; as `read`
    /// Suspends    only if no separator is there
    /// Cancel      nothing is lost
    /// Threads     loop thread
    /// Lifetime    the separator's bytes until the await has ended
    detail::LineAwaiter readuntil(std::string_view separator = "\n") {
        return detail::LineAwaiter(inlet_, checked_separator(separator));
    }
    /// Reads up to and with whichever of the separators ends first: `readuntil("\r\n", "\n")`.
    ///
    /// Throws      as above
    /// Suspends    only if no separator is there
    /// Cancel      nothing is lost
    /// Threads     loop thread
    /// Lifetime    the separators' bytes, and the span's array, until the await has ended
    /// Python      readuntil of a tuple
    template <std::convertible_to<std::string_view>... More>
    detail::UntilAnyAwaiter<2 + sizeof...(More)> readuntil(std::string_view one, std::string_view other,
                                                           const More&... more) {
        const std::array<std::string_view, 2 + sizeof...(More)> all{one, other, std::string_view(more)...};
        check_separators(all);
        return detail::UntilAnyAwaiter<2 + sizeof...(More)>(inlet_, all);
    }
    detail::LineAwaiter readuntil(std::span<const std::string_view> separators) {
        check_separators(separators);
        return detail::LineAwaiter(inlet_, separators);
    }
    /// Fills `memory`, without a copy in between where it is large.
    ///
    /// Throws      IncompleteReadError  the stream ended before; as `read`
    /// Suspends    only if not all is there
    /// Cancel      nothing is lost: what was put into `memory` is read again by the next read
    /// Threads     loop thread
    /// Lifetime    `memory` until the await has ended
    /// Python      no equivalent; readexactly into the caller's memory
    detail::FillAwaiter read_into(std::span<char> memory) { return detail::FillAwaiter(inlet_, memory); }
    /// Reads what is there into `memory`, at least a byte.
    ///
    /// Returns     how many bytes; 0 at the end of the stream, and if `memory` is empty
    /// Throws      as `read`
    /// Suspends    only if nothing is there
    /// Cancel      nothing is lost
    /// Threads     loop thread
    /// Lifetime    `memory` until the await has ended
    /// Cost        no allocation
    /// Python      no equivalent; socket.recv_into
    detail::ReadSomeAwaiter readinto_some(std::span<char> memory) {
        return detail::ReadSomeAwaiter(inlet_, memory);
    }
    /// Waits until more bytes are buffered than now, for parsers that look at `buffered()` and `consume` what
    /// they have understood. The limit does not bound the buffer here: that is the parser's matter.
    ///
    /// Returns     false if no more will come
    /// Throws      as `read`
    /// Suspends    only if nothing more is there
    /// Cancel      nothing is lost
    /// Threads     loop thread
    /// Python      no equivalent
    detail::MoreAwaiter read_more() { return detail::MoreAwaiter(inlet_, buffered().size()); }

    /// What has come and was not read yet. Valid until the next read, `consume`, or turn of the loop.
    std::string_view buffered() const noexcept;
    /// Drops the first `n` bytes of what is buffered.
    /// Throws  ValueError  so many are not there
    void consume(std::size_t n);
    /// The stream has ended and everything was read.
    bool at_eof() const noexcept;
    /// How long a line may be.
    std::size_t limit() const noexcept;

  private:
    static std::size_t checked_count(std::ptrdiff_t n);
    static std::string_view checked_separator(std::string_view separator);
    static void check_separators(std::span<const std::string_view> separators);
    void drop() noexcept;
    friend detail::StreamAccess;
    detail::Inlet* inlet_;
};

/// How much may wait to be sent: above `high` bytes `drain` waits, until there are `low` or fewer.
struct WriteBufferLimits {
    std::size_t high = default_stream_limit;
    std::size_t low = ~std::size_t{0};  ///< a quarter of `high` if left out
};
static_assert(OptionStruct<WriteBufferLimits>);

/// Options of `StreamWriter::start_tls`. All members may be left out.
struct StartTlsOptions {
    std::string_view server_hostname = {};  ///< of a client: the name that the certificate must be for
    Duration ssl_handshake_timeout = std::chrono::seconds(60);
    Duration ssl_shutdown_timeout = std::chrono::seconds(30);  ///< see ConnectOptions
};
static_assert(OptionStruct<StartTlsOptions>);

/// The writing end of a connection, and its owner: the connection is closed when the writer is closed or
/// destroyed.
///
/// Threads     loop thread only
/// Lifetime    shares the connection with its reader; may outlive the reader and the loop
/// Python      asyncio.StreamWriter
class StreamWriter {
  public:
    /// What get_extra_info gives: nothing, an address, a descriptor, or something about TLS.
    using ExtraInfo = std::variant<std::monostate, Address, int, SslObject, SslCipher, SslCertificate>;

    /// For the library's own layers: adopts one share of the connection.
    explicit StreamWriter(detail::Duplex* adopted) noexcept : stream_(adopted) {}
    StreamWriter(StreamWriter&& other) noexcept : stream_(std::exchange(other.stream_, nullptr)) {}
    StreamWriter& operator=(StreamWriter&& other) noexcept {
        StreamWriter old(std::move(*this));
        stream_ = std::exchange(other.stream_, nullptr);
        return *this;
    }
    /// Closes the connection as `close` does. Debug mode names one that nobody had closed.
    ~StreamWriter() {
        if (stream_ != nullptr) drop();
    }

    /// Sends the bytes, or buffers what the kernel does not take now. Never waits: who writes much awaits
    /// `drain`, or uses `send`. After the connection was closed or lost it does nothing.
    /// Throws  RuntimeError  after write_eof; std::bad_alloc
    /// Cost    one system call, no copy of what the kernel takes
    void write(std::string_view bytes) { write_parts(std::span(&bytes, 1)); }
    /// Writes the parts in order, with one system call.
    void writelines(std::span<const std::string_view> parts) { write_parts(parts); }
    template <class Range>
        requires(!std::is_convertible_v<Range, std::span<const std::string_view>>)
    void writelines(const Range& parts) {
        std::vector<std::string_view> views;
        for (const auto& part : parts) views.emplace_back(part);
        write_parts(views);
    }
    /// Writes the parts in order, with one system call, then waits as `drain` does.
    ///
    /// Throws      ConnectionResetError, OSError  the connection is lost; RuntimeError  after write_eof
    /// Suspends    only if more is unsent than the limit allows
    /// Cancel      before it began: nothing is sent; while it waits: everything will be
    /// Threads     loop thread
    /// Lifetime    the bytes until the await has ended
    /// Python      write and drain in one
    template <class... More>
    detail::SendAwaiter<1 + sizeof...(More)> send(std::string_view bytes, const More&... more) {
        return detail::SendAwaiter<1 + sizeof...(More)>(stream_, bytes, std::string_view(more)...);
    }
    /// Waits until there is room for more to be written. Several tasks may.
    ///
    /// Throws      ConnectionResetError, OSError  the connection is lost
    /// Suspends    only if more is unsent than the limit allows; once after `close`
    /// Cancel      no effect on what was written
    /// Threads     loop thread
    detail::DrainAwaiter drain() { return detail::DrainAwaiter(stream_); }

    /// Sends a file, or a part of it, after what was written: by the kernel, without a copy through the
    /// program, where that can be. Nothing else may be written before it has ended. The file's own position
    /// is neither used nor changed (of a pipe what is read is gone).
    ///
    /// Returns     how many bytes; fewer than `count` if the file ends before
    /// Throws      ConnectionResetError, BrokenPipeError, OSError  the stream is lost, or the file cannot be
    ///             read: `*options.sent` says how far it has got; SendfileNotAvailableError  as the options
    ///             say; ValueError  an offset into a pipe; RuntimeError  after write_eof, or it is another
    ///             loop's
    /// Suspends    only if there is no room, or the kernel cannot do it
    /// Cancel      `*options.sent` bytes have been or will be sent
    /// Threads     loop thread
    /// Lifetime    the file stays open until the await has ended
    /// Python      loop.sendfile(transport, file)
    Coro<std::uint64_t> sendfile(int file, SendfileOptions options = SendfileOptions());
    /// The same of the file at `path`.
    ///
    /// Throws      FileNotFoundError, PermissionError, OSError  it cannot be opened; as above
    /// Suspends    always: it is opened on a thread
    /// Cancel      as above
    /// Threads     loop thread
    Coro<std::uint64_t> sendfile(std::string_view path, SendfileOptions options = SendfileOptions());

    /// Ends the sending direction after what was written; the peer reads to its end, and may go on sending.
    void write_eof();
    /// False over TLS, which has no half-closed streams.
    bool can_write_eof() const noexcept;
    /// Sends what is buffered, then closes. Reading ends now.
    void close() noexcept;
    /// Closes at once; what is buffered is dropped.
    void abort() noexcept;
    /// The connection is closed, being closed, or lost.
    bool is_closing() const noexcept;
    /// Waits until the connection is closed.
    ///
    /// Throws      OSError  it was lost, and did not end by `close` alone
    /// Suspends    only if it is not closed yet
    /// Cancel      no effect
    /// Threads     loop thread
    detail::ClosedAwaiter wait_closed() { return detail::ClosedAwaiter(stream_); }

    /// Goes over to TLS in mid-stream, after what was written so far has been sent: from here on reader and
    /// writer are the same, and what they carry is encrypted. The context says which side this is: one for
    /// clients begins the handshake, one for servers waits for it. What has come and was not read yet counts
    /// as the beginning of the handshake.
    ///
    /// Throws      SslCertVerificationError, SslError  the handshake failed ConnectionAbortedError  it took
    ///             longer than ssl_handshake_timeout; OSError  the connection was lost; after all of these it
    ///             is closed ValueError    the context checks the host's name and none was given RuntimeError
    ///             somebody reads or sends a file, write_eof was called, or the stream is closed
    /// Suspends    always
    /// Cancel      the connection is closed at once
    /// Threads     loop thread
    /// Lifetime    the writer must stay where it is until the await has ended
    /// Python      StreamWriter.start_tls; there the side is that of open_connection and start_server
    Coro<> start_tls(const SslContext& context, StartTlsOptions options = StartTlsOptions());

    /// Python's way to ask for what follows: "peername" and "sockname" give an Address, "socket" the
    /// descriptor, and of TLS "ssl_object" an SslObject, "cipher" an SslCipher, "peercert" an SslCertificate;
    /// any other name, and what is not there (any more), std::monostate.
    ///
    ///     auto name = std::get<asyncio::Address>(writer.get_extra_info("peername"));
    ExtraInfo get_extra_info(std::string_view name) const;
    /// The other end's address; still known after the connection has gone.
    Address peername() const;
    /// What TLS has agreed on; nothing without it.
    std::optional<SslObject> ssl_object() const;
    /// This end's address; empty once the connection is closed.
    Address sockname() const;
    /// The socket, for its options; -1 once it is closed. It must not be closed, read or written.
    int fileno() const noexcept;
    /// Bytes that were written and not sent yet.
    std::size_t get_write_buffer_size() const noexcept;
    WriteBufferLimits get_write_buffer_limits() const noexcept;
    /// Throws  ValueError  low is more than high
    void set_write_buffer_limits(WriteBufferLimits limits);

  private:
    void write_parts(std::span<const std::string_view> parts);
    void drop() noexcept;
    friend detail::StreamAccess;
    detail::Duplex* stream_;
};

/// Both ends of a connection: `auto [reader, writer] = co_await open_connection(…)`.
struct Streams {
    Streams(StreamReader r, StreamWriter w) noexcept : reader(std::move(r)), writer(std::move(w)) {}
    StreamReader reader;
    StreamWriter writer;
};

/// A host and port, of which a view is held.
struct HostPort {
    std::string_view host = {};
    std::uint16_t port = 0;
};

/// Options of `open_connection`. All members may be left out.
struct ConnectOptions {
    std::size_t limit = default_stream_limit;   ///< how long a line may be
    AddressFamily family = AddressFamily::any;  ///< only addresses of this kind
    HostPort local_addr = {};                   ///< where to connect from; a numeric host
    Duration timeout = Duration::none();        ///< for the name lookup, all attempts, and TLS's handshake
    /// After so long without a connection the next address is tried besides; none(): only when one has
    /// failed.
    Duration happy_eyeballs_delay = std::chrono::milliseconds(250);
    /// How many addresses of the first one's family come before the families take turns; 0: as the resolver
    /// gave them.
    unsigned interleave = 1;
    SslOption ssl = {};                     ///< `true`, or a context: see net/tls.hpp
    std::string_view server_hostname = {};  ///< whom the certificate must be for; else the host
    Duration ssl_handshake_timeout = std::chrono::seconds(60);
    /// How long `close` waits for the peer to say goodbye as well, from its last sign of life; 0: not at all.
    Duration ssl_shutdown_timeout = std::chrono::seconds(30);
};
static_assert(OptionStruct<ConnectOptions>);

/// Connects to `host`, a name or a numeric address. The addresses of a name are tried in turn, IPv6 and IPv4
/// alternating; the next one starts when one has failed or `happy_eyeballs_delay` has passed, and the first
/// that connects is taken. TCP_NODELAY is set. With `{.ssl = true}` or `{.ssl = context}` TLS is spoken, and
/// has shaken hands when this returns.
///
/// Over TLS the reader gives the end of the stream when the peer has said so inside of TLS; if the connection
/// just ends, reads throw SslEofError after what has come, since somebody may have cut it off.
///
/// Throws      gaierror  the name cannot be resolved; ConnectionRefusedError, OSError  no address could be
///             connected; TimeoutError  the time is up; ValueError  the host is empty, the limit 0, or
///             options of TLS contradict each other; SslCertVerificationError, SslError  TLS failed;
///             ConnectionAbortedError  its handshake took longer than ssl_handshake_timeout
/// Suspends    usually; the loop is never blocked, names are looked up on threads of the resolver
/// Cancel      what was begun is given up
/// Threads     loop thread
/// Python      asyncio.open_connection; `timeout` besides. There happy_eyeballs_delay is None by default, so
///             that a first address that never answers holds up the others, and a stream of TLS that is cut
///             off just ends
/// See         RFC 8305
Coro<Streams> open_connection(std::string_view host, std::uint16_t port,
                              ConnectOptions options = ConnectOptions());
/// Connects to an address.
///
/// Suspends    usually
/// Cancel      what was begun is given up
/// Threads     loop thread
Coro<Streams> open_connection(const Address& address, ConnectOptions options = ConnectOptions());

}}  // namespace asyncio::v1

#pragma once

#include <cstddef>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <typeinfo>
#include <utility>

#include "asyncio/base/config.hpp"
#include "asyncio/base/context_carrier.hpp"

// The exception tree. Names and ancestry are Python's:
//
//   Error : std::exception                       OSError : std::system_error
//   ├ RuntimeError                               ├ BlockingIOError       ├ InterruptedError
//   │ ├ BrokenBarrierError                       ├ ChildProcessError     ├ IsADirectoryError
//   │ └ SendfileNotAvailableError                ├ ConnectionError       ├ NotADirectoryError
//   ├ ValueError, LookupError                    │ ├ BrokenPipeError     ├ PermissionError
//   ├ InvalidStateError                          │ ├ ConnectionAbortedError  ├ ProcessLookupError
//   ├ EOFError ─ IncompleteReadError             │ ├ ConnectionRefusedError  ├ TimeoutError
//   ├ LimitOverrunError                          │ └ ConnectionResetError    └ gaierror
//   ├ QueueEmpty, QueueFull, QueueShutDown       ├ FileExistsError
//   └ ExceptionGroup (exception_group.hpp)       └ FileNotFoundError
//
//   CancelledError, KeyboardInterrupt, GeneratorExit: no std::exception, so that a handler of
//   const std::exception& lets them pass.
//
// All are immutable once made (but for the context, which is filled in at most once) and share their text, so
// copies are cheap and cannot fail, and several awaiters and threads may look at one object. Each has its key
// function (the destructor) in error.cpp.

namespace asyncio { inline namespace v1 {
namespace detail {

/// An immutable string with a reference count that threads may share: one pointer wide, copied without
/// failing.
class ASYNCIO_API SharedText {
  public:
    SharedText() noexcept = default;
    /// When memory is short the text is replaced by one that says so: an error can always be made.
    explicit SharedText(std::string_view text) noexcept;
    explicit SharedText(std::string&& text) noexcept;
    SharedText(const SharedText& other) noexcept;
    SharedText(SharedText&& other) noexcept : rep_(std::exchange(other.rep_, nullptr)) {}
    SharedText& operator=(SharedText other) noexcept {
        std::swap(rep_, other.rep_);
        return *this;
    }
    ~SharedText();

    /// Like the constructor, but throws std::bad_alloc instead of losing the text: for payload, not messages.
    static SharedText keep(std::string&& text);

    const char* c_str() const noexcept;
    std::string_view view() const noexcept;
    const std::string& str() const noexcept;

  private:
    struct Rep;
    Rep* rep_ = nullptr;
};

}  // namespace detail

/// Base of this library's errors that are not about the operating system.
class ASYNCIO_API Error : public std::exception, public ContextCarrier {
  public:
    explicit Error(std::string_view text) noexcept : text_(text) {}
    Error(const Error&) noexcept = default;
    Error& operator=(const Error&) noexcept = default;
    ~Error() override;

    const char* what() const noexcept override;

  private:
    detail::SharedText text_;
};

/// The library was used in a way that its contract forbids; the text says what to do instead.
class ASYNCIO_API RuntimeError : public Error {
  public:
    using Error::Error;
    RuntimeError(const RuntimeError&) noexcept = default;
    RuntimeError& operator=(const RuntimeError&) noexcept = default;
    ~RuntimeError() override;
};

/// An argument has a value that cannot be used.
class ASYNCIO_API ValueError : public Error {
  public:
    using Error::Error;
    ValueError(const ValueError&) noexcept = default;
    ValueError& operator=(const ValueError&) noexcept = default;
    ~ValueError() override;
};

/// What was looked for under a name or key is not there.
class ASYNCIO_API LookupError : public Error {
  public:
    using Error::Error;
    LookupError(const LookupError&) noexcept = default;
    LookupError& operator=(const LookupError&) noexcept = default;
    ~LookupError() override;
};

/// A task or future is not in the state that the operation needs.
class ASYNCIO_API InvalidStateError : public Error {
  public:
    using Error::Error;
    InvalidStateError(const InvalidStateError&) noexcept = default;
    InvalidStateError& operator=(const InvalidStateError&) noexcept = default;
    ~InvalidStateError() override;
};

/// The input ended where more was needed.
class ASYNCIO_API EOFError : public Error {
  public:
    using Error::Error;
    EOFError(const EOFError&) noexcept = default;
    EOFError& operator=(const EOFError&) noexcept = default;
    ~EOFError() override;
};

/// A stream ended before the bytes that were asked for had come.
class ASYNCIO_API IncompleteReadError : public EOFError {
  public:
    /// `expected` is empty when the length was not known in advance (a separator was being looked for).
    IncompleteReadError(std::string partial, std::optional<std::size_t> expected);
    IncompleteReadError(const IncompleteReadError&) noexcept = default;
    IncompleteReadError& operator=(const IncompleteReadError&) noexcept = default;
    ~IncompleteReadError() override;

    /// The bytes that came before the end.
    const std::string& partial() const noexcept { return partial_.str(); }
    std::optional<std::size_t> expected() const noexcept { return expected_; }

  private:
    detail::SharedText partial_;
    std::optional<std::size_t> expected_;
};

/// A separator was not found within the stream's limit.
class ASYNCIO_API LimitOverrunError : public Error {
  public:
    LimitOverrunError(std::string_view text, std::size_t consumed) noexcept
        : Error(text), consumed_(consumed) {}
    LimitOverrunError(const LimitOverrunError&) noexcept = default;
    LimitOverrunError& operator=(const LimitOverrunError&) noexcept = default;
    ~LimitOverrunError() override;

    /// Number of buffered bytes that were searched and may be read or dropped.
    std::size_t consumed() const noexcept { return consumed_; }

  private:
    std::size_t consumed_;
};

/// `get_nowait` met an empty queue.
class ASYNCIO_API QueueEmpty : public Error {
  public:
    QueueEmpty() noexcept : Error("the queue is empty") {}
    using Error::Error;
    QueueEmpty(const QueueEmpty&) noexcept = default;
    QueueEmpty& operator=(const QueueEmpty&) noexcept = default;
    ~QueueEmpty() override;
};

/// `put_nowait` met a full queue.
class ASYNCIO_API QueueFull : public Error {
  public:
    QueueFull() noexcept : Error("the queue is full") {}
    using Error::Error;
    QueueFull(const QueueFull&) noexcept = default;
    QueueFull& operator=(const QueueFull&) noexcept = default;
    ~QueueFull() override;
};

/// The queue was shut down.
class ASYNCIO_API QueueShutDown : public Error {
  public:
    QueueShutDown() noexcept : Error("the queue was shut down") {}
    using Error::Error;
    QueueShutDown(const QueueShutDown&) noexcept = default;
    QueueShutDown& operator=(const QueueShutDown&) noexcept = default;
    ~QueueShutDown() override;
};

/// A barrier was aborted or reset while tasks waited at it.
class ASYNCIO_API BrokenBarrierError : public RuntimeError {
  public:
    using RuntimeError::RuntimeError;
    BrokenBarrierError(const BrokenBarrierError&) noexcept = default;
    BrokenBarrierError& operator=(const BrokenBarrierError&) noexcept = default;
    ~BrokenBarrierError() override;
};

/// The kernel cannot send this file through this socket, and no fallback was wanted.
class ASYNCIO_API SendfileNotAvailableError : public RuntimeError {
  public:
    using RuntimeError::RuntimeError;
    SendfileNotAvailableError(const SendfileNotAvailableError&) noexcept = default;
    SendfileNotAvailableError& operator=(const SendfileNotAvailableError&) noexcept = default;
    ~SendfileNotAvailableError() override;
};

/// An operation of the operating system failed: `code()` is its errno, the text names the operation's
/// subject.
///
/// "connect 127.0.0.1:1: Connection refused [Errno 111]". Make one by number with `throw_os_error`, which
/// picks the subclass.
class ASYNCIO_API OSError : public std::system_error, public ContextCarrier {
  public:
    /// `advice`, if any, is appended after "; ": what the reader may do about it.
    OSError(int error, std::string_view subject, std::string_view advice = {});
    /// For failures that no system call reported; `code()` is 0.
    explicit OSError(std::string_view text);
    OSError(const OSError&) noexcept = default;
    OSError& operator=(const OSError&) noexcept = default;
    ~OSError() override;

    const char* what() const noexcept override;

  protected:
    OSError(std::error_code code, std::string_view text);

  private:
    detail::SharedText text_;
};

/// EAGAIN, EALREADY, EINPROGRESS: the operation would have to wait.
class ASYNCIO_API BlockingIOError : public OSError {
  public:
    using OSError::OSError;
    explicit BlockingIOError(std::string_view text);
    BlockingIOError(const BlockingIOError&) noexcept = default;
    BlockingIOError& operator=(const BlockingIOError&) noexcept = default;
    ~BlockingIOError() override;
};

/// ECHILD: no such child process.
class ASYNCIO_API ChildProcessError : public OSError {
  public:
    using OSError::OSError;
    explicit ChildProcessError(std::string_view text);
    ChildProcessError(const ChildProcessError&) noexcept = default;
    ChildProcessError& operator=(const ChildProcessError&) noexcept = default;
    ~ChildProcessError() override;
};

/// A connection failed; base of the four that say how.
class ASYNCIO_API ConnectionError : public OSError {
  public:
    using OSError::OSError;
    ConnectionError(const ConnectionError&) noexcept = default;
    ConnectionError& operator=(const ConnectionError&) noexcept = default;
    ~ConnectionError() override;
};

/// EPIPE, ESHUTDOWN: written to a connection or pipe whose other end is closed.
class ASYNCIO_API BrokenPipeError : public ConnectionError {
  public:
    using ConnectionError::ConnectionError;
    explicit BrokenPipeError(std::string_view text);
    BrokenPipeError(const BrokenPipeError&) noexcept = default;
    BrokenPipeError& operator=(const BrokenPipeError&) noexcept = default;
    ~BrokenPipeError() override;
};

/// ECONNABORTED: given up by this side.
class ASYNCIO_API ConnectionAbortedError : public ConnectionError {
  public:
    using ConnectionError::ConnectionError;
    explicit ConnectionAbortedError(std::string_view text);
    ConnectionAbortedError(const ConnectionAbortedError&) noexcept = default;
    ConnectionAbortedError& operator=(const ConnectionAbortedError&) noexcept = default;
    ~ConnectionAbortedError() override;
};

/// ECONNREFUSED: nobody listens there.
class ASYNCIO_API ConnectionRefusedError : public ConnectionError {
  public:
    using ConnectionError::ConnectionError;
    explicit ConnectionRefusedError(std::string_view text);
    ConnectionRefusedError(const ConnectionRefusedError&) noexcept = default;
    ConnectionRefusedError& operator=(const ConnectionRefusedError&) noexcept = default;
    ~ConnectionRefusedError() override;
};

/// ECONNRESET: the peer dropped the connection.
class ASYNCIO_API ConnectionResetError : public ConnectionError {
  public:
    using ConnectionError::ConnectionError;
    explicit ConnectionResetError(std::string_view text);
    ConnectionResetError(const ConnectionResetError&) noexcept = default;
    ConnectionResetError& operator=(const ConnectionResetError&) noexcept = default;
    ~ConnectionResetError() override;
};

/// EEXIST.
class ASYNCIO_API FileExistsError : public OSError {
  public:
    using OSError::OSError;
    explicit FileExistsError(std::string_view text);
    FileExistsError(const FileExistsError&) noexcept = default;
    FileExistsError& operator=(const FileExistsError&) noexcept = default;
    ~FileExistsError() override;
};

/// ENOENT.
class ASYNCIO_API FileNotFoundError : public OSError {
  public:
    using OSError::OSError;
    explicit FileNotFoundError(std::string_view text);
    FileNotFoundError(const FileNotFoundError&) noexcept = default;
    FileNotFoundError& operator=(const FileNotFoundError&) noexcept = default;
    ~FileNotFoundError() override;
};

/// EINTR.
class ASYNCIO_API InterruptedError : public OSError {
  public:
    using OSError::OSError;
    explicit InterruptedError(std::string_view text);
    InterruptedError(const InterruptedError&) noexcept = default;
    InterruptedError& operator=(const InterruptedError&) noexcept = default;
    ~InterruptedError() override;
};

/// EISDIR.
class ASYNCIO_API IsADirectoryError : public OSError {
  public:
    using OSError::OSError;
    explicit IsADirectoryError(std::string_view text);
    IsADirectoryError(const IsADirectoryError&) noexcept = default;
    IsADirectoryError& operator=(const IsADirectoryError&) noexcept = default;
    ~IsADirectoryError() override;
};

/// ENOTDIR.
class ASYNCIO_API NotADirectoryError : public OSError {
  public:
    using OSError::OSError;
    explicit NotADirectoryError(std::string_view text);
    NotADirectoryError(const NotADirectoryError&) noexcept = default;
    NotADirectoryError& operator=(const NotADirectoryError&) noexcept = default;
    ~NotADirectoryError() override;
};

/// EACCES, EPERM.
class ASYNCIO_API PermissionError : public OSError {
  public:
    using OSError::OSError;
    explicit PermissionError(std::string_view text);
    PermissionError(const PermissionError&) noexcept = default;
    PermissionError& operator=(const PermissionError&) noexcept = default;
    ~PermissionError() override;
};

/// ESRCH: no such process.
class ASYNCIO_API ProcessLookupError : public OSError {
  public:
    using OSError::OSError;
    explicit ProcessLookupError(std::string_view text);
    ProcessLookupError(const ProcessLookupError&) noexcept = default;
    ProcessLookupError& operator=(const ProcessLookupError&) noexcept = default;
    ~ProcessLookupError() override;
};

/// ETIMEDOUT, from the system or from this library's own deadlines ("timed out").
class ASYNCIO_API TimeoutError : public OSError {
  public:
    using OSError::OSError;
    TimeoutError();
    explicit TimeoutError(std::string_view text);
    TimeoutError(const TimeoutError&) noexcept = default;
    TimeoutError& operator=(const TimeoutError&) noexcept = default;
    ~TimeoutError() override;
};

/// A name could not be resolved: `code()` is an EAI_… value in `gai_category()`.
class ASYNCIO_API gaierror : public OSError {
  public:
    /// `eai` is what getaddrinfo returned; for EAI_SYSTEM throw an OSError from errno instead.
    gaierror(int eai, std::string_view subject, std::string_view advice = {});
    gaierror(const gaierror&) noexcept = default;
    gaierror& operator=(const gaierror&) noexcept = default;
    ~gaierror() override;
};

/// Category of the EAI_… codes of getaddrinfo(3).
ASYNCIO_API const std::error_category& gai_category() noexcept;

/// Throws the OSError subclass that belongs to `error`, an errno value.
[[noreturn]] ASYNCIO_API ASYNCIO_COLD void throw_os_error(int error, std::string_view subject,
                                                          std::string_view advice = {});

/// Makes what `throw_os_error` throws, without a throw.
ASYNCIO_API std::exception_ptr make_os_error(int error, std::string_view subject,
                                             std::string_view advice = {});

/// The task was cancelled. Not a std::exception: `catch (const std::exception&)` must not swallow it.
class ASYNCIO_API CancelledError : public ContextCarrier {
  public:
    CancelledError() noexcept = default;
    explicit CancelledError(std::string_view message) noexcept : message_(message) {}
    CancelledError(const CancelledError&) noexcept = default;
    CancelledError& operator=(const CancelledError&) noexcept = default;
    virtual ~CancelledError();

    /// What was given to `cancel(message)`; empty if nothing was.
    std::string_view message() const noexcept { return message_.view(); }
    /// The message, or "cancelled" if it is empty.
    const char* what() const noexcept;

  private:
    detail::SharedText message_;
};

/// Ctrl-C ended the program's main task. Not a std::exception, like CancelledError.
class ASYNCIO_API KeyboardInterrupt {
  public:
    KeyboardInterrupt() noexcept = default;
    KeyboardInterrupt(const KeyboardInterrupt&) noexcept = default;
    KeyboardInterrupt& operator=(const KeyboardInterrupt&) noexcept = default;
    virtual ~KeyboardInterrupt();

    const char* what() const noexcept;
};

/// What `AsyncGenerator::aclose` throws into the generator's body, where it has yielded, so that it cleans up
/// and ends. Not a std::exception, like CancelledError.
class ASYNCIO_API GeneratorExit {
  public:
    GeneratorExit() noexcept = default;
    GeneratorExit(const GeneratorExit&) noexcept = default;
    GeneratorExit& operator=(const GeneratorExit&) noexcept = default;
    virtual ~GeneratorExit();

    const char* what() const noexcept;
};

namespace detail {

/// The object inside `error` as a `wanted` (adjusted to that base), or null if it is none.
ASYNCIO_API const void* exception_object(const std::exception_ptr& error,
                                         const std::type_info& wanted) noexcept;

}  // namespace detail

/// The exception inside `error` as an `E`, or null if it is none, or if `error` is null. Nothing is thrown.
///
/// Lifetime    the object lives as long as any exception_ptr to it
template <class E>
const E* exception_cast(const std::exception_ptr& error) noexcept {
    static_assert(std::is_class_v<E>, "exception_cast<E>: E is a class, without const or &");
#if defined(__GLIBCXX__)
    return static_cast<const E*>(detail::exception_object(error, typeid(E)));
#else
    if (error == nullptr) {
        return nullptr;
    }
    // The Itanium ABI rethrows the same object, so the pointer outlives the handler.
    try {
        std::rethrow_exception(error);
    } catch (const E& e) {
        return &e;
    } catch (...) {
        return nullptr;
    }
#endif
}

/// Type of the exception inside `error`; null if `error` is null.
ASYNCIO_API const std::type_info* exception_type(const std::exception_ptr& error) noexcept;

/// Whether `error` holds a CancelledError. Costs two compares, no throw.
ASYNCIO_API bool is_cancelled(const std::exception_ptr& error) noexcept;

/// The text of the exception: its `what()`, also for CancelledError; empty if `error` is null.
ASYNCIO_API std::string error_text(const std::exception_ptr& error);

/// "ValueError: the text", or the type's name alone if there is no text; empty if `error` is null.
ASYNCIO_API std::string describe(const std::exception_ptr& error);

/// A symbol or type name as it is written in source; the argument itself if it is not mangled.
ASYNCIO_API std::string demangle(const char* name);

}}  // namespace asyncio::v1

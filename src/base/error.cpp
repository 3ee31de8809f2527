// The exception tree.
//
// Exceptions are shared: gather, shield and several awaiters of one task hold the same object, on several
// threads when a remote handle is involved. Hence:
//
// 1. Nothing in an exception changes after its constructor, but for the context (context_carrier.cpp). Texts
//    are SharedText: immutable, counted atomically.
// 2. Making an Error or a CancelledError never fails. The moment at which memory runs out is the moment at
//    which errors are made, and an error that turns into std::bad_alloc on its way has lost its type. Only
//    the text is given up then. (OSError cannot promise it: std::system_error builds strings in its
//    constructor.)
// 3. Looking at an exception never throws it. A throw costs microseconds per frame, and a debugger's "catch
//    throw" should stop at failures only. The Itanium ABI knows how to ask an object for a base: the
//    type_info of the wanted class has __do_catch, the function that the unwinder itself uses to match a
//    handler. An exception_ptr of libstdc++ is one pointer to the thrown object; that object is never a
//    "dependent" exception, since std::current_exception and rethrow_exception unwrap these.
//
// Sources: Python's Objects/exceptions.c (errno table); Itanium C++ ABI, "Exception Handling", 2.2 and 2.5.

#include "asyncio/base/error.hpp"

#include <cxxabi.h>
#include <netdb.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>

#include "asyncio/base/assert.hpp"

namespace asyncio { inline namespace v1 {
namespace detail {

struct SharedText::Rep {
    explicit Rep(std::string&& made) noexcept : text(std::move(made)) {}

    std::atomic<unsigned> references{1};
    const std::string text;
};

namespace {

/// Stands in for every text that could not be stored.
const std::string& lost_text() noexcept {
    // Leaked: exceptions may be looked at by destructors of static objects.
    alignas(std::string) static std::byte storage[sizeof(std::string)];
    static const std::string* text =
        ::new (storage) std::string("out of memory");  // Short enough to stay inline.
    return *text;
}

const std::string& empty_text() noexcept {
    alignas(std::string) static std::byte storage[sizeof(std::string)];
    static const std::string* text = ::new (storage) std::string();
    return *text;
}

}  // namespace

// rep_ is null for the empty text, `lost` for a text that could not be stored, else an owned reference.
namespace {
char lost_mark;
}

SharedText::SharedText(std::string_view text) noexcept {
    if (text.empty()) {
        return;
    }
    try {
        rep_ = new Rep(std::string(text));
    } catch (const std::bad_alloc&) {
        rep_ = reinterpret_cast<Rep*>(&lost_mark);
    }
}

SharedText::SharedText(std::string&& text) noexcept {
    if (text.empty()) {
        return;
    }
    rep_ = new (std::nothrow) Rep(std::move(text));
    if (rep_ == nullptr) {
        rep_ = reinterpret_cast<Rep*>(&lost_mark);
    }
}

SharedText SharedText::keep(std::string&& text) {
    SharedText made;
    if (!text.empty()) {
        made.rep_ = new Rep(std::move(text));
    }
    return made;
}

SharedText::SharedText(const SharedText& other) noexcept : rep_(other.rep_) {
    if (rep_ != nullptr && rep_ != reinterpret_cast<Rep*>(&lost_mark)) {
        // Relaxed: whoever copies holds a reference already.
        rep_->references.fetch_add(1, std::memory_order_relaxed);
    }
}

SharedText::~SharedText() {
    if (rep_ == nullptr || rep_ == reinterpret_cast<Rep*>(&lost_mark)) {
        return;
    }
    // Release pairs with the acquire of the last owner's own fetch_sub: every use happens before the delete.
    if (rep_->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        delete rep_;
    }
}

const std::string& SharedText::str() const noexcept {
    if (rep_ == nullptr) {
        return empty_text();
    }
    return rep_ == reinterpret_cast<Rep*>(&lost_mark) ? lost_text() : rep_->text;
}

const char* SharedText::c_str() const noexcept { return str().c_str(); }
std::string_view SharedText::view() const noexcept { return str(); }

}  // namespace detail

Error::~Error() = default;
RuntimeError::~RuntimeError() = default;
ValueError::~ValueError() = default;
LookupError::~LookupError() = default;
InvalidStateError::~InvalidStateError() = default;
EOFError::~EOFError() = default;
IncompleteReadError::~IncompleteReadError() = default;
LimitOverrunError::~LimitOverrunError() = default;
QueueEmpty::~QueueEmpty() = default;
QueueFull::~QueueFull() = default;
QueueShutDown::~QueueShutDown() = default;
BrokenBarrierError::~BrokenBarrierError() = default;
SendfileNotAvailableError::~SendfileNotAvailableError() = default;
OSError::~OSError() = default;
BlockingIOError::~BlockingIOError() = default;
ChildProcessError::~ChildProcessError() = default;
ConnectionError::~ConnectionError() = default;
BrokenPipeError::~BrokenPipeError() = default;
ConnectionAbortedError::~ConnectionAbortedError() = default;
ConnectionRefusedError::~ConnectionRefusedError() = default;
ConnectionResetError::~ConnectionResetError() = default;
FileExistsError::~FileExistsError() = default;
FileNotFoundError::~FileNotFoundError() = default;
InterruptedError::~InterruptedError() = default;
IsADirectoryError::~IsADirectoryError() = default;
NotADirectoryError::~NotADirectoryError() = default;
PermissionError::~PermissionError() = default;
ProcessLookupError::~ProcessLookupError() = default;
TimeoutError::~TimeoutError() = default;
gaierror::~gaierror() = default;
CancelledError::~CancelledError() = default;
KeyboardInterrupt::~KeyboardInterrupt() = default;
GeneratorExit::~GeneratorExit() = default;

const char* Error::what() const noexcept { return text_.c_str(); }
const char* OSError::what() const noexcept { return text_.c_str(); }
const char* KeyboardInterrupt::what() const noexcept { return "interrupted by Ctrl-C"; }
const char* GeneratorExit::what() const noexcept { return "the async generator is being closed"; }
const char* CancelledError::what() const noexcept {
    return message_.view().empty() ? "cancelled" : message_.c_str();
}

namespace {

std::string incomplete_read_text(std::size_t partial, std::optional<std::size_t> expected) {
    std::string text = std::to_string(partial) + " bytes read on a total of ";
    text += expected.has_value() ? std::to_string(*expected) : std::string("undefined");
    return text += " expected bytes";
}

/// "connect 127.0.0.1:1: Connection refused [Errno 111]; advice"
std::string failure_text(const std::error_code& code, std::string_view subject, std::string_view advice) {
    std::string text;
    if (!subject.empty()) {
        text.append(subject).append(": ");
    }
    text.append(code.message()).append(" [Errno ").append(std::to_string(code.value())).append("]");
    if (!advice.empty()) {
        text.append("; ").append(advice);
    }
    return text;
}

class GaiCategory final : public std::error_category {
  public:
    const char* name() const noexcept override { return "getaddrinfo"; }
    std::string message(int value) const override { return ::gai_strerror(value); }
};

std::error_code errno_code(int error) noexcept { return {error, std::generic_category()}; }

}  // namespace

IncompleteReadError::IncompleteReadError(std::string partial, std::optional<std::size_t> expected)
    : EOFError(incomplete_read_text(partial.size(), expected)),
      partial_(detail::SharedText::keep(std::move(partial))),
      expected_(expected) {}

OSError::OSError(std::error_code code, std::string_view text) : std::system_error(code), text_(text) {}
OSError::OSError(int error, std::string_view subject, std::string_view advice)
    : OSError(errno_code(error), failure_text(errno_code(error), subject, advice)) {}
OSError::OSError(std::string_view text) : OSError(std::error_code(), text) {}

BlockingIOError::BlockingIOError(std::string_view text) : OSError(errno_code(EAGAIN), text) {}
ChildProcessError::ChildProcessError(std::string_view text) : OSError(errno_code(ECHILD), text) {}
BrokenPipeError::BrokenPipeError(std::string_view text) : ConnectionError(errno_code(EPIPE), text) {}
ConnectionAbortedError::ConnectionAbortedError(std::string_view text)
    : ConnectionError(errno_code(ECONNABORTED), text) {}
ConnectionRefusedError::ConnectionRefusedError(std::string_view text)
    : ConnectionError(errno_code(ECONNREFUSED), text) {}
ConnectionResetError::ConnectionResetError(std::string_view text)
    : ConnectionError(errno_code(ECONNRESET), text) {}
FileExistsError::FileExistsError(std::string_view text) : OSError(errno_code(EEXIST), text) {}
FileNotFoundError::FileNotFoundError(std::string_view text) : OSError(errno_code(ENOENT), text) {}
InterruptedError::InterruptedError(std::string_view text) : OSError(errno_code(EINTR), text) {}
IsADirectoryError::IsADirectoryError(std::string_view text) : OSError(errno_code(EISDIR), text) {}
NotADirectoryError::NotADirectoryError(std::string_view text) : OSError(errno_code(ENOTDIR), text) {}
PermissionError::PermissionError(std::string_view text) : OSError(errno_code(EACCES), text) {}
ProcessLookupError::ProcessLookupError(std::string_view text) : OSError(errno_code(ESRCH), text) {}
TimeoutError::TimeoutError() : TimeoutError("timed out") {}
TimeoutError::TimeoutError(std::string_view text) : OSError(errno_code(ETIMEDOUT), text) {}

gaierror::gaierror(int eai, std::string_view subject, std::string_view advice)
    : OSError(std::error_code(eai, gai_category()),
              failure_text(std::error_code(eai, gai_category()), subject, advice)) {}

const std::error_category& gai_category() noexcept {
    static const GaiCategory category;
    return category;
}

namespace {

/// Calls `use.template operator()<E>()` with the class that belongs to an errno value.
template <class Use>
decltype(auto) with_class_of(int error, Use use) {
    switch (error) {
        case EAGAIN:  // Also EWOULDBLOCK.
        case EALREADY:
        case EINPROGRESS: return use.template operator()<BlockingIOError>();
        case ECHILD: return use.template operator()<ChildProcessError>();
        case EPIPE:
        case ESHUTDOWN: return use.template operator()<BrokenPipeError>();
        case ECONNABORTED: return use.template operator()<ConnectionAbortedError>();
        case ECONNREFUSED: return use.template operator()<ConnectionRefusedError>();
        case ECONNRESET: return use.template operator()<ConnectionResetError>();
        case EEXIST: return use.template operator()<FileExistsError>();
        case ENOENT: return use.template operator()<FileNotFoundError>();
        case EINTR: return use.template operator()<InterruptedError>();
        case EISDIR: return use.template operator()<IsADirectoryError>();
        case ENOTDIR: return use.template operator()<NotADirectoryError>();
        case EACCES:
        case EPERM: return use.template operator()<PermissionError>();
        case ESRCH: return use.template operator()<ProcessLookupError>();
        case ETIMEDOUT: return use.template operator()<TimeoutError>();
        default: return use.template operator()<OSError>();
    }
}

}  // namespace

void throw_os_error(int error, std::string_view subject, std::string_view advice) {
    ASYNCIO_ASSERT(error > 0, "throw_os_error needs a positive errno value");
    with_class_of(error, [&]<class E>() { throw E(error, subject, advice); });
    __builtin_unreachable();
}

std::exception_ptr make_os_error(int error, std::string_view subject, std::string_view advice) {
    ASYNCIO_ASSERT(error > 0, "make_os_error needs a positive errno value");
    return with_class_of(error,
                         [&]<class E>() { return std::make_exception_ptr(E(error, subject, advice)); });
}

const std::type_info* exception_type(const std::exception_ptr& error) noexcept {
    if (error == nullptr) {
        return nullptr;
    }
#if defined(__GLIBCXX__)
    return error.__cxa_exception_type();
#else
    try {
        std::rethrow_exception(error);
    } catch (...) {
        return abi::__cxa_current_exception_type();
    }
#endif
}

namespace detail {

const void* exception_object(const std::exception_ptr& error, const std::type_info& wanted) noexcept {
#if defined(__GLIBCXX__)
    if (error == nullptr) {
        return nullptr;
    }
    void* object = nullptr;
    static_assert(sizeof error == sizeof object);
    std::memcpy(&object, &error, sizeof object);
    return wanted.__do_catch(error.__cxa_exception_type(), &object, 1) ? object : nullptr;
#else
    static_cast<void>(error);
    static_cast<void>(wanted);
    return nullptr;
#endif
}

}  // namespace detail

bool is_cancelled(const std::exception_ptr& error) noexcept {
    return error != nullptr && exception_cast<CancelledError>(error) != nullptr;
}

std::string demangle(const char* name) {
    int status = 0;
    char* readable = abi::__cxa_demangle(name, nullptr, nullptr, &status);
    if (readable == nullptr) {
        return name;
    }
    std::string text;
    try {
        text = readable;
    } catch (...) {
        std::free(readable);
        throw;
    }
    std::free(readable);
    return text;
}

namespace {

/// "asyncio::v1::ValueError" → "ValueError"; "a::B<c::D>" → "B<c::D>".
std::string unqualified(std::string name) {
    std::size_t start = 0;
    int depth = 0;
    for (std::size_t i = 0; i + 1 < name.size(); ++i) {
        const char c = name[i];
        if (c == '<' || c == '(') {
            ++depth;
        } else if (c == '>' || c == ')') {
            --depth;
        } else if (c == ':' && name[i + 1] == ':' && depth == 0) {
            start = i + 2;
        }
    }
    return name.erase(0, start);
}

/// The exception's own text; null if its class has none that we know how to ask for.
const char* text_in(const std::exception_ptr& error) noexcept {
    if (const auto* known = exception_cast<std::exception>(error)) {
        return known->what();
    }
    if (const auto* cancelled = exception_cast<CancelledError>(error)) {
        return cancelled->what();
    }
    if (const auto* interrupt = exception_cast<KeyboardInterrupt>(error)) {
        return interrupt->what();
    }
    if (const auto* exit = exception_cast<GeneratorExit>(error)) {
        return exit->what();
    }
    return nullptr;
}

std::string unknown_text(const std::exception_ptr& error) {
    return "unknown exception of type " + demangle(exception_type(error)->name());
}

}  // namespace

std::string error_text(const std::exception_ptr& error) {
    if (error == nullptr) {
        return {};
    }
    const char* text = text_in(error);
    return text != nullptr ? std::string(text) : unknown_text(error);
}

std::string describe(const std::exception_ptr& error) {
    if (error == nullptr) {
        return {};
    }
    const char* text = text_in(error);
    if (text == nullptr) {
        return unknown_text(error);
    }
    std::string name = unqualified(demangle(exception_type(error)->name()));
    if (const auto* cancelled = exception_cast<CancelledError>(error);
        cancelled && cancelled->message().empty()) {
        return name;
    }
    if (exception_cast<KeyboardInterrupt>(error) != nullptr ||
        exception_cast<GeneratorExit>(error) != nullptr || *text == '\0') {
        return name;
    }
    return name.append(": ").append(text);
}

}}  // namespace asyncio::v1

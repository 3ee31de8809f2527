#include "asyncio/base/error.hpp"

#include <gtest/gtest.h>
#include <netdb.h>

#include <cerrno>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <vector>

#include "asyncio/base/config.hpp"

namespace asyncio_error_test {

// Classes of this test live in a named namespace, so that their demangled names are what a user would see.
struct Plain {};
struct Left {
    int left = 1;
    virtual ~Left() = default;
};
struct Right {
    int right = 2;
    virtual ~Right() = default;
};
struct Both : Left, Right {};
struct Diamond1 : virtual Right {};
struct Diamond2 : virtual Right {};
struct Diamond : Diamond1, Diamond2 {};
struct Twice1 : Right {};
struct Twice2 : Right {};
struct Twice : Twice1, Twice2 {};
struct Hidden : private Right {};
template <class T>
struct Templated : std::runtime_error {
    Templated() : std::runtime_error("templated") {}
};

}  // namespace asyncio_error_test

namespace {

using namespace asyncio;
using namespace asyncio_error_test;

template <class E>
std::exception_ptr ptr(E e) {
    return std::make_exception_ptr(std::move(e));
}

TEST(Error, CarriesTheTextItWasMadeWith) {
    try {
        throw ValueError("port must be below 65536");
    } catch (const std::exception& e) {
        EXPECT_STREQ(e.what(), "port must be below 65536");
    }
}

TEST(Error, FollowsPythonsTree) {
    static_assert(std::is_base_of_v<std::exception, Error>);
    static_assert(std::is_base_of_v<Error, RuntimeError>);
    static_assert(std::is_base_of_v<Error, ValueError>);
    static_assert(std::is_base_of_v<Error, InvalidStateError>);
    static_assert(std::is_base_of_v<Error, LimitOverrunError>);
    static_assert(std::is_base_of_v<EOFError, IncompleteReadError>);
    static_assert(std::is_base_of_v<RuntimeError, BrokenBarrierError>);
    static_assert(std::is_base_of_v<RuntimeError, SendfileNotAvailableError>);
    static_assert(std::is_base_of_v<Error, QueueEmpty> && std::is_base_of_v<Error, QueueFull>);
    static_assert(std::is_base_of_v<std::system_error, OSError>);
    static_assert(std::is_base_of_v<ConnectionError, BrokenPipeError>);
    static_assert(std::is_base_of_v<ConnectionError, ConnectionResetError>);
    static_assert(std::is_base_of_v<OSError, ConnectionError>);
    static_assert(std::is_base_of_v<OSError, TimeoutError> && std::is_base_of_v<OSError, gaierror>);
    static_assert(!std::is_base_of_v<std::exception, CancelledError>);
    static_assert(!std::is_base_of_v<std::exception, KeyboardInterrupt>);
    try {
        throw TimeoutError();
    } catch (const OSError& e) {
        EXPECT_STREQ(e.what(), "timed out");
        EXPECT_EQ(e.code(), std::errc::timed_out);
    }
}

TEST(Error, CopiesShareTheTextAndCannotFail) {
    static_assert(std::is_nothrow_copy_constructible_v<ValueError>);
    static_assert(std::is_nothrow_copy_assignable_v<ValueError>);
    static_assert(std::is_nothrow_copy_constructible_v<IncompleteReadError>);
    static_assert(std::is_nothrow_copy_constructible_v<CancelledError>);
    static_assert(std::is_nothrow_copy_constructible_v<OSError>);
    ValueError first("a text that is far too long for any string to keep it inside itself");
    ValueError copy = first;
    EXPECT_EQ(copy.what(), first.what()) << "the same address";
    ValueError other("another text");
    other = first;
    EXPECT_EQ(other.what(), first.what());
    other = *&other;
    EXPECT_EQ(other.what(), first.what());
    ValueError moved = std::move(other);
    EXPECT_EQ(moved.what(), first.what());
    EXPECT_STREQ(ValueError("").what(), "");
}

TEST(Error, ACopyOutlivesItsOriginal) {
    auto first = std::make_unique<CancelledError>("a text that is far too long to be kept inside a string");
    CancelledError copy = *first;
    first.reset();
    EXPECT_EQ(copy.message(), "a text that is far too long to be kept inside a string");
}

#if !ASYNCIO_ASAN && !ASYNCIO_TSAN
// The sanitizers end the program at such an allocation instead of reporting failure.
TEST(Error, IsMadeEvenWhenThereIsNoMemoryForItsText) {
    volatile std::size_t impossible = static_cast<std::size_t>(-1) / 4;
    ValueError error(std::string_view("x", impossible));
    EXPECT_STREQ(error.what(), "out of memory");
    ValueError copy = error;
    EXPECT_STREQ(copy.what(), "out of memory");
}
#endif

TEST(Error, MayBeCopiedAndReadByManyThreads) {
    const ValueError shared("shared by everybody, and long enough to need its own memory");
    const std::exception_ptr pointer = ptr(shared);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            for (int round = 0; round < 1000; ++round) {
                const ValueError copy = shared;
                const std::exception_ptr same = pointer;
                if (error_text(same) != copy.what()) std::abort();
            }
        });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(error_text(pointer), shared.what());
}

TEST(IncompleteReadError, KeepsWhatCameAndSaysHowMuchWasWanted) {
    IncompleteReadError known(std::string("ab\0c", 4), 10);
    EXPECT_EQ(known.partial(), std::string("ab\0c", 4));
    EXPECT_EQ(known.expected(), 10u);
    EXPECT_STREQ(known.what(), "4 bytes read on a total of 10 expected bytes");
    IncompleteReadError open("", std::nullopt);
    EXPECT_EQ(open.partial(), "");
    EXPECT_EQ(open.expected(), std::nullopt);
    EXPECT_STREQ(open.what(), "0 bytes read on a total of undefined expected bytes");
}

TEST(LimitOverrunError, SaysHowMuchWasSearched) {
    LimitOverrunError error("Separator is not found, and chunk exceed the limit", 65536);
    EXPECT_EQ(error.consumed(), 65536u);
}

TEST(QueueErrors, HaveATextOfTheirOwn) {
    EXPECT_STREQ(QueueEmpty().what(), "the queue is empty");
    EXPECT_STREQ(QueueFull().what(), "the queue is full");
    EXPECT_STREQ(QueueShutDown().what(), "the queue was shut down");
    EXPECT_STREQ(QueueEmpty("nothing here").what(), "nothing here");
}

TEST(OSError, NamesSubjectReasonNumberAndAdvice) {
    OSError error(ECONNREFUSED, "connect 127.0.0.1:1");
    EXPECT_STREQ(error.what(), "connect 127.0.0.1:1: Connection refused [Errno 111]");
    EXPECT_EQ(error.code().value(), ECONNREFUSED);
    EXPECT_EQ(error.code(), std::errc::connection_refused);
    OSError advised(EACCES, "bind 0.0.0.0:80", "ports below 1024 need CAP_NET_BIND_SERVICE");
    EXPECT_STREQ(advised.what(),
                 "bind 0.0.0.0:80: Permission denied [Errno 13]; ports below 1024 need CAP_NET_BIND_SERVICE");
    EXPECT_STREQ(OSError(EIO, "").what(), "Input/output error [Errno 5]");
}

TEST(OSError, MadeFromATextKeepsItAndHasItsClasssNumber) {
    EXPECT_STREQ(ConnectionResetError("closed while flushing").what(), "closed while flushing");
    EXPECT_EQ(ConnectionResetError("x").code().value(), ECONNRESET);
    EXPECT_EQ(BrokenPipeError("x").code().value(), EPIPE);
    EXPECT_EQ(TimeoutError("x").code().value(), ETIMEDOUT);
    EXPECT_EQ(FileNotFoundError("x").code().value(), ENOENT);
    EXPECT_EQ(ConnectionError("connection lost").code().value(), 0);
    EXPECT_FALSE(OSError("no number").code());
}

template <class E>
void expect_class(int error) {
    const std::exception_ptr made = make_os_error(error, "subject");
    ASSERT_NE(exception_type(made), nullptr);
    EXPECT_EQ(*exception_type(made), typeid(E)) << error << " made a " << describe(made);
    const auto* os = exception_cast<OSError>(made);
    ASSERT_NE(os, nullptr);
    EXPECT_EQ(os->code().value(), error);
    EXPECT_EQ(os->code().category(), std::generic_category());
    try {
        throw_os_error(error, "subject", "advice");
    } catch (const OSError& e) {
        EXPECT_EQ(typeid(e), typeid(E)) << error;
        EXPECT_TRUE(std::string_view(e.what()).ends_with("; advice")) << e.what();
    }
}

TEST(OSError, TheNumberChoosesTheClassAsInPython) {
    expect_class<BlockingIOError>(EAGAIN);
    expect_class<BlockingIOError>(EWOULDBLOCK);
    expect_class<BlockingIOError>(EALREADY);
    expect_class<BlockingIOError>(EINPROGRESS);
    expect_class<ChildProcessError>(ECHILD);
    expect_class<BrokenPipeError>(EPIPE);
    expect_class<BrokenPipeError>(ESHUTDOWN);
    expect_class<ConnectionAbortedError>(ECONNABORTED);
    expect_class<ConnectionRefusedError>(ECONNREFUSED);
    expect_class<ConnectionResetError>(ECONNRESET);
    expect_class<FileExistsError>(EEXIST);
    expect_class<FileNotFoundError>(ENOENT);
    expect_class<InterruptedError>(EINTR);
    expect_class<IsADirectoryError>(EISDIR);
    expect_class<NotADirectoryError>(ENOTDIR);
    expect_class<PermissionError>(EACCES);
    expect_class<PermissionError>(EPERM);
    expect_class<ProcessLookupError>(ESRCH);
    expect_class<TimeoutError>(ETIMEDOUT);
    expect_class<OSError>(EMFILE);
    expect_class<OSError>(ECANCELED);
    expect_class<OSError>(99999);
}

TEST(OSErrorDeathTest, ANumberThatIsNoErrnoIsRefused) {
    EXPECT_DEATH(throw_os_error(0, "x"), "positive errno");
    EXPECT_DEATH(static_cast<void>(make_os_error(-EIO, "x")), "positive errno");
}

TEST(Gaierror, HasItsOwnCategory) {
    gaierror error(EAI_NONAME, "resolve no.such.host.invalid");
    EXPECT_EQ(error.code().value(), EAI_NONAME);
    EXPECT_EQ(&error.code().category(), &gai_category());
    EXPECT_STREQ(error.what(), "resolve no.such.host.invalid: Name or service not known [Errno -2]");
    EXPECT_EQ(describe(ptr(error)).find("gaierror: resolve "), 0u);
}

TEST(CancelledError, PassesThroughAHandlerOfStdException) {
    EXPECT_THROW(
        {
            try {
                throw CancelledError("stop");
            } catch (const std::exception&) {
                FAIL() << "a cancellation was swallowed";
            }
        },
        CancelledError);
}

TEST(CancelledError, HasAMessageAndAlwaysAText) {
    EXPECT_EQ(CancelledError().message(), "");
    EXPECT_STREQ(CancelledError().what(), "cancelled");
    EXPECT_EQ(CancelledError("shutting down").message(), "shutting down");
    EXPECT_STREQ(CancelledError("shutting down").what(), "shutting down");
}

TEST(ExceptionCast, FindsTheTypeItselfAndItsBases) {
    const std::exception_ptr error = ptr(ConnectionResetError("gone"));
    ASSERT_NE(exception_cast<ConnectionResetError>(error), nullptr);
    EXPECT_STREQ(exception_cast<ConnectionResetError>(error)->what(), "gone");
    EXPECT_NE(exception_cast<ConnectionError>(error), nullptr);
    EXPECT_NE(exception_cast<OSError>(error), nullptr);
    EXPECT_NE(exception_cast<std::system_error>(error), nullptr);
    EXPECT_STREQ(exception_cast<std::exception>(error)->what(), "gone");
    EXPECT_EQ(exception_cast<BrokenPipeError>(error), nullptr);
    EXPECT_EQ(exception_cast<CancelledError>(error), nullptr);
    EXPECT_EQ(exception_cast<Error>(std::exception_ptr()), nullptr);
}

TEST(ExceptionCast, GivesTheObjectThatARethrowWouldGive) {
    const std::exception_ptr error = ptr(Both());
    try {
        std::rethrow_exception(error);
    } catch (const Right& right) {
        EXPECT_EQ(exception_cast<Right>(error), &right);
        EXPECT_EQ(exception_cast<Right>(error)->right, 2);
        EXPECT_EQ(exception_cast<Right>(std::current_exception()), &right);
    }
    EXPECT_EQ(exception_cast<Left>(error)->left, 1);
}

TEST(ExceptionCast, AgreesWithCatchOnVirtualAmbiguousAndPrivateBases) {
    ASSERT_NE(exception_cast<Right>(ptr(Diamond())), nullptr);
    EXPECT_EQ(exception_cast<Right>(ptr(Diamond()))->right, 2);
    EXPECT_EQ(exception_cast<Right>(ptr(Twice())), nullptr);
    EXPECT_EQ(exception_cast<Right>(ptr(Hidden())), nullptr);
}

TEST(ExceptionCast, WhatIsNoClassIsNothing) {
    EXPECT_EQ(exception_cast<Error>(ptr(42)), nullptr);
    EXPECT_EQ(exception_cast<Error>(ptr("text")), nullptr);
    static const ValueError thrown_by_pointer("x");
    EXPECT_EQ(exception_cast<ValueError>(ptr(&thrown_by_pointer)), nullptr);
    EXPECT_EQ(*exception_type(ptr(42)), typeid(int));
    EXPECT_EQ(exception_type(nullptr), nullptr);
}

TEST(IsCancelled, IsTrueForCancelledErrorOnly) {
    EXPECT_TRUE(is_cancelled(ptr(CancelledError("x"))));
    EXPECT_FALSE(is_cancelled(ptr(ValueError("x"))));
    EXPECT_FALSE(is_cancelled(ptr(KeyboardInterrupt())));
    EXPECT_FALSE(is_cancelled(nullptr));
}

TEST(Describe, IsTypeAndTextAsPythonWritesThem) {
    EXPECT_EQ(describe(ptr(ValueError("bad port"))), "ValueError: bad port");
    EXPECT_EQ(describe(ptr(std::runtime_error("broken"))), "runtime_error: broken");
    EXPECT_EQ(describe(ptr(OSError(EIO, "read"))), "OSError: read: Input/output error [Errno 5]");
    EXPECT_EQ(describe(ptr(ValueError(""))), "ValueError");
    EXPECT_EQ(describe(ptr(CancelledError())), "CancelledError");
    EXPECT_EQ(describe(ptr(CancelledError("stop"))), "CancelledError: stop");
    EXPECT_EQ(describe(ptr(KeyboardInterrupt())), "KeyboardInterrupt");
    EXPECT_EQ(describe(nullptr), "");
}

TEST(Describe, UnknownTypesAreNamedInFull) {
    EXPECT_EQ(describe(ptr(42)), "unknown exception of type int");
    EXPECT_EQ(describe(ptr(Plain())), "unknown exception of type asyncio_error_test::Plain");
}

TEST(Describe, ATemplatesArgumentsDoNotHideItsName) {
    EXPECT_EQ(describe(ptr(Templated<Plain>())), "Templated<asyncio_error_test::Plain>: templated");
}

TEST(ErrorText, IsTheTextAlone) {
    EXPECT_EQ(error_text(ptr(ValueError("bad port"))), "bad port");
    EXPECT_EQ(error_text(ptr(CancelledError())), "cancelled");
    EXPECT_EQ(error_text(ptr(42)), "unknown exception of type int");
    EXPECT_EQ(error_text(nullptr), "");
}

TEST(Demangle, GivesSourceNamesAndLeavesOthersAlone) {
    EXPECT_EQ(demangle(typeid(std::vector<int>).name()), "std::vector<int, std::allocator<int> >");
    EXPECT_EQ(demangle("_ZN7asyncio5sleepEv"), "asyncio::sleep()");
    EXPECT_EQ(demangle("main"), "main");
    EXPECT_EQ(demangle("_Z!!"), "_Z!!");
}

}  // namespace

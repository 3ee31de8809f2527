// What the tests of files share: a folder of their own, and the C library to look at it with.
#pragma once
#include <gtest/gtest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "asyncio/asyncio.hpp"
#include "support/cancel_points.hpp"
#include "support/loop_fixture.hpp"

namespace asyncio::test {

using namespace std::chrono_literals;

/// A folder that goes with its test, and all that is in it.
class Folder {
  public:
    explicit Folder(const std::filesystem::path& where = std::filesystem::temp_directory_path()) {
        std::string name = (where / "asyncio-test-XXXXXX").string();
        EXPECT_NE(::mkdtemp(name.data()), nullptr);
        path_ = name;
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    const std::string& path() const { return path_; }
    std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }
    /// Makes a file with this content; gives its path.
    std::string put(std::string_view name, std::string_view content) const {
        const std::string path = *this / name;
        std::ofstream(path, std::ios::binary) << content;
        return path;
    }

  private:
    std::string path_;
};

inline std::string content_of(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    EXPECT_TRUE(in.good()) << path;
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

/// Another user's rights for a while, if this is root.
class SomebodyElse {
  public:
    SomebodyElse() : was_(::geteuid()) {
        if (was_ == 0) {
            EXPECT_EQ(::seteuid(65534), 0);
        }
    }
    SomebodyElse(const SomebodyElse&) = delete;
    SomebodyElse& operator=(const SomebodyElse&) = delete;
    ~SomebodyElse() { EXPECT_EQ(::seteuid(was_), 0); }

  private:
    uid_t was_;
};

/// Bytes that are all different places: what is lost, doubled or swapped shows. A line end now and then.
inline std::string different_bytes(std::size_t count) {
    std::string made(count, '\0');
    std::uint32_t state = 12345;
    for (char& each : made) {
        state = state * 1664525 + 1013904223;
        each = (state >> 24) % 50 == 0 ? '\n' : static_cast<char>('a' + (state >> 24) % 26);
    }
    return made;
}

class FilesTest : public BackendTest {
  protected:
    Folder folder;
};

/// The error that awaiting this throws; null if none.
template <class T>
Coro<std::exception_ptr> error_of(Coro<T> coro) {
    std::exception_ptr error;
    try {
        if constexpr (std::is_void_v<T>) {
            co_await std::move(coro);
        } else {
            [[maybe_unused]] const T result = co_await std::move(coro);
        }
    } catch (...) {
        error = std::current_exception();
    }
    co_return error;
}
/// The text of the error that awaiting this throws, which is an E; else says what happened.
template <class E, class T>
Coro<std::string> text_of(Coro<T> coro) {
    const std::exception_ptr error = co_await error_of(std::move(coro));
    if (error == nullptr) co_return "nothing was thrown";
    const E* const wanted = exception_cast<E>(error);
    co_return wanted != nullptr ? std::string(wanted->what()) : "another error: " + describe(error);
}

}  // namespace asyncio::test

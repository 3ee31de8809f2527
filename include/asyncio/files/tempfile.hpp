// asyncio::tempfile: files and folders that go when they are done with. The names are Python's.
#pragma once
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

#include "asyncio/base/option.hpp"
#include "asyncio/core/coro.hpp"
#include "asyncio/files/file.hpp"
#include "asyncio/task/with.hpp"

namespace asyncio { inline namespace v1 { namespace tempfile {

/// Options of what is made here. All members may be left out.
struct TemporaryOptions {
    std::string_view mode = "w+b";
    std::string_view prefix = "tmp";  ///< what the name begins with
    std::string_view suffix = {};     ///< … and ends with
    std::string_view dir = {};        ///< the folder; empty: gettempdir(). Names are absolute in any case
    bool delete_ = true;              ///< of NamedTemporaryFile: whether closing removes it
};
static_assert(OptionStruct<TemporaryOptions>);

/// Where temporary files go: TMPDIR, TEMP or TMP of the environment, else /tmp.
std::string gettempdir();

/// A file without a name: it is gone when it is closed, whatever happens.
///
/// Throws      OSError     by errno, with the folder
///             ValueError  no such mode; a name with a zero byte or a "/"
/// Suspends    always
/// Cancel      nothing is left
/// Threads     loop thread
/// Python      tempfile.TemporaryFile
Coro<File> TemporaryFile(TemporaryOptions options = TemporaryOptions());
/// A file that only this user can open, with a name of its own, `file.name()`. Closing removes it, if it has
/// not been renamed or removed before.
///
/// Suspends    always
/// Cancel      nothing is left
/// Threads     loop thread
/// Python      tempfile.NamedTemporaryFile, mkstemp ({.delete_ = false})
Coro<File> NamedTemporaryFile(TemporaryOptions options = TemporaryOptions());

/// A folder that goes with all that is in it: at the end of `with`, by `cleanup`, or when it is dropped, by a
/// thread.
///
/// Threads     loop thread
class [[nodiscard(
    "a temporary folder that nobody holds is removed at once: keep it, or use with(…)")]] Directory {
  public:
    Directory(std::string path, std::uint32_t loop_id) noexcept : path_(std::move(path)), loop_id_(loop_id) {}
    Directory(Directory&& other) noexcept
        : path_(std::exchange(other.path_, std::string())), loop_id_(other.loop_id_) {}
    Directory& operator=(Directory&& other) noexcept {
        if (this == &other) return *this;
        drop();
        path_ = std::exchange(other.path_, std::string());
        loop_id_ = other.loop_id_;
        return *this;
    }
    ~Directory() { drop(); }

    /// Its path; empty when it was removed.
    const std::string& name() const noexcept { return path_; }
    /// Removes it and all that is in it. Once more does nothing.
    ///
    /// Throws      OSError  something could not be removed: it keeps its name, so that this can be repeated
    /// Suspends    always, unless it was removed
    /// Cancel      it is removed all the same; an error that nobody gets then goes to the exception handler
    /// Threads     loop thread
    /// Lifetime    it must live until the await has ended
    Coro<> cleanup();
    /// For `with`.
    ReadyEnter aenter() noexcept { return ReadyEnter(); }
    /// Suspends    as cleanup
    /// Cancel      as cleanup
    /// Threads     loop thread
    Coro<> aexit(const std::exception_ptr&) { return cleanup(); }

  private:
    void drop() noexcept;

    std::string path_;
    std::uint32_t loop_id_;
};

/// A folder that only this user can enter.
///
/// Throws      OSError     by errno, with the path
///             ValueError  a name with a zero byte or a "/"
/// Suspends    always
/// Cancel      nothing is left
/// Threads     loop thread
/// Python      tempfile.TemporaryDirectory
Coro<Directory> TemporaryDirectory(TemporaryOptions options = TemporaryOptions());

}}}  // namespace asyncio::v1::tempfile

// What the fixtures look at: /proc/self/fd, the loop's own lists, the recycler's balance.
#include "support/loop_fixture.hpp"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ostream>
#include <set>

#include "detail/loop_impl.hpp"

namespace asyncio::test {

namespace {

std::set<Backend>& backends() {
    static std::set<Backend> noted;
    return noted;
}

bool may_be_missing(std::string_view name) {
    const char* value = std::getenv("ASYNCIO_ALLOW_MISSING_BACKENDS");
    std::string allowed = std::string(" ") + (value != nullptr ? value : "") + " ";
    std::replace(allowed.begin(), allowed.end(), ',', ' ');
    return allowed.find(" " + std::string(name) + " ") != std::string::npos;
}

}  // namespace

std::vector<std::string> open_descriptors() {
    std::vector<std::string> found;
    DIR* const folder = ::opendir("/proc/self/fd");
    if (folder == nullptr) return found;
    while (const dirent* entry = ::readdir(folder)) {
        const int fd = std::atoi(entry->d_name);
        if (fd <= STDERR_FILENO || fd == ::dirfd(folder)) continue;
        char target[256];
        const ssize_t length = ::readlinkat(::dirfd(folder), entry->d_name, target, sizeof target);
        found.push_back(entry->d_name + std::string(" -> ") +
                        std::string(target, length > 0 ? static_cast<std::size_t>(length) : 0));
    }
    ::closedir(folder);
    std::sort(found.begin(), found.end());
    return found;
}

void expect_nothing_left(EventLoop& loop) {
    const detail::LoopImpl& impl = loop.impl();
    EXPECT_EQ(impl.task_count, 0u) << "tasks that still live:\n" << impl.list_tasks();
    EXPECT_EQ(impl.timers.size(), 0u) << "timers that are still armed";
    EXPECT_EQ(impl.backend->in_flight(), 0u) << "operations that the kernel still holds";
    EXPECT_EQ(impl.idle_waiters.size(), 0u);
    EXPECT_EQ(impl.thread_jobs, 0u) << "to_thread calls that are still out";
}

void note_backend(Backend backend) { backends().insert(backend); }

std::string noted_backends() {
    std::string names;
    for (Backend each : {Backend::epoll, Backend::io_uring, Backend::sim}) {
        if (backends().count(each) != 0) names += (names.empty() ? "" : " ") + std::string(to_string(each));
    }
    return names;
}

LoopTest::LoopTest() : descriptors_before_(open_descriptors()), blocks_before_(detail::blocks_in_use()) {}

LoopTest::~LoopTest() {
    const std::vector<std::string> now = open_descriptors();
    for (const std::string& each : now) {
        if (std::find(descriptors_before_.begin(), descriptors_before_.end(), each) ==
            descriptors_before_.end()) {
            ADD_FAILURE() << "this test leaked a descriptor: " << each;
        }
    }
    // The count is this thread's: it falls where frames that another thread made are freed here.
    EXPECT_LE(detail::blocks_in_use(), blocks_before_)
        << "this test leaked coroutine frames, tasks or futures";
}

void BackendTest::SetUp() {
    const std::string name(to_string(GetParam()));
    if ((" " + available_backends() + " ").find(" " + name + " ") != std::string::npos) return;
    if (may_be_missing(name)) {
        GTEST_SKIP() << name << " is missing here, which ASYNCIO_ALLOW_MISSING_BACKENDS allows";
    }
    FAIL() << name << " is missing here: set ASYNCIO_ALLOW_MISSING_BACKENDS=" << name << " to go on without";
}

std::string backend_name(const ::testing::TestParamInfo<Backend>& info) {
    return std::string(to_string(info.param));
}

}  // namespace asyncio::test

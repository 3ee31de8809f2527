// How a program is started: by posix_spawn(3), which is a vfork with all that may fail told to us as an error
// number, and without the copied page tables of fork(2).
//
// The descriptors that become 0, 1 and 2 of the program are first moved out of that range: one step must not
// overwrite what a later one still needs. All of ours are close-on-exec; what others have left open is closed
// by `close_fds`.
//
// posix_spawn does not tell apart what failed. That the working directory cannot be entered is found out
// afterwards, for the message.
#include "process/spawn.hpp"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <new>

#include "asyncio/base/error.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

namespace {

constexpr int first_free_descriptor = 3;

void require_no_nul(const std::string& text, const char* what, const char* name) {
    if (text.find('\0') == std::string::npos) return;
    throw ValueError(std::string(what) + ": " + name + " has a NUL in it");
}

std::string variable(const SpawnRequest& request, std::string_view name) {
    for (const std::string& each : request.environment) {
        if (each.size() > name.size() && each.starts_with(name) && each[name.size()] == '=')
            return each.substr(name.size() + 1);
    }
    return {};
}

/// Where the program may be: itself if it has a slash, else its name in each folder of PATH.
std::vector<std::string> candidates(const SpawnRequest& request) {
    std::vector<std::string> found;
    if (request.executable.find('/') != std::string::npos || request.executable.empty()) {
        found.push_back(request.executable);
        return found;
    }
    const char* const ours = std::getenv("PATH");
    std::string path = request.has_environment ? variable(request, "PATH") : ours != nullptr ? ours : "";
    if (path.empty()) path = "/bin:/usr/bin";
    for (std::size_t at = 0; at <= path.size();) {
        const std::size_t end = std::min(path.find(':', at), path.size());
        const std::string folder = path.substr(at, end - at);
        found.push_back(folder.empty() ? "./" + request.executable : folder + "/" + request.executable);
        at = end + 1;
    }
    return found;
}

/// posix_spawn's two objects.
class Plan {
  public:
    Plan() {
        if (::posix_spawn_file_actions_init(&actions_) != 0) throw std::bad_alloc();
        if (::posix_spawnattr_init(&attributes_) != 0) {
            ::posix_spawn_file_actions_destroy(&actions_);
            throw std::bad_alloc();
        }
    }
    Plan(const Plan&) = delete;
    Plan& operator=(const Plan&) = delete;
    ~Plan() {
        ::posix_spawn_file_actions_destroy(&actions_);
        ::posix_spawnattr_destroy(&attributes_);
    }

    void duplicate(int from, int to) { require(::posix_spawn_file_actions_adddup2(&actions_, from, to)); }
    void close(int descriptor) { require(::posix_spawn_file_actions_addclose(&actions_, descriptor)); }
    void close_from(int descriptor);
    void enter(const std::string& folder) {
        require(::posix_spawn_file_actions_addchdir_np(&actions_, folder.c_str()));
    }
    void set_attributes(const SubprocessOptions& options);
    int run(pid_t& pid, const std::string& path, char* const* arguments, char* const* environment) {
        return ::posix_spawn(&pid, path.c_str(), &actions_, &attributes_, arguments, environment);
    }

  private:
    static void require(int error) {
        if (error != 0) throw_os_error(error, "posix_spawn_file_actions");
    }
    posix_spawn_file_actions_t actions_;
    posix_spawnattr_t attributes_;
};

void Plan::set_attributes(const SubprocessOptions& options) {
    short flags = POSIX_SPAWN_SETSIGMASK;
    sigset_t set;
    ::sigemptyset(&set);
    ::posix_spawnattr_setsigmask(&attributes_, &set);
    if (options.restore_signals) {
        for (const int number : {SIGPIPE, SIGXFSZ}) ::sigaddset(&set, number);
        ::posix_spawnattr_setsigdefault(&attributes_, &set);
        flags |= POSIX_SPAWN_SETSIGDEF;
    }
    if (options.start_new_session) flags |= POSIX_SPAWN_SETSID;
    if (options.process_group >= 0) {
        ::posix_spawnattr_setpgroup(&attributes_, options.process_group);
        flags |= POSIX_SPAWN_SETPGROUP;
    }
    ::posix_spawnattr_setflags(&attributes_, flags);
}

/// Descriptors that the program would inherit, from 3 on.
std::vector<int> inheritable_descriptors() {
    std::vector<int> found;
    DIR* const folder = ::opendir("/proc/self/fd");
    if (folder == nullptr) throw_os_error(errno, "/proc/self/fd");
    while (const dirent* entry = ::readdir(folder)) {
        const int descriptor = std::atoi(entry->d_name);  // "." and "..": 0
        if (descriptor < first_free_descriptor || descriptor == ::dirfd(folder)) continue;
        if ((::fcntl(descriptor, F_GETFD) & FD_CLOEXEC) == 0) found.push_back(descriptor);
    }
    ::closedir(folder);
    return found;
}

/// One end for the program, the other for us.
void make_pipe(OwnedDescriptor& reading, OwnedDescriptor& writing, const SpawnRequest& request) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw_os_error(errno, request.subject() + ": pipe");
    reading = OwnedDescriptor(ends[0]);
    writing = OwnedDescriptor(ends[1]);
}

/// The program's three standard streams before they have their numbers: -1 where it inherits ours.
class StandardStreams {
  public:
    explicit StandardStreams(const SpawnRequest& request) : request_(request) {}

    void open(int number, Redirect where, OwnedDescriptor& our_end) {
        OwnedDescriptor& made = made_[number];
        if (where.is(Redirect::Kind::pipe)) {
            number == 0 ? make_pipe(made, our_end, request_) : make_pipe(our_end, made, request_);
        } else if (where.is(Redirect::Kind::devnull)) {
            made = OwnedDescriptor(::open("/dev/null", (number == 0 ? O_RDONLY : O_WRONLY) | O_CLOEXEC));
            if (made.get() < 0) throw_os_error(errno, request_.subject() + ": /dev/null");
        } else if (where.is(Redirect::Kind::out)) {
            if (number != 2) throw ValueError(std::string(request_.what) + ": STDOUT is for stderr_ alone");
            joins_out_ = true;
        } else if (where.descriptor() >= 0) {
            source_[number] = where.descriptor();
        } else if (!where.is(Redirect::Kind::inherit)) {
            throw ValueError(std::string(request_.what) + ": " + std::to_string(where.descriptor()) +
                             " is no descriptor");
        }
        if (made.get() >= 0) source_[number] = made.get();
        move_up(number);
    }

    void add_to(Plan& plan) const {
        for (int number = 0; number < 3; ++number) {
            if (source_[number] >= 0) plan.duplicate(source_[number], number);
        }
        if (joins_out_) plan.duplicate(1, 2);
    }

  private:
    void move_up(int number) {
        if (source_[number] < 0 || source_[number] >= first_free_descriptor) return;
        const int moved = ::fcntl(source_[number], F_DUPFD_CLOEXEC, first_free_descriptor);
        if (moved < 0)
            throw_os_error(errno, request_.subject() + ": descriptor " + std::to_string(source_[number]));
        made_[number] = OwnedDescriptor(moved);
        source_[number] = moved;
    }

    const SpawnRequest& request_;
    OwnedDescriptor made_[3];
    int source_[3] = {-1, -1, -1};
    bool joins_out_ = false;
};

std::vector<char*> pointers(const std::vector<std::string>& texts) {
    std::vector<char*> list;
    list.reserve(texts.size() + 1);
    for (const std::string& each : texts) list.push_back(const_cast<char*>(each.c_str()));
    list.push_back(nullptr);
    return list;
}

[[noreturn]] void throw_not_started(const SpawnRequest& request, int error) {
    struct stat status{};
    if (!request.cwd.empty()) {
        if (::stat(request.cwd.c_str(), &status) != 0 ||
            (!S_ISDIR(status.st_mode) && (errno = ENOTDIR) != 0) ||
            ::access(request.cwd.c_str(), X_OK) != 0) {
            throw_os_error(errno, request.subject() + ": the working directory '" + request.cwd + "'");
        }
    }
    const bool searched = error == ENOENT && request.executable.find('/') == std::string::npos;
    throw_os_error(error, request.subject() + (searched ? " (looked for in PATH)" : ""));
}

}  // namespace

SpawnRequest::SpawnRequest(std::vector<std::string> program_and_arguments, const SubprocessOptions& given,
                           const char* function)
    : what(function),
      arguments(std::move(program_and_arguments)),
      environment(given.env.list()),
      has_environment(given.env.has_value()),
      executable(given.executable.empty() && !arguments.empty() ? arguments.front() : given.executable),
      cwd(given.cwd),
      pass_fds(given.pass_fds.begin(), given.pass_fds.end()),
      options(given) {
    options.cwd = options.executable = {};
    options.env = {};
    options.pass_fds = {};
    if (arguments.empty()) throw ValueError(std::string(what) + ": there is no program");
    if (options.limit == 0) throw ValueError(std::string(what) + ": the limit is 0");
    require_no_nul(executable, what, "the program");
    require_no_nul(cwd, what, "cwd");
    for (const std::string& each : arguments) require_no_nul(each, what, "an argument");
    for (const std::string& each : environment) require_no_nul(each, what, "a variable of env");
}

void Plan::close_from(int descriptor) {
#if defined(__GLIBC_PREREQ)
#if __GLIBC_PREREQ(2, 34)
    return require(::posix_spawn_file_actions_addclosefrom_np(&actions_, descriptor));
#endif
#endif
    for (const int each : inheritable_descriptors()) {
        if (each >= descriptor) close(each);
    }
}

Spawned spawn_program(const SpawnRequest& request) {
    Spawned spawned;
    StandardStreams streams(request);
    streams.open(0, request.options.stdin_, spawned.in);
    streams.open(1, request.options.stdout_, spawned.out);
    streams.open(2, request.options.stderr_, spawned.err);

    Plan plan;
    streams.add_to(plan);
    if (!request.pass_fds.empty()) {
        for (const int each : request.pass_fds)
            plan.duplicate(each, each);  // to itself: no longer close-on-exec
        if (request.options.close_fds) {
            // Not only those that are open: another thread may open one meanwhile.
            const int last = *std::max_element(request.pass_fds.begin(), request.pass_fds.end());
            for (int each = first_free_descriptor; each < last; ++each) {
                if (std::find(request.pass_fds.begin(), request.pass_fds.end(), each) ==
                    request.pass_fds.end())
                    plan.close(each);
            }
            plan.close_from(std::max(last + 1, first_free_descriptor));
        }
    } else if (request.options.close_fds) {
        plan.close_from(first_free_descriptor);
    }
    if (!request.cwd.empty()) plan.enter(request.cwd);
    plan.set_attributes(request.options);

    const std::vector<char*> arguments = pointers(request.arguments);
    const std::vector<char*> environment = pointers(request.environment);
    int failure = ENOENT;
    for (const std::string& path : candidates(request)) {
        pid_t pid = -1;
        const int error =
            plan.run(pid, path, arguments.data(), request.has_environment ? environment.data() : environ);
        if (error == 0) {
            spawned.pid = pid;
            return spawned;
        }
        // As execvp(3): a folder that lacks it, or has one that may not be run, is passed over.
        if (error != ENOENT && error != ENOTDIR && error != EACCES) throw_not_started(request, error);
        if (error == EACCES) failure = EACCES;
        if (error == ENOTDIR && failure == ENOENT && request.executable.find('/') != std::string::npos)
            failure = ENOTDIR;
    }
    throw_not_started(request, failure);
}

}}}  // namespace asyncio::v1::detail

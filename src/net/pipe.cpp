// Descriptors of one direction as streams.
//
// A descriptor must be non-blocking, but that is a property of the open file, which others may share: a shell
// whose terminal is left non-blocking fails at its next read. So the standard streams are opened anew where
// they have a name in /proc (pipes and terminals). A file is duplicated, since its position is to be shared;
// so are sockets, which cannot be opened.
#include "asyncio/net/pipe.hpp"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "asyncio/base/error.hpp"
#include "detail/owned_descriptor.hpp"
#include "detail/signal_hub.hpp"
#include "net/connection.hpp"
#include "net/net_part.hpp"

namespace asyncio { inline namespace v1 {
namespace detail { namespace {

using Ends = Connection::Ends;

[[noreturn]] void fail(const char* what, int descriptor) {
    throw_os_error(errno, std::string(what) + ": descriptor " + std::to_string(descriptor));
}

Connection* connect_pipe(OwnedDescriptor& owned, Ends ends, const PipeOptions& options, const char* what) {
    if (options.limit == 0) throw ValueError(std::string(what) + ": the limit is 0");
    NetPart& part = running_net_part_with_sockets();
    const int descriptor = owned.get();
    struct stat status{};
    const int flags = ::fcntl(descriptor, F_GETFL);
    if (flags < 0 || ::fstat(descriptor, &status) != 0) {
        owned.give();  // not open, or not ours
        fail(what, descriptor);
    }
    if ((flags & O_ACCMODE) == (ends == Ends::reading ? O_WRONLY : O_RDONLY)) {
        throw ValueError(std::string(what) + ": descriptor " + std::to_string(descriptor) +
                         " is not open for " + (ends == Ends::reading ? "reading" : "writing"));
    }
    if ((flags & O_NONBLOCK) == 0 && ::fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) != 0)
        fail(what, descriptor);
    if (ends == Ends::writing) ignore_sigpipe();
    Connection* const made =
        make_pipe_connection(part, owned.give(), options.limit, S_ISSOCK(status.st_mode), ends);
    // (Of one that is open for reading, too, nobody can be told: it is its own reader.)
    if (ends == Ends::writing && S_ISFIFO(status.st_mode) && (flags & O_ACCMODE) == O_WRONLY)
        made->watch_hang_up();
    return made;
}

/// A descriptor to the same file; -1 with errno.
int open_again(int descriptor, int mode) {
    struct stat status{};
    if (::fstat(descriptor, &status) != 0) return -1;
    if (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode)) {
        const std::string path = "/proc/self/fd/" + std::to_string(descriptor);
        const int opened = ::open(path.c_str(), mode | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
        if (opened >= 0) return opened;
    }
    return ::fcntl(descriptor, F_DUPFD_CLOEXEC, 3);
}

Connection* connect_standard(int descriptor, Ends ends, const PipeOptions& options, const char* what) {
    OwnedDescriptor own(open_again(descriptor, ends == Ends::reading ? O_RDONLY : O_WRONLY));
    if (own.get() < 0) fail(what, descriptor);
    return connect_pipe(own, ends, options, what);
}

Coro<StreamReader> ready_reader(StreamReader reader) { co_return std::move(reader); }
Coro<StreamWriter> ready_writer(StreamWriter writer) { co_return std::move(writer); }

}}  // namespace detail

Coro<StreamReader> connect_read_pipe(int descriptor, PipeOptions options) {
    detail::OwnedDescriptor owned(descriptor);
    return detail::ready_reader(
        StreamReader(detail::connect_pipe(owned, detail::Ends::reading, options, "connect_read_pipe")));
}

Coro<StreamWriter> connect_write_pipe(int descriptor, PipeOptions options) {
    detail::OwnedDescriptor owned(descriptor);
    return detail::ready_writer(
        StreamWriter(detail::connect_pipe(owned, detail::Ends::writing, options, "connect_write_pipe")));
}

StreamReader standard_input(PipeOptions options) {
    return StreamReader(detail::connect_standard(0, detail::Ends::reading, options, "standard_input"));
}
StreamWriter standard_output(PipeOptions options) {
    return StreamWriter(detail::connect_standard(1, detail::Ends::writing, options, "standard_output"));
}
StreamWriter standard_error(PipeOptions options) {
    return StreamWriter(detail::connect_standard(2, detail::Ends::writing, options, "standard_error"));
}

}}  // namespace asyncio::v1

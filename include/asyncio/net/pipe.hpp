// Pipes, terminals and the standard streams of the process as StreamReader and StreamWriter.
#pragma once
#include <cstddef>

#include "asyncio/base/option.hpp"
#include "asyncio/core/coro.hpp"
#include "asyncio/net/streams.hpp"

namespace asyncio { inline namespace v1 {

/// Options of pipes. All members may be left out.
struct PipeOptions {
    std::size_t limit = default_stream_limit;  ///< how long a line may be
};
static_assert(OptionStruct<PipeOptions>);

/// Reads from a descriptor: the end of a pipe, a terminal, a socket, a file. It is made non-blocking, and
/// closed when the reader is destroyed.
///
/// Returns     a reader; the stream ends when all writers have closed their ends
/// Throws      OSError  it is no open descriptor; ValueError  it is not open for reading, or the limit is 0
/// Suspends    never
/// Cancel      no effect
/// Threads     loop thread
/// Lifetime    takes the descriptor over, also when it throws
/// Python      loop.connect_read_pipe, which wants a protocol; files are allowed here
Coro<StreamReader> connect_read_pipe(int descriptor, PipeOptions options = PipeOptions());
/// Writes to a descriptor. It is made non-blocking, and closed when the writer is closed or destroyed;
/// `write_eof` closes it, too.
///
/// When nobody reads a pipe any more it is closed: with BrokenPipeError if something is unsent; what is
/// written later goes nowhere, and `drain` throws ConnectionResetError.
///
/// Throws      OSError  it is no open descriptor; ValueError  it is not open for writing
/// Suspends    never
/// Cancel      no effect
/// Threads     loop thread
/// Lifetime    takes the descriptor over, also when it throws
/// Python      loop.connect_write_pipe, which wants a protocol; files are allowed here
Coro<StreamWriter> connect_write_pipe(int descriptor, PipeOptions options = PipeOptions());

/// The standard input of the process: a terminal, a pipe, a file, a socket. Descriptor 0 stays open, and as
/// it was for the programs that share it: a terminal or pipe is opened anew, so that only this one is
/// non-blocking. Where that is forbidden (a terminal of another user) the shared one is.
///
/// Throws      OSError  standard input is closed; ValueError  it cannot be read, or the limit is 0
/// Threads     loop thread
/// Python      no equivalent; connect_read_pipe of sys.stdin
StreamReader standard_input(PipeOptions options = PipeOptions());
/// The standard output of the process, as `standard_input`. What is written goes out at once as far as it is
/// taken, so it mixes with std::cout only if that is flushed before; await `drain` before the program ends.
///
/// Throws      OSError  standard output is closed; ValueError  it cannot be written
/// Threads     loop thread
/// Python      no equivalent; connect_write_pipe of sys.stdout
StreamWriter standard_output(PipeOptions options = PipeOptions());
/// The standard error output of the process, as `standard_output`.
///
/// Throws      OSError  standard error is closed; ValueError  it cannot be written
/// Threads     loop thread
/// Python      no equivalent; connect_write_pipe of sys.stderr
StreamWriter standard_error(PipeOptions options = PipeOptions());

}}  // namespace asyncio::v1

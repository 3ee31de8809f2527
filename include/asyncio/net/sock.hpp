// The `sock_` methods of EventLoop: coroutines over sockets that the program has made itself. Streams are
// simpler; these are for datagrams, for sockets of other libraries, for code that is ported.
//
// All: the socket is a descriptor that stays the caller's, of any family; it may be in blocking mode for all
// but accept, connect and sendfile. The call is tried at once and waits only where it would block. What is
// passed as a view must live until the await has ended.
//
// Throws      OSError       the system call failed: its subclass by errno; the text names the call and
//             descriptor RuntimeError  the socket belongs to a stream, or another task waits for the same end
//             of it ValueError    accept, connect, sendfile: it is in blocking mode, and would hold up the
//             loop
// Suspends    only if the call would block, or the step has used up its budget
// Threads     loop thread
// Python      loop.sock_recv and so on
#pragma once
#include "asyncio/core/descriptor.hpp"
#include "asyncio/core/event_loop.hpp"
#include "asyncio/net/address.hpp"
#include "asyncio/net/sendfile.hpp"

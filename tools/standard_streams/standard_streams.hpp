// Programs that were started with one of the standard streams closed.
#pragma once

/// The next descriptor that is opened takes the lowest free number: without standard output, a socket or a
/// file would take its place and get what is printed. To be called first in main: puts /dev/null in the place
/// of each closed one, opened the wrong way round, so that reading 0 and writing to 1 or 2 still fail
/// (EBADF). Ends the program if that is not to be had.
void fill_closed_standard_streams();

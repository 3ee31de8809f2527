// Names for addresses of this process's code.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace asyncio { inline namespace v1 { namespace debug {

/// "fetch(int) (program+0x1a2b)" for each address: the function, demangled, as far as the file's symbols
/// tell, then what addr2line(1) takes. Takes none of the loader's locks, so it works while another thread is
/// inside of dlopen.
/// Throws std::bad_alloc.
std::vector<std::string> describe_addresses(std::span<const std::uintptr_t> addresses);

}}}  // namespace asyncio::v1::debug

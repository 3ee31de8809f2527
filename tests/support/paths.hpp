// Where the tests find what they need. (Not macros for all sources: a compiler cache would miss each of them
// in another checkout.)
#pragma once

namespace asyncio::test {

extern const char* const tests_folder;
extern const char* const programs_folder;

}  // namespace asyncio::test

#include "support/paths.hpp"

namespace asyncio::test {

const char* const tests_folder = ASYNCIO_TESTS_DIR;
const char* const programs_folder = ASYNCIO_BIN_DIR;

}  // namespace asyncio::test

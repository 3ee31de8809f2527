// Failure: how this kit says that a test has failed.
#pragma once
#include <stdexcept>

namespace asyncio { inline namespace v1 { namespace testing {

/// Thrown by this kit's functions when what they check does not hold. The text says what, where, and how to
/// run just that case again. Every test framework reports an exception that leaves a test; nothing else is
/// asked of it.
class Failure : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

}}}  // namespace asyncio::v1::testing

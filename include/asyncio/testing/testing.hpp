// The testing kit: for tests of programs that use this library, with any test framework.
#pragma once

// Time and order
#include "asyncio/testing/mock_clock.hpp"
#include "asyncio/testing/sequencer.hpp"
#include "asyncio/testing/wait_all_tasks_blocked.hpp"

// How a check fails
#include "asyncio/testing/failure.hpp"

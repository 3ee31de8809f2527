// The testing kit: for tests of programs that use this library, with any test framework.
#pragma once

// Time and order
#include "asyncio/testing/mock_clock.hpp"
#include "asyncio/testing/sequencer.hpp"
#include "asyncio/testing/wait_all_tasks_blocked.hpp"

// Scenarios, in all the ways that they can go
#include "asyncio/testing/for_each_cancel_point.hpp"
#include "asyncio/testing/for_each_order.hpp"

// How a check fails
#include "asyncio/testing/failure.hpp"

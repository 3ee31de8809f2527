// Event: what is not inline.
#include "asyncio/sync/event.hpp"

namespace asyncio { inline namespace v1 {

void Event::set_watched() noexcept {
    binding_.assert_thread("Event.set");
    do_set();
}

}}  // namespace asyncio::v1

// AtHome: for what cannot refuse to be called inside another loop than its own.
#pragma once
#include "asyncio/base/assert.hpp"
#include "detail/loop_impl.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

/// While it lives, the loop of a task or a future is this thread's, also if that one rests and another runs
/// here: what is then woken or cancelled gets into the ready queue where it belongs.
///
/// A user's handle refuses this (`require_own`), which is good advice. A destructor, and whatever else does
/// not throw, could only end the program with it; and resources are destroyed where their owner is.
class AtHome {
  public:
    explicit AtHome(const PromiseBase* record) noexcept : on_(home_of(record)) {}

  private:
    static LoopCore* home_of(const PromiseBase* record) noexcept {
        LoopCore* const here = current_loop;
        const bool nobodys = record->magic == record_magic || record->is(done);
        if (here == nullptr || nobodys || record->magic == here->magic) return here;
        LoopCore* const home = loop_of(record);
        ASYNCIO_ASSERT(
            home == nullptr || !impl_of(home)->running_now,
            "a Server, a Site, a ClientResponse or a Turn was closed or destroyed on another thread "
            "than its loop's: do that in a callback of that loop, LoopHandle::call_soon_threadsafe");
        return home;
    }

    const OnLoop on_;
};

}}}  // namespace asyncio::v1::detail

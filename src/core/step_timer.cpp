// Slow steps: Python's "Executing <Task …> took 0.532 seconds", and between which two awaits.
#include "detail/step_timer.hpp"

#include <cstdio>

#include "detail/warnings.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

StepTimer::StepTimer(LoopImpl& loop, std::uintptr_t word) noexcept
    : loop_(loop), began_(loop.real_or_virtual_now()), tag_(static_cast<Tag>(word & tag_mask)) {
    void* target = reinterpret_cast<void*>(word & ~std::uintptr_t{tag_mask});
    if (tag_ == tag_turn) {  // of a task that then goes on, mostly
        tag_ = tag_frame;
        target = static_cast<Leaf*>(target)->frame;
    }
    switch (tag_) {
        case tag_frame:
            record_ = static_cast<PromiseBase*>(target)->task;
            from_ = static_cast<PromiseBase*>(target)->where;
            break;
        case tag_done: record_ = static_cast<PromiseBase*>(target); break;
        case tag_leaf: leaf_ = static_cast<Leaf*>(target)->ops->what; break;
        case tag_timer: leaf_ = target != nullptr ? static_cast<Timer*>(target)->ops->what : ""; break;
        default: break;
    }
    if (record_ != nullptr) ++record_->refs;
}

void StepTimer::stop() const noexcept {
    const std::uint64_t took = loop_.real_or_virtual_now() - began_;
    if (took < loop_.slow_ns) return;
    warn_with(remark, "a callback or a step of a task took too long", [&] {
        char seconds[48];
        std::snprintf(seconds, sizeof seconds, "%.3f", static_cast<double>(took) / 1e9);
        return "Executing " + what() + " took " + seconds + " seconds" + where();
    });
}

std::string StepTimer::what() const {
    if (tag_ == tag_frame)
        return std::string("<Task ") + (record_->is(done) ? "finished" : "pending") + " name='" +
               record_name(record_) + "'>";
    if (tag_ == tag_done) return "<callbacks that '" + record_name(record_) + "' is done>";
    return std::string("<") + (leaf_ != nullptr ? leaf_ : "callback") + ">";
}

std::string StepTimer::where() const {
    if (tag_ != tag_frame) return "";
    std::string text = ": it ran on from " + coroutine_name(from_) + " (" + place_text(from_) + ")";
    if (record_->ended()) return text + " to its end";
    text += " to";
    const std::vector<std::string> chain = await_chain(record_);
    for (auto each = chain.rbegin(); each != chain.rend(); ++each)
        text += (each == chain.rbegin() ? " " : "\n  awaited by ") + *each;
    return text;
}

}}}  // namespace asyncio::v1::detail

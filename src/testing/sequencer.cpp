// Sequencer, on public names alone.
#include "asyncio/testing/sequencer.hpp"

#include <string>

#include "asyncio/base/error.hpp"

namespace asyncio { inline namespace v1 { namespace testing {

Coro<> Sequencer::enter(Sequencer* sequencer, unsigned position) {
    if (sequencer->broken_)
        throw RuntimeError("Sequencer: the sequence is broken: a task that waited was cancelled");
    if (!sequencer->used_.insert(position).second) {
        throw RuntimeError("Sequencer: the number " + std::to_string(position) + " was used already");
    }
    if (sequencer->next_ == position) co_return;
    const Future<> turn;
    sequencer->waiting_.emplace(position, turn);
    try {
        co_await turn;
    } catch (const CancelledError&) {
        sequencer->waiting_.erase(position);
        sequencer->break_up();
        throw;
    }
    sequencer->waiting_.erase(position);
    if (sequencer->broken_)
        throw RuntimeError("Sequencer: the sequence is broken: a task that waited was cancelled");
}

Coro<Sequencer::Turn> Sequencer::wait_turn(Sequencer* sequencer, unsigned position) {
    co_await enter(sequencer, position);
    co_return Turn(sequencer, position);
}

Coro<> Sequencer::pass_turn(Sequencer* sequencer, unsigned position) {
    co_await enter(sequencer, position);
    sequencer->end(position);
}

void Sequencer::end(unsigned position) noexcept {
    if (broken_) return;
    next_ = position + 1;
    const auto found = waiting_.find(next_);
    if (found != waiting_.end() && !found->second.done()) found->second.set_result();
}

void Sequencer::break_up() noexcept {
    broken_ = true;
    for (const auto& [position, turn] : waiting_) {
        if (!turn.done()) turn.set_result();
    }
}

}}}  // namespace asyncio::v1::testing

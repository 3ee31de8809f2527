// Sequencer, on public names but one: a turn may end inside another loop (AtHome).
#include "asyncio/testing/sequencer.hpp"

#include <string>

#include "asyncio/base/error.hpp"
#include "detail/at_home.hpp"

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
    if (found != waiting_.end() && !found->second.done()) wake(found->second);
}

void Sequencer::break_up() noexcept {
    broken_ = true;
    for (const auto& [position, turn] : waiting_) {
        if (!turn.done()) wake(turn);
    }
}

void Sequencer::wake(const Future<>& turn) noexcept {
    const asyncio::detail::AtHome at_home(turn.record());
    turn.set_result();
}

}}}  // namespace asyncio::v1::testing

#include "tls/part.hpp"

#include <utility>

#include "net/net_part.hpp"
#include "tls/stream.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

namespace {

/// Steps of handshakes in a turn: with RSA about two milliseconds of them.
constexpr int steps_per_turn = 4;

}  // namespace

const LeafOps TlsPart::ops_{&TlsPart::unasked, &TlsPart::turn, "TLS handshake"};

TlsPart::TlsPart(LoopImpl* l) : Leaf(&ops_), loop(l) { reserve_slot(loop); }

TlsPart::~TlsPart() { release_slot(loop); }

TlsPart& tls_part_of(LoopImpl* loop) {
    NetPart& net = net_part_of(loop);
    if (net.tls == nullptr) net.tls = std::make_unique<TlsPart>(loop);
    return static_cast<TlsPart&>(*net.tls);
}

void TlsPart::queue(TlsStream* stream) noexcept {
    if (closing_ || std::exchange(stream->in_line, true)) return;
    stream->hold();
    stream->next_in_line = nullptr;
    (last_ != nullptr ? last_->next_in_line : first_) = stream;
    last_ = stream;
    if (!std::exchange(standing_, true)) push_leaf(loop, this);
}

void TlsPart::turn(Leaf* leaf) noexcept {
    auto* const me = static_cast<TlsPart*>(leaf);
    me->standing_ = false;
    for (int i = 0; i < steps_per_turn && me->first_ != nullptr; ++i) {
        TlsStream* const stream = me->first_;
        me->first_ = stream->next_in_line;
        if (me->first_ == nullptr) me->last_ = nullptr;
        stream->in_line = false;
        stream->step();
        stream->drop();
    }
    if (me->first_ != nullptr && !std::exchange(me->standing_, true)) push_leaf(me->loop, me);
}

void TlsPart::shut_down() noexcept {
    closing_ = true;
    while (first_ != nullptr) {
        TlsStream* const stream = first_;
        first_ = stream->next_in_line;
        stream->in_line = false;
        stream->drop();
    }
    last_ = nullptr;
}

}}}  // namespace asyncio::v1::detail

// What a loop keeps for TLS: handshakes that wait for their turn, and buffers that all streams share.
#pragma once
#include <array>
#include <string>

#include "detail/loop_impl.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

struct TlsStream;

/// A handshake costs up to a millisecond of arithmetic. So what the kernel brings for one only puts the
/// stream in line here; the line has one entry in the ready queue, which takes a few steps and stands behind
/// all others again: traffic goes on between them.
struct TlsPart final : LoopPart, Leaf {
    explicit TlsPart(LoopImpl* l);
    ~TlsPart() override;
    void shut_down() noexcept override;

    /// Puts a stream in line; it is kept alive there.
    void queue(TlsStream* stream) noexcept;

    /// One record of what was decrypted.
    std::array<char, 16 * 1024> plain;
    /// What goes to the peer, in one piece for each call: lent, since a stream of TLS may stand on another.
    std::string spare_out;

    LoopImpl* const loop;

  private:
    static void turn(Leaf* leaf) noexcept;
    static CancelAnswer unasked(Leaf*) noexcept { return CancelAnswer::pending; }
    static const LeafOps ops_;
    TlsStream* first_ = nullptr;
    TlsStream* last_ = nullptr;
    bool standing_ = false;  // in the ready queue
    bool closing_ = false;
};

/// Of a loop; made when first needed. Throws std::bad_alloc.
TlsPart& tls_part_of(LoopImpl* loop);

/// The buffer for what goes out, for the length of a call.
class LentOut {
  public:
    explicit LentOut(TlsPart& part) noexcept : part_(part), text(std::move(part.spare_out)) { text.clear(); }
    LentOut(const LentOut&) = delete;
    LentOut& operator=(const LentOut&) = delete;
    ~LentOut() {
        if (text.capacity() <= kept_max && text.capacity() > part_.spare_out.capacity())
            part_.spare_out = std::move(text);
    }

  private:
    static constexpr std::size_t kept_max = 256 * 1024;
    TlsPart& part_;

  public:
    std::string text;
};

}}}  // namespace asyncio::v1::detail

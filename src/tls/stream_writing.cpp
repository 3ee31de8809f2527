// TlsStream, the writing side.
//
// What is written is encrypted at once and handed down, so plaintext waits nowhere, with one exception. TLS
// 1.3 has messages that come after the handshake, and a peer may cut one (a large ticket, or out of malice)
// in two records. OpenSSL encrypts nothing between the two. Then what is written is held back; it counts as
// unsent, so writers wait for it as for a full socket, and the stream reads on until the message is whole,
// also if nobody reads here. That brings no plaintext, so no buffer grows: "Handshake messages MUST NOT be
// interleaved with other record types" (RFC 8446 §5.1), and OpenSSL sees to it.
#include <algorithm>
#include <utility>

#include "asyncio/base/error.hpp"
#include "tls/stream.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

namespace {

/// So many bytes of plaintext are encrypted before they are handed down: a few records, a buffer that stays
/// in the cache.
constexpr std::size_t bytes_per_send = 128 * 1024;

/// Reads from below in a turn.
constexpr int pieces_per_turn = 4;

}  // namespace

void TlsStream::write(std::span<const std::string_view> parts) {
    if (state != State::open || loss != nullptr) return;
    if (shaking) throw RuntimeError("a write while TLS shakes hands: await start_tls first");
    const TlsHold hold(this);
    const bool held = !held_back.empty();
    encrypt(parts);
    note_unsent();
    if (!held && !held_back.empty()) part->queue(this);  // to read_for_writing
}

void TlsStream::encrypt(std::span<const std::string_view> parts) {
    LentOut out(*part);
    auto& joint = part->plain;  // of small parts
    std::size_t joined = 0;
    bool fine = true;
    const auto hand_down = [&] {
        send(out.text);
        out.text.clear();
        fine = fine && state == State::open;
    };
    for (std::string_view bytes : parts) {
        while (fine && !bytes.empty()) {
            std::size_t taken = 0;
            if (joined == 0 && (bytes.size() >= joint.size() || parts.size() == 1)) {
                taken = std::min(bytes.size(), bytes_per_send);
                fine = seal(bytes.substr(0, taken), out.text);
            } else {
                taken = bytes.copy(joint.data() + joined, joint.size() - joined);
                joined += taken;
                if (joined == joint.size())
                    fine = seal(std::string_view(joint.data(), std::exchange(joined, 0)), out.text);
            }
            bytes.remove_prefix(taken);
            if (out.text.size() >= bytes_per_send) hand_down();
        }
    }
    if (fine && joined != 0) fine = seal(std::string_view(joint.data(), joined), out.text);
    hand_down();
    if (engine.error() != nullptr) fail(engine.error());
}

/// Encrypts it or holds it back. False: it has failed.
bool TlsStream::seal(std::string_view plain, std::string& records) noexcept {
    if (held_back.empty()) {
        const TlsEngine::Result result = engine.write(plain, records);
        if (result != TlsEngine::Result::needs_input) return result == TlsEngine::Result::done;
    }
    try {
        held_back.append(plain);
        return true;
    } catch (...) {
        fail(std::current_exception());  // the peer would miss a part
        return false;
    }
}

void TlsStream::send(const std::string& records) noexcept {
    if (records.empty()) return;
    const std::string_view bytes = records;
    try {
        below->write(std::span(&bytes, 1));
    } catch (...) {
        fail(std::current_exception());  // records are missing now: the peer could not read any further
    }
}

/// If the message that it waits for is whole now.
void TlsStream::send_held_back() noexcept {
    std::size_t done = 0;
    while (done != held_back.size()) {
        LentOut out(*part);
        const std::string_view piece = std::string_view(held_back).substr(done, bytes_per_send);
        const TlsEngine::Result result = engine.write(piece, out.text);
        if (result == TlsEngine::Result::failed) return fail(engine.error());
        if (result == TlsEngine::Result::needs_input) break;
        done += piece.size();
        send(out.text);
        if (state >= State::shut) return;
    }
    if (done == 0) return;
    held_back.erase(0, done);
    if (held_back.empty()) std::string().swap(held_back);
    note_unsent();
    // Below it may not have been too much; now it is all there, and that is where it is told when it has
    // gone.
    if (paused) below->paused = true;
}

/// Something is held back.
void TlsStream::read_for_writing() noexcept {
    const TlsHold hold(this);
    for (int piece = 0; piece < pieces_per_turn; ++piece) {
        const Input input = decrypt(nullptr, 0);
        if (input == Input::changed) changed();
        if (held_back.empty() || state != State::open) return changed();
        if (input == Input::busy) break;
        if (below->ended()) {
            input_ended();
            return changed();
        }
        if (below->pull(nullptr, 0) == Pulled::later) return;
    }
    part->queue(this);
}

/// After all that was written.
void TlsStream::say_goodbye() noexcept {
    send_held_back();
    if (state != State::closing || !held_back.empty()) return;
    LentOut out(*part);
    engine.send_close(out.text);
    send(out.text);
}

void TlsStream::write_eof() {
    throw RuntimeError("write_eof: a stream of TLS ends in both directions at once: call close()");
}

void TlsStream::set_limits(WriteBufferLimits limits) {
    Duplex::set_limits(limits);
    below->set_limits(limits);  // which says when it is drained
}

}}}  // namespace asyncio::v1::detail

// TlsStream: TLS over any stream, itself a stream.
//
// It stands on another Duplex as a reader and a writer would: bytes that have come there are decrypted when
// somebody reads here, what is written here is encrypted at once and handed down. There is no task, no queue
// of plaintext and no buffer of its own but for what was decrypted and not read yet; `unsent` is what waits
// below. All of it happens in callbacks of the stream below or in calls of the user; only the handshake,
// which costs much, waits in line (part.hpp), and in that turn a server's client function is called.
//
// States. `shaking` → open → closing → shut → closed, the names as in Duplex:
//   shaking  the handshake; reads wait, writes are refused. Its limit is a timer, its end wakes HandshakeWait
//            or calls the client function.
//   open     as any stream.
//   closing  close(): close_notify is on its way, after all that was written. What the peer still sends is
//            dropped until it has said goodbye as well, or its end has come; then the stream below is closed.
//            It has `ssl_shutdown_timeout` to do so, counted anew as long as it takes bytes from us.
//   shut     nothing is encrypted or decrypted any more; below there may be an alert to be sent.
//   closed   the stream below is closed.
//
// Ends of the input, told apart:
//   close_notify           the end of the stream; writing goes on, as after the end of a plain stream
//   the bytes just stop    reads give what has come, then throw SslEofError: somebody may have cut it off.
//                          (Python's asyncio gives the end of the stream here.) HTTP bodies with a length
//                          are whole all the same, and nobody asks for more.
//   an error from below    as on a plain stream
//   a record is broken     reads and writes throw SslError; the alert is sent, then the stream is closed
//
// Who owns what. This holds a share of the stream below until it dies; that one points up (`upper`), and
// keeps this alive until it is closed (`refs`, the loop's share). After start_tls the user's reader still
// holds the stream below; each read looks for what stands on top (`topmost`). Should this die before that
// reader, it leaves below what was decrypted and not read.
#include "tls/stream.hpp"

#include <algorithm>
#include <cstring>

#include "asyncio/base/error.hpp"
#include "asyncio/net/tls.hpp"
#include "detail/warnings.hpp"
#include "net/connection.hpp"
#include "net/server_core.hpp"
#include "tls/handshake_wait.hpp"

namespace asyncio { inline namespace v1 { namespace detail {

namespace {

/// Pieces from below that bring no plaintext, in a turn: more are read when others have had theirs.
constexpr int empty_pieces_per_turn = 2;

/// What OpenSSL answers by itself (to a renegotiation: no) may wait below up to this.
constexpr std::size_t answers_max = 64 * 1024;

/// Reads from below in a turn while what comes is dropped.
constexpr int pieces_per_turn = 16;

}  // namespace

// ---- making one ---------------------------------------------------------------------------------

// Should the engine throw, what is destroyed was never open.
TlsStream::TlsStream(TlsPart& p, DuplexRef stream_below, const TlsSettings& settings,
                     std::string_view peer_name)
    : Duplex(stream_below->loop, stream_below->limit),
      part((state = State::closed, &p)),
      below(std::move(stream_below)),
      engine(SslContext(settings.context), settings.server_hostname, peer_name),
      shutdown_timeout(settings.shutdown_timeout),
      limit_timer(this) {
    ASYNCIO_ASSERT(below->upper == nullptr && below->reader == nullptr);
    state = State::open;
    refs = 2;
    high = below->high;
    low = below->low;
    below->upper = this;
}

TlsStream::~TlsStream() {
    if (below->upper != this) return;
    below->upper = nullptr;
    if (below->refs == 1) return;
    // The reader of before start_tls: what is left for it.
    below->bytes = std::move(bytes);
    below->head = head;
    below->eof = eof;
    below->error = error;
}

void TlsStream::begin(Duration handshake_timeout) {
    if (handshake_timeout.has_value()) {
        arm_timer(loop, &limit_timer,
                  saturating_add(read_clock(loop), static_cast<std::uint64_t>(handshake_timeout.count_ns())));
    }
    part->queue(this);
}

void TlsStream::withdraw() noexcept {
    below->upper = nullptr;
    shaking = false;
    state = State::closed;
    drop();  // the loop's share
}

std::shared_ptr<const TlsFacts> TlsStream::tls_facts() const {
    if (shaking) return nullptr;
    if (facts_ == nullptr) facts_ = engine.facts();
    return facts_;
}

std::string TlsStream::about(const char* doing) const { return doing + std::string(engine.peer()) + ": "; }

// ---- the handshake ------------------------------------------------------------------------------

void TlsStream::step() noexcept {
    if (shaking) return step_handshake();
    if (state == State::closing) return drop_input();
    if (state != State::open) return;
    if (!held_back.empty()) return read_for_writing();
    changed();
}

void TlsStream::step_handshake() noexcept {
    const TlsHold hold(this);
    while (shaking) {
        TlsEngine::Result result{};
        {
            LentOut out(*part);
            std::string_view in = below->unread();
            const std::size_t came = in.size();
            result = engine.handshake(in, out.text);
            if (came != in.size()) below->consume(came - in.size());
            send(out.text);
        }
        if (!shaking) return;
        if (state >= State::shut) return fail_handshake(error);  // the send has failed
        if (result == TlsEngine::Result::done) return shaken();
        if (result == TlsEngine::Result::failed) return fail_handshake(engine.error());
        if (below->ended()) return fail_handshake(nullptr);
        if (below->pull(nullptr, 0) == Pulled::later) return;
    }
}

void TlsStream::shaken() noexcept {
    shaking = false;
    disarm();
    if (waiter != nullptr) std::exchange(waiter, nullptr)->done();
    if (accepted != nullptr && accepted->server != nullptr) accepted->server->deliver(accepted, this);
    changed();
}

/// Null: the stream below has ended.
void TlsStream::fail_handshake(std::exception_ptr why) noexcept {
    const TlsHold hold(this);
    shaking = false;
    disarm();
    try {
        if (why == nullptr) why = below->error;
        if (why == nullptr) why = below->loss;
        if (why == nullptr) {
            why = std::make_exception_ptr(
                ConnectionResetError(about("TLS handshake with ") + "the peer has closed the connection"));
        }
        if (accepted != nullptr && impl_of(loop)->debug) {
            warn_with(remark, "a TLS handshake has failed", [&why] {
                const auto* const error = exception_cast<std::exception>(why);
                return std::string("a client was lost: ") + (error != nullptr ? error->what() : "?");
            });
        }
    } catch (...) {
        why = std::current_exception();
    }
    fail(why);
    if (waiter != nullptr) std::exchange(waiter, nullptr)->done();
}

// ---- reading ------------------------------------------------------------------------------------

Inlet::Pulled TlsStream::pull(char* into, std::size_t room) noexcept {
    if (shaking) return Pulled::later;  // its end calls changed()
    const TlsHold hold(this);
    for (int piece = 0; piece < empty_pieces_per_turn; ++piece) {
        const Input input = decrypt(into, room);
        if (input == Input::changed) return Pulled::now;
        if (input == Input::busy) break;
        if (below->ended()) {
            input_ended();
            return Pulled::now;
        }
        if (below->pull(nullptr, 0) == Pulled::later) return Pulled::later;
    }
    part->queue(this);
    return Pulled::later;
}

/// What has come, as far as there is room for it: to the reader's memory, or to the buffer if it has none.
TlsStream::Input TlsStream::decrypt(char* into, std::size_t room) noexcept {
    LentOut out(*part);
    std::string_view in = below->unread();
    const std::size_t came = in.size();
    const bool direct = into != nullptr;
    bool got_some = false;
    TlsEngine::Result result = TlsEngine::Result::done;
    while (result == TlsEngine::Result::done && error == nullptr && !(direct && room == 0)) {
        std::size_t got = 0;
        if (direct) {
            result = engine.read(in, out.text, into, room, got);
            if (got != 0) reader->took_directly(got);
            into += got;
            room -= got;
        } else {
            result = engine.read(in, out.text, part->plain.data(), part->plain.size(), got);
            if (got != 0) received(part->plain.data(), got);
        }
        got_some |= got != 0;
    }
    if (came != in.size()) below->consume(came - in.size());
    answer(out.text);
    if (result == TlsEngine::Result::ended) eof = true;
    if (result == TlsEngine::Result::failed) {
        fail(engine.error());
    } else if (error != nullptr && state < State::shut) {
        fail(error);  // there was no memory
    } else {
        send_held_back();
    }
    if (got_some || ended()) return Input::changed;
    return result == TlsEngine::Result::busy ? Input::busy : Input::none;
}

/// A peer that asks on and on and takes no answer would fill the memory: nobody here waits for the answers.
void TlsStream::answer(const std::string& records) noexcept {
    if (records.empty()) return;
    answers = (below->unsent() == 0 ? 0 : answers) + records.size();
    send(records);
    if (answers <= answers_max || below->unsent() == 0 || state >= State::shut) return;
    try {
        fail(std::make_exception_ptr(
            SslError(about("TLS: receive from ") + "the peer asks on and on and does not read the answers")));
    } catch (...) {
        fail(std::current_exception());
    }
}

void TlsStream::input_ended() noexcept {
    if (ended()) return;
    if (below->error != nullptr) {
        error = below->error;
    } else if (state >= State::closing || below->state >= State::closing) {
        eof = true;  // on this side
    } else {
        error = engine.truncated();
    }
    // What waits for more will never go.
    if (!held_back.empty()) fail(error != nullptr ? error : engine.truncated());
}

bool TlsStream::stop_pulling() noexcept {
    // What it brings goes to its own buffer: nobody's memory is in use.
    if (state == State::open && !shaking && held_back.empty()) below->stop_pulling();
    return true;
}

void TlsStream::reader_dropped() noexcept {
    reader_gone = true;
    if (loss != nullptr) shut();
}

SpareBuffers* TlsStream::spares() noexcept {
    return state < State::shut ? &static_cast<NetPart&>(*part->loop->net).spare_buffers : nullptr;
}

// ---- ending -------------------------------------------------------------------------------------

void TlsStream::close() noexcept {
    if (state != State::open) return;
    if (loss != nullptr || shaking) return shut();
    const TlsHold hold(this);
    state = State::closing;
    if (!ended()) eof = true;
    changed();
    say_goodbye();
    if (state != State::closing) return;
    unsent_at_limit = unsent();
    if (engine.peer_has_closed() || below->ended() || shutdown_timeout <= Duration::zero())
        return close_below();
    set_limit(shutdown_timeout);
    drop_input();
}

/// Closing: nobody wants any more of this.
void TlsStream::drop_input() noexcept {
    const TlsHold hold(this);
    for (int piece = 0; piece < pieces_per_turn; ++piece) {
        if (state != State::closing) return;
        TlsEngine::Result result = TlsEngine::Result::done;
        {
            LentOut out(*part);
            std::string_view in = below->unread();
            const std::size_t came = in.size();
            std::size_t got = 0;
            while (result == TlsEngine::Result::done)
                result = engine.read(in, out.text, part->plain.data(), part->plain.size(), got);
            if (came != in.size()) below->consume(came - in.size());
            answer(out.text);
        }
        say_goodbye();
        if (result == TlsEngine::Result::busy) break;
        if (result != TlsEngine::Result::needs_input || below->ended()) return close_below();
        if (below->pull(nullptr, 0) == Pulled::later) return;
    }
    part->queue(this);
}

void TlsStream::close_below() noexcept {
    if (!held_back.empty()) return fail(engine.error() != nullptr ? engine.error() : engine.truncated());
    below->close();
}

void TlsStream::shut() noexcept {
    if (state >= State::shut) return;
    const TlsHold hold(this);
    if (shaking) {
        shaking = false;
        try {
            error = std::make_exception_ptr(
                ConnectionAbortedError(about("TLS handshake with ") + "the connection was closed"));
        } catch (...) {
            error = std::current_exception();
        }
        if (waiter != nullptr) std::exchange(waiter, nullptr)->done();
    }
    state = State::shut;
    if (error == nullptr) eof = true;
    std::string().swap(held_back);
    disarm();
    changed();
    wake(WriteBase::Want::drained);
    below->shut();
}

/// Nothing goes through any more. An alert may be on its way.
void TlsStream::fail(const std::exception_ptr& why) noexcept {
    if (state >= State::shut) return;
    const TlsHold hold(this);
    state = State::shut;
    if (error == nullptr) error = why;
    if (loss == nullptr) loss = why;
    std::string().swap(held_back);
    set_limit(shutdown_timeout);
    paused = false;
    changed();
    wake(WriteBase::Want::drained);
    below->close();
}

// ---- what the stream below tells ----------------------------------------------------------------

void TlsStream::below_changed() noexcept {
    if (shaking || state == State::closing || !held_back.empty()) return part->queue(this);
    changed();
}

void TlsStream::below_drained() noexcept { note_unsent(); }

void TlsStream::below_closed() noexcept {
    if (below->state == State::closed) return settle_end();
    // Writing is lost there; what the peer has sent before can still be read.
    if (loss != nullptr || below->loss == nullptr) return;
    const TlsHold hold(this);
    if (shaking) return;  // that reads to the end, and finds out
    loss = below->loss;
    paused = false;
    wake(WriteBase::Want::drained);
    wake(WriteBase::Want::closed);
    if (reader_gone || ended() || state == State::closing) shut();
}

void TlsStream::settle_end() noexcept {
    if (state == State::closed) return;
    const TlsHold hold(this);
    if (shaking) fail_handshake(nullptr);
    disarm();
    // While it was closing the peer may have gone any way it liked, once it had everything.
    if (loss == nullptr && (state != State::closing || unsent_at_limit != 0)) loss = below->loss;
    // Now, since this may outlive its loop, and the buffers that it shares with others.
    for (int rest = 0; rest < pieces_per_turn && !ended() && decrypt(nullptr, 0) != Input::none; ++rest) {}
    input_ended();
    state = State::closed;
    changed();
    wake(WriteBase::Want::drained);
    wake(WriteBase::Want::closed);
    drop();  // the loop's share
}

// ---- limits -------------------------------------------------------------------------------------

const LeafOps TlsStream::Limit::ops{&TlsStream::unasked, &TlsStream::rang, "TLS"};

void TlsStream::rang(Leaf* leaf) noexcept { static_cast<Limit*>(leaf)->stream->limit_reached(); }

void TlsStream::disarm() noexcept {
    if (limit_timer.armed()) disarm_timer(loop, &limit_timer);
}

void TlsStream::set_limit(Duration after) noexcept {
    disarm();
    unsent_at_limit = unsent();
    if (after.is_infinite() || below->state == State::closed) return;
    try {
        arm_timer(loop, &limit_timer,
                  saturating_add(read_clock(loop),
                                 static_cast<std::uint64_t>(std::max<std::int64_t>(after.count_ns(), 0))));
    } catch (...) {
        below->shut();  // no memory for patience
    }
}

void TlsStream::limit_reached() noexcept {
    const TlsHold hold(this);
    if (shaking) {
        std::exception_ptr why;
        try {
            why = std::make_exception_ptr(ConnectionAbortedError(
                about("TLS handshake with ") + "it takes longer than ssl_handshake_timeout allows"));
        } catch (...) {
            why = std::current_exception();
        }
        fail_handshake(why);
    } else if (unsent() < unsent_at_limit) {
        return set_limit(shutdown_timeout);  // slow, but alive
    } else if (loss == nullptr) {
        try {
            loss = std::make_exception_ptr(TimeoutError(
                about("TLS: close the connection to ") + "the peer has not said goodbye within " +
                to_string(shutdown_timeout) + " (ssl_shutdown_timeout)"));
        } catch (...) {
            loss = std::current_exception();
        }
    }
    below->shut();
}

}}}  // namespace asyncio::v1::detail

#include "tls/session_cache.hpp"

#include <utility>

namespace asyncio { inline namespace v1 { namespace detail {

namespace {

/// Sessions of one host, and of all.
constexpr std::size_t sessions_per_key = 4;
constexpr std::size_t sessions_max = 1024;

}  // namespace

std::uint64_t SessionCache::generation() const noexcept {
    const std::lock_guard lock(mutex_);
    return generation_;
}

void SessionCache::put(const std::string& key, SessionPtr session, std::uint64_t generation) noexcept {
    const std::lock_guard lock(mutex_);
    if (generation != generation_) return;
    try {
        if (count_ >= sessions_max) {
            sessions_.clear();
            count_ = 0;
        }
        auto& kept = sessions_[key];
        if (kept.size() == sessions_per_key) {
            kept.erase(kept.begin());
            --count_;
        }
        kept.push_back(std::move(session));
        ++count_;
    } catch (...) {
        // The next connection takes a whole handshake.
    }
}

SessionPtr SessionCache::take(const std::string& key) noexcept {
    const std::lock_guard lock(mutex_);
    const auto found = sessions_.find(key);
    if (found == sessions_.end()) return nullptr;
    auto& kept = found->second;
    SessionPtr session;
    while (session == nullptr && !kept.empty()) {
        SSL_SESSION* const newest = kept.back().get();
        const bool usable = SSL_SESSION_is_resumable(newest) == 1;  // it is not if its connection was cut off
        if (usable && SSL_SESSION_get_protocol_version(newest) == TLS1_2_VERSION &&
            SSL_SESSION_up_ref(newest) == 1)
            return SessionPtr(newest);
        if (usable) session = std::move(kept.back());
        kept.pop_back();
        --count_;
    }
    if (kept.empty()) sessions_.erase(found);
    return session;
}

void SessionCache::forget() noexcept {
    const std::lock_guard lock(mutex_);
    sessions_.clear();
    count_ = 0;
    ++generation_;
}

std::size_t SessionCache::size() const noexcept {
    const std::lock_guard lock(mutex_);
    return count_;
}

}}}  // namespace asyncio::v1::detail

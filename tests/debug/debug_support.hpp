// What the tests of debug mode share: warnings that are kept.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "asyncio/asyncio.hpp"
#include "support/loop_fixture.hpp"

namespace asyncio::debug_test {

using namespace std::chrono_literals;

/// While it lives the process's warnings are kept here; any thread.
class Warnings {
  public:
    Warnings() {
        set_warning_handler([this](const Warning& warning) {
            const std::lock_guard lock(mutex_);
            texts_.push_back(std::string(warning.category) + ": " + warning.text);
            changed_.notify_all();
        });
    }
    Warnings(const Warnings&) = delete;
    Warnings& operator=(const Warnings&) = delete;
    ~Warnings() { set_warning_handler({}); }

    std::vector<std::string> all() const {
        const std::lock_guard lock(mutex_);
        return texts_;
    }
    std::string text() const {
        std::string joined;
        for (const std::string& each : all()) joined += each + "\n";
        return joined;
    }
    bool has(std::string_view part) const { return text().find(part) != std::string::npos; }
    std::size_t count(std::string_view part) const {
        const std::vector<std::string> texts = all();
        return static_cast<std::size_t>(
            std::count_if(texts.begin(), texts.end(),
                          [part](const std::string& each) { return each.find(part) != std::string::npos; }));
    }
    /// Blocks the calling thread until `number` warnings have the text: at most a minute, so that a test
    /// fails in place of hanging.
    bool block_until(std::string_view part, std::size_t number = 1) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, 60s, [&] {
            return static_cast<std::size_t>(
                       std::count_if(texts_.begin(), texts_.end(), [part](const std::string& each) {
                           return each.find(part) != std::string::npos;
                       })) >= number;
        });
    }

  private:
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<std::string> texts_;  // guarded by mutex_
};

/// What `function` throws on another thread, while this one waits for it.
template <class F>
std::string thrown_elsewhere(F&& function) {
    std::string text = "nothing";
    std::thread([&] {
        try {
            function();
        } catch (const RuntimeError& error) {
            text = error.what();
        }
    }).join();
    return text;
}

}  // namespace asyncio::debug_test

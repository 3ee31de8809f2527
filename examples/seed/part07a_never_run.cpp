// Part 7, first mistake: a coroutine that is created but never run.
//
// Debug mode ({.debug = true}, or ASYNCIO_DEBUG=1 in the environment) names each of them when it is
// destroyed, with the file and the line, and says what to do.
#include <asyncio/asyncio.hpp>
#include <cstdio>
#include <string>
#include <vector>

using namespace std::chrono_literals;

asyncio::Coro<> send_mail(std::string to) {
    co_await asyncio::sleep(100ms);
    std::printf("Mail sent to %s.\n", to.c_str());
}

asyncio::Coro<> amain() {
    std::vector<asyncio::Coro<>> mails;
    mails.push_back(send_mail("alice"));
    mails.push_back(send_mail("bob"));
    std::printf("%zu mails are on their way, it seems.\n", mails.size());
    std::fflush(stdout);  // the warnings go to stderr
    mails.clear();        // neither was ever sent

    mails.push_back(send_mail("carol"));
    co_await asyncio::gather(std::move(mails));  // the cure: somebody has to run it
}

int main() { asyncio::run(amain(), {.debug = true}); }

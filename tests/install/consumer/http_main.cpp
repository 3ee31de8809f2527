#include <asyncio/asyncio.hpp>
#include <asyncio/http.hpp>
#include <cstdio>

// Nobody listens on port 1, so this needs no server: what is tested is that everything links, and that
// exceptions cross the library's border.
int main() {
    try {
        (void)asyncio::http::get_sync("http://127.0.0.1:1/");
    } catch (const std::exception& e) {
        std::puts("refused");
        return 0;
    }
    return 1;
}

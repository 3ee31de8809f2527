// expect: names and values come in pairs: headers\("Accept", "text/html"\)
#include <asyncio/http.hpp>
auto fields = asyncio::http::headers("Accept", "text/html", "X-Id");

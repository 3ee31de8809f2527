// libcurl's multi interface: `total` GETs of `url` over `connections` connections: seconds for all.
#include <curl/curl.h>

#include "common/bench.h"

static const char hello[] = "Hello, World!";
struct transfer {
    size_t got;
    int wrong;
};
static size_t take(char* bytes, size_t one, size_t count, void* user) {
    struct transfer* const t = user;
    if (t->got + one * count > sizeof hello - 1 || memcmp(bytes, hello + t->got, one * count) != 0) t->wrong = 1;
    t->got += one * count;
    return one * count;
}

int main(int argc, char** argv) {
    const char* const url = bench_text(argc, argv, "url", "http://127.0.0.1:9280/");
    const long total = bench_count(argc, argv, "total", 10000);
    const long connections = bench_count(argc, argv, "connections", 100);
    const uint64_t begin = bench_now_ns();
    struct transfer* const transfers = calloc((size_t)connections, sizeof *transfers);
    long started = 0;
    long good = 0;
    long done = 0;
    curl_global_init(CURL_GLOBAL_NOTHING);
    CURLM* const multi = curl_multi_init();
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, connections);
    for (; started < connections && started < total; ++started) {
        CURL* const easy = curl_easy_init();
        curl_easy_setopt(easy, CURLOPT_URL, url);
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfers[started]);
        curl_easy_setopt(easy, CURLOPT_PRIVATE, &transfers[started]);
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
        curl_multi_add_handle(multi, easy);
    }
    while (done < total) {
        int running = 0;
        int left = 0;
        curl_multi_perform(multi, &running);
        for (CURLMsg* m = curl_multi_info_read(multi, &left); m != NULL; m = curl_multi_info_read(multi, &left)) {
            if (m->msg != CURLMSG_DONE) continue;
            CURL* const easy = m->easy_handle;
            struct transfer* t = NULL;
            long status = 0;
            curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t);
            curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
            if (m->data.result == CURLE_OK && status == 200 && !t->wrong && t->got == sizeof hello - 1) ++good;
            *t = (struct transfer){0, 0};
            ++done;
            curl_multi_remove_handle(multi, easy);
            if (started < total) {
                ++started;
                curl_multi_add_handle(multi, easy);
            } else {
                curl_easy_cleanup(easy);
            }
        }
        if (done < total) curl_multi_poll(multi, NULL, 0, 1000, NULL);
    }
    const double seconds = (double)(bench_now_ns() - begin) * 1e-9;
    bench_prove(good == total, "every answer was 200 and Hello, World!");
    bench_print("http_client", "curl", seconds, "s", "cpu_s", bench_cpu_s(), "peak_mib", bench_peak() / 1048576, (const char*)NULL);
}

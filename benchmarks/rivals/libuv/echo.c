// libuv: TCP echo on 127.0.0.1, one thread. port=… buffer=…   uv_try_write first, its fast idiom; uv_write when the
// socket is full.
#include <uv.h>

#include "common/bench.h"

static size_t size;
static char* buffer;
struct write_rest {
    uv_write_t request;
    char bytes[];
};
static void give_buffer(uv_handle_t* handle, size_t suggested, uv_buf_t* out) {
    (void)handle;
    (void)suggested;
    *out = uv_buf_init(buffer, (unsigned)size);
}
static void closed(uv_handle_t* handle) { free(handle); }
static void written(uv_write_t* request, int status) {
    (void)status;
    free(request);
}
static void on_read(uv_stream_t* stream, ssize_t got, const uv_buf_t* data) {
    if (got == 0) return;
    if (got < 0) {
        uv_close((uv_handle_t*)stream, closed);
        return;
    }
    uv_buf_t out = uv_buf_init(data->base, (unsigned)got);
    int done = uv_try_write(stream, &out, 1);
    if (done == got) return;
    if (done < 0) done = 0;
    struct write_rest* const rest = malloc(sizeof *rest + (size_t)(got - done));
    memcpy(rest->bytes, data->base + done, (size_t)(got - done));
    out = uv_buf_init(rest->bytes, (unsigned)(got - done));
    uv_write(&rest->request, stream, &out, 1, written);
}
static void on_connection(uv_stream_t* listener, int status) {
    if (status != 0) return;
    uv_tcp_t* const client = malloc(sizeof *client);
    uv_tcp_init(listener->loop, client);
    if (uv_accept(listener, (uv_stream_t*)client) != 0) {
        uv_close((uv_handle_t*)client, closed);
        return;
    }
    uv_tcp_nodelay(client, 1);
    uv_read_start((uv_stream_t*)client, give_buffer, on_read);
}
int main(int argc, char** argv) {
    size = (size_t)bench_count(argc, argv, "buffer", 4096);
    buffer = malloc(size);
    uv_tcp_t listener;
    struct sockaddr_in address;
    uv_tcp_init(uv_default_loop(), &listener);
    uv_ip4_addr("127.0.0.1", (int)bench_count(argc, argv, "port", 9300), &address);
    uv_tcp_bind(&listener, (const struct sockaddr*)&address, 0);
    bench_prove(uv_listen((uv_stream_t*)&listener, 4096, on_connection) == 0, "the port is free");
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

// The job file_read with liburing and nothing else: so many reads under way, each slot reads its next block
// as soon as it has one.
#include <fcntl.h>
#include <liburing.h>

#include "common/bench.h"

enum { block_bytes = 4096, slots_max = 1024 };

static char buffers[slots_max][block_bytes];
static uint64_t wanted[slots_max];

static int make_file(long blocks) {
    char path[] = "/tmp/bench-reads-XXXXXX";
    const int file = mkstemp(path);
    bench_prove(file >= 0 && unlink(path) == 0, "a temporary file");
    for (long i = 0; i < blocks; ++i) {
        const uint64_t number = (uint64_t)i;
        memset(buffers[0], 'b', block_bytes);
        memcpy(buffers[0], &number, sizeof number);
        bench_prove(write(file, buffers[0], block_bytes) == block_bytes, "the file was written");
    }
    return file;
}

static void begin_read(struct io_uring* ring, int file, size_t slot, uint64_t block) {
    struct io_uring_sqe* const entry = io_uring_get_sqe(ring);
    wanted[slot] = block;
    io_uring_prep_read(entry, file, buffers[slot], block_bytes, block * block_bytes);
    io_uring_sqe_set_data64(entry, slot);
}

static double round_of(struct io_uring* ring, int file, long n, long in_flight, long blocks) {
    uint64_t random = 1;
    long begun = 0;
    long done = 0;
    const uint64_t begin = bench_now_ns();
    for (; begun < in_flight && begun < n; ++begun)
        begin_read(ring, file, (size_t)begun, bench_random(&random) % (uint64_t)blocks);
    while (done < n) {
        struct io_uring_cqe* entry;
        bench_prove(io_uring_submit_and_wait_timeout(ring, &entry, 1, NULL, NULL) >= 0, "the ring works");
        unsigned head;
        unsigned seen = 0;
        io_uring_for_each_cqe(ring, head, entry) {
            const size_t slot = (size_t)entry->user_data;
            uint64_t number;
            memcpy(&number, buffers[slot], sizeof number);
            bench_prove(entry->res == block_bytes && number == wanted[slot], "each block came whole");
            ++seen;
            ++done;
            if (begun < n) {
                ++begun;
                begin_read(ring, file, slot, bench_random(&random) % (uint64_t)blocks);
            }
        }
        io_uring_cq_advance(ring, seen);
    }
    return (double)(bench_now_ns() - begin) / (double)n;
}

int main(int argc, char** argv) {
    const long n = bench_count(argc, argv, "n", 10000);
    const long in_flight = bench_count(argc, argv, "in_flight", 64);
    const long blocks = bench_count(argc, argv, "blocks", 4096);
    bench_prove(in_flight <= slots_max, "so many fit");
    const int file = make_file(blocks);
    struct io_uring ring;
    struct io_uring_params params = {0};
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN;
    bench_prove(io_uring_queue_init_params(slots_max, &ring, &params) == 0, "a ring");
    double best = 0;
    for (int round = 0; round < 5; ++round) {
        const double ns = round_of(&ring, file, n, in_flight, blocks);
        if (round == 0 || ns < best) best = ns;
    }
    io_uring_queue_exit(&ring);
    close(file);
    bench_print("file_read", "liburing", best, "ns", NULL);
    return 0;
}

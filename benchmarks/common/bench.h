// What every C and C++ program of the benchmarks shares: arguments, clocks, memory, the line of JSON.
//
// A program takes `name=value` arguments, proves its result with bench_prove before its time counts, and
// prints one line: {"job": "switch", "impl": "asio", "value": 74.1, "unit": "ns", "cpu_s": 0.7}
#pragma once
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

// The value of the argument `name=…`, or the fallback.
static inline const char* bench_text(int argc, char** argv, const char* name, const char* fallback) {
    const size_t length = strlen(name);
    for (int i = 1; i < argc; ++i) {
        if (strncmp(argv[i], name, length) == 0 && argv[i][length] == '=') return argv[i] + length + 1;
    }
    return fallback;
}
static inline double bench_real(int argc, char** argv, const char* name, double fallback) {
    const char* const text = bench_text(argc, argv, name, NULL);
    return text != NULL ? atof(text) : fallback;
}
static inline long bench_count(int argc, char** argv, const char* name, long fallback) {
    return lround(bench_real(argc, argv, name, (double)fallback));
}
static inline int bench_is(const char* text, const char* other) { return strcmp(text, other) == 0; }

static inline uint64_t bench_now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
// CPU seconds of this process, user and system.
static inline double bench_cpu_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}
// Resident bytes now.
static inline double bench_resident(void) {
    unsigned long total = 0;
    unsigned long resident = 0;
    FILE* const file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%lu %lu", &total, &resident) != 2) resident = 0;
    if (file != NULL) fclose(file);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}
// The most bytes that were resident. (Not ru_maxrss: that survives exec, so it may be the parent's.)
static inline double bench_peak(void) {
    char line[256];
    double kib = 0;
    FILE* const file = fopen("/proc/self/status", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "VmHWM: %lf", &kib) == 1) break;
    }
    if (file != NULL) fclose(file);
    return kib * 1024.0;
}
// The same pseudo-random numbers in every C and C++ program.
static inline uint64_t bench_random(uint64_t* state) {
    uint64_t x = *state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

// Ends the program when the work was not done as it should: its time then counts for nothing.
static inline void bench_prove(int holds, const char* what) {
    if (holds) return;
    fprintf(stderr, "not proved: %s\n", what);
    exit(1);
}

// Prints the result: value and unit, then further names and doubles up to a null pointer.
static inline void bench_print(const char* job, const char* impl, double value, const char* unit, ...) {
    printf("{\"job\": \"%s\", \"impl\": \"%s\", \"value\": %.6g, \"unit\": \"%s\"", job, impl, value, unit);
    va_list more;
    va_start(more, unit);
    for (const char* name = va_arg(more, const char*); name != NULL; name = va_arg(more, const char*)) {
        printf(", \"%s\": %.6g", name, va_arg(more, double));
    }
    va_end(more);
    printf("}\n");
    fflush(stdout);
}

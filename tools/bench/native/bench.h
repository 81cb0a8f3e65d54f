/* What the C baselines share: parameters as `name=value` arguments, clocks, and values printed as JSON. */
#ifndef BENCH_H
#define BENCH_H

#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHECK(what)                                                       \
    do {                                                                  \
        if ((what) < 0) {                                                 \
            fprintf(stderr, "%s: %s\n", #what, strerror(errno));          \
            exit(1);                                                      \
        }                                                                 \
    } while (0)

static inline const char *text_parameter(int argc, char **argv, const char *name) {
    size_t length = strlen(name);
    for (int i = 1; i < argc; i++)
        if (strncmp(argv[i], name, length) == 0 && argv[i][length] == '=') return argv[i] + length + 1;
    fprintf(stderr, "%s: parameter %s=... is missing\n", argv[0], name);
    exit(2);
}

static inline double parameter(int argc, char **argv, const char *name) {
    return strtod(text_parameter(argc, argv, name), NULL);
}

static inline int64_t now(clockid_t clock) {
    struct timespec at;
    clock_gettime(clock, &at);
    return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
}

/* Pin the calling thread. */
static inline void pin(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    CHECK(sched_setaffinity(0, sizeof set, &set));
}

/* The same as bench.clock.timed: find a count that fits, then measure CPU of the process and wall clock. */
static inline void timed(void (*rounds)(int64_t), int64_t operations_per_round, double seconds) {
    int64_t count = 1, spent = 0;
    while ((double)spent < seconds * 1e9 / 8) {
        count *= 2;
        int64_t started = now(CLOCK_MONOTONIC);
        rounds(count);
        spent = now(CLOCK_MONOTONIC) - started;
    }
    count = (int64_t)((double)count * seconds * 1e9 / (double)spent);
    if (count < 1) count = 1;
    int64_t cpu = now(CLOCK_PROCESS_CPUTIME_ID), wall = now(CLOCK_MONOTONIC);
    rounds(count);
    wall = now(CLOCK_MONOTONIC) - wall;
    cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    double operations = (double)count * (double)operations_per_round;
    printf("{\"cpu\": %.3f, \"wall\": %.3f, \"operations\": %.0f}\n", (double)cpu / operations, (double)wall / operations,
           operations);
}

#endif

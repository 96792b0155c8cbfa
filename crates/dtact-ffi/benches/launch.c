/* Launches, runs and joins empty fibers from inside a fiber, and prints nanoseconds for one:
 * `serial`, one after the other, and `batch`, BATCH at a time. One worker. */
#include <dtact.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCH = 1000 };

static dtact_runtime_t *runtime;

struct run {
    int batch;
    uint64_t count;
    double ns;
};

static void must(dtact_status_t status) {
    if (status != DTACT_OK) {
        fprintf(stderr, "%s\n", dtact_last_error_message());
        exit(1);
    }
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void *nothing(void *env) {
    return env;
}

static void *launch(void *env) {
    struct run *run = env;
    static dtact_handle_t fibers[BATCH];
    const double begin = now();
    for (uint64_t i = 0; i < run->count / (uint64_t)run->batch; ++i) {
        for (int j = 0; j < run->batch; ++j) {
            must(dtact_fiber_spawn(runtime, nothing, NULL, NULL, 0, &fibers[j]));
        }
        for (int j = 0; j < run->batch; ++j) {
            must(dtact_fiber_join(fibers[j], NULL));
        }
    }
    run->ns = (now() - begin) / (double)run->count;
    return NULL;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: launch serial|batch COUNT\n");
        return 2;
    }
    struct run run = {.batch = strcmp(argv[1], "batch") == 0 ? BATCH : 1,
                      .count = strtoull(argv[2], NULL, 10)};
    dtact_builder_t *builder = dtact_builder_new();
    dtact_handle_t root;
    must(dtact_builder_set_workers(builder, 1));
    must(dtact_builder_set_stack_bytes(builder, 65536));
    must(dtact_runtime_start(builder, &runtime));
    dtact_builder_free(builder);
    must(dtact_fiber_spawn(runtime, launch, &run, NULL, 0, &root));
    must(dtact_fiber_join(root, NULL));
    dtact_runtime_free(runtime);
    printf("%.1f\n", run.ns);
    return 0;
}

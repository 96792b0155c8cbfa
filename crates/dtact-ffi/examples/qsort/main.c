/* Sorts by weights that an async function of Rust finds out: each comparison waits for two of them,
 * in the depth of qsort(). Several fibers sort on one thread: while one waits, others go on. */
#include <stdio.h>
#include <stdlib.h>

/* What weights.rs exports; it includes dtact.h. */
#include "weights.h"

enum { FIBERS = 4, THINGS = 16 };

static int waiting, waiting_max;

static int by_weight(const void *a, const void *b) {
    const dtact_handle_t fibers[2] = {dtact_export_weight(*(const uint32_t *)a),
                                      dtact_export_weight(*(const uint32_t *)b)};
    dtact_export_weight_result_t weights[2];
    ++waiting;
    waiting_max = waiting > waiting_max ? waiting : waiting_max;
    for (int i = 0; i < 2; i++) {
        if (dtact_fiber_join_into(fibers[i], &weights[i], sizeof weights[i]) != DTACT_OK) {
            fprintf(stderr, "error: %s\n", dtact_last_error_message());
            exit(1);
        }
    }
    --waiting;
    return (weights[0] > weights[1]) - (weights[0] < weights[1]);
}

static void *sort(void *things) {
    qsort(things, THINGS, sizeof(uint32_t), by_weight);
    return things;
}

int main(void) {
    static uint32_t things[FIBERS][THINGS];
    dtact_builder_t *builder = dtact_builder_new();
    dtact_runtime_t *runtime = NULL;
    dtact_handle_t fibers[FIBERS];

    if (dtact_builder_set_workers(builder, 1) != DTACT_OK ||
        dtact_runtime_start(builder, &runtime) != DTACT_OK) {
        fprintf(stderr, "error: %s\n", dtact_last_error_message());
        return 1;
    }
    dtact_builder_free(builder);
    for (uint32_t i = 0; i < FIBERS; i++) {
        for (uint32_t j = 0; j < THINGS; j++) {
            things[i][j] = i + j;
        }
        if (dtact_fiber_spawn(runtime, sort, things[i], NULL, 0, &fibers[i]) != DTACT_OK) {
            return 1;
        }
    }
    for (uint32_t i = 0; i < FIBERS; i++) {
        if (dtact_fiber_join(fibers[i], NULL) != DTACT_OK) {
            return 1;
        }
        for (uint32_t j = 0; j < THINGS; j++) {
            printf("%u%s", (unsigned)things[i][j], j + 1 < THINGS ? " " : "\n");
        }
    }
    printf("%s\n", waiting_max > 1 ? "sorted side by side" : "sorted one after the other");
    dtact_runtime_free(runtime);
    return 0;
}

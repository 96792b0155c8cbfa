/* Fibers that spawn fibers and join them, from within. */
#include "check.h"

enum { FANOUT = 3, DEPTH = 5 };

struct node {
    const dtact_runtime_t *runtime;
    unsigned depth;
};

static void *count(void *env) {
    const struct node *node = env;
    dtact_handle_t children[FANOUT];
    size_t total = 1;

    if (node->depth > 0) {
        for (int i = 0; i < FANOUT; i++) {
            struct node *child = malloc(sizeof *child);
            CHECK(child != NULL);
            child->runtime = node->runtime;
            child->depth = node->depth - 1;
            EXPECT(DTACT_OK,
                   dtact_fiber_spawn(node->runtime, count, child, free, 0, &children[i]));
        }
        EXPECT(DTACT_OK, dtact_fiber_yield());
        for (int i = 0; i < FANOUT; i++) {
            void *result = NULL;
            EXPECT(DTACT_OK, dtact_fiber_join(children[i], &result));
            total += (size_t)result;
        }
    }
    return (void *)total;
}

int main(void) {
    const size_t workers[] = {1, 2, 8};

    for (size_t i = 0; i < sizeof workers / sizeof *workers; i++) {
        dtact_runtime_t *runtime = start(workers[i]);
        struct node root = {runtime, DEPTH};
        dtact_handle_t fiber = 0;
        void *result = NULL;

        EXPECT(DTACT_OK, dtact_fiber_spawn(runtime, count, &root, NULL, 0, &fiber));
        EXPECT(DTACT_OK, dtact_fiber_join(fiber, &result));
        printf("%zu nodes\n", (size_t)result);
        dtact_runtime_free(runtime);
    }
    return 0;
}

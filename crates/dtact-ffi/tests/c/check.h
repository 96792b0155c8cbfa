/* What the test programs share: a check that says where it failed. */
#ifndef CHECK_H
#define CHECK_H

#include <dtact.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: not so: %s (last error: %s)\n", __FILE__, __LINE__, \
                    #condition, dtact_last_error_message()); \
            exit(1); \
        } \
    } while (0)

/* That a call came to a status. */
#define EXPECT(status, call) \
    do { \
        const dtact_status_t got = (call); \
        if (got != (status)) { \
            fprintf(stderr, "%s:%d: %s came to %d (%s), not to " #status "\n", __FILE__, \
                    __LINE__, #call, (int)got, dtact_last_error_message()); \
            exit(1); \
        } \
    } while (0)

/* A runtime of so many workers, with small stacks. */
static inline dtact_runtime_t *start(size_t workers) {
    dtact_runtime_t *runtime = NULL;
    dtact_builder_t *builder = dtact_builder_new();
    CHECK(builder != NULL);
    EXPECT(DTACT_OK, dtact_builder_set_workers(builder, workers));
    EXPECT(DTACT_OK, dtact_builder_set_fibers(builder, 1000));
    EXPECT(DTACT_OK, dtact_builder_set_stack_bytes(builder, 65536));
    EXPECT(DTACT_OK, dtact_builder_set_stacks(builder, 1000));
    EXPECT(DTACT_OK, dtact_runtime_start(builder, &runtime));
    dtact_builder_free(builder);
    CHECK(runtime != NULL);
    return runtime;
}

#endif

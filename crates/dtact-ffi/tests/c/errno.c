/* A fiber finds its errno again after a wait, whatever others on its thread did to theirs. */
#include "check.h"

#include <errno.h>
#include <stdint.h>

enum { FIBERS = 10, ROUNDS = 100 };

static void *keep(void *env) {
    const int mine = (int)(intptr_t)env;
    for (int round = 0; round < ROUNDS; ++round) {
        errno = mine;
        EXPECT(DTACT_OK, dtact_fiber_yield());
        CHECK(errno == mine);
    }
    return env;
}

int main(void) {
    /* One worker: all of them share its thread. */
    dtact_runtime_t *runtime = start(1);
    dtact_handle_t fibers[FIBERS];
    for (intptr_t i = 0; i < FIBERS; ++i) {
        EXPECT(DTACT_OK, dtact_fiber_spawn(runtime, keep, (void *)(i + 1), NULL, 0, &fibers[i]));
    }
    errno = EINTR;
    for (int i = 0; i < FIBERS; ++i) {
        EXPECT(DTACT_OK, dtact_fiber_join(fibers[i], NULL));
        CHECK(errno == EINTR);
    }
    dtact_runtime_free(runtime);
    puts("each its own");
    return 0;
}

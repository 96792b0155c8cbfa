/* A finalizer runs exactly once, whatever comes of its fiber, and must not wait. */
#include "check.h"

#include <stdatomic.h>

enum { FIBERS = 100 };

struct env {
    atomic_int called;
    atomic_int finalized;
};

static dtact_handle_t somebody;

static void *callback(void *arg) {
    struct env *env = arg;
    CHECK(atomic_load(&env->finalized) == 0);
    atomic_fetch_add(&env->called, 1);
    (void)dtact_fiber_yield();
    CHECK(atomic_load(&env->finalized) == 0);
    return env;
}

static void finalizer(void *arg) {
    struct env *env = arg;
    atomic_fetch_add(&env->finalized, 1);
    EXPECT(DTACT_NOT_ALLOWED, dtact_fiber_yield());
    EXPECT(DTACT_NOT_ALLOWED, dtact_fiber_join(somebody, NULL));
}

static void *nothing(void *env) {
    return env;
}

static void when_joined(dtact_runtime_t *runtime) {
    struct env env = {0, 0};
    dtact_handle_t fiber = 0;
    EXPECT(DTACT_OK, dtact_fiber_spawn(runtime, callback, &env, finalizer, 0, &fiber));
    EXPECT(DTACT_OK, dtact_fiber_join(fiber, NULL));
    CHECK(atomic_load(&env.called) == 1);
    CHECK(atomic_load(&env.finalized) == 1);
}

static void when_refused(dtact_runtime_t *runtime, size_t stack_bytes, dtact_status_t status) {
    struct env env = {0, 0};
    dtact_handle_t fiber = 0;
    CHECK(dtact_fiber_spawn(NULL, callback, &env, finalizer, 0, &fiber) == DTACT_INVALID_ARGUMENT);
    CHECK(atomic_load(&env.finalized) == 1);
    CHECK(dtact_fiber_spawn(runtime, NULL, &env, finalizer, 0, &fiber) == DTACT_INVALID_ARGUMENT);
    CHECK(atomic_load(&env.finalized) == 2);
    CHECK(dtact_fiber_spawn(runtime, callback, &env, finalizer, stack_bytes, &fiber) == status);
    CHECK(atomic_load(&env.finalized) == 3);
    CHECK(atomic_load(&env.called) == 0);
    CHECK(fiber == 0);
}

/* Some are detached and some cancelled, and the runtime ends over them. */
static void when_all_sorts(dtact_runtime_t *runtime) {
    static struct env envs[FIBERS];
    dtact_handle_t fibers[FIBERS];
    int called = 0;

    for (int i = 0; i < FIBERS; i++) {
        EXPECT(DTACT_OK,
               dtact_fiber_spawn(runtime, callback, &envs[i], finalizer, 0, &fibers[i]));
        if (i % 2 == 0) {
            EXPECT(DTACT_OK, dtact_fiber_cancel(fibers[i]));
        }
        if (i % 3 == 0) {
            EXPECT(DTACT_OK, dtact_fiber_detach(fibers[i]));
        }
    }
    EXPECT(DTACT_OK, dtact_runtime_shutdown(runtime, 10000));
    for (int i = 0; i < FIBERS; i++) {
        CHECK(atomic_load(&envs[i].finalized) == 1);
        CHECK(atomic_load(&envs[i].called) <= 1);
        if (i % 3 != 0) {
            const bool was_called = atomic_load(&envs[i].called) == 1;
            EXPECT(was_called ? DTACT_OK : DTACT_FIBER_CANCELLED,
                   dtact_fiber_join(fibers[i], NULL));
        }
        called += atomic_load(&envs[i].called);
    }
    CHECK(called <= FIBERS);
}

int main(void) {
    dtact_runtime_t *runtime = start(2);
    bool is_finished = false;
    EXPECT(DTACT_OK, dtact_fiber_spawn(runtime, nothing, NULL, NULL, 0, &somebody));
    /* Before the shutdown below, which would cancel it. */
    while (!is_finished) {
        EXPECT(DTACT_OK, dtact_fiber_is_finished(somebody, &is_finished));
    }
    when_joined(runtime);
    when_refused(runtime, SIZE_MAX, DTACT_INVALID_ARGUMENT);
    when_all_sorts(runtime);
    when_refused(runtime, 0, DTACT_SHUT_DOWN);
    EXPECT(DTACT_OK, dtact_fiber_join(somebody, NULL));
    dtact_runtime_free(runtime);
    puts("all finalized once");
    return 0;
}

/* Fibers are cancelled before they begin, while they wait, and while they do neither. */
#include "check.h"

#include <stdatomic.h>

static atomic_int begun;
static atomic_int cut_short;
static atomic_int finalized;
static atomic_bool may_end;

static void finalize(void *env) {
    (void)env;
    atomic_fetch_add(&finalized, 1);
}

/* Goes on until it is cancelled, and returns where it was then. */
static void *until_cancelled(void *env) {
    atomic_fetch_add(&begun, 1);
    dtact_status_t status;
    while ((status = dtact_fiber_yield()) == DTACT_OK) {
    }
    EXPECT(DTACT_CANCELLED, status);
    /* It stays cancelled. */
    EXPECT(DTACT_CANCELLED, dtact_fiber_yield());
    return env;
}

/* Waits for the fiber whose handle it is given, and is cancelled meanwhile. */
static void *join_cut_short(void *env) {
    const dtact_handle_t *other = env;
    void *result = &begun;
    atomic_fetch_add(&begun, 1);
    EXPECT(DTACT_CANCELLED, dtact_fiber_join(*other, &result));
    CHECK(result == &begun);
    EXPECT(DTACT_CANCELLED, dtact_fiber_join(*other, NULL));
    atomic_fetch_add(&cut_short, 1);
    return env;
}

/* Does not even listen when it is told. */
static void *deaf(void *env) {
    atomic_fetch_add(&begun, 1);
    while (!atomic_load(&may_end)) {
        (void)dtact_fiber_yield();
    }
    return env;
}

/* Neither waits nor looks. */
static void *stubborn(void *env) {
    atomic_fetch_add(&begun, 1);
    while (!atomic_load(&may_end)) {
    }
    return env;
}

static void *never(void *env) {
    (void)env;
    fprintf(stderr, "a fiber began after it was cancelled\n");
    exit(1);
}

static void until(atomic_int *counter, int count) {
    while (atomic_load(counter) < count) {
    }
}

static void while_yielding(size_t workers) {
    dtact_runtime_t *runtime = start(workers);
    dtact_handle_t fiber = 0;
    void *result = NULL;
    bool is_finished = true;
    int value = 0;

    atomic_store(&begun, 0);
    EXPECT(DTACT_OK, dtact_fiber_spawn(runtime, until_cancelled, &value, NULL, 0, &fiber));
    until(&begun, 1);
    EXPECT(DTACT_OK, dtact_fiber_is_finished(fiber, &is_finished));
    CHECK(!is_finished);
    EXPECT(DTACT_OK, dtact_fiber_cancel(fiber));
    EXPECT(DTACT_OK, dtact_fiber_cancel(fiber));
    EXPECT(DTACT_OK, dtact_fiber_join(fiber, &result));
    CHECK(result == &value);
    dtact_runtime_free(runtime);
}

static void while_joining(size_t workers) {
    dtact_runtime_t *runtime = start(workers);
    dtact_handle_t other = 0, joiner = 0;
    void *result = NULL;

    atomic_store(&begun, 0);
    EXPECT(DTACT_OK, dtact_fiber_spawn(runtime, until_cancelled, NULL, NULL, 0, &other));
    EXPECT(DTACT_OK, dtact_fiber_spawn(runtime, join_cut_short, &other, NULL, 0, &joiner));
    until(&begun, 2);
    EXPECT(DTACT_OK, dtact_fiber_cancel(joiner));
    EXPECT(DTACT_OK, dtact_fiber_join(joiner, &result));
    CHECK(result == &other);
    /* What it waited for is still there, and can be joined by another. */
    EXPECT(DTACT_OK, dtact_fiber_cancel(other));
    EXPECT(DTACT_OK, dtact_fiber_join(other, &result));
    CHECK(result == NULL);
    dtact_runtime_free(runtime);
}

static void before_the_begin(void) {
    dtact_runtime_t *runtime = start(1);
    dtact_handle_t busy = 0, fiber = 0;
    int value = 0;

    atomic_store(&begun, 0);
    atomic_store(&finalized, 0);
    atomic_store(&may_end, false);
    EXPECT(DTACT_OK, dtact_fiber_spawn(runtime, stubborn, NULL, NULL, 0, &busy));
    until(&begun, 1);
    /* The only worker is taken. */
    EXPECT(DTACT_OK, dtact_fiber_spawn(runtime, never, &value, finalize, 0, &fiber));
    EXPECT(DTACT_OK, dtact_fiber_cancel(fiber));
    EXPECT(DTACT_OK, dtact_fiber_cancel(busy));
    CHECK(atomic_load(&finalized) == 0);
    atomic_store(&may_end, true);
    EXPECT(DTACT_FIBER_CANCELLED, dtact_fiber_join(fiber, NULL));
    EXPECT(DTACT_STALE_HANDLE, dtact_fiber_join(fiber, NULL));
    CHECK(atomic_load(&finalized) == 1);
    EXPECT(DTACT_OK, dtact_fiber_join(busy, NULL));
    dtact_runtime_free(runtime);
}

static void by_shutdown(void) {
    dtact_runtime_t *runtime = start(2);
    dtact_handle_t yielding = 0, other = 0, joiner = 0;
    void *result = NULL;

    atomic_store(&cut_short, 0);
    atomic_store(&begun, 0);
    atomic_store(&finalized, 0);
    atomic_store(&may_end, false);
    EXPECT(DTACT_OK, dtact_fiber_spawn(runtime, deaf, &result, finalize, 0, &other));
    EXPECT(DTACT_OK, dtact_fiber_spawn(runtime, join_cut_short, &other, finalize, 0, &joiner));
    EXPECT(DTACT_OK, dtact_fiber_spawn(runtime, until_cancelled, NULL, finalize, 0, &yielding));
    until(&begun, 3);
    EXPECT(DTACT_TIMED_OUT, dtact_runtime_shutdown(runtime, 20));
    until(&cut_short, 1);
    atomic_store(&may_end, true);
    EXPECT(DTACT_OK, dtact_runtime_shutdown(runtime, 10000));
    CHECK(atomic_load(&finalized) == 3);
    dtact_runtime_free(runtime);
    EXPECT(DTACT_OK, dtact_fiber_join(joiner, &result));
    EXPECT(DTACT_OK, dtact_fiber_join(yielding, NULL));
    EXPECT(DTACT_OK, dtact_fiber_join(other, NULL));
}

int main(void) {
    for (size_t workers = 1; workers <= 2; workers++) {
        while_yielding(workers);
        while_joining(workers);
    }
    before_the_begin();
    by_shutdown();
    puts("all cancelled");
    return 0;
}

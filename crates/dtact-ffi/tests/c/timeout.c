/* Joins with a time limit, sleeps, and joins that a cancellation does not cut short. */
#include "check.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>

static atomic_bool may_end;
static atomic_bool is_waiting;
static atomic_bool has_ended;

static uint64_t now_ms(void) {
    struct timespec time;
    CHECK(timespec_get(&time, TIME_UTC) == TIME_UTC);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static void *until_told(void *env) {
    while (!atomic_load(&may_end)) {
        (void)dtact_fiber_yield();
    }
    atomic_store(&has_ended, true);
    return env;
}

static void *sleeps_a_bit(void *env) {
    const uint64_t begin = now_ms();
    EXPECT(DTACT_OK, dtact_sleep(20));
    /* One off for the rounding of both ends. */
    CHECK(now_ms() - begin >= 19);
    EXPECT(DTACT_OK, dtact_sleep(0));
    EXPECT(DTACT_OK, dtact_yield());
    return env;
}

static void *sleeps_for_ever(void *env) {
    EXPECT(DTACT_CANCELLED, dtact_sleep(UINT64_MAX));
    EXPECT(DTACT_CANCELLED, dtact_sleep(1));
    return env;
}

static void *joins_in_time(void *env) {
    const dtact_handle_t *fiber = env;
    void *result = &may_end;
    EXPECT(DTACT_TIMED_OUT, dtact_fiber_join_timeout(*fiber, 0, &result));
    EXPECT(DTACT_TIMED_OUT, dtact_fiber_join_timeout(*fiber, 5, &result));
    EXPECT(DTACT_TIMED_OUT, dtact_join(*fiber, 5, &result));
    CHECK(result == &may_end);
    return env;
}

/* Is cancelled while it waits, and waits all the same. */
static void *joins_regardless(void *env) {
    const dtact_handle_t *fiber = env;
    atomic_store(&is_waiting, true);
    EXPECT(DTACT_OK, dtact_fiber_join_regardless(*fiber, NULL));
    CHECK(atomic_load(&has_ended));
    /* It is cancelled nevertheless. */
    EXPECT(DTACT_CANCELLED, dtact_fiber_yield());
    return env;
}

static void *joins_itself(void *env) {
    const dtact_handle_t *own = env;
    while (!atomic_load(&may_end)) {
        (void)dtact_fiber_yield();
    }
    EXPECT(DTACT_NOT_ALLOWED, dtact_fiber_join(*own, NULL));
    EXPECT(DTACT_NOT_ALLOWED, dtact_fiber_join_timeout(*own, 5, NULL));
    EXPECT(DTACT_NOT_ALLOWED, dtact_fiber_join_regardless(*own, NULL));
    return env;
}

static void finalizer(void *env) {
    const dtact_handle_t *fiber = env;
    EXPECT(DTACT_NOT_ALLOWED, dtact_sleep(1));
    EXPECT(DTACT_NOT_ALLOWED, dtact_yield());
    EXPECT(DTACT_NOT_ALLOWED, dtact_join(*fiber, 1, NULL));
    EXPECT(DTACT_NOT_ALLOWED, dtact_fiber_join_timeout(*fiber, 1, NULL));
    EXPECT(DTACT_NOT_ALLOWED, dtact_fiber_join_regardless(*fiber, NULL));
}

static void *nothing(void *env) {
    return env;
}

static void without_fibers(void) {
    const uint64_t begin = now_ms();
    EXPECT(DTACT_OK, dtact_sleep(20));
    CHECK(now_ms() - begin >= 19);
    EXPECT(DTACT_OK, dtact_yield());
    EXPECT(DTACT_STALE_HANDLE, dtact_join(0, 1, NULL));
    EXPECT(DTACT_STALE_HANDLE, dtact_fiber_join_timeout(UINT64_MAX, 1, NULL));
    EXPECT(DTACT_STALE_HANDLE, dtact_fiber_join_regardless(1, NULL));
}

static void with_workers(size_t workers) {
    dtact_runtime_t *runtime = start(workers);
    dtact_handle_t fiber = 0, other = 0;
    static dtact_handle_t own;
    void *result = NULL;
    int value = 0;

    atomic_store(&may_end, false);
    atomic_store(&is_waiting, false);
    atomic_store(&has_ended, false);
    EXPECT(DTACT_OK, dtact_fiber_spawn(runtime, until_told, &value, NULL, 0, &fiber));
    EXPECT(DTACT_TIMED_OUT, dtact_fiber_join_timeout(fiber, 0, &result));
    EXPECT(DTACT_TIMED_OUT, dtact_fiber_join_timeout(fiber, 5, &result));
    CHECK(strstr(dtact_last_error_message(), "5 ms") != NULL);
    EXPECT(DTACT_OK, dtact_fiber_spawn(runtime, joins_in_time, &fiber, NULL, 0, &other));
    EXPECT(DTACT_OK, dtact_join(other, DTACT_NO_TIMEOUT, NULL));
    EXPECT(DTACT_STALE_HANDLE, dtact_join(other, 5, NULL));

    /* Its joiner is cancelled, and goes on waiting; a finalizer is refused to. */
    EXPECT(DTACT_OK, dtact_fiber_spawn(runtime, joins_regardless, &fiber, NULL, 0, &other));
    while (!atomic_load(&is_waiting)) {
    }
    EXPECT(DTACT_OK, dtact_fiber_cancel(other));
    EXPECT(DTACT_TIMED_OUT, dtact_fiber_join_timeout(other, 10, NULL));
    EXPECT(DTACT_BUSY, dtact_fiber_join_timeout(fiber, 10, NULL));
    atomic_store(&may_end, true);
    EXPECT(DTACT_OK, dtact_fiber_join_timeout(other, 60000, &result));
    CHECK(result == &fiber);
    EXPECT(DTACT_OK, dtact_fiber_spawn(runtime, nothing, &fiber, finalizer, 0, &other));
    EXPECT(DTACT_OK, dtact_fiber_join(other, NULL));

    /* A fiber of its own handle. */
    atomic_store(&may_end, false);
    EXPECT(DTACT_OK, dtact_fiber_spawn(runtime, joins_itself, &own, NULL, 0, &own));
    atomic_store(&may_end, true);
    EXPECT(DTACT_OK, dtact_fiber_join_regardless(own, NULL));

    EXPECT(DTACT_OK, dtact_fiber_spawn(runtime, sleeps_a_bit, NULL, NULL, 0, &fiber));
    EXPECT(DTACT_OK, dtact_fiber_spawn(runtime, sleeps_for_ever, NULL, NULL, 0, &other));
    EXPECT(DTACT_OK, dtact_fiber_join(fiber, NULL));
    EXPECT(DTACT_OK, dtact_fiber_cancel(other));
    /* By then it has begun, or never does. */
    const dtact_status_t status = dtact_fiber_join_timeout(other, 60000, NULL);
    CHECK(status == DTACT_OK || status == DTACT_FIBER_CANCELLED);
    dtact_runtime_free(runtime);
}

int main(void) {
    without_fibers();
    with_workers(1);
    with_workers(2);
    puts("all in time");
    return 0;
}

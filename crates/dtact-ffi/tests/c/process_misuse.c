/* What was a crash or a hang in 0.2 gets an error; and what is right about odd uses. */
#include "check.h"

#include <stdatomic.h>
#include <string.h>

static atomic_int begun;
static atomic_int called;
static atomic_int cleaned;
static atomic_bool may_end;
static dtact_handle_t own;

static void says(const char *part) {
    if (strstr(dtact_last_error_message(), part) == NULL) {
        fprintf(stderr, "\"%s\" does not say \"%s\"\n", dtact_last_error_message(), part);
        exit(1);
    }
}

static void count(void *arg) {
    (void)arg;
    atomic_fetch_add(&called, 1);
}

static void cleanup(void *arg) {
    (void)arg;
    EXPECT(DTACT_NOT_ALLOWED, dtact_await(own));
    EXPECT(DTACT_NOT_ALLOWED, dtact_run(&own));
    atomic_fetch_add(&cleaned, 1);
}

static void until_told(void *arg) {
    (void)arg;
    while (!atomic_load(&may_end)) {
        (void)dtact_fiber_yield();
    }
}

static void until_cancelled(void *arg) {
    (void)arg;
    atomic_fetch_add(&begun, 1);
    EXPECT(DTACT_CANCELLED, dtact_sleep(UINT64_MAX));
    atomic_fetch_add(&called, 1);
}

static void of_itself(void *arg) {
    until_told(NULL);
    EXPECT(DTACT_NOT_ALLOWED, dtact_await(own));
    EXPECT(DTACT_NOT_ALLOWED, dtact_run(arg));
    EXPECT(DTACT_STALE_HANDLE, dtact_await(0));
    CHECK(dtact_init(NULL) == NULL);
}

static void awaits(void *arg) {
    EXPECT(DTACT_OK, dtact_await(*(dtact_handle_t *)arg));
}

static void *spawned(void *env) {
    return env;
}

static void before(void) {
    dtact_config_t config = dtact_default_config();

    CHECK(dtact_fiber_launch(count, NULL) == 0);
    says("dtact_init first");
    CHECK(dtact_fiber_launch_with_cleanup(count, NULL, cleanup) == 0);
    CHECK(atomic_load(&called) == 0 && atomic_load(&cleaned) == 1);
    EXPECT(DTACT_NOT_STARTED, dtact_shutdown());
    EXPECT(DTACT_NOT_STARTED, dtact_run(&config));
    EXPECT(DTACT_INVALID_ARGUMENT, dtact_run(NULL));
    EXPECT(DTACT_STALE_HANDLE, dtact_await(0));
    EXPECT(DTACT_STALE_HANDLE, dtact_await(UINT64_C(0x80000000fffffff0)));
    EXPECT(DTACT_STALE_HANDLE, dtact_cancel(UINT64_MAX));
    CHECK(dtact_init(NULL) == NULL);
    says("`config` is null");
    dtact_free_arg(NULL);

#define REFUSED(field, value, part) \
    config = dtact_default_config(); \
    config.field = value; \
    CHECK(dtact_init(&config) == NULL); \
    says(part)

    REFUSED(mSafetyLevel, 3, "3 is no safety level");
    REFUSED(mTopologyMode, 3, "3 is no topology mode");
    REFUSED(mNuma, UINT8_MAX, "node");
    REFUSED(mWorkers, UINT32_MAX, "worker");
    REFUSED(mFiberCapacity, UINT32_MAX, "capacity");
    REFUSED(mStackSize, UINT32_MAX, "stack");
#undef REFUSED
}

static void meanwhile(void) {
    dtact_config_t config = dtact_default_config();
    dtact_spawn_options_t options = dtact_default_spawn_options();
    dtact_handle_t fibers[3], fiber = 0;
    dtact_runtime_t *runtime, *other;

    config.mWorkers = 1;
    config.mFiberCapacity = 4;
    atomic_store(&called, 0);
    atomic_store(&cleaned, 0);
    atomic_store(&may_end, false);
    runtime = dtact_init(&config);
    CHECK(runtime != NULL);
    CHECK(dtact_init(&config) == NULL);
    says("already");
    EXPECT(DTACT_NOT_STARTED, dtact_run(&config));

    CHECK(dtact_fiber_launch(NULL, NULL) == 0);
    says("`function` is null");
    CHECK(dtact_fiber_launch_with_cleanup_ext(NULL, NULL, cleanup, NULL) == 0);
    CHECK(atomic_load(&cleaned) == 1);
#define REFUSED(field, part) \
    options = dtact_default_spawn_options(); \
    options.field = 4; \
    CHECK(dtact_fiber_launch_with_cleanup_ext(count, NULL, cleanup, &options) == 0); \
    says(part)
    REFUSED(mPriority, "4 is no priority");
    REFUSED(mAffinity, "4 is no affinity");
    REFUSED(mKind, "4 is no kind");
    REFUSED(mSwitcher, "4 is no switcher");
#undef REFUSED
    CHECK(atomic_load(&called) == 0 && atomic_load(&cleaned) == 5);

    /* One after the other: an awaited fiber has given up its place. Nobody awaits some. */
    for (int i = 0; i < 2000; i++) {
        fiber = dtact_fiber_launch(count, NULL);
        CHECK(fiber != 0);
        EXPECT(DTACT_OK, dtact_await(fiber));
        CHECK(atomic_load(&called) == i + 1);
    }
    EXPECT(DTACT_OK, dtact_await(fiber));
    EXPECT(DTACT_OK, dtact_cancel(fiber));
    EXPECT(DTACT_STALE_HANDLE, dtact_fiber_join(fiber, NULL));
    EXPECT(DTACT_STALE_HANDLE, dtact_fiber_detach(fiber));
    EXPECT(DTACT_STALE_HANDLE, dtact_await(fiber + (UINT64_C(1) << 40)));

    /* As many as may be, one of them its own awaiter, others awaiting the same. */
    own = dtact_fiber_launch_with_cleanup(of_itself, runtime, cleanup);
    CHECK(own != 0);
    for (int i = 0; i < 3; i++) {
        fibers[i] = dtact_fiber_launch(awaits, &own);
        CHECK(fibers[i] != 0);
    }
    CHECK(dtact_fiber_launch(count, NULL) == 0);
    says("raise");
    atomic_store(&may_end, true);
    for (int i = 0; i < 3; i++) {
        EXPECT(DTACT_OK, dtact_await(fibers[i]));
    }
    EXPECT(DTACT_OK, dtact_await(own));
    CHECK(atomic_load(&cleaned) == 6);

    /* Spawned ones beside them. */
    EXPECT(DTACT_OK, dtact_fiber_spawn(runtime, spawned, NULL, NULL, 0, &fiber));
    EXPECT(DTACT_OK, dtact_await(fiber));
    EXPECT(DTACT_OK, dtact_cancel(fiber));
    EXPECT(DTACT_OK, dtact_fiber_join(fiber, NULL));
    EXPECT(DTACT_STALE_HANDLE, dtact_await(fiber));
    other = start(1);
    EXPECT(DTACT_NOT_STARTED, dtact_run(other));
    dtact_runtime_free(other);

    /* Cancelled by hand, and by the end. */
    atomic_store(&begun, 0);
    atomic_store(&called, 0);
    fiber = dtact_fiber_launch(until_cancelled, NULL);
    fibers[0] = dtact_fiber_launch(until_cancelled, NULL);
    while (atomic_load(&begun) < 2) {
        EXPECT(DTACT_OK, dtact_sleep(1));
    }
    EXPECT(DTACT_OK, dtact_cancel(fiber));
    EXPECT(DTACT_OK, dtact_await(fiber));
    CHECK(atomic_load(&called) == 1);
    EXPECT(DTACT_OK, dtact_shutdown());
    CHECK(atomic_load(&called) == 2);
    EXPECT(DTACT_OK, dtact_await(fibers[0]));
    EXPECT(DTACT_NOT_STARTED, dtact_shutdown());
    EXPECT(DTACT_NOT_STARTED, dtact_run(runtime));
    CHECK(dtact_fiber_launch(count, NULL) == 0);
}

int main(void) {
    before();
    meanwhile();
    /* There can be another one. */
    meanwhile();
    puts("all refused");
    return 0;
}

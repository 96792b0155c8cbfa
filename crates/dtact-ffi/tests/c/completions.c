/* Event loops that wait for fibers, by poll() and by epoll, and functions that are told of ends. */
#include "check.h"

#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { FIBERS = 64 };

static atomic_bool may_end;
static atomic_int called;
static atomic_int finalized;

static void *echo(void *env) {
    (void)dtact_fiber_yield();
    return env;
}

static void *until_told(void *env) {
    while (!atomic_load(&may_end)) {
        (void)dtact_fiber_yield();
    }
    return env;
}

static void *sleeps_for_ever(void *env) {
    (void)dtact_sleep(UINT64_MAX);
    return env;
}

static void launched(void *arg) {
    (void)arg;
}

static bool is_readable(int descriptor, int timeout_ms) {
    struct pollfd poll_fd = {descriptor, POLLIN, 0};
    const int count = poll(&poll_fd, 1, timeout_ms);
    CHECK(count >= 0);
    return count == 1 && (poll_fd.revents & POLLIN) != 0;
}

static void wait_by_poll(int descriptor) {
    CHECK(is_readable(descriptor, 60000));
}

static void wait_by_epoll(int descriptor) {
    struct epoll_event event = {EPOLLIN, {NULL}};
    const int epoll = epoll_create1(0);
    CHECK(epoll >= 0);
    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) == 0);
    CHECK(epoll_wait(epoll, &event, 1, 60000) == 1);
    CHECK(close(epoll) == 0);
}

/* The loop of a program that has other things to wait for as well. */
static void loop(dtact_runtime_t *runtime, void (*wait)(int)) {
    static int tags[FIBERS];
    dtact_completions_t *completions = NULL;
    dtact_handle_t fiber = 7;
    int descriptor = -1, taken = 0;
    void *tag = &descriptor;

    memset(tags, 0, sizeof tags);
    EXPECT(DTACT_OK, dtact_completions_new(&completions));
    EXPECT(DTACT_OK, dtact_completions_descriptor(completions, &descriptor));
    CHECK(descriptor >= 0 && !is_readable(descriptor, 0));
    EXPECT(DTACT_OK, dtact_completions_next(completions, &fiber, &tag));
    CHECK(fiber == 0 && tag == &descriptor);
    for (int i = 0; i < FIBERS; i++) {
        EXPECT(DTACT_OK, dtact_fiber_spawn(runtime, echo, &tags[i], NULL, 0, &fiber));
        EXPECT(DTACT_OK, dtact_completions_watch(completions, fiber, &tags[i]));
    }
    while (taken < FIBERS) {
        wait(descriptor);
        EXPECT(DTACT_OK, dtact_completions_next(completions, &fiber, &tag));
        while (fiber != 0) {
            void *result = NULL;
            EXPECT(DTACT_OK, dtact_join(fiber, 0, &result));
            CHECK(result == tag);
            ++*(int *)tag;
            ++taken;
            EXPECT(DTACT_OK, dtact_completions_next(completions, &fiber, &tag));
        }
    }
    for (int i = 0; i < FIBERS; i++) {
        CHECK(tags[i] == 1);
    }
    CHECK(!is_readable(descriptor, 0));
    dtact_completions_free(completions);
}

static void odd_uses(dtact_runtime_t *runtime) {
    dtact_completions_t *completions = NULL, *other = NULL;
    dtact_handle_t fiber = 0, next = 0;
    int descriptor = -1;
    void *tag = NULL;

    EXPECT(DTACT_INVALID_ARGUMENT, dtact_completions_new(NULL));
    EXPECT(DTACT_INVALID_ARGUMENT, dtact_completions_descriptor(NULL, &descriptor));
    EXPECT(DTACT_INVALID_ARGUMENT, dtact_completions_watch(NULL, 1, NULL));
    EXPECT(DTACT_INVALID_ARGUMENT, dtact_completions_next(NULL, &fiber, NULL));
    dtact_completions_free(NULL);
    EXPECT(DTACT_OK, dtact_completions_new(&completions));
    EXPECT(DTACT_OK, dtact_completions_new(&other));
    EXPECT(DTACT_INVALID_ARGUMENT, dtact_completions_descriptor(completions, NULL));
    EXPECT(DTACT_INVALID_ARGUMENT, dtact_completions_next(completions, NULL, NULL));
    EXPECT(DTACT_STALE_HANDLE, dtact_completions_watch(completions, 0, NULL));
    EXPECT(DTACT_STALE_HANDLE, dtact_completions_watch(completions, UINT64_MAX, NULL));
    EXPECT(DTACT_OK, dtact_completions_descriptor(completions, &descriptor));

    /* Watched twice and by two, one of which is gone by then; and once more after the end. */
    atomic_store(&may_end, false);
    EXPECT(DTACT_OK, dtact_fiber_spawn(runtime, until_told, NULL, NULL, 0, &fiber));
    EXPECT(DTACT_OK, dtact_completions_watch(completions, fiber, &may_end));
    EXPECT(DTACT_OK, dtact_completions_watch(completions, fiber, &may_end));
    EXPECT(DTACT_OK, dtact_completions_watch(other, fiber, NULL));
    dtact_completions_free(other);
    CHECK(!is_readable(descriptor, 5));
    atomic_store(&may_end, true);
    EXPECT(DTACT_OK, dtact_await(fiber));
    EXPECT(DTACT_OK, dtact_completions_watch(completions, fiber, &may_end));
    for (int i = 0; i < 3; i++) {
        CHECK(is_readable(descriptor, 60000));
        EXPECT(DTACT_OK, dtact_completions_next(completions, &next, &tag));
        CHECK(next == fiber && tag == &may_end);
    }
    EXPECT(DTACT_OK, dtact_completions_next(completions, &next, NULL));
    CHECK(next == 0);
    EXPECT(DTACT_OK, dtact_fiber_join(fiber, NULL));
    EXPECT(DTACT_STALE_HANDLE, dtact_completions_watch(completions, fiber, NULL));

    /* A cancelled one ends as well. */
    EXPECT(DTACT_OK, dtact_fiber_spawn(runtime, sleeps_for_ever, NULL, NULL, 0, &fiber));
    EXPECT(DTACT_OK, dtact_completions_watch(completions, fiber, NULL));
    EXPECT(DTACT_OK, dtact_fiber_cancel(fiber));
    CHECK(is_readable(descriptor, 60000));
    EXPECT(DTACT_OK, dtact_fiber_detach(fiber));
    dtact_completions_free(completions);
}

static void completed(void *env, dtact_handle_t fiber) {
    void *result = NULL;
    EXPECT(DTACT_NOT_ALLOWED, dtact_sleep(1));
    EXPECT(DTACT_OK, dtact_fiber_join(fiber, &result));
    CHECK(result == env);
    atomic_fetch_add(&called, 1);
}

static void counts(void *env, dtact_handle_t fiber) {
    (void)env;
    CHECK(fiber != 0);
    atomic_fetch_add(&called, 1);
}

static void finalizer(void *env) {
    (void)env;
    atomic_fetch_add(&finalized, 1);
}

static void callbacks(dtact_runtime_t *runtime) {
    dtact_handle_t fibers[FIBERS], fiber;
    int value = 0;

    atomic_store(&called, 0);
    atomic_store(&finalized, 0);
    EXPECT(DTACT_STALE_HANDLE, dtact_fiber_on_complete(0, completed, &value, finalizer));
    EXPECT(DTACT_INVALID_ARGUMENT, dtact_fiber_on_complete(1, NULL, &value, finalizer));
    CHECK(atomic_load(&called) == 0 && atomic_load(&finalized) == 2);
    for (int i = 0; i < FIBERS; i++) {
        EXPECT(DTACT_OK, dtact_fiber_spawn(runtime, echo, &value, NULL, 0, &fibers[i]));
        EXPECT(DTACT_OK, dtact_fiber_on_complete(fibers[i], completed, &value, finalizer));
    }
    while (atomic_load(&finalized) < FIBERS + 2) {
        EXPECT(DTACT_OK, dtact_sleep(1));
    }
    CHECK(atomic_load(&called) == FIBERS);
    for (int i = 0; i < FIBERS; i++) {
        EXPECT(DTACT_STALE_HANDLE, dtact_fiber_join(fibers[i], NULL));
    }

    /* Of one that has ended: here and now. */
    EXPECT(DTACT_OK, dtact_fiber_spawn(runtime, echo, &value, NULL, 0, &fiber));
    EXPECT(DTACT_OK, dtact_await(fiber));
    EXPECT(DTACT_OK, dtact_fiber_on_complete(fiber, completed, &value, NULL));
    CHECK(atomic_load(&called) == FIBERS + 1);
    EXPECT(DTACT_STALE_HANDLE, dtact_fiber_detach(fiber));
}

/* Fibers without an owner, of the older API. */
static void of_the_process(void) {
    dtact_config_t config = dtact_default_config();
    dtact_handle_t fiber;

    atomic_store(&called, 0);
    config.mFiberCapacity = 64;
    CHECK(dtact_init(&config) != NULL);
    for (int i = 0; i < 2 * FIBERS; i++) {
        fiber = dtact_fiber_launch(launched, NULL);
        CHECK(fiber != 0);
        EXPECT(DTACT_OK, dtact_fiber_on_complete(fiber, counts, NULL, NULL));
        EXPECT(DTACT_OK, dtact_await(fiber));
    }
    EXPECT(DTACT_OK, dtact_shutdown());
    CHECK(atomic_load(&called) == 2 * FIBERS);
}

int main(void) {
    for (size_t workers = 1; workers <= 2; workers++) {
        dtact_runtime_t *runtime = start(workers);
        loop(runtime, wait_by_poll);
        loop(runtime, wait_by_epoll);
        odd_uses(runtime);
        callbacks(runtime);
        dtact_runtime_free(runtime);
    }
    of_the_process();
    puts("all told");
    return 0;
}

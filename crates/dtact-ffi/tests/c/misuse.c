/* What is done wrong gets a status and a message, and does no harm. */
#include "check.h"

#include <stdatomic.h>
#include <string.h>

static void *identity(void *env) {
    return env;
}

/* A fiber that goes on until it is told to end, whatever else it is told. */
struct spinner {
    atomic_bool may_end;
    dtact_handle_t handle;
};

static void *spin(void *env) {
    struct spinner *spinner = env;
    while (!atomic_load(&spinner->may_end)) {
        (void)dtact_fiber_yield();
    }
    return NULL;
}

/* Of two that join the spinner one is refused, and lets it end. */
static void *join_spinner(void *env) {
    struct spinner *spinner = env;
    const dtact_status_t status = dtact_fiber_join(spinner->handle, NULL);
    if (status == DTACT_BUSY) {
        EXPECT(DTACT_BUSY, dtact_fiber_detach(spinner->handle));
        atomic_store(&spinner->may_end, true);
        return spinner;
    }
    EXPECT(DTACT_OK, status);
    return NULL;
}

static void says(const char *part) {
    const char *message = dtact_last_error_message();
    if (strstr(message, part) == NULL) {
        fprintf(stderr, "the message \"%s\" does not say \"%s\"\n", message, part);
        exit(1);
    }
}

static void statuses(void) {
    for (dtact_status_t status = DTACT_OK; status <= DTACT_SYSTEM; status++) {
        CHECK(strcmp(dtact_status_message(status), dtact_status_message(-1)) != 0);
    }
    CHECK(strcmp(dtact_status_message(1000), dtact_status_message(-1)) == 0);
    CHECK(dtact_version() == DTACT_VERSION);
}

static void before_start(void) {
    bool is_finished = false;
    dtact_handle_t fiber = 7;

    CHECK(strcmp(dtact_last_error_message(), "") == 0);
    EXPECT(DTACT_INVALID_ARGUMENT, dtact_fiber_spawn(NULL, identity, NULL, NULL, 0, &fiber));
    says("`runtime` is null");
    CHECK(fiber == 7);
    EXPECT(DTACT_STALE_HANDLE, dtact_fiber_join(0, NULL));
    says("0, which names no fiber");
    EXPECT(DTACT_STALE_HANDLE, dtact_fiber_join(UINT64_C(1) << 32, NULL));
    says("0x100000000 names no fiber");
    EXPECT(DTACT_STALE_HANDLE, dtact_fiber_detach(UINT64_MAX));
    EXPECT(DTACT_STALE_HANDLE, dtact_fiber_cancel(1));
    EXPECT(DTACT_STALE_HANDLE, dtact_fiber_is_finished(1, &is_finished));
    EXPECT(DTACT_OK, dtact_fiber_yield());
}

static void null_pointers(void) {
    EXPECT(DTACT_INVALID_ARGUMENT, dtact_builder_set_workers(NULL, 1));
    says("`builder` is null");
    EXPECT(DTACT_INVALID_ARGUMENT, dtact_builder_set_fibers(NULL, 1));
    EXPECT(DTACT_INVALID_ARGUMENT, dtact_builder_set_stack_bytes(NULL, 1));
    EXPECT(DTACT_INVALID_ARGUMENT, dtact_builder_set_stacks(NULL, 1));
    EXPECT(DTACT_INVALID_ARGUMENT, dtact_runtime_start(NULL, NULL));
    says("`out` is null");
    EXPECT(DTACT_INVALID_ARGUMENT, dtact_runtime_shutdown(NULL, 1));
    dtact_builder_free(NULL);
    dtact_runtime_free(NULL);
}

static void wrong_settings(void) {
    dtact_runtime_t *runtime = NULL;
    dtact_builder_t *builder;

#define REFUSED(setting, value, part) \
    builder = dtact_builder_new(); \
    EXPECT(DTACT_OK, dtact_builder_set_##setting(builder, value)); \
    EXPECT(DTACT_INVALID_ARGUMENT, dtact_runtime_start(builder, &runtime)); \
    says(part); \
    CHECK(runtime == NULL); \
    dtact_builder_free(builder)

    REFUSED(workers, 0, "worker");
    REFUSED(workers, SIZE_MAX, "worker");
    REFUSED(fibers, 0, "capacity");
    REFUSED(fibers, UINT32_MAX, "capacity");
    REFUSED(stack_bytes, 0, "zero bytes");
    REFUSED(stack_bytes, SIZE_MAX, "stack");
    REFUSED(stacks, 0, "capacity");
    REFUSED(stacks, 1, "too few");
#undef REFUSED
}

static void handles(void) {
    dtact_runtime_t *runtime = start(2);
    dtact_handle_t fiber = 0, later = 0, joiners[2];
    struct spinner spinner = {false, 0};
    void *refused[2] = {NULL, NULL};
    void *result = NULL;
    int value = 0;
    bool is_finished = false;

    EXPECT(DTACT_INVALID_ARGUMENT, dtact_fiber_spawn(runtime, NULL, NULL, NULL, 0, &fiber));
    says("`callback` is null");
    EXPECT(DTACT_INVALID_ARGUMENT,
           dtact_fiber_spawn(runtime, identity, NULL, NULL, SIZE_MAX, &fiber));
    says("stack of");
    CHECK(fiber == 0);

    /* Joined twice, and after another fiber has the same place. */
    EXPECT(DTACT_OK, dtact_fiber_spawn(runtime, identity, &value, NULL, 100000, &fiber));
    EXPECT(DTACT_INVALID_ARGUMENT, dtact_fiber_is_finished(fiber, NULL));
    EXPECT(DTACT_OK, dtact_fiber_join(fiber, &result));
    CHECK(result == &value);
    result = NULL;
    EXPECT(DTACT_STALE_HANDLE, dtact_fiber_join(fiber, &result));
    says("joined or detached");
    CHECK(result == NULL);
    EXPECT(DTACT_OK, dtact_fiber_spawn(runtime, identity, NULL, NULL, 0, &later));
    CHECK(later != fiber);
    EXPECT(DTACT_STALE_HANDLE, dtact_fiber_cancel(fiber));
    EXPECT(DTACT_STALE_HANDLE, dtact_fiber_detach(fiber));
    EXPECT(DTACT_OK, dtact_fiber_detach(later));
    EXPECT(DTACT_STALE_HANDLE, dtact_fiber_join(later, NULL));

    /* Detached at once. */
    EXPECT(DTACT_OK, dtact_fiber_spawn(runtime, identity, NULL, NULL, 0, NULL));

    /* Joined by two. */
    EXPECT(DTACT_OK, dtact_fiber_spawn(runtime, spin, &spinner, NULL, 0, &spinner.handle));
    for (int i = 0; i < 2; i++) {
        EXPECT(DTACT_OK, dtact_fiber_spawn(runtime, join_spinner, &spinner, NULL, 0, &joiners[i]));
    }
    for (int i = 0; i < 2; i++) {
        EXPECT(DTACT_OK, dtact_fiber_join(joiners[i], &refused[i]));
    }
    CHECK((refused[0] == NULL) != (refused[1] == NULL));
    EXPECT(DTACT_STALE_HANDLE, dtact_fiber_join(spinner.handle, NULL));

    /* Handles outlive the runtime. */
    EXPECT(DTACT_OK, dtact_fiber_spawn(runtime, identity, &value, NULL, 0, &fiber));
    do {
        EXPECT(DTACT_OK, dtact_fiber_is_finished(fiber, &is_finished));
    } while (!is_finished);
    EXPECT(DTACT_OK, dtact_runtime_shutdown(runtime, 10000));
    EXPECT(DTACT_OK, dtact_runtime_shutdown(runtime, 0));
    EXPECT(DTACT_SHUT_DOWN, dtact_fiber_spawn(runtime, identity, NULL, NULL, 0, &later));
    says("shutting down");
    dtact_runtime_free(runtime);
    EXPECT(DTACT_OK, dtact_fiber_join(fiber, &result));
    CHECK(result == &value);
    EXPECT(DTACT_STALE_HANDLE, dtact_fiber_join(fiber, &result));
}

static void exhaustion(void) {
    enum { MAX = 4 };
    dtact_runtime_t *runtime = NULL;
    dtact_builder_t *builder = dtact_builder_new();
    dtact_handle_t fibers[MAX], more = 0;

    EXPECT(DTACT_OK, dtact_builder_set_workers(builder, 1));
    EXPECT(DTACT_OK, dtact_builder_set_fibers(builder, MAX));
    EXPECT(DTACT_OK, dtact_runtime_start(builder, &runtime));
    dtact_builder_free(builder);
    for (int i = 0; i < MAX; i++) {
        EXPECT(DTACT_OK, dtact_fiber_spawn(runtime, identity, NULL, NULL, 0, &fibers[i]));
    }
    EXPECT(DTACT_EXHAUSTED, dtact_fiber_spawn(runtime, identity, NULL, NULL, 0, &more));
    says("raise");
    for (int i = 0; i < MAX; i++) {
        EXPECT(DTACT_OK, dtact_fiber_join(fibers[i], NULL));
    }
    EXPECT(DTACT_OK, dtact_fiber_spawn(runtime, identity, NULL, NULL, 0, &more));
    EXPECT(DTACT_OK, dtact_fiber_join(more, NULL));
    dtact_runtime_free(runtime);
}

int main(void) {
    statuses();
    before_start();
    null_pointers();
    wrong_settings();
    handles();
    exhaustion();
    puts("all refused");
    return 0;
}

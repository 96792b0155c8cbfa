/* What runtimes and fibers say of themselves. */
#include "check.h"

#include <stdatomic.h>
#include <string.h>

static atomic_bool is_open;

static void *wait(void *env) {
    while (!atomic_load(&is_open)) {
        if (dtact_sleep(1) == DTACT_CANCELLED) {
            break;
        }
    }
    return env;
}

static void *nothing(void *env) {
    return env;
}

static void says(const char *part) {
    if (strstr(dtact_last_error_message(), part) == NULL) {
        fprintf(stderr, "\"%s\" does not say \"%s\"\n", dtact_last_error_message(), part);
        exit(1);
    }
}

static dtact_handle_t spawn_named(const dtact_runtime_t *runtime) {
    dtact_handle_t fiber = 0;
    dtact_fiber_options_t *options = dtact_fiber_options_new();
    EXPECT(DTACT_OK, dtact_fiber_options_set_name(options, "waiter"));
    EXPECT(DTACT_OK, dtact_fiber_options_set_stack_bytes(options, 65536));
    EXPECT(DTACT_OK, dtact_fiber_options_set_priority(options, DTACT_PRIORITY_HIGH));
    EXPECT(DTACT_OK, dtact_fiber_options_set_affinity(options, DTACT_AFFINITY_SAME_NUMA));
    EXPECT(DTACT_OK, dtact_fiber_options_set_kind(options, DTACT_KIND_IO));
    EXPECT(DTACT_OK, dtact_fiber_spawn_with(runtime, options, wait, NULL, NULL, &fiber));
    dtact_fiber_options_free(options);
    return fiber;
}

static void info_of(dtact_handle_t fiber) {
    dtact_fiber_info_t info = {.size = sizeof info};
    EXPECT(DTACT_OK, dtact_fiber_info(fiber, &info));
    CHECK(info.size == sizeof info);
    CHECK(info.state == DTACT_FIBER_STATE_RUNNABLE || info.state == DTACT_FIBER_STATE_PARKED);
    CHECK(info.worker >= -1 && info.worker < 16);
    CHECK(info.priority == DTACT_PRIORITY_HIGH && info.affinity == DTACT_AFFINITY_SAME_NUMA);
    CHECK(info.kind == DTACT_KIND_IO && info.stack_bytes == 65536);
    CHECK(strcmp(info.name, "waiter") == 0);

    info.size = sizeof info - 1;
    EXPECT(DTACT_INVALID_ARGUMENT, dtact_fiber_info(fiber, &info));
    says("sizeof");
    CHECK(info.size == sizeof info - 1);
    EXPECT(DTACT_INVALID_ARGUMENT, dtact_fiber_info(fiber, NULL));
}

static void dump_of(const dtact_runtime_t *runtime) {
    /* Room for the stack of one that is suspended, with long names of functions. */
    static char all[1 << 20];
    size_t length = 0;
    char small[10];
    EXPECT(DTACT_OK, dtact_runtime_dump(runtime, NULL, 0, &length));
    CHECK(length > sizeof small);
    memset(small, 'x', sizeof small);
    EXPECT(DTACT_OK, dtact_runtime_dump(runtime, small, sizeof small, NULL));
    CHECK(strlen(small) == sizeof small - 1);
    EXPECT(DTACT_OK, dtact_runtime_dump(runtime, all, sizeof all, &length));
    CHECK(strlen(all) == length && strstr(all, "\"waiter\"") != NULL);
    CHECK(strncmp(all, small, sizeof small - 1) == 0);

    EXPECT(DTACT_INVALID_ARGUMENT, dtact_runtime_dump(NULL, all, sizeof all, &length));
    EXPECT(DTACT_INVALID_ARGUMENT, dtact_runtime_dump(runtime, NULL, 1, &length));
    says("`buffer` is null");
}

static void metrics_of(const dtact_runtime_t *runtime) {
    dtact_metrics_t metrics = {.size = sizeof metrics};
    EXPECT(DTACT_OK, dtact_runtime_metrics(runtime, &metrics));
    CHECK(metrics.size == sizeof metrics);
    CHECK(metrics.spawned >= 1 && metrics.finished < metrics.spawned);
    CHECK(metrics.stacks_live >= 1 && metrics.stacks_live <= metrics.stacks_live_max);

    /* A program of a later version, whose structure has more: that is left alone. */
    struct {
        dtact_metrics_t known;
        uint64_t more;
    } later = {.known = {.size = sizeof later}, .more = 7};
    EXPECT(DTACT_OK, dtact_runtime_metrics(runtime, &later.known));
    CHECK(later.known.size == sizeof metrics && later.more == 7);

    metrics.size = 0;
    EXPECT(DTACT_INVALID_ARGUMENT, dtact_runtime_metrics(runtime, &metrics));
    EXPECT(DTACT_INVALID_ARGUMENT, dtact_runtime_metrics(runtime, NULL));
    EXPECT(DTACT_INVALID_ARGUMENT, dtact_runtime_metrics(NULL, &metrics));
    says("`runtime` is null");
}

static void refused(dtact_handle_t stale) {
    dtact_fiber_info_t info = {.size = sizeof info};
    dtact_outcome_t outcome = 77;
    EXPECT(DTACT_STALE_HANDLE, dtact_fiber_outcome(stale, &outcome));
    EXPECT(DTACT_STALE_HANDLE, dtact_fiber_outcome(0, &outcome));
    EXPECT(DTACT_STALE_HANDLE, dtact_fiber_outcome(UINT64_MAX, &outcome));
    EXPECT(DTACT_INVALID_ARGUMENT, dtact_fiber_outcome(stale, NULL));
    CHECK(outcome == 77);
    EXPECT(DTACT_STALE_HANDLE, dtact_fiber_info(stale, &info));
    EXPECT(DTACT_STALE_HANDLE, dtact_fiber_info(0, &info));
    EXPECT(DTACT_STALE_HANDLE, dtact_fiber_info(UINT64_MAX, &info));
    CHECK(info.size == sizeof info && info.name[0] == 0);
}

int main(void) {
    refused(1);
    dtact_runtime_t *runtime = start(1);
    dtact_outcome_t outcome = -1;
    const dtact_handle_t fiber = spawn_named(runtime);
    info_of(fiber);
    dump_of(runtime);
    metrics_of(runtime);
    EXPECT(DTACT_OK, dtact_fiber_outcome(fiber, &outcome));
    CHECK(outcome == DTACT_OUTCOME_RUNNING);

    /* Between the end and the join. */
    atomic_store(&is_open, true);
    EXPECT(DTACT_OK, dtact_await(fiber));
    EXPECT(DTACT_OK, dtact_fiber_outcome(fiber, &outcome));
    CHECK(outcome == DTACT_OUTCOME_FINISHED);
    dtact_fiber_info_t info = {.size = sizeof info};
    EXPECT(DTACT_OK, dtact_fiber_info(fiber, &info));
    CHECK(info.state == DTACT_FIBER_STATE_ENDED);
    EXPECT(DTACT_OK, dtact_fiber_join(fiber, NULL));
    refused(fiber);

    /* One that is cancelled before it can begin, as the only worker is not free. */
    atomic_store(&is_open, false);
    dtact_handle_t last = 0;
    EXPECT(DTACT_OK, dtact_fiber_spawn(runtime, nothing, NULL, NULL, 0, &last));
    EXPECT(DTACT_OK, dtact_fiber_cancel(last));
    EXPECT(DTACT_OK, dtact_await(last));
    EXPECT(DTACT_OK, dtact_fiber_outcome(last, &outcome));
    CHECK(outcome == DTACT_OUTCOME_CANCELLED || outcome == DTACT_OUTCOME_FINISHED);
    EXPECT(DTACT_OK, dtact_fiber_detach(last));
    dtact_runtime_free(runtime);
    puts("all told");
    return 0;
}

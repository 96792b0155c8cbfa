/* Fibers with options, and options that cannot be. */
#include "check.h"

#include <string.h>

static void *deep(void *env) {
    /* More than the 64 KiB of a stack of this runtime. */
    volatile char buffer[300000];
    memset((char *)buffer, 1, sizeof(buffer));
    return buffer[sizeof(buffer) - 1] == 1 ? env : NULL;
}

static void *nothing(void *env) {
    return env;
}

static void finalizer(void *env) {
    ++*(int *)env;
}

static void says(const char *part) {
    if (strstr(dtact_last_error_message(), part) == NULL) {
        fprintf(stderr, "\"%s\" does not say \"%s\"\n", dtact_last_error_message(), part);
        exit(1);
    }
}

static dtact_handle_t low, critical;
static int order[2];
static int count;

static void *note(void *env) {
    order[count++] = *(int *)env;
    return NULL;
}

/* On the only worker, which cannot begin either before this waits. */
static void *spawn_both(void *env) {
    static int is_low = 0, is_critical = 1;
    dtact_runtime_t *runtime = env;
    dtact_fiber_options_t *options = dtact_fiber_options_new();
    EXPECT(DTACT_OK, dtact_fiber_options_set_priority(options, DTACT_PRIORITY_LOW));
    EXPECT(DTACT_OK, dtact_fiber_spawn_with(runtime, options, note, &is_low, NULL, &low));
    EXPECT(DTACT_OK, dtact_fiber_options_set_priority(options, DTACT_PRIORITY_CRITICAL));
    EXPECT(DTACT_OK, dtact_fiber_spawn_with(runtime, options, note, &is_critical, NULL, &critical));
    dtact_fiber_options_free(options);
    EXPECT(DTACT_OK, dtact_fiber_join(low, NULL));
    EXPECT(DTACT_OK, dtact_fiber_join(critical, NULL));
    return env;
}

static void urgent_first(void) {
    dtact_runtime_t *runtime = start(1);
    dtact_handle_t fiber = 0;
    EXPECT(DTACT_OK, dtact_fiber_spawn(runtime, spawn_both, runtime, NULL, 0, &fiber));
    EXPECT(DTACT_OK, dtact_fiber_join(fiber, NULL));
    CHECK(count == 2 && order[0] == 1 && order[1] == 0);
    dtact_runtime_free(runtime);
}

int main(void) {
    dtact_runtime_t *runtime = start(1);
    dtact_fiber_options_t *options = dtact_fiber_options_new();
    dtact_handle_t fiber = 0;
    void *result = NULL;
    char name[300];
    int finalized = 0;

    CHECK(options != NULL);
    EXPECT(DTACT_INVALID_ARGUMENT, dtact_fiber_options_set_name(NULL, "name"));
    says("`options` is null");
    EXPECT(DTACT_INVALID_ARGUMENT, dtact_fiber_options_set_name(options, NULL));
    says("`name` is null");
    EXPECT(DTACT_INVALID_ARGUMENT, dtact_fiber_options_set_name(options, "\xff\xfe"));
    says("not UTF-8");
    memset(name, 'n', sizeof(name));
    name[256] = 0;
    EXPECT(DTACT_INVALID_ARGUMENT, dtact_fiber_options_set_name(options, name));
    says("256 bytes");
    name[255] = 0;
    EXPECT(DTACT_OK, dtact_fiber_options_set_name(options, name));
    EXPECT(DTACT_OK, dtact_fiber_options_set_name(options, ""));
    EXPECT(DTACT_INVALID_ARGUMENT, dtact_fiber_options_set_stack_bytes(NULL, 1));

    /* Numbers that mean nothing. */
#define REFUSES(setting, max) \
    EXPECT(DTACT_INVALID_ARGUMENT, dtact_fiber_options_set_##setting(NULL, 0)); \
    EXPECT(DTACT_INVALID_ARGUMENT, dtact_fiber_options_set_##setting(options, (max) + 1)); \
    says("is no " #setting); \
    EXPECT(DTACT_INVALID_ARGUMENT, dtact_fiber_options_set_##setting(options, -1)); \
    EXPECT(DTACT_OK, dtact_fiber_options_set_##setting(options, max))
    REFUSES(priority, DTACT_PRIORITY_CRITICAL);
    REFUSES(affinity, DTACT_AFFINITY_ANY);
    REFUSES(kind, DTACT_KIND_SYSTEM);
    REFUSES(switcher, DTACT_SWITCHER_SAME_THREAD_NO_FLOAT);
#undef REFUSES
    dtact_builder_t *builder = dtact_builder_new();
    EXPECT(DTACT_INVALID_ARGUMENT, dtact_builder_set_topology_mode(NULL, 0));
    EXPECT(DTACT_INVALID_ARGUMENT, dtact_builder_set_topology_mode(builder, 3));
    says("is no topology mode");
    EXPECT(DTACT_OK, dtact_builder_set_topology_mode(builder, DTACT_TOPOLOGY_MODE_PINNED));
    dtact_builder_free(builder);

    /* What cannot be is found out by the spawn, which finalizes. */
    EXPECT(DTACT_OK, dtact_fiber_options_set_stack_bytes(options, SIZE_MAX));
    EXPECT(DTACT_INVALID_ARGUMENT,
           dtact_fiber_spawn_with(runtime, options, nothing, &finalized, finalizer, &fiber));
    says("stack of");
    CHECK(finalized == 1 && fiber == 0);
    EXPECT(DTACT_OK, dtact_fiber_options_set_stack_bytes(options, 0));
    EXPECT(DTACT_INVALID_ARGUMENT,
           dtact_fiber_spawn_with(NULL, options, nothing, &finalized, finalizer, &fiber));
    EXPECT(DTACT_INVALID_ARGUMENT,
           dtact_fiber_spawn_with(runtime, options, NULL, &finalized, finalizer, &fiber));
    CHECK(finalized == 3 && fiber == 0);

    EXPECT(DTACT_OK, dtact_fiber_options_set_stack_bytes(options, 400000));
    EXPECT(DTACT_OK, dtact_fiber_options_set_name(options, "the deep one"));
    EXPECT(DTACT_OK, dtact_fiber_spawn_with(runtime, options, deep, &fiber, NULL, &fiber));
    dtact_fiber_options_free(options);
    EXPECT(DTACT_OK, dtact_fiber_join(fiber, &result));
    CHECK(result == &fiber);
    urgent_first();

    /* Without options, and detached. */
    EXPECT(DTACT_OK, dtact_fiber_spawn_with(runtime, NULL, nothing, &finalized, finalizer, NULL));
    EXPECT(DTACT_OK, dtact_runtime_shutdown(runtime, 60000));
    CHECK(finalized == 4);
    EXPECT(DTACT_SHUT_DOWN,
           dtact_fiber_spawn_with(runtime, NULL, nothing, &finalized, finalizer, &fiber));
    CHECK(finalized == 5);
    dtact_runtime_free(runtime);
    dtact_fiber_options_free(NULL);
    puts("all as asked for");
    return 0;
}

/* Functions of Rust, by the header that dtact-header wrote for them. */
#include "check.h"

#include "exports.h"

/* What it is written to has the type that the header says. */
#define JOIN(fiber, result) \
    EXPECT(DTACT_OK, dtact_fiber_join_into((fiber), &(result), sizeof(result)))

static void *by_value(void *env) {
    const Point point = {.x = 1.5, .y = 2, .name = {'a', 'b', 'c'}, .colour = COLOUR_RED};
    dtact_export_mirror_result_t result;
    JOIN(dtact_export_mirror(point), result);
    CHECK(result.x == -1.5 && result.y == -2);
    CHECK(result.name[0] == 'a' && result.name[2] == 'c');
    CHECK(result.colour == COLOUR_DARK_BLUE);
    return env;
}

static Counter *new_counter(void) {
    dtact_export_fiber_counter_new_result_t result;
    JOIN(dtact_export_fiber_counter_new(), result);
    return result;
}

static size_t count(Counter *counter, uint32_t by) {
    dtact_export_fiber_count_result_t result;
    JOIN(dtact_export_fiber_count(counter, by), result);
    return result;
}

static void *by_pointer(void *env) {
    Counter *const one = new_counter();
    CHECK(count(one, 3) == 3);
    CHECK(count(one, 4) == 7);
    EXPECT(DTACT_OK, dtact_fiber_join(dtact_export_fiber_counter_free(one), NULL));
    return env;
}

int main(void) {
    dtact_runtime_t *runtime = start(2);
    dtact_callback_t callbacks[] = {by_value, by_pointer};
    for (size_t i = 0; i < sizeof callbacks / sizeof *callbacks; i++) {
        dtact_handle_t fiber = 0;
        EXPECT(DTACT_OK, dtact_fiber_spawn(runtime, callbacks[i], NULL, NULL, 0, &fiber));
        EXPECT(DTACT_OK, dtact_fiber_join(fiber, NULL));
    }
    dtact_runtime_free(runtime);
    printf("all as the header says\n");
    return 0;
}

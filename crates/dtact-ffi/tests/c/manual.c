#include <dtact.h>
#include <stdio.h>

static void *greet(void *name) {
    printf("hello, %s\n", (const char *)name);
    return name;
}

int main(void) {
    dtact_runtime_t *runtime = NULL;
    dtact_handle_t fiber = 0;
    void *result = NULL;
    static char name[] = "fiber";

    if (dtact_runtime_start(NULL, &runtime) != DTACT_OK ||
        dtact_fiber_spawn(runtime, greet, name, NULL, 0, &fiber) != DTACT_OK ||
        dtact_fiber_join(fiber, &result) != DTACT_OK) {
        fprintf(stderr, "error: %s\n", dtact_last_error_message());
        return 1;
    }
    dtact_runtime_free(runtime);
    return 0;
}

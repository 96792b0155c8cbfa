/* A program of the C API of 0.2: a root fiber launches others, awaits them, and ends the runtime,
 * in which main sits meanwhile. */
#include <dtact.h>
#include <stdio.h>
#include <stdlib.h>

static void work(void *arg) {
    int *number = (int *)arg;
    for (int i = 0; i < 3; i++) {
        (void)dtact_fiber_yield();
    }
    *number *= 2;
}

static void owns(void *arg) {
    dtact_free_arg(arg);
}

static void root(void *arg) {
    dtact_handle_t fibers[8];
    int numbers[8];
    (void)arg;
    for (int i = 0; i < 8; i++) {
        dtact_spawn_options_t options = dtact_default_spawn_options();
        options.mPriority = (uint8_t)(i % 4);
        options.mKind = (uint8_t)(i % 4);
        options.mSwitcher = (uint8_t)(i % 4);
        numbers[i] = i;
        fibers[i] = dtact_fiber_launch_ext(work, &numbers[i], &options);
    }
    dtact_fiber_launch(owns, malloc(8));
    for (int i = 0; i < 8; i++) {
        dtact_await(fibers[i]);
        printf("%d\n", numbers[i]);
    }
    dtact_shutdown();
}

int main(int argc, char **argv) {
    dtact_config_t config = dtact_default_config();
    if (argc > 1) {
        config.mSafetyLevel = (uint8_t)atoi(argv[1]);
    }
    config.mWorkers = 2;
    config.mFiberCapacity = 1024;
    config.mStackSize = 256 * 1024;
    void *runtime = dtact_init(&config);
    dtact_fiber_launch(root, NULL);
    dtact_run(runtime);
    puts("over");
    return 0;
}

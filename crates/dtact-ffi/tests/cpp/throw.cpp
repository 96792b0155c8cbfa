// An exception that leaves a fiber ends the process. With an argument nothing is thrown.
#include <dtact.h>

#include <cstdio>
#include <stdexcept>

static void *callback(void *env) {
    if (env != nullptr) {
        throw std::runtime_error("nobody catches this");
    }
    return nullptr;
}

int main(int argc, char **) {
    dtact_runtime_t *runtime = nullptr;
    dtact_handle_t fiber = 0;
    static int value = 0;
    if (dtact_runtime_start(nullptr, &runtime) != DTACT_OK ||
        dtact_fiber_spawn(runtime, callback, argc > 1 ? nullptr : &value, nullptr, 0, &fiber) !=
            DTACT_OK ||
        dtact_fiber_join(fiber, nullptr) != DTACT_OK) {
        return 1;
    }
    dtact_runtime_free(runtime);
    std::puts("it survived");
    return 0;
}

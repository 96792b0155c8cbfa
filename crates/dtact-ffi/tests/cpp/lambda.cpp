// A C++ function object in a fiber: its destructor is the finalizer, and each exception is caught
// before it would leave the fiber.
#include <dtact.h>
#include <dtact.h>

#include <cstdio>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>

using Function = std::function<int()>;

static void *call(void *env) {
    auto &function = *static_cast<Function *>(env);
    try {
        return new int(function());
    } catch (const std::exception &error) {
        std::printf("caught in the fiber: %s\n", error.what());
        return nullptr;
    }
}

static void destroy(void *env) {
    delete static_cast<Function *>(env);
}

static int depth(int n) {
    // Deep enough for an exception to have something to unwind, with a wait below it.
    struct Guard {
        int *count;
        ~Guard() { ++*count; }
    };
    static thread_local int count = 0;
    Guard guard{&count};
    if (n == 0) {
        if (dtact_fiber_yield() != DTACT_OK) {
            return -1;
        }
        throw std::runtime_error("from the depth");
    }
    return depth(n - 1) + 1;
}

int main() {
    dtact_runtime_t *runtime = nullptr;
    if (dtact_runtime_start(nullptr, &runtime) != DTACT_OK) {
        std::fprintf(stderr, "error: %s\n", dtact_last_error_message());
        return 1;
    }
    auto owned = std::make_shared<std::string>("captured");
    const Function functions[] = {
        [owned] { return static_cast<int>(owned->size()); },
        [owned] { return depth(10); },
    };
    for (const auto &function : functions) {
        dtact_handle_t fiber = 0;
        void *result = nullptr;
        if (dtact_fiber_spawn(runtime, call, new Function(function), destroy, 0, &fiber) !=
                DTACT_OK ||
            dtact_fiber_join(fiber, &result) != DTACT_OK) {
            std::fprintf(stderr, "error: %s\n", dtact_last_error_message());
            return 1;
        }
        std::unique_ptr<int> number(static_cast<int *>(result));
        std::printf("%d\n", number ? *number : -1);
    }
    dtact_runtime_free(runtime);
    // One here, and one in each element of the array: the fibers' copies are gone.
    std::printf("%ld owners\n", owned.use_count());
    return 0;
}

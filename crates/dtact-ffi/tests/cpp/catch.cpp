// Fibers wait inside of catch blocks, and in destructors that an exception runs, while others throw
// and catch on the same thread.
#include <dtact.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cxxabi.h>
#include <exception>
#include <stdexcept>
#include <string>

static void check(bool holds, const char *what) {
    if (!holds) {
        std::fprintf(stderr, "not so: %s\n", what);
        std::exit(1);
    }
}

static void yield() {
    check(dtact_fiber_yield() == DTACT_OK, "a fiber that is not cancelled can yield");
}

// Waits while an exception is in flight.
struct Waiter {
    ~Waiter() {
        const int in_flight = std::uncaught_exceptions();
        for (int i = 0; i < 3; ++i) {
            yield();
        }
        check(std::uncaught_exceptions() == in_flight, "an exception in flight stays so");
        try {
            throw 1;
        } catch (int) {
        }
        check(std::uncaught_exceptions() == in_flight, "another one ends with its catch");
    }
};

static void *throws(void *env) {
    const std::string mine = std::to_string(reinterpret_cast<std::intptr_t>(env));
    for (int round = 0; round < 100; ++round) {
        check(std::uncaught_exceptions() == 0, "a fiber begins without exceptions");
        check(std::current_exception() == nullptr, "nor does it handle any");
        try {
            Waiter waiter;
            throw std::runtime_error(mine);
        } catch (const std::runtime_error &) {
            yield();
            try {
                // The exception that this fiber handles, not the last one of the thread.
                throw;
            } catch (const std::runtime_error &again) {
                yield();
                check(again.what() == mine, "it is the same exception");
            }
        }
        yield();
    }
    return env;
}

int main() {
    dtact_runtime_t *runtime = nullptr;
    dtact_builder_t *builder = dtact_builder_new();
    // One worker: all fibers share its thread.
    check(dtact_builder_set_workers(builder, 1) == DTACT_OK, "one worker is enough");
    const auto get = reinterpret_cast<dtact_cxx_globals_t>(&abi::__cxa_get_globals);
    check(dtact_register_cxx_globals(get) == DTACT_OK, "the C++ runtime is there");
    check(dtact_runtime_start(builder, &runtime) == DTACT_OK, "a runtime starts");
    dtact_builder_free(builder);
    dtact_handle_t fibers[10];
    for (std::intptr_t i = 0; i < 10; ++i) {
        check(dtact_fiber_spawn(runtime, throws, reinterpret_cast<void *>(i + 1), nullptr, 0,
                                &fibers[i]) == DTACT_OK,
              "a fiber can be spawned");
    }
    try {
        throw 7;
    } catch (int number) {
        for (auto fiber : fibers) {
            check(dtact_fiber_join(fiber, nullptr) == DTACT_OK, "a fiber can be joined");
        }
        check(number == 7 && std::current_exception() != nullptr, "main handles its own");
    }
    dtact_runtime_free(runtime);
    std::puts("each its own");
    return 0;
}

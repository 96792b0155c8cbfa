// Coroutines that wait for fibers.
#include <dtact.hpp>

#include "check.hpp"

#if defined(__cpp_lib_coroutine)

#include <atomic>
#include <string>

using namespace std::chrono_literals;

namespace {

// A coroutine that runs at once, and frees itself.
struct task {
    struct promise_type {
        task get_return_object() { return {}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() { std::terminate(); }
    };
};

task all_sorts(const dtact::runtime &runtime, std::atomic<int> &steps) {
    CHECK(co_await runtime.spawn([] { return 1; }) == 1);
    ++steps;
    const int two = co_await runtime.spawn([] {
        dtact::this_fiber::sleep_for(5ms);
        return 2;
    });
    CHECK(two == 2);
    ++steps;
    std::string said;
    try {
        co_await runtime.spawn([] {
            dtact::this_fiber::sleep_for(1ms);
            throw std::runtime_error("of the fiber");
        });
    } catch (const std::runtime_error &error) {
        said = error.what();
    }
    CHECK(said == "of the fiber");
    ++steps;
}

task too_late(const dtact::runtime &runtime, std::atomic<int> &steps) {
    auto fiber = runtime.spawn([] {
        for (int i = 0; i < 50; ++i) {
            (void)dtact_sleep(1);
        }
    });
    // It only begins the shutdown, after which nothing can be spawned that would wait.
    runtime.spawn([&runtime] { (void)runtime.shutdown(0s); }).join();
    try {
        co_await std::move(fiber); // It may have ended by now.
    } catch (const dtact::error &error) {
        CHECK(error.status() == DTACT_SHUT_DOWN || error.status() == DTACT_FIBER_CANCELLED);
    }
    ++steps;
}

} // namespace

int main() {
    std::atomic<int> steps{0};
    {
        const dtact::runtime runtime(dtact::builder().workers(1));
        all_sorts(runtime, steps);
        while (steps < 3) {
            dtact::this_fiber::sleep_for(1ms);
        }
    }
    {
        const dtact::runtime runtime(dtact::builder().workers(1));
        too_late(runtime, steps);
        while (steps < 4) {
            dtact::this_fiber::sleep_for(1ms);
        }
    }
    std::puts("all awaited");
}

#else

int main() {
    std::puts("no coroutines");
}

#endif

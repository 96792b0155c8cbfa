// Fibers as objects: results of any type, exceptions handed to the joiner, and destructors that wait.
#include <dtact.hpp>
#include <dtact.hpp>

#include "check.hpp"

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <thread>

using namespace std::chrono_literals;

namespace {

dtact::runtime small(std::size_t workers) {
    dtact::builder config;
    config.workers(workers).fibers(100).stack_bytes(1 << 16).stacks(100);
    config.topology_mode(DTACT_TOPOLOGY_MODE_P2P_MESH);
    return dtact::runtime(config);
}

struct no_default {
    explicit no_default(int n) : number(n) {}
    no_default(no_default &&) = default;
    no_default &operator=(no_default &&) = default;
    int number;
};

template <class Error, class F>
std::string thrown_by(F &&function) {
    try {
        function();
    } catch (const Error &error) {
        return error.what();
    }
    return "nothing";
}

void results(const dtact::runtime &runtime) {
    int local = 1;
    CHECK(runtime.spawn([&local] { return local + 1; }).join() == 2);
    CHECK(*runtime.spawn([] { return std::make_unique<int>(3); }).join() == 3);
    CHECK(runtime.spawn([] { return no_default(4); }).join().number == 4);
    int &same = runtime.spawn([&local]() -> int & { return local; }).join();
    CHECK(&same == &local);
    runtime.spawn([&local] { local = 5; }).join();
    CHECK(local == 5);
    // A function that can only be moved, and is called once, as what it is.
    auto owned = std::make_unique<int>(6);
    auto fiber = runtime.spawn([owned = std::move(owned)]() mutable { return std::move(owned); });
    CHECK(fiber.joinable());
    CHECK(*fiber.join() == 6);
    CHECK(!fiber.joinable());
    const dtact::options how =
        std::move(dtact::options().name("deep").stack_bytes(400000).priority(DTACT_PRIORITY_HIGH));
    const auto deep = [] {
        std::array<volatile char, 300000> buffer{};
        buffer.back() = 7;
        return static_cast<int>(buffer.back());
    };
    CHECK(runtime.spawn(how, deep).join() == 7);
}

void exceptions(const dtact::runtime &runtime) {
    auto fiber = runtime.spawn([]() -> int {
        try {
            throw std::runtime_error("of the fiber");
        } catch (...) {
            dtact::this_fiber::yield(); // Inside of a catch block.
            throw;
        }
    });
    CHECK(thrown_by<std::runtime_error>([&] { fiber.join(); }) == "of the fiber");
    CHECK(!fiber.joinable());
    CHECK(thrown_by<dtact::error>([&] { fiber.join(); }).find("names no fiber") !=
          std::string::npos);
    // From fiber to fiber.
    auto outer = runtime.spawn([&runtime] {
        return thrown_by<std::logic_error>([&runtime] {
            runtime.spawn([] { throw std::logic_error("of the inner"); }).join();
        });
    });
    CHECK(outer.join() == "of the inner");
    // What is thrown and never asked for goes with the fiber object.
    (void)runtime.spawn([] { throw 1; });
}

void waiting(const dtact::runtime &runtime) {
    std::atomic<bool> may_end{false};
    auto fiber = runtime.spawn([&may_end] {
        while (!may_end) {
            dtact::this_fiber::sleep_for(100us);
        }
        return 8;
    });
    CHECK(!fiber.finished());
    CHECK(!fiber.wait_for(0s));
    CHECK(!fiber.wait_for(2ms));
    may_end = true;
    CHECK(fiber.wait_for(1min));
    CHECK(fiber.wait_for(0s));
    CHECK(fiber.finished());
    CHECK(fiber.join() == 8);
    dtact::this_fiber::sleep_for(1ms);
    dtact::this_fiber::yield();
}

void cancelling(const dtact::runtime &runtime) {
    std::atomic<int> unwound{0};
    std::atomic<bool> began{false};
    struct guard {
        std::atomic<int> &count;
        ~guard() { ++count; }
    };
    const auto for_ever = [&] {
        const guard inside{unwound};
        began = true;
        dtact::this_fiber::sleep_for(std::chrono::hours(1));
        return 1;
    };
    {
        auto fiber = runtime.spawn(for_ever);
        while (!began) {
            std::this_thread::yield();
        }
        fiber.cancel();
        CHECK(thrown_by<dtact::fiber_cancelled>([&] { fiber.join(); }) != "nothing");
        CHECK(unwound == 1);
    }
    // A fiber object that is dropped waits for its fiber, which is inside of a local's reach; also
    // where the one that drops it is cancelled itself.
    began = false;
    {
        auto outer = runtime.spawn([&] {
            int local = 0;
            auto inner = runtime.spawn([&local, &for_ever] {
                try {
                    for_ever();
                } catch (const dtact::cancelled &) {
                    for (int i = 0; i < 100; ++i) {
                        (void)dtact_fiber_yield();
                    }
                    ++local;
                    throw;
                }
            });
            const guard last{unwound};
            inner.join();
        });
        while (!began) {
            std::this_thread::yield();
        }
    }
    CHECK(unwound == 3);
    // One that never began drops its function all the same.
    auto shared = std::make_shared<int>(0);
    {
        auto blocked = small(1);
        std::atomic<bool> may_end{false};
        auto busy = blocked.spawn([&may_end] {
            while (!may_end) {
            }
        });
        auto never = blocked.spawn([shared] { return *shared; });
        never.cancel();
        may_end = true;
        CHECK(thrown_by<dtact::fiber_cancelled>([&] { never.join(); }) != "nothing");
        CHECK(shared.use_count() == 1);
    }
}

void moving(const dtact::runtime &runtime) {
    dtact::fiber<int> none;
    CHECK(!none.joinable() && none.finished() && none.handle() == 0);
    none.cancel();
    auto fiber = runtime.spawn([] { return 9; });
    none = std::move(fiber);
    CHECK(none.joinable());
    none = runtime.spawn([] { return 10; });
    CHECK(none.join() == 10);
    static_assert(!std::is_copy_constructible_v<dtact::fiber<int>>);
    static_assert(std::is_nothrow_move_assignable_v<dtact::fiber<int>>);
    static_assert(!std::is_copy_constructible_v<dtact::runtime>);
}

void failures() {
    CHECK(thrown_by<dtact::error>([] {
              dtact::runtime(dtact::builder().workers(0));
          }).find("worker") != std::string::npos);
    auto runtime = small(1);
    CHECK(runtime.shutdown(1min));
    auto kept = std::make_shared<int>(0);
    try {
        runtime.spawn([kept] { return *kept; }).join();
        CHECK(false);
    } catch (const dtact::error &error) {
        CHECK(error.status() == DTACT_SHUT_DOWN);
    }
    CHECK(kept.use_count() == 1);
    const dtact::runtime moved = std::move(runtime);
    CHECK(moved.raw() != nullptr);
}

} // namespace

int main() {
    for (const std::size_t workers : {1, 2}) {
        const auto runtime = small(workers);
        results(runtime);
        exceptions(runtime);
        waiting(runtime);
        cancelling(runtime);
        moving(runtime);
    }
    failures();
    std::puts("all joined");
}

// Fibers over captured locals: a sum by halves, and scopes that fail or are cancelled.
#include <dtact.hpp>

#include "check.hpp"

#include <atomic>
#include <numeric>
#include <string>

using namespace std::chrono_literals;

namespace {

long sum(const dtact::runtime &runtime, const int *begin, const int *end) {
    if (end - begin <= 100) {
        return std::accumulate(begin, end, 0L);
    }
    const int *const middle = begin + (end - begin) / 2;
    long left = 0, right = 0;
    dtact::with_scope(runtime, [&](dtact::scope &scope) {
        scope.spawn([&] { left = sum(runtime, begin, middle); });
        scope.spawn([&] { right = sum(runtime, middle, end); });
    });
    return left + right;
}

void failing(const dtact::runtime &runtime) {
    std::atomic<int> ended{0};
    struct guard {
        std::atomic<int> &count;
        ~guard() { ++count; }
    };
    // One throws: the others are cancelled, in whichever order they are joined.
    for (int which = 0; which < 3; ++which) {
        std::string said;
        std::atomic<int> begun{0};
        ended = 0;
        try {
            dtact::with_scope(runtime, [&](dtact::scope &scope) {
                for (int i = 0; i < 3; ++i) {
                    scope.spawn([&, i] {
                        const guard inside{ended};
                        ++begun;
                        if (i == which) {
                            // Those that had not begun would never do.
                            while (begun < 3) {
                                dtact::this_fiber::sleep_for(1ms);
                            }
                            throw std::runtime_error("of the child");
                        }
                        dtact::this_fiber::sleep_for(std::chrono::hours(1));
                    });
                }
            });
        } catch (const std::runtime_error &error) {
            said = error.what();
        }
        CHECK(said == "of the child");
        CHECK(ended == 3);
    }
    // The body throws.
    ended = 0;
    std::atomic<bool> began{false};
    try {
        (void)dtact::with_scope(runtime, [&](dtact::scope &scope) -> int {
            scope.spawn([&] {
                const guard inside{ended};
                began = true;
                dtact::this_fiber::sleep_for(std::chrono::hours(1));
            });
            while (!began) {
                dtact::this_fiber::sleep_for(1ms);
            }
            throw 5;
        });
        CHECK(false);
    } catch (int number) {
        CHECK(number == 5);
    }
    CHECK(ended == 1);
    // The fiber of the scope is cancelled while it waits.
    began = false;
    ended = 0;
    {
        auto fiber = runtime.spawn([&] {
            dtact::with_scope(runtime, [&](dtact::scope &scope) {
                scope.spawn([&] {
                    const guard inside{ended};
                    began = true;
                    dtact::this_fiber::sleep_for(std::chrono::hours(1));
                });
            });
        });
        while (!began) {
            dtact::this_fiber::sleep_for(1ms);
        }
    }
    CHECK(ended == 1);
}

void growing(const dtact::runtime &runtime) {
    std::atomic<int> count{0};
    const int seven = dtact::with_scope(runtime, [&](dtact::scope &scope) {
        for (int i = 0; i < 10; ++i) {
            scope.spawn([&] {
                ++count;
                // A member of the scope spawns another.
                scope.spawn([&] { ++count; });
            });
        }
        return 7;
    });
    CHECK(seven == 7 && count == 20);
    dtact::with_scope(runtime, [](dtact::scope &) {});
}

} // namespace

int main() {
    std::vector<int> numbers(10000);
    std::iota(numbers.begin(), numbers.end(), 1);
    for (const std::size_t workers : {1, 2}) {
        const dtact::runtime runtime(dtact::builder().workers(workers));
        const auto total = runtime.spawn([&] {
            return sum(runtime, numbers.data(), numbers.data() + numbers.size());
        }).join();
        CHECK(total == 50005000);
        failing(runtime);
        growing(runtime);
    }
    std::puts("all ended in their scopes");
}

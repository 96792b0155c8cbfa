// Fibers that use the variables around them: the scope ends when they have.
#include <dtact.hpp>

#include <cstdio>
#include <numeric>
#include <vector>

int main() {
    std::vector<int> numbers(1000);
    std::iota(numbers.begin(), numbers.end(), 1);
    const auto half = numbers.begin() + numbers.size() / 2;
    long left = 0, right = 0;

    const dtact::runtime runtime;
    dtact::with_scope(runtime, [&](dtact::scope &scope) {
        scope.spawn([&] { left = std::accumulate(numbers.begin(), half, 0L); });
        scope.spawn([&] { right = std::accumulate(half, numbers.end(), 0L); });
    });
    std::printf("%ld\n", left + right);
}

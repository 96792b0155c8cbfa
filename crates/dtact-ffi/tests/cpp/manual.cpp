#include <dtact.hpp>
#include <cstdio>

int main() {
    const dtact::runtime runtime;
    int left = 0, right = 0;
    dtact::with_scope(runtime, [&](dtact::scope &scope) {
        scope.spawn([&] { left = 20; });
        scope.spawn([&] { right = 22; });
    });
    dtact::fiber<int> sum = runtime.spawn([&] { return left + right; });
    std::printf("%d\n", sum.join());
}

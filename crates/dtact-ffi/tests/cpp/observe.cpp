// What a runtime says of itself.
#include <dtact.hpp>

#include "check.hpp"

#include <cstdio>

int main() {
    const dtact::runtime runtime;
    dtact::fiber<int> fiber = runtime.spawn([] {
        dtact::this_fiber::sleep_for(std::chrono::milliseconds(1));
        return 1;
    });
    const std::string dump = runtime.dump();
    CHECK(dump.find("fibers\n") != std::string::npos);
    CHECK(dump.find('\0') == std::string::npos);
    CHECK(fiber.join() == 1);
    const dtact_metrics_t metrics = runtime.metrics();
    CHECK(metrics.size == sizeof metrics);
    CHECK(metrics.spawned == 1);
    std::puts("all told");
}

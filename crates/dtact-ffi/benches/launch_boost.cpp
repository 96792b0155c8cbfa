// The same as launch.c with Boost.Fiber: its default scheduler, one thread, pooled stacks of the
// same size.
#include <boost/fiber/all.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

static void nothing() {
}

int main(int argc, char **argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: launch_boost serial|batch COUNT\n");
        return 2;
    }
    const int batch = std::strcmp(argv[1], "batch") == 0 ? 1000 : 1;
    const auto count = std::strtoull(argv[2], nullptr, 10);
    boost::fibers::pooled_fixedsize_stack stacks(65536);
    std::vector<boost::fibers::fiber> fibers(batch);
    const auto begin = std::chrono::steady_clock::now();
    for (unsigned long long i = 0; i < count / batch; ++i) {
        for (auto &fiber : fibers) {
            fiber = boost::fibers::fiber(std::allocator_arg, stacks, nothing);
        }
        for (auto &fiber : fibers) {
            fiber.join();
        }
    }
    const std::chrono::duration<double, std::nano> time = std::chrono::steady_clock::now() - begin;
    std::printf("%.1f\n", time.count() / static_cast<double>(count));
    return 0;
}

// The same as launch.c with Boost.Fiber: its default scheduler, one thread. `post` queues a fiber as
// it is launched, which is the default; `dispatch` runs it at once. `default` takes the stack that
// Boost allocates for each fiber if nothing is said, `pooled` one of a pool, of the size that
// launch.c has.
#include <boost/fiber/all.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

static void nothing() {
}

template <typename Stacks>
static double launch(boost::fibers::launch policy, Stacks stacks, unsigned batch,
                     unsigned long long count) {
    std::vector<boost::fibers::fiber> fibers(batch);
    const auto begin = std::chrono::steady_clock::now();
    for (unsigned long long i = 0; i < count / batch; ++i) {
        for (auto &fiber : fibers) {
            fiber = boost::fibers::fiber(policy, std::allocator_arg, stacks, nothing);
        }
        for (auto &fiber : fibers) {
            fiber.join();
        }
    }
    const std::chrono::duration<double, std::nano> time = std::chrono::steady_clock::now() - begin;
    return time.count() / static_cast<double>(count);
}

int main(int argc, char **argv) {
    if (argc != 5) {
        std::fprintf(stderr, "usage: launch_boost serial|batch COUNT post|dispatch default|pooled\n");
        return 2;
    }
    const unsigned batch = std::strcmp(argv[1], "batch") == 0 ? 1000 : 1;
    const auto count = std::strtoull(argv[2], nullptr, 10);
    const auto policy = std::strcmp(argv[3], "dispatch") == 0 ? boost::fibers::launch::dispatch
                                                              : boost::fibers::launch::post;
    const bool is_pooled = std::strcmp(argv[4], "pooled") == 0;
    const double time =
        is_pooled ? launch(policy, boost::fibers::pooled_fixedsize_stack(65536), batch, count)
                  : launch(policy, boost::fibers::default_stack(), batch, count);
    std::printf("%.1f\n", time);
    return 0;
}

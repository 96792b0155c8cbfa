/*
 * dtact.hpp: fibers for C++17, on top of dtact.h. Header only.
 *
 *     dtact::runtime runtime;
 *     int local = 1;
 *     dtact::fiber<int> fiber = runtime.spawn([&local] { return local + 1; });
 *     int two = fiber.join();
 *
 * Everything owns what it stands for, can be moved and not copied, and frees it at its end. What
 * fails throws a dtact::error. What a fiber throws is thrown again by whoever joins it; no
 * exception ever passes through C.
 *
 * A fiber may refer to its creator's variables: a fiber object cancels its fiber and waits for it
 * before it goes, and that wait is not cut short by anything. So there is no way to detach a fiber
 * here; dtact_fiber_spawn() has one.
 *
 * Cancelling is cooperative: waits throw dtact::cancelled in a fiber that shall end. A fiber may
 * wait inside of a catch block. What must not be held over a wait is in dtact.h, under "Waiting".
 */
#ifndef DTACT_HPP
#define DTACT_HPP

#include <dtact.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#if defined(__has_include)
#if __has_include(<cxxabi.h>)
#include <cxxabi.h>
#define DTACT_HAS_CXXABI 1
#endif
#if __has_include(<version>)
#include <version>
#endif
#endif
#if defined(__cpp_lib_coroutine)
#include <coroutine>
#endif

/** Fibers. */
namespace dtact {

/** A call that failed: its status, and what it had to say. */
class error : public std::runtime_error {
public:
    /** The failure of this status, with the message of the thread. */
    explicit error(dtact_status_t status) : error(status, dtact_last_error_message()) {}
    /** The failure of this status, with this message. */
    error(dtact_status_t status, const std::string &message)
        : std::runtime_error(message), status_(status) {}
    /** The status: one of those in dtact.h, never DTACT_OK. */
    dtact_status_t status() const noexcept { return status_; }

private:
    dtact_status_t status_;
};

/** The calling fiber is cancelled: it shall end, best by not catching this. */
class cancelled : public error {
public:
    /** What a wait throws. */
    cancelled() : error(DTACT_CANCELLED, dtact_status_message(DTACT_CANCELLED)) {}
};

/** The joined fiber was cancelled: before it began, or it ended by dtact::cancelled. */
class fiber_cancelled : public error {
public:
    /** What a join throws. */
    fiber_cancelled() : error(DTACT_FIBER_CANCELLED, "the joined fiber was cancelled") {}
};

template <class T>
class fiber;
class scope;

/** What only this header uses. */
namespace detail {

inline void check(dtact_status_t status) {
    switch (status) {
    case DTACT_OK:
        return;
    case DTACT_CANCELLED:
        throw cancelled();
    case DTACT_FIBER_CANCELLED:
        throw fiber_cancelled();
    default:
        throw error(status);
    }
}

/* Has fibers take along the exceptions that they handle, from before there are any. */
inline void register_cxx_globals() {
#if defined(DTACT_HAS_CXXABI)
    static const dtact_status_t status = dtact_register_cxx_globals(
        reinterpret_cast<dtact_cxx_globals_t>(&abi::__cxa_get_globals));
    check(status);
#endif
}

inline std::uint64_t milliseconds(std::chrono::nanoseconds span) {
    if (span <= std::chrono::nanoseconds::zero()) {
        return 0;
    }
    return static_cast<std::uint64_t>(
        std::chrono::ceil<std::chrono::milliseconds>(span).count());
}

struct free_builder {
    void operator()(dtact_builder_t *builder) const noexcept { dtact_builder_free(builder); }
};
struct free_runtime {
    void operator()(dtact_runtime_t *runtime) const noexcept { dtact_runtime_free(runtime); }
};
struct free_options {
    void operator()(dtact_fiber_options_t *options) const noexcept {
        dtact_fiber_options_free(options);
    }
};

/* Where a fiber leaves its result: a value, a reference as a pointer, or nothing. */
template <class T>
struct result {
    std::optional<T> value;
    template <class F>
    void set(F &function) {
        value.emplace(std::invoke(std::move(function)));
    }
    T take() { return std::move(*value); }
};
template <class T>
struct result<T &> {
    T *value = nullptr;
    template <class F>
    void set(F &function) {
        value = std::addressof(std::invoke(std::move(function)));
    }
    T &take() { return *value; }
};
template <>
struct result<void> {
    template <class F>
    void set(F &function) {
        std::invoke(std::move(function));
    }
    void take() {}
};

/* What a fiber and its handle share. */
template <class T>
struct state {
    result<T> outcome;
    std::exception_ptr thrown;
    bool was_cancelled = false;

    state() = default;
    state(const state &) = delete;
    state &operator=(const state &) = delete;
    virtual ~state() = default;
    virtual void run() noexcept = 0;
};

/* The same with the function, which is gone when the fiber has ended: in the fiber if it began,
 * where it may wait, and else with the last owner, which is the handle. */
template <class T, class F>
struct running final : state<T> {
    std::optional<F> function;

    template <class G>
    explicit running(G &&what) : function(std::in_place, std::forward<G>(what)) {}

    void run() noexcept override {
        try {
            this->outcome.set(*function);
        } catch (const cancelled &) {
            this->was_cancelled = true;
        } catch (...) {
            this->thrown = std::current_exception();
        }
        function.reset();
    }
};

template <class T>
using shared = std::shared_ptr<state<T>>;

/* Functions as C calls them. */
template <class T>
inline void *run(void *env) {
    (*static_cast<shared<T> *>(env))->run();
    return nullptr;
}
template <class T>
inline void release(void *env) {
    delete static_cast<shared<T> *>(env);
}

} // namespace detail

/** How a runtime is to be: dtact_builder_t. The values are checked when it is started. */
class builder {
public:
    /** The defaults. Throws error. */
    builder() : raw_(dtact_builder_new()) {
        if (!raw_) {
            throw error(DTACT_EXHAUSTED);
        }
    }
    /** How many fibers run at a time. */
    builder &workers(std::size_t count) {
        return check(dtact_builder_set_workers(raw_.get(), count));
    }
    /** How many fibers there may be at a time. */
    builder &fibers(std::uint32_t count) {
        return check(dtact_builder_set_fibers(raw_.get(), count));
    }
    /** How large the stacks are, in bytes. */
    builder &stack_bytes(std::size_t bytes) {
        return check(dtact_builder_set_stack_bytes(raw_.get(), bytes));
    }
    /** How many stacks there may be at a time. */
    builder &stacks(std::uint32_t count) {
        return check(dtact_builder_set_stacks(raw_.get(), count));
    }
    /** How fibers get from worker to worker: DTACT_TOPOLOGY_MODE_P2P_MESH and so on. */
    builder &topology_mode(dtact_topology_mode_t mode) {
        return check(dtact_builder_set_topology_mode(raw_.get(), mode));
    }
    /** The builder of C. */
    const dtact_builder_t *raw() const noexcept { return raw_.get(); }

private:
    builder &check(dtact_status_t status) {
        detail::check(status);
        return *this;
    }
    std::unique_ptr<dtact_builder_t, detail::free_builder> raw_;
};

/** How a fiber is to be spawned: dtact_fiber_options_t. */
class options {
public:
    /** The defaults. Throws error. */
    options() : raw_(dtact_fiber_options_new()) {
        if (!raw_) {
            throw error(DTACT_EXHAUSTED);
        }
    }
    /** The name, of which there should be few different ones. */
    options &name(const char *name) {
        return check(dtact_fiber_options_set_name(raw_.get(), name));
    }
    /** The least size of the stack, in bytes. */
    options &stack_bytes(std::size_t bytes) {
        return check(dtact_fiber_options_set_stack_bytes(raw_.get(), bytes));
    }
    /** How urgent it is: DTACT_PRIORITY_NORMAL and so on. */
    options &priority(dtact_priority_t priority) {
        return check(dtact_fiber_options_set_priority(raw_.get(), priority));
    }
    /** How far it may move: DTACT_AFFINITY_ANY and so on. */
    options &affinity(dtact_affinity_t affinity) {
        return check(dtact_fiber_options_set_affinity(raw_.get(), affinity));
    }
    /** What it mostly does: DTACT_KIND_COMPUTE and so on. */
    options &kind(dtact_kind_t kind) {
        return check(dtact_fiber_options_set_kind(raw_.get(), kind));
    }
    /** Where it goes on, and what is kept for it: DTACT_SWITCHER_CROSS_THREAD_FLOAT and so on. */
    options &switcher(dtact_switcher_t switcher) {
        return check(dtact_fiber_options_set_switcher(raw_.get(), switcher));
    }
    /** The options of C. */
    const dtact_fiber_options_t *raw() const noexcept { return raw_.get(); }

private:
    options &check(dtact_status_t status) {
        detail::check(status);
        return *this;
    }
    std::unique_ptr<dtact_fiber_options_t, detail::free_options> raw_;
};

/** Worker threads, and the memory of the fibers that run on them: dtact_runtime_t. */
class runtime {
public:
    /** What a fiber that runs `F` returns. */
    template <class F>
    using result_of = std::invoke_result_t<std::decay_t<F>>;

    /** A runtime with the defaults. Throws error. */
    runtime() : raw_(start(nullptr)) {}
    /** A runtime of this configuration. Throws error. */
    explicit runtime(const builder &config) : raw_(start(config.raw())) {}
    /** The end of a runtime: its fibers are cancelled, and waited for. */
    ~runtime() = default;
    /** The other has none from now on, and can only be destroyed or assigned to. */
    runtime(runtime &&) noexcept = default;
    /** As above; the runtime that was here ends. */
    runtime &operator=(runtime &&) noexcept = default;

    /**
     * Spawns a fiber that calls `function`, which is moved or copied into it. Throws error, of
     * DTACT_EXHAUSTED or DTACT_SHUT_DOWN.
     */
    template <class F>
    [[nodiscard]] fiber<result_of<F>> spawn(F &&function) const {
        return spawn_by(nullptr, std::forward<F>(function));
    }
    /** The same with options. */
    template <class F>
    [[nodiscard]] fiber<result_of<F>> spawn(const options &how, F &&function) const {
        return spawn_by(how.raw(), std::forward<F>(function));
    }
    /**
     * Cancels all fibers, and waits until they have ended, but for no longer than `deadline`.
     * Returns whether they have.
     */
    bool shutdown(std::chrono::nanoseconds deadline) const {
        const dtact_status_t status =
            dtact_runtime_shutdown(raw_.get(), detail::milliseconds(deadline));
        if (status == DTACT_TIMED_OUT) {
            return false;
        }
        detail::check(status);
        return true;
    }
    /** How much it has done since it was started. */
    dtact_metrics_t metrics() const {
        dtact_metrics_t metrics = {};
        metrics.size = sizeof metrics;
        detail::check(dtact_runtime_metrics(raw_.get(), &metrics));
        return metrics;
    }
    /** What all fibers are doing, as a text for people. */
    std::string dump() const {
        std::string text;
        std::size_t length = 0;
        detail::check(dtact_runtime_dump(raw_.get(), nullptr, 0, &length));
        // There may be more of them by the next look.
        while (length >= text.size()) {
            text.resize(length + 1);
            detail::check(dtact_runtime_dump(raw_.get(), &text[0], text.size(), &length));
        }
        text.resize(length);
        return text;
    }
    /** The runtime of C. */
    dtact_runtime_t *raw() const noexcept { return raw_.get(); }

private:
    static dtact_runtime_t *start(const dtact_builder_t *config) {
        detail::check(dtact_check_version(DTACT_VERSION));
        detail::register_cxx_globals();
        dtact_runtime_t *raw = nullptr;
        detail::check(dtact_runtime_start(config, &raw));
        return raw;
    }
    template <class F>
    fiber<result_of<F>> spawn_by(const dtact_fiber_options_t *how, F &&function) const;

    std::unique_ptr<dtact_runtime_t, detail::free_runtime> raw_;
};

/**
 * A fiber that returns a `T`, and the right to join it. If it is destroyed before it was joined, the
 * fiber is cancelled and waited for, however long that takes: what the fiber refers to may go only
 * then. It is used by one thread or fiber at a time.
 */
template <class T>
class [[nodiscard]] fiber {
public:
    /** No fiber. */
    fiber() noexcept = default;
    /** The other has none from now on. */
    fiber(fiber &&other) noexcept
        : handle_(std::exchange(other.handle_, 0)), runtime_(other.runtime_),
          state_(std::move(other.state_)) {}
    /** As above; the fiber that was here is cancelled and waited for. */
    fiber &operator=(fiber &&other) noexcept {
        if (this != &other) {
            end();
            handle_ = std::exchange(other.handle_, 0);
            runtime_ = other.runtime_;
            state_ = std::move(other.state_);
        }
        return *this;
    }
    /**
     * Cancels the fiber and waits for it, unless it was joined. Where that cannot be, because a
     * fiber would wait for itself, or in a finalizer of C, it ends the process: what the fiber
     * refers to would not be there any more.
     */
    ~fiber() { end(); }

    /** Whether there is a fiber that was not joined. */
    bool joinable() const noexcept { return state_ != nullptr; }

    /**
     * Waits for the fiber to end. Returns what it returned, or throws what it threw;
     * fiber_cancelled if it was cancelled. Throws cancelled if the calling fiber is: then the
     * other one can be joined all the same.
     */
    T join() {
        if (handle_ != 0 || !state_) {
            const dtact_status_t status = use_up(dtact_fiber_join(handle_, nullptr));
            if (status != DTACT_FIBER_CANCELLED) {
                detail::check(status);
            }
        }
        return taken();
    }
    /**
     * Waits for the fiber to end, but for no longer than `span`. Returns whether it has: then
     * join() does not wait. Throws cancelled if the calling fiber is.
     */
    bool wait_for(std::chrono::nanoseconds span) {
        if (handle_ == 0 && state_) {
            return true;
        }
        const dtact_status_t status =
            use_up(dtact_fiber_join_timeout(handle_, detail::milliseconds(span), nullptr));
        if (status == DTACT_TIMED_OUT) {
            return false;
        }
        // What came of it is for join().
        if (status != DTACT_FIBER_CANCELLED) {
            detail::check(status);
        }
        return true;
    }
    /** Asks the fiber to end. Nothing if there is none. */
    void cancel() const noexcept {
        if (handle_ != 0) {
            (void)dtact_fiber_cancel(handle_);
        }
    }
    /** Whether the fiber has ended, in whichever way. */
    bool finished() const {
        bool is_finished = true;
        if (handle_ != 0) {
            detail::check(dtact_fiber_is_finished(handle_, &is_finished));
        }
        return is_finished;
    }
    /** The handle of C; 0 if there is none. It stays this object's. */
    dtact_handle_t handle() const noexcept { return handle_; }

private:
    friend class runtime;
    template <class>
    friend class fiber_awaiter;

    fiber(dtact_handle_t handle, const dtact_runtime_t *runtime, detail::shared<T> state) noexcept
        : handle_(handle), runtime_(runtime), state_(std::move(state)) {}

    /* Forgets the handle if the join has used it up. */
    dtact_status_t use_up(dtact_status_t status) noexcept {
        switch (status) {
        case DTACT_FIBER_CANCELLED:
            state_->was_cancelled = true;
            [[fallthrough]];
        case DTACT_OK:
            handle_ = 0;
            return status;
        case DTACT_PANICKED:
            handle_ = 0;
            state_.reset();
            return status;
        default:
            return status;
        }
    }
    T taken() {
        const detail::shared<T> state = std::move(state_);
        state_.reset();
        if (state->was_cancelled) {
            throw fiber_cancelled();
        }
        if (state->thrown) {
            std::rethrow_exception(std::exchange(state->thrown, nullptr));
        }
        return state->outcome.take();
    }
    void end() noexcept {
        if (handle_ != 0) {
            (void)dtact_fiber_cancel(handle_);
            (void)use_up(dtact_fiber_join_regardless(handle_, nullptr));
            if (handle_ != 0) {
                std::terminate();
            }
        }
        state_.reset();
    }

    dtact_handle_t handle_ = 0;
    const dtact_runtime_t *runtime_ = nullptr;
    detail::shared<T> state_;
};

template <class F>
fiber<runtime::result_of<F>> runtime::spawn_by(const dtact_fiber_options_t *how,
                                               F &&function) const {
    using T = result_of<F>;
    using running = detail::running<T, std::decay_t<F>>;
    detail::shared<T> state = std::make_shared<running>(std::forward<F>(function));
    // The library's from the call on, whatever that comes to; `state` keeps the function until here
    // has been thrown what there is to throw.
    auto env = std::make_unique<detail::shared<T>>(state);
    dtact_handle_t handle = 0;
    detail::check(dtact_fiber_spawn_with(raw(), how, detail::run<T>, env.release(),
                                         detail::release<T>, &handle));
    return fiber<T>(handle, raw(), std::move(state));
}

/**
 * Fibers that end before it does, and may refer to everything that was there before it. Usually
 * made by with_scope(). If one of them throws, the others are cancelled, and join() throws it.
 */
class scope {
public:
    /** A scope whose fibers run on this runtime, which has to outlive it. */
    explicit scope(const runtime &where) noexcept : runtime_(where) {}
    scope(const scope &) = delete;
    scope &operator=(const scope &) = delete;
    /** Cancels the fibers that have not ended, and waits for all. */
    ~scope() {
        cancel();
        wait();
    }

    /** Spawns a fiber that calls `function`. Its fibers may do so as well. Throws error. */
    template <class F>
    void spawn(F &&function) {
        static_assert(std::is_void_v<runtime::result_of<F>>,
                      "leave the result in a variable that the function refers to");
        auto wrapped = [this, function = std::decay_t<F>(std::forward<F>(function))]() mutable {
            try {
                std::invoke(std::move(function));
            } catch (const cancelled &) {
                throw;
            } catch (...) {
                fail(std::current_exception());
            }
        };
        // Under the lock nobody waits, and nothing of the user's runs.
        fiber<void> spawned = runtime_.spawn(std::move(wrapped));
        const std::lock_guard<std::mutex> guard(mutex_);
        fibers_.push_back(std::move(spawned));
        if (is_cancelled_) {
            fibers_.back().cancel();
        }
    }
    /** Asks all fibers to end, and those that are spawned later. */
    void cancel() noexcept {
        const std::lock_guard<std::mutex> guard(mutex_);
        is_cancelled_ = true;
        for (const fiber<void> &each : fibers_) {
            each.cancel();
        }
        if (joining_ != 0) {
            // It may have been joined by now: its handle is never another's.
            (void)dtact_fiber_cancel(joining_);
        }
    }
    /**
     * Waits for all fibers, and throws what the first of them threw that threw. If the calling
     * fiber is cancelled meanwhile, they are too; it throws cancelled when they have ended.
     */
    void join() {
        bool was_cancelled = false;
        for (fiber<void> each = take(); each.joinable(); each = take()) {
            try {
                each.join();
            } catch (const fiber_cancelled &) {
                // By whoever asked for it.
            } catch (const cancelled &) {
                was_cancelled = true;
                cancel();
            }
        }
        const std::lock_guard<std::mutex> guard(mutex_);
        if (thrown_) {
            std::rethrow_exception(std::exchange(thrown_, nullptr));
        }
        if (was_cancelled) {
            throw cancelled();
        }
    }

private:
    void fail(std::exception_ptr thrown) noexcept {
        {
            const std::lock_guard<std::mutex> guard(mutex_);
            if (!thrown_) {
                thrown_ = std::move(thrown);
            }
        }
        cancel();
    }
    void wait() noexcept {
        // Each is waited for by its destructor, without the lock.
        while (take().joinable()) {
        }
    }
    fiber<void> take() noexcept {
        const std::lock_guard<std::mutex> guard(mutex_);
        if (fibers_.empty()) {
            return {};
        }
        fiber<void> last = std::move(fibers_.back());
        fibers_.pop_back();
        joining_ = last.handle();
        return last;
    }

    const runtime &runtime_;
    std::mutex mutex_;
    std::vector<fiber<void>> fibers_;
    dtact_handle_t joining_ = 0;
    std::exception_ptr thrown_;
    bool is_cancelled_ = false;
};

/**
 * Calls `body` with a scope, waits for the fibers that it spawned there, and returns what it
 * returned. If the body throws, its fibers are cancelled and waited for; if one of them does, that
 * is thrown.
 */
template <class Body>
std::invoke_result_t<Body, scope &> with_scope(const runtime &where, Body &&body) {
    scope all(where);
    if constexpr (std::is_void_v<std::invoke_result_t<Body, scope &>>) {
        std::invoke(std::forward<Body>(body), all);
        all.join();
    } else {
        auto returned = std::invoke(std::forward<Body>(body), all);
        all.join();
        return returned;
    }
}

/** What a fiber does to itself. Outside of a fiber it means the thread. */
namespace this_fiber {

/** Lets other fibers run. Throws cancelled. */
inline void yield() {
    detail::check(dtact_fiber_yield());
}

/** Waits for at least so long. Throws cancelled. */
template <class Rep, class Period>
void sleep_for(const std::chrono::duration<Rep, Period> &span) {
    detail::check(dtact_sleep(detail::milliseconds(
        std::chrono::ceil<std::chrono::nanoseconds>(span))));
}

} // namespace this_fiber

#if defined(__cpp_lib_coroutine)

/**
 * What `co_await` of a fiber waits by. The coroutine goes on in a fiber of the same runtime, which
 * the wait spawns; if the runtime ends before, it goes on with dtact::cancelled thrown, and must
 * not wait.
 */
template <class T>
class fiber_awaiter {
public:
    /** Waits for this fiber. */
    explicit fiber_awaiter(fiber<T> &&what) noexcept : fiber_(std::move(what)) {}

    /** Whether there is nothing to wait for. */
    bool await_ready() const { return fiber_.finished(); }
    /** Spawns the fiber that waits. Throws error. */
    void await_suspend(std::coroutine_handle<> coroutine) {
        auto env = std::make_unique<watch>(watch{&fiber_, coroutine, this, true});
        watch *const raw = env.get();
        spawning() = raw;
        const dtact_status_t status = dtact_fiber_spawn(fiber_.runtime_, run, env.release(),
                                                        finish, 0, nullptr);
        spawning() = nullptr;
        // If it was spawned, the coroutine may be over by now: nothing of this is touched.
        detail::check(status);
    }
    /** What the fiber returned, or throws what it threw. */
    T await_resume() {
        if (was_cut_short_) {
            throw cancelled();
        }
        return fiber_.join();
    }

private:
    struct watch {
        fiber<T> *awaited;
        std::coroutine_handle<> coroutine;
        fiber_awaiter *awaiter;
        bool is_waiting;
    };

    static void *run(void *env) {
        auto *const self = static_cast<watch *>(env);
        (void)self->awaited->use_up(
            dtact_fiber_join_regardless(self->awaited->handle(), nullptr));
        self->is_waiting = false;
        self->coroutine.resume();
        return nullptr;
    }
    static void finish(void *env) {
        const std::unique_ptr<watch> self(static_cast<watch *>(env));
        // A spawn that failed throws. A watcher that was cancelled before it began has nobody else
        // to go on with the coroutine.
        if (self->is_waiting && spawning() != self.get()) {
            self->awaiter->was_cut_short_ = true;
            self->coroutine.resume();
        }
    }
    /* What this thread is spawning at the moment. */
    static watch *&spawning() noexcept {
        static thread_local watch *current = nullptr;
        return current;
    }

    fiber<T> fiber_;
    bool was_cut_short_ = false;
};

/** Waits for a fiber in a coroutine: `co_await std::move(fiber)`. */
template <class T>
fiber_awaiter<T> operator co_await(fiber<T> &&what) noexcept {
    return fiber_awaiter<T>(std::move(what));
}

#endif

} // namespace dtact

#endif /* DTACT_HPP */

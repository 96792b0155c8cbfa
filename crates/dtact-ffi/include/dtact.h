/*
 * dtact.h: fibers for C and C++.
 *
 * A fiber is a call that can be suspended in its depth: while it waits, its thread runs others.
 * A runtime owns worker threads and the memory of the fibers that run on them.
 *
 *     dtact_runtime_start --> dtact_fiber_spawn --> dtact_fiber_join --> dtact_runtime_free
 *
 * C11 and C++17. Link with -ldtact_ffi.
 *
 * Status. Most calls return a dtact_status_t: DTACT_OK, or why not. dtact_last_error_message()
 * says it in words. A call that fails writes nothing to where its result would go.
 *
 * Threads. Every function may be called on any thread, in a fiber or outside of one, unless its
 * own comment says otherwise. A fiber stays on the thread on which it first waited.
 *
 * Waiting. The functions that join, yield or sleep may suspend the calling fiber; other fibers then
 * run on the same thread, and change its thread-local variables (but not `errno`, which is
 * the fiber's own). So whoever spawns fibers promises that none of them waits
 *   - while it holds a lock that another fiber of the same runtime may want;
 *   - while a thread-local variable points into its stack;
 *   - inside the initialiser of a thread-local variable, or inside a signal handler;
 *   - inside a catch block of C++, or a destructor that an exception runs, unless
 *     dtact_register_cxx_globals() was called;
 * and that nobody jumps out of a fiber with longjmp(), or ends its thread with pthread_exit() or
 * pthread_cancel().
 *
 * Cancelling is cooperative. A cancelled fiber that has not begun never does. One that has is told
 * by DTACT_CANCELLED, from the wait it is in and from each that would have to wait after it: it
 * then cleans up and returns. No frame of C or C++ is ever unwound by the library.
 */
#ifndef DTACT_H
#define DTACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @name Version */
/**@{*/

#define DTACT_VERSION_MAJOR 0
#define DTACT_VERSION_MINOR 1
#define DTACT_VERSION_PATCH 0

/** The version of this header, to be compared with dtact_version(). */
#define DTACT_VERSION \
    ((uint32_t)DTACT_VERSION_MAJOR << 16 | (uint32_t)DTACT_VERSION_MINOR << 8 | \
     (uint32_t)DTACT_VERSION_PATCH)

/**
 * The version of the library: major, minor and patch, 8 bits each from bit 16 downwards.
 *
 * Never suspends, never fails.
 */
uint32_t dtact_version(void);

/**@}*/

/** @name Status */
/**@{*/

/** What a call came to: one of the numbers below. They never change; later versions add some. */
typedef int32_t dtact_status_t;

enum {
    /** It succeeded. */
    DTACT_OK = 0,
    /** An argument is null or out of range. */
    DTACT_INVALID_ARGUMENT = 1,
    /** All fibers, stacks or memory there may be are in use. */
    DTACT_EXHAUSTED = 2,
    /** The runtime is shutting down, or has. */
    DTACT_SHUT_DOWN = 3,
    /** The runtime of the process has started already. */
    DTACT_ALREADY_STARTED = 4,
    /** The runtime of the process has not been started, or has ended. */
    DTACT_NOT_STARTED = 5,
    /** The calling fiber is cancelled: it shall clean up and return. */
    DTACT_CANCELLED = 6,
    /** Rust code panicked: in the joined fiber, or, which is a defect of it, in the library. */
    DTACT_PANICKED = 7,
    /** The handle names no fiber, or no longer does. */
    DTACT_STALE_HANDLE = 8,
    /** The time was over first. */
    DTACT_TIMED_OUT = 9,
    /** The handle is being joined by somebody else. */
    DTACT_BUSY = 10,
    /** The joined fiber was cancelled before it began. */
    DTACT_FIBER_CANCELLED = 11,
    /**
     * Not from here: a finalizer must not wait, nor anybody for what can never be, and a process
     * has one C++ runtime.
     */
    DTACT_NOT_ALLOWED = 12,
    /** The operating system refused a thread, or a descriptor. */
    DTACT_SYSTEM = 13,
    /** The header is not of the library's version, nor of one that it can stand in for. */
    DTACT_INCOMPATIBLE_VERSION = 14
};

/**
 * The text of a status: never null, also for numbers that are none.
 *
 * Never suspends. The text is static.
 */
const char *dtact_status_message(dtact_status_t status);

/**
 * What the last call that failed on this thread had to say: never null, empty if none failed.
 *
 * Never suspends. The text is the library's, and valid until the next failing call on the same
 * thread or the end of the thread. Where a fiber waits, others may fail on its thread meanwhile:
 * read it before the next wait.
 */
const char *dtact_last_error_message(void);

/**@}*/

/**
 * Whether a program that was compiled with this header can use the library that it runs with:
 * dtact_check_version(DTACT_VERSION). It can if the major version is the same, and the header is
 * not the newer one. Before version 1.0 the minor version has to be the same too.
 *
 * Never suspends. DTACT_INCOMPATIBLE_VERSION: it cannot.
 */
dtact_status_t dtact_check_version(uint32_t header);

/** @name Configuration
 *
 * A builder is used by one thread at a time. Its values are checked when a runtime is started.
 */
/**@{*/

/** How a runtime is to be. */
typedef struct dtact_builder_t dtact_builder_t;

/**
 * A builder with the defaults, or null if it could not be had.
 *
 * Never suspends. It is the caller's, who frees it with dtact_builder_free().
 */
dtact_builder_t *dtact_builder_new(void);

/** Frees a builder. Null is allowed. Never suspends. Runtimes started from it stay as they are. */
void dtact_builder_free(dtact_builder_t *builder);

/**
 * How many fibers run at a time: the number of worker threads, at least 1. Default: the CPUs that
 * the process may use. Never suspends.
 */
dtact_status_t dtact_builder_set_workers(dtact_builder_t *builder, size_t count);

/**
 * How many fibers there may be at a time: 1 to 2097152. Default: 1048576. They take memory when
 * they are first used. An ended fiber counts until its handle is joined or detached. Never
 * suspends.
 */
dtact_status_t dtact_builder_set_fibers(dtact_builder_t *builder, uint32_t count);

/**
 * How large the stacks are on which fibers run, in bytes: 16 KiB to 8 MiB, rounded up to a power
 * of two. Default: 2 MiB. Only touched pages take memory. Never suspends.
 */
dtact_status_t dtact_builder_set_stack_bytes(dtact_builder_t *builder, size_t bytes);

/**
 * How many stacks there may be at a time: at least two for each worker. Default: 16384. A fiber
 * keeps one while it runs or waits; where there is none left, waiting blocks a thread instead.
 * Never suspends.
 */
dtact_status_t dtact_builder_set_stacks(dtact_builder_t *builder, uint32_t count);

/** How fibers get from worker to worker: one of the numbers below. */
typedef int32_t dtact_topology_mode_t;

enum {
    /** Each worker has a queue of its own; who has too many passes some on, who has none steals. */
    DTACT_TOPOLOGY_MODE_P2P_MESH = 0,
    /** One queue for all workers. */
    DTACT_TOPOLOGY_MODE_GLOBAL = 1,
    /** A fiber stays on the worker that spawns it. */
    DTACT_TOPOLOGY_MODE_PINNED = 2
};

/**
 * How fibers get from worker to worker. Default: DTACT_TOPOLOGY_MODE_P2P_MESH. Never suspends.
 *
 * DTACT_INVALID_ARGUMENT: `builder` is null, or `mode` none of the numbers.
 */
dtact_status_t dtact_builder_set_topology_mode(dtact_builder_t *builder,
                                               dtact_topology_mode_t mode);

/**@}*/

/** @name Runtime */
/**@{*/

/** Worker threads, and the memory of the fibers that run on them. */
typedef struct dtact_runtime_t dtact_runtime_t;

/**
 * Starts a runtime and writes it to `*out`. There can be several.
 *
 * `builder` stays the caller's; null means the defaults. The runtime is the caller's, who frees it
 * with dtact_runtime_free(). By this call the caller promises what is said under "Waiting" above.
 *
 * Never suspends.
 *
 * DTACT_INVALID_ARGUMENT: `out` is null, or a setting is out of its range. DTACT_EXHAUSTED: 256
 * runtimes are alive. DTACT_SYSTEM: the operating system refused memory or a thread.
 */
dtact_status_t dtact_runtime_start(const dtact_builder_t *builder, dtact_runtime_t **out);

/**
 * Ends a runtime, but for its memory: no fiber can be spawned any more, all there are get
 * cancelled, and, when they have ended, the worker threads do. It waits for that, at most
 * `deadline_ms` milliseconds. Once ended, calling it again does nothing.
 *
 * It blocks the calling thread and never suspends. In a fiber of the same runtime it begins the
 * shutdown and returns DTACT_OK at once.
 *
 * DTACT_INVALID_ARGUMENT: `runtime` is null. DTACT_TIMED_OUT: fibers have not ended, because they
 * neither wait nor return. They go on; a later call goes on with the shutdown.
 */
dtact_status_t dtact_runtime_shutdown(const dtact_runtime_t *runtime, uint64_t deadline_ms);

/**
 * Ends a runtime as dtact_runtime_shutdown() does, however long that takes, and frees it. Null is
 * allowed. If the last shutdown timed out, it returns at once, and leaves the fibers that have
 * not ended, their threads and the runtime's memory to the end of the process.
 *
 * It blocks the calling thread and never suspends; in a fiber of the same runtime it returns at
 * once. Nobody may use `runtime` during this call or after it. Handles may outlive it: what ended
 * fibers returned can still be joined.
 */
void dtact_runtime_free(dtact_runtime_t *runtime);

/**@}*/

/** @name Fibers */
/**@{*/

/**
 * The name of a fiber; 0 names none. Handles are numbers: they can be copied, and a handle that
 * was joined or detached is found out, however late. Each handle has to be joined or detached
 * once, or the memory of its fiber stays.
 */
typedef uint64_t dtact_handle_t;

/** What a fiber runs. No C++ exception may leave it: that ends the process. */
typedef void *(*dtact_callback_t)(void *env);

/**
 * What is called when `env` is no longer used by the library. It must not wait: what joins, yields
 * or sleeps returns DTACT_NOT_ALLOWED in it. No C++ exception may leave it.
 */
typedef void (*dtact_finalizer_t)(void *env);

/**
 * Spawns a fiber that calls `callback(env)`, on any worker thread, on a stack of at least
 * `stack_bytes` bytes, or of the runtime's own size if that is 0. Writes its handle to `*out`; if
 * `out` is null, the fiber is detached. The fiber may begin, and end, before this returns.
 *
 * `env` is the library's from this call on, whatever the call returns. `finalizer(env)`, unless it
 * is null, is called exactly once: in the fiber, when the callback has returned and before
 * anybody who joins it goes on; or on any thread, if the fiber is cancelled before it began; or
 * in this call, if it fails. A finalizer that frees `env` leaves no part of it for the result.
 *
 * Because a wait can be cut short by cancellation, `env` should not lie on the stack of a fiber
 * that may be cancelled: what waits on it could return before the new fiber has ended.
 *
 * Never suspends.
 *
 * DTACT_INVALID_ARGUMENT: `runtime` or `callback` is null, or `stack_bytes` more than 8 MiB.
 * DTACT_EXHAUSTED: as many fibers are alive as may be. DTACT_SHUT_DOWN: the runtime is ending.
 */
dtact_status_t dtact_fiber_spawn(const dtact_runtime_t *runtime, dtact_callback_t callback,
                                 void *env, dtact_finalizer_t finalizer, size_t stack_bytes,
                                 dtact_handle_t *out);

/** How a fiber is to be spawned, beside what it runs. Used by one thread at a time. */
typedef struct dtact_fiber_options_t dtact_fiber_options_t;

/**
 * Options with the defaults, or null if they could not be had.
 *
 * Never suspends. They are the caller's, who frees them with dtact_fiber_options_free().
 */
dtact_fiber_options_t *dtact_fiber_options_new(void);

/** Frees options. Null is allowed. Never suspends. Fibers spawned by them stay as they are. */
void dtact_fiber_options_free(dtact_fiber_options_t *options);

/**
 * The name of the fiber, in UTF-8 and of at most 255 bytes, which messages about it show. Several
 * fibers may have the same. The text is copied; the library keeps each different one to the end of
 * the process, so let there be few. Default: none. Never suspends.
 *
 * DTACT_INVALID_ARGUMENT: a pointer is null, or the name is too long or not UTF-8.
 */
dtact_status_t dtact_fiber_options_set_name(dtact_fiber_options_t *options, const char *name);

/**
 * The least size of the fiber's stack, in bytes: at most 8 MiB; 0, the default, for the runtime's
 * own size. It is checked when the fiber is spawned. Never suspends.
 */
dtact_status_t dtact_fiber_options_set_stack_bytes(dtact_fiber_options_t *options, size_t bytes);

/** How urgent a fiber is: one of the numbers below. */
typedef int32_t dtact_priority_t;

enum {
    /** After all others. */
    DTACT_PRIORITY_LOW = 0,
    /** As those that ask for nothing. */
    DTACT_PRIORITY_NORMAL = 1,
    /** Before these. */
    DTACT_PRIORITY_HIGH = 2,
    /** Before everything else. */
    DTACT_PRIORITY_CRITICAL = 3
};

/**
 * How urgent the fiber is. A worker runs more urgent ones first; the others get their turn after a
 * bounded number of them. Default: DTACT_PRIORITY_NORMAL. Never suspends.
 *
 * DTACT_INVALID_ARGUMENT: `options` is null, or `priority` none of the numbers.
 */
dtact_status_t dtact_fiber_options_set_priority(dtact_fiber_options_t *options,
                                                dtact_priority_t priority);

/** How far a fiber may move from the worker that spawns it: one of the numbers below. */
typedef int32_t dtact_affinity_t;

enum {
    /** To workers on the same core. */
    DTACT_AFFINITY_SAME_CORE = 0,
    /** To workers that share the last level of cache. */
    DTACT_AFFINITY_SAME_CCX = 1,
    /** To workers of the same memory node. */
    DTACT_AFFINITY_SAME_NUMA = 2,
    /** Anywhere. */
    DTACT_AFFINITY_ANY = 3
};

/**
 * How far the fiber may move before it first waits; from then on it stays on its thread. Default:
 * DTACT_AFFINITY_ANY. Never suspends.
 *
 * DTACT_INVALID_ARGUMENT: `options` is null, or `affinity` none of the numbers.
 */
dtact_status_t dtact_fiber_options_set_affinity(dtact_fiber_options_t *options,
                                                dtact_affinity_t affinity);

/** What a fiber mostly does: one of the numbers below. */
typedef int32_t dtact_kind_t;

enum {
    /** It computes. */
    DTACT_KIND_COMPUTE = 0,
    /** It runs for a moment and waits for messages or devices again. */
    DTACT_KIND_IO = 1,
    /** It works on memory of its own. */
    DTACT_KIND_MEMORY = 2,
    /** It does a service now and then, and nobody waits for it. */
    DTACT_KIND_SYSTEM = 3
};

/**
 * What the fiber mostly does: it steers how long a worker looks for more of the same before it
 * sleeps, and what it passes on when it has too many. Default: DTACT_KIND_COMPUTE. Never suspends.
 *
 * DTACT_INVALID_ARGUMENT: `options` is null, or `kind` none of the numbers.
 */
dtact_status_t dtact_fiber_options_set_kind(dtact_fiber_options_t *options, dtact_kind_t kind);

/** Where a fiber may go, and what is kept for it: one of the numbers below. */
typedef int32_t dtact_switcher_t;

enum {
    /** It may begin on any worker; its floating-point control state is its own. */
    DTACT_SWITCHER_CROSS_THREAD_FLOAT = 0,
    /** It may begin on any worker; it leaves the floating-point control state as it is. */
    DTACT_SWITCHER_CROSS_THREAD_NO_FLOAT = 1,
    /** It stays on the worker that spawns it; its floating-point control state is its own. */
    DTACT_SWITCHER_SAME_THREAD_FLOAT = 2,
    /** It stays on the worker that spawns it; it leaves the floating-point control state as is. */
    DTACT_SWITCHER_SAME_THREAD_NO_FLOAT = 3
};

/**
 * Where the fiber may go, and what is kept for it over a wait: rounding mode and exception masks
 * of floating-point arithmetic, or not, which saves some nanoseconds. Default:
 * DTACT_SWITCHER_CROSS_THREAD_FLOAT. Never suspends.
 *
 * DTACT_INVALID_ARGUMENT: `options` is null, or `switcher` none of the numbers.
 */
dtact_status_t dtact_fiber_options_set_switcher(dtact_fiber_options_t *options,
                                                dtact_switcher_t switcher);

/**
 * Spawns a fiber as dtact_fiber_spawn() does, with options, which stay the caller's; null means
 * the defaults.
 *
 * Never suspends. Its statuses are those of dtact_fiber_spawn().
 */
dtact_status_t dtact_fiber_spawn_with(const dtact_runtime_t *runtime,
                                      const dtact_fiber_options_t *options,
                                      dtact_callback_t callback, void *env,
                                      dtact_finalizer_t finalizer, dtact_handle_t *out);

/**
 * Waits for a fiber to end and writes what its callback returned to `*result`, unless `result` is
 * null. The handle is used up by every outcome but these: DTACT_CANCELLED, DTACT_BUSY and
 * DTACT_NOT_ALLOWED.
 *
 * In a fiber it suspends the fiber; elsewhere it blocks the thread.
 *
 * DTACT_CANCELLED: the calling fiber was cancelled while it waited, or before; the other one goes
 * on, and its handle stays valid. DTACT_FIBER_CANCELLED: the other fiber was cancelled before it
 * began. (One that had begun returns as ever, and its result says what it makes of it.)
 * DTACT_PANICKED: its callback is in Rust and panicked. DTACT_STALE_HANDLE: it was joined or
 * detached before. DTACT_BUSY: somebody else is joining it. DTACT_NOT_ALLOWED: in a finalizer, or
 * the fiber would wait for itself.
 */
dtact_status_t dtact_fiber_join(dtact_handle_t handle, void **result);

/** A timeout that is never over. */
#define DTACT_NO_TIMEOUT UINT64_MAX

/**
 * As dtact_fiber_join(), but for at most `timeout_ms` milliseconds. With 0 it only looks; with
 * DTACT_NO_TIMEOUT it is dtact_fiber_join().
 *
 * DTACT_TIMED_OUT: the fiber has not ended; it goes on, and its handle stays valid. The other
 * statuses are those of dtact_fiber_join().
 */
dtact_status_t dtact_fiber_join_timeout(dtact_handle_t handle, uint64_t timeout_ms, void **result);

/** dtact_fiber_join_timeout() by its short name. */
dtact_status_t dtact_join(dtact_handle_t handle, uint64_t timeout_ms, void **result);

/**
 * As dtact_fiber_join(), but a cancellation of the calling fiber does not cut it short: it never
 * returns DTACT_CANCELLED. For whoever must not go on before the other fiber has ended, because
 * that uses what is the caller's; cancel the other one first if it is to end soon.
 */
dtact_status_t dtact_fiber_join_regardless(dtact_handle_t handle, void **result);

/**
 * As dtact_fiber_join(), for what returns a value of any type: a fiber that a function exported by
 * Rust spawned. Its `size` bytes are written to `out`, unless `out` is null.
 *
 *     double mean;
 *     status = dtact_fiber_join_into(dtact_export_mean(data, count), &mean, sizeof mean);
 *
 * DTACT_INVALID_ARGUMENT: the value has not `size` bytes, or is none that C can have; the handle
 * stays valid. The other statuses are those of dtact_fiber_join(), which gives the same for a value
 * that is not of the size of a pointer; for what returns nothing it writes null.
 */
dtact_status_t dtact_fiber_join_into(dtact_handle_t handle, void *out, size_t size);

/**
 * Gives a handle up. The fiber goes on; what its callback returns is ignored.
 *
 * Never suspends. DTACT_STALE_HANDLE, DTACT_BUSY: as above.
 */
dtact_status_t dtact_fiber_detach(dtact_handle_t handle);

/**
 * Asks a fiber to end: see "Cancelling" above. The handle stays valid and has to be joined or
 * detached all the same. It may be called while somebody joins the fiber. For a fiber that has
 * ended it does nothing.
 *
 * Never suspends. DTACT_STALE_HANDLE: as above.
 */
dtact_status_t dtact_fiber_cancel(dtact_handle_t handle);

/**
 * Writes to `*out` whether a fiber has ended, in whichever way. The handle stays valid.
 *
 * Never suspends. DTACT_INVALID_ARGUMENT: `out` is null. DTACT_STALE_HANDLE: as above.
 */
dtact_status_t dtact_fiber_is_finished(dtact_handle_t handle, bool *out);

/**
 * Lets the other fibers of the worker thread run, then goes on; outside of a fiber it returns at
 * once.
 *
 * It suspends the fiber. DTACT_CANCELLED: the calling fiber is cancelled. DTACT_NOT_ALLOWED: in a
 * finalizer.
 */
dtact_status_t dtact_fiber_yield(void);

/** dtact_fiber_yield() by its short name. */
dtact_status_t dtact_yield(void);

/**
 * Waits for at least `ms` milliseconds. Any function may call it, in a fiber or not.
 *
 * In a fiber it suspends the fiber; elsewhere it blocks the thread. DTACT_CANCELLED: the calling
 * fiber was cancelled meanwhile, or before. DTACT_NOT_ALLOWED: in a finalizer.
 */
dtact_status_t dtact_sleep(uint64_t ms);

/**@}*/

/** @name Completion
 *
 * The end of a fiber, told to code that must not block its thread: by a call, or by a descriptor in
 * an event loop. Both are for handles of spawned fibers, of exported functions and of launched
 * fibers; the handle stays as it is, and has to be joined or detached all the same.
 */
/**@{*/

/** What dtact_fiber_on_complete() calls. */
typedef void (*dtact_completion_t)(void *env, dtact_handle_t fiber);

/**
 * Has `callback(env, handle)` called exactly once, when the fiber has ended, in whichever way: by
 * the worker thread that ended it, or, if it has ended, within this call. After that, or instead of
 * it where this call fails, `finalizer(env)` is called, unless it is null.
 *
 * The callback runs on a stack as large as those of fibers. It must not wait, and is told so by
 * DTACT_NOT_ALLOWED; but it may join the fiber, as that has ended, and spawn others. No exception
 * of C++ may leave it.
 *
 * Never suspends. DTACT_INVALID_ARGUMENT: `callback` is null. DTACT_STALE_HANDLE: the handle names
 * no fiber.
 */
dtact_status_t dtact_fiber_on_complete(dtact_handle_t handle, dtact_completion_t callback,
                                       void *env, dtact_finalizer_t finalizer);

/** A queue of fibers that have ended, with a descriptor for poll() and its like. */
typedef struct dtact_completions_t dtact_completions_t;

/**
 * Writes an empty queue to `*out`. It is the caller's, who frees it with dtact_completions_free().
 *
 * Never suspends. DTACT_INVALID_ARGUMENT: `out` is null. DTACT_SYSTEM: there is no descriptor left.
 */
dtact_status_t dtact_completions_new(dtact_completions_t **out);

/**
 * Frees a queue and closes its descriptor. Null is allowed. The fibers that it watches go on, and
 * their handles stay valid. Never suspends.
 */
void dtact_completions_free(dtact_completions_t *completions);

/**
 * Writes to `*out` the descriptor that is readable (POLLIN) while the queue is not empty: an
 * eventfd on Linux, a pipe on other systems of the kind. It is the queue's: poll it, and do not
 * read, write or close it.
 *
 * Never suspends. DTACT_INVALID_ARGUMENT: a pointer is null.
 */
dtact_status_t dtact_completions_descriptor(const dtact_completions_t *completions, int *out);

/**
 * Puts the fiber into the queue once it has ended, with `tag`, by which the caller knows it again.
 * It may be watched by several queues, and more than once. Never suspends.
 *
 * DTACT_INVALID_ARGUMENT: `completions` is null. DTACT_STALE_HANDLE: the handle names no fiber.
 */
dtact_status_t dtact_completions_watch(const dtact_completions_t *completions,
                                       dtact_handle_t handle, void *tag);

/**
 * Takes the first fiber out of the queue: writes its handle to `*out`, and its tag to `*tag` unless
 * `tag` is null. Where the queue is empty it writes 0, and leaves `*tag` alone. A join of the
 * fiber then returns at once.
 *
 * Never suspends. DTACT_INVALID_ARGUMENT: `completions` or `out` is null.
 */
dtact_status_t dtact_completions_next(const dtact_completions_t *completions, dtact_handle_t *out,
                                      void **tag);

/**@}*/

/** @name Observation
 *
 * Structures that later versions may add to begin with their size. The caller sets that field to
 * the sizeof of its structure; no more is written, and the field then says how many bytes were. So
 * a program goes on with a later library, and one with an older library finds the fields which that
 * knows nothing of beyond the size.
 */
/**@{*/

/** How much a runtime has done since it was started. */
typedef struct dtact_metrics_t {
    /** Set by the caller: the bytes there are. Set by the library: the bytes that were written. */
    size_t size;
    /** Fibers spawned. */
    uint64_t spawned;
    /** Fibers ended, in whichever way. */
    uint64_t finished;
    /** Spawns that needed memory of the heap, because the fiber was too large for a cell. */
    uint64_t heap_escaped_spawns;
    /** Times a fiber was suspended and kept its stack. */
    uint64_t stackful_suspensions;
    /** Times a thread was blocked because a fiber could not be suspended. */
    uint64_t blocked_waits;
    /** Fibers that wait for a stack to begin on, because all are out. */
    uint64_t starved;
    /** Stacks in use now: by suspended fibers and by workers, with those that these keep ready. */
    uint64_t stacks_live;
    /** The most stacks that were in use at once. */
    uint64_t stacks_live_max;
} dtact_metrics_t;

/**
 * Writes to `*out` how much a runtime has done. The numbers are read one after the other while the
 * workers go on.
 *
 *     dtact_metrics_t metrics = {.size = sizeof metrics};
 *     status = dtact_runtime_metrics(runtime, &metrics);
 *
 * Never suspends. DTACT_INVALID_ARGUMENT: a pointer is null, or `out->size` is less than the
 * structure of this header has.
 */
dtact_status_t dtact_runtime_metrics(const dtact_runtime_t *runtime, dtact_metrics_t *out);

/**
 * Writes to `buffer` what all fibers of a runtime are doing, as a text for people: a line for each,
 * in a form that may change. As much of it is written as fits into `size` bytes, with a zero at its
 * end; with a size of 0 nothing is, and `buffer` may be null. `*length`, unless `length` is null, is
 * how many bytes the whole text has, without the zero: if that is not less than `size`, it was cut.
 * Fibers come and go, so that the next dump may be longer.
 *
 * Never suspends. It takes memory for the text. DTACT_INVALID_ARGUMENT: `runtime` is null, or
 * `buffer` is, and `size` is not 0.
 */
dtact_status_t dtact_runtime_dump(const dtact_runtime_t *runtime, char *buffer, size_t size,
                                  size_t *length);

/** How a fiber ended: one of the numbers below. Later versions may add some. */
typedef int32_t dtact_outcome_t;

enum {
    /** It has not. */
    DTACT_OUTCOME_RUNNING = 0,
    /** It returned. */
    DTACT_OUTCOME_FINISHED = 1,
    /** It is in Rust and panicked; who joins it has the message. */
    DTACT_OUTCOME_PANICKED = 2,
    /** It was cancelled before it began. */
    DTACT_OUTCOME_CANCELLED = 3
};

/**
 * Writes to `*out` how a fiber ended, or that it has not. What it returned stays for who joins it,
 * and the handle valid.
 *
 * Never suspends. DTACT_INVALID_ARGUMENT: `out` is null. DTACT_STALE_HANDLE: it was joined or
 * detached; or it is that of a launched fiber which has ended, of which no outcome is left.
 * DTACT_BUSY: somebody else is joining it.
 */
dtact_status_t dtact_fiber_outcome(dtact_handle_t handle, dtact_outcome_t *out);

/** What a fiber is doing: one of the numbers below. Later versions may add some. */
typedef int32_t dtact_fiber_state_t;

enum {
    /** It runs, or waits for its turn. */
    DTACT_FIBER_STATE_RUNNABLE = 0,
    /** It waits for something. */
    DTACT_FIBER_STATE_PARKED = 1,
    /** It has ended, and its handle has not been joined or detached. */
    DTACT_FIBER_STATE_ENDED = 2
};

/** What is known of a fiber. */
typedef struct dtact_fiber_info_t {
    /** Set by the caller: the bytes there are. Set by the library: the bytes that were written. */
    size_t size;
    /** What it is doing. */
    dtact_fiber_state_t state;
    /** The number of the worker that alone can go on with it, or -1 if any can. */
    int32_t worker;
    /** How urgent it is. */
    dtact_priority_t priority;
    /** How far it may move. */
    dtact_affinity_t affinity;
    /** What it mostly does. */
    dtact_kind_t kind;
    /** The least size of the stack that it asked for, in bytes; 0 if it did not. */
    uint32_t stack_bytes;
    /** Its name, in UTF-8, cut to 255 bytes; empty if it has none. */
    char name[256];
} dtact_fiber_info_t;

/**
 * Writes to `*out` what is known of a fiber at this moment.
 *
 *     dtact_fiber_info_t info = {.size = sizeof info};
 *     status = dtact_fiber_info(fiber, &info);
 *
 * Never suspends. DTACT_INVALID_ARGUMENT: `out` is null, or `out->size` is less than the structure
 * of this header has. DTACT_STALE_HANDLE: the handle names no fiber, or a launched one that has
 * ended.
 */
dtact_status_t dtact_fiber_info(dtact_handle_t handle, dtact_fiber_info_t *out);

/**@}*/

/** @name The runtime of the process
 *
 * The C API of version 0.2: one runtime for the process, fibers without results, and handles that
 * may be awaited by any number, or by nobody. New programs take the functions above, which say more
 * of what went wrong, and waste less.
 *
 *     dtact_init --> dtact_fiber_launch --> dtact_run, until some fiber calls dtact_shutdown
 */
/**@{*/

/** How the runtime of the process is to be: see dtact_default_config(). */
typedef struct dtact_config_t {
    /** The number of worker threads; 0 for the CPUs that the process may use. */
    uint32_t mWorkers;
    /**
     * How stacks are guarded: 1, by a guard below each; 2, by one at both ends, and idle stacks are
     * inaccessible; 0, not at all: then the caller promises that nothing which runs on a stack needs
     * more bytes than it has, signal handlers included.
     */
    uint8_t mSafetyLevel;
    /** How fibers get from worker to worker: a dtact_topology_mode_t. */
    uint8_t mTopologyMode;
    /** The NUMA node whose memory is preferred; 0: where it is used first. */
    uint8_t mNuma;
    /** How many fibers there may be at a time; 0 for 4096. */
    uint32_t mFiberCapacity;
    /** How large their stacks are, in bytes; 0 for 512 KiB. */
    uint32_t mStackSize;
} dtact_config_t;

/** How a fiber is to be launched: see dtact_default_spawn_options(). */
typedef struct dtact_spawn_options_t {
    /** How urgent it is: a dtact_priority_t. */
    uint8_t mPriority;
    /** How far it may move: a dtact_affinity_t. */
    uint8_t mAffinity;
    /** What it mostly does: a dtact_kind_t. */
    uint8_t mKind;
    /** Where it goes on, and what is kept for it: a dtact_switcher_t. */
    uint8_t mSwitcher;
} dtact_spawn_options_t;

/** The default: all CPUs, guarded stacks of 512 KiB, 4096 fibers. Never suspends. */
dtact_config_t dtact_default_config(void);

/** The default: normal priority, anywhere, computing, on any thread. Never suspends. */
dtact_spawn_options_t dtact_default_spawn_options(void);

/**
 * Starts the runtime of the process. It may be passed on as a `void *`, and where a runtime is
 * asked for above, until it ends by dtact_shutdown(); it must not be freed. After its end there can
 * be another one. By this call the caller promises what is said under "Waiting" above.
 *
 * Never suspends. Null, with a message from dtact_last_error_message(), if `config` is null or asks
 * for what cannot be, if there is a runtime of the process already, or if the operating system
 * refused memory or a thread.
 */
dtact_runtime_t *dtact_init(const dtact_config_t *config);

/**
 * Waits until the runtime of the process has ended, which dtact_shutdown() begins.
 *
 * It blocks the calling thread and never suspends. DTACT_INVALID_ARGUMENT: `runtime` is null.
 * DTACT_NOT_STARTED: it is not what dtact_init() returned, or has ended. DTACT_NOT_ALLOWED: in a
 * fiber or a finalizer.
 */
dtact_status_t dtact_run(void *runtime);

/**
 * Ends the runtime of the process: no fiber can be launched any more, and those there are get
 * cancelled. On a thread it waits until they have ended, however long that takes. In a fiber or a
 * finalizer it returns at once; whoever is in dtact_run(), or calls this on a thread, does the rest.
 *
 * DTACT_NOT_STARTED: there is none, or it has ended.
 */
dtact_status_t dtact_shutdown(void);

/**
 * Launches a fiber that calls `function(arg)`, in the runtime of the process. Its handle can be
 * awaited and cancelled, by any number of callers; it need not be, and cannot be joined or
 * detached.
 *
 * Never suspends. 0, with a message from dtact_last_error_message(), if `function` is null, if
 * there is no runtime of the process or it is ending, or if it has as many fibers as it may have.
 */
dtact_handle_t dtact_fiber_launch(void (*function)(void *), void *arg);

/** The same with options; null means the defaults. 0 also for options that cannot be. */
dtact_handle_t dtact_fiber_launch_ext(void (*function)(void *), void *arg,
                                      const dtact_spawn_options_t *options);

/**
 * As dtact_fiber_launch(). `cleanup(arg)`, unless it is null, is called exactly once, as a
 * dtact_finalizer_t: when the function has returned, or instead of it if the fiber is cancelled
 * before it began or cannot be launched.
 */
dtact_handle_t dtact_fiber_launch_with_cleanup(void (*function)(void *), void *arg,
                                               void (*cleanup)(void *));

/** The same with options; null means the defaults. 0 also for options that cannot be. */
dtact_handle_t dtact_fiber_launch_with_cleanup_ext(void (*function)(void *), void *arg,
                                                   void (*cleanup)(void *),
                                                   const dtact_spawn_options_t *options);

/**
 * Waits until a fiber has ended, in whichever way. The handle stays as it is: that of a launched
 * fiber can be awaited again, that of a spawned one has to be joined or detached all the same.
 *
 * In a fiber it suspends the fiber; elsewhere it blocks the thread. No cancellation cuts it short,
 * so that `arg` of the other fiber may lie on the stack of the calling one.
 *
 * DTACT_STALE_HANDLE: it is 0 or was never given out; or a spawned fiber's that was joined or
 * detached. DTACT_NOT_ALLOWED: in a finalizer, or by the fiber itself.
 */
dtact_status_t dtact_await(dtact_handle_t handle);

/**
 * Asks a fiber to end, a launched one or a spawned one: see dtact_fiber_cancel().
 *
 * Never suspends. DTACT_STALE_HANDLE: as of dtact_await().
 */
dtact_status_t dtact_cancel(dtact_handle_t handle);

/** Calls free(). For an argument from malloc(). Never suspends. */
void dtact_free_arg(void *arg);

/** Says so on the standard error output, and ends the process by abort(). */
void dtact_abort(void);

/**@}*/

/** @name C++ */
/**@{*/

/** The `__cxa_get_globals` of a C++ runtime (Itanium C++ ABI: Exception Handling, 2.2.2). */
typedef void *(*dtact_cxx_globals_t)(void);

/**
 * Says where the C++ runtime keeps the exceptions of a thread, so that fibers may wait inside of
 * catch blocks and of destructors that an exception runs. Once, before fibers are spawned; the
 * same function again does nothing.
 *
 *     dtact_register_cxx_globals(reinterpret_cast<dtact_cxx_globals_t>(&abi::__cxa_get_globals));
 *
 * Never suspends. DTACT_INVALID_ARGUMENT: `get` is null. DTACT_NOT_ALLOWED: another function was
 * registered before.
 */
dtact_status_t dtact_register_cxx_globals(dtact_cxx_globals_t get);

/**@}*/

#ifdef __cplusplus
}
#endif

#endif /* DTACT_H */

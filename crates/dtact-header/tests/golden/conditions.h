/* Functions of Rust that C spawns as fibers. Written by `dtact-header` from their sources:
 * change those, and write it again. */

#ifndef DTACT_EXPORTS_CONDITIONS_H
#define DTACT_EXPORTS_CONDITIONS_H

#include "dtact.h"

enum Kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    KIND_ALWAYS,
#if (defined(IS_UNIX) || defined(HAS_SLOW))
    KIND_AT_TIMES,
#endif
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum Kind Kind;
#else
typedef uint8_t Kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

#if defined(IS_UNIX)
typedef uint32_t Number;
#endif

#if !defined(IS_UNIX)
typedef uint64_t Number;
#endif

/**
 * The result of a fiber that dtact_export_fiber_kind() spawned.
 */
typedef Kind dtact_export_fiber_kind_result_t;

#if defined(IS_UNIX)
/**
 * The result of a fiber that dtact_export_fiber_below() spawned.
 */
typedef bool dtact_export_fiber_below_result_t;
#endif

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Spawns a fiber that runs `always` of Rust, and gives its handle.
 *
 * 0: there can be none. Else whoever calls this joins the fiber, or detaches it.
 * It has no result.
 */
dtact_handle_t dtact_export_fiber_always(void);

#if defined(IS_UNIX)
/**
 * Spawns a fiber that runs `child` of Rust, and gives its handle.
 *
 * 0: there can be none. Else whoever calls this joins the fiber, or detaches it.
 * It has no result.
 */
dtact_handle_t dtact_export_fiber_child(void);
#endif

#if defined(IS_UNIX)
/**
 * Spawns a fiber that runs `inner` of Rust, and gives its handle.
 *
 * 0: there can be none. Else whoever calls this joins the fiber, or detaches it.
 * It has no result.
 */
dtact_handle_t dtact_export_fiber_inner(void);
#endif

#if (defined(HAS_SLOW) && !defined(IS_UNIX))
/**
 * Spawns a fiber that runs `far` of Rust, and gives its handle.
 *
 * 0: there can be none. Else whoever calls this joins the fiber, or detaches it.
 * It has no result.
 */
dtact_handle_t dtact_export_far(Number number);
#endif

/**
 * Spawns a fiber that runs `either` of Rust, and gives its handle.
 *
 * 0: there can be none. Else whoever calls this joins the fiber, or detaches it.
 * It has no result.
 */
dtact_handle_t dtact_export_fiber_either(Number number);

/**
 * Spawns a fiber that runs `kind` of Rust, and gives its handle.
 *
 * 0: there can be none. Else whoever calls this joins the fiber, or detaches it.
 * Its result is of the type `dtact_export_fiber_kind_result_t`:
 * see dtact_fiber_join_into().
 */
dtact_handle_t dtact_export_fiber_kind(void);

#if defined(IS_UNIX)
/**
 * Spawns a fiber that runs `below` of Rust, and gives its handle.
 *
 * 0: there can be none. Else whoever calls this joins the fiber, or detaches it.
 * Its result is of the type `dtact_export_fiber_below_result_t`:
 * see dtact_fiber_join_into().
 */
dtact_handle_t dtact_export_fiber_below(void);
#endif

#if (defined(IS_UNIX) && defined(HAS_SLOW))
/**
 * Spawns a fiber that runs `deeper` of Rust, and gives its handle.
 *
 * 0: there can be none. Else whoever calls this joins the fiber, or detaches it.
 * It has no result.
 */
dtact_handle_t dtact_export_deeper(void);
#endif

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* DTACT_EXPORTS_CONDITIONS_H */

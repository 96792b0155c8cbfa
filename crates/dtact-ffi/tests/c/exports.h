/* Functions of Rust that C spawns as fibers. Written by `dtact-header` from their sources:
 * change those, and write it again. */

#ifndef DTACT_EXPORTS_EXPORTS_H
#define DTACT_EXPORTS_EXPORTS_H

#include "dtact.h"

/**
 * How a place is shown.
 */
enum Colour
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    COLOUR_RED,
    COLOUR_DARK_BLUE = 7,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum Colour Colour;
#else
typedef uint8_t Colour;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Counts, somewhere that C sees nothing of.
 */
typedef struct Counter Counter;

/**
 * A place in the plane.
 */
typedef struct Point {
    /**
     * To the right.
     */
    double x;
    /**
     * Upwards.
     */
    float y;
    uint8_t name[3];
    Colour colour;
} Point;

/**
 * The result of a fiber that dtact_export_mirror() spawned.
 */
typedef struct Point dtact_export_mirror_result_t;

/**
 * The result of a fiber that dtact_export_fiber_counter_new() spawned.
 */
typedef struct Counter *dtact_export_fiber_counter_new_result_t;

/**
 * The result of a fiber that dtact_export_fiber_count() spawned.
 */
typedef size_t dtact_export_fiber_count_result_t;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Mirrors a place, and changes its colour.
 *
 * Spawns a fiber that runs `mirror` of Rust, and gives its handle.
 *
 * 0: there can be none. Else whoever calls this joins the fiber, or detaches it.
 * Its result is of the type `dtact_export_mirror_result_t`:
 * see dtact_fiber_join_into().
 */
dtact_handle_t dtact_export_mirror(struct Point point);

/**
 * A counter, which is freed by `counter_free`.
 *
 * Spawns a fiber that runs `counter_new` of Rust, and gives its handle.
 *
 * 0: there can be none. Else whoever calls this joins the fiber, or detaches it.
 * Its result is of the type `dtact_export_fiber_counter_new_result_t`:
 * see dtact_fiber_join_into().
 */
dtact_handle_t dtact_export_fiber_counter_new(void);

/**
 * Counts.
 *
 * # Safety
 *
 * The counter is one, and nobody else uses it meanwhile.
 *
 * Spawns a fiber that runs `count` of Rust, and gives its handle.
 *
 * 0: there can be none. Else whoever calls this joins the fiber, or detaches it.
 * Its result is of the type `dtact_export_fiber_count_result_t`:
 * see dtact_fiber_join_into().
 */
dtact_handle_t dtact_export_fiber_count(struct Counter *counter, uint32_t by);

/**
 * Frees a counter.
 *
 * # Safety
 *
 * The counter is one, and nobody uses it any more.
 *
 * Spawns a fiber that runs `counter_free` of Rust, and gives its handle.
 *
 * 0: there can be none. Else whoever calls this joins the fiber, or detaches it.
 * It has no result.
 */
dtact_handle_t dtact_export_fiber_counter_free(struct Counter *counter);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* DTACT_EXPORTS_EXPORTS_H */

/* Functions of Rust that C spawns as fibers. Written by `dtact-header` from their sources:
 * change those, and write it again. */

#ifndef DTACT_EXPORTS_VALUES_H
#define DTACT_EXPORTS_VALUES_H

#include "dtact.h"

/**
 * How it looks.
 */
enum Colour
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : uint8_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    COLOUR_RED = 1,
    /**
     * Of the night.
     */
    COLOUR_DARK_BLUE = 16,
    COLOUR_GREEN,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum Colour Colour;
#else
typedef uint8_t Colour;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

typedef struct Hidden Hidden;

/**
 * C has pointers to it, and sees nothing of it.
 */
typedef struct Secret Secret;

typedef union Bits {
    uint32_t whole;
    uint16_t parts[2];
} Bits;

/**
 * A place in the plane.
 *
 * What ends a comment of C, `* /`, does not end this one.
 */
typedef struct Point {
    /**
     * To the right.
     */
    double x;
    float y;
    uint8_t name[8];
    const struct Point *next;
    bool (*on_change)(struct Point*, int);
    Colour colour;
    union Bits bits;
} Point;

typedef double Meters;

typedef size_t Count;

/**
 * The result of a fiber that dtact_export_fiber_numbers() spawned.
 */
typedef uint64_t dtact_export_fiber_numbers_result_t;

/**
 * The result of a fiber that dtact_export_of_c() spawned.
 */
typedef const char *dtact_export_of_c_result_t;

/**
 * The result of a fiber that dtact_export_moved() spawned.
 */
typedef struct Point dtact_export_moved_result_t;

/**
 * The result of a fiber that dtact_export_fiber_opaque() spawned.
 */
typedef struct Secret *dtact_export_fiber_opaque_result_t;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Spawns a fiber that runs `numbers` of Rust, and gives its handle.
 *
 * 0: there can be none. Else whoever calls this joins the fiber, or detaches it.
 * Its result is of the type `dtact_export_fiber_numbers_result_t`:
 * see dtact_fiber_join_into().
 */
dtact_handle_t dtact_export_fiber_numbers(uint8_t a,
                                          int16_t b,
                                          uint32_t c,
                                          int64_t d,
                                          size_t e,
                                          ptrdiff_t f,
                                          float g,
                                          double h,
                                          bool i);

/**
 * Spawns a fiber that runs `of_c` of Rust, and gives its handle.
 *
 * 0: there can be none. Else whoever calls this joins the fiber, or detaches it.
 * Its result is of the type `dtact_export_of_c_result_t`:
 * see dtact_fiber_join_into().
 */
dtact_handle_t dtact_export_of_c(const char *text, int number, void *what);

/**
 * Moves a point.
 *
 * # Safety
 *
 * `from` points to one.
 *
 * Spawns a fiber that runs `moved` of Rust, and gives its handle.
 *
 * 0: there can be none. Else whoever calls this joins the fiber, or detaches it.
 * Its result is of the type `dtact_export_moved_result_t`:
 * see dtact_fiber_join_into().
 */
dtact_handle_t dtact_export_moved(const struct Point *from, Meters by, Count times);

/**
 * Spawns a fiber that runs `opaque` of Rust, and gives its handle.
 *
 * 0: there can be none. Else whoever calls this joins the fiber, or detaches it.
 * Its result is of the type `dtact_export_fiber_opaque_result_t`:
 * see dtact_fiber_join_into().
 */
dtact_handle_t dtact_export_fiber_opaque(struct Secret *secret,
                                         const struct Hidden *hidden,
                                         const uint8_t (*all)[4]);

/**
 * Spawns a fiber that runs `nothing` of Rust, and gives its handle.
 *
 * 0: there can be none. Else whoever calls this joins the fiber, or detaches it.
 * It has no result.
 */
dtact_handle_t dtact_export_fiber_nothing(void);

/**
 * Spawns a fiber that runs `unit` of Rust, and gives its handle.
 *
 * 0: there can be none. Else whoever calls this joins the fiber, or detaches it.
 * It has no result.
 */
dtact_handle_t dtact_export_unit(Colour colour, union Bits bits);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* DTACT_EXPORTS_VALUES_H */

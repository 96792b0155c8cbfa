/* Functions of Rust that C spawns as fibers. Written by `dtact-header` from their sources:
 * change those, and write it again. */

#ifndef DTACT_EXPORTS_NAMES_H
#define DTACT_EXPORTS_NAMES_H

#include "dtact.h"

typedef struct Pair {
    uint32_t default_;
    uint32_t asm_;
    uint32_t fn;
} Pair;

/**
 * The result of a fiber that dtact_export_deep() spawned.
 */
typedef int8_t dtact_export_deep_result_t;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Spawns a fiber that runs `full_path` of Rust, and gives its handle.
 *
 * 0: there can be none. Else whoever calls this joins the fiber, or detaches it.
 * It has no result.
 */
dtact_handle_t dtact_export_fiber_full_path(void);

/**
 * Spawns a fiber that runs `match` of Rust, and gives its handle.
 *
 * 0: there can be none. Else whoever calls this joins the fiber, or detaches it.
 * It has no result.
 */
dtact_handle_t dtact_export_match(uint8_t type,
                                  uint8_t struct_,
                                  uint8_t int_,
                                  uint8_t class_,
                                  uint8_t restrict_,
                                  uint8_t and_);

/**
 * Spawns a fiber that runs `patterns` of Rust, and gives its handle.
 *
 * 0: there can be none. Else whoever calls this joins the fiber, or detaches it.
 * It has no result.
 */
dtact_handle_t dtact_export_fiber_patterns(uint32_t a,
                                           uint32_t argument_1,
                                           struct Pair argument_2,
                                           uint8_t argument_3,
                                           uint8_t argument_4);

/**
 * Spawns a fiber that runs `deep` of Rust, and gives its handle.
 *
 * 0: there can be none. Else whoever calls this joins the fiber, or detaches it.
 * Its result is of the type `dtact_export_deep_result_t`:
 * see dtact_fiber_join_into().
 */
dtact_handle_t dtact_export_deep(void);

/**
 * Spawns a fiber that runs `in_a_body` of Rust, and gives its handle.
 *
 * 0: there can be none. Else whoever calls this joins the fiber, or detaches it.
 * It has no result.
 */
dtact_handle_t dtact_export_fiber_in_a_body(void);

/**
 * Spawns a fiber that runs `in_a_method` of Rust, and gives its handle.
 *
 * 0: there can be none. Else whoever calls this joins the fiber, or detaches it.
 * It has no result.
 */
dtact_handle_t dtact_export_fiber_in_a_method(void);

/**
 * Of the same name, and not the same.
 *
 * Spawns a fiber that runs `full_path_2` of Rust, and gives its handle.
 *
 * 0: there can be none. Else whoever calls this joins the fiber, or detaches it.
 * It has no result.
 */
dtact_handle_t dtact_export_full_path_2(void);

/**
 * Spawns a fiber that runs `full_path` of Rust, and gives its handle.
 *
 * 0: there can be none. Else whoever calls this joins the fiber, or detaches it.
 * It has no result.
 */
dtact_handle_t dtact_export_full_path(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* DTACT_EXPORTS_NAMES_H */

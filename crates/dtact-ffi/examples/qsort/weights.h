/* Functions of Rust that C spawns as fibers. Written by `dtact-header` from their sources:
 * change those, and write it again. */

#ifndef DTACT_EXPORTS_WEIGHTS_H
#define DTACT_EXPORTS_WEIGHTS_H

#include "dtact.h"

/**
 * The result of a fiber that dtact_export_weight() spawned.
 */
typedef uint32_t dtact_export_weight_result_t;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * How much a thing weighs; it takes a while to find out.
 *
 * Spawns a fiber that runs `weight` of Rust, and gives its handle.
 *
 * 0: there can be none. Else whoever calls this joins the fiber, or detaches it.
 * Its result is of the type `dtact_export_weight_result_t`:
 * see dtact_fiber_join_into().
 */
dtact_handle_t dtact_export_weight(uint32_t thing);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* DTACT_EXPORTS_WEIGHTS_H */

/* The header stands alone, twice, and its numbers are constants. */
#include <dtact.h>
#include <dtact.h>

_Static_assert(DTACT_OK == 0, "success is zero");
_Static_assert(sizeof(dtact_status_t) == 4, "a status has 32 bits");
_Static_assert(sizeof(dtact_handle_t) == 8, "a handle has 64 bits");

int main(void) {
    return dtact_version() == DTACT_VERSION ? 0 : 1;
}

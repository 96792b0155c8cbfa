/* Ends the process. */
#include <dtact.h>

int main(void) {
    dtact_abort();
    return 0;
}

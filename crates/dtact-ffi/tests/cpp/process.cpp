// The same program of the C API of 0.2 is one of C++.
#include "../c/process.c"

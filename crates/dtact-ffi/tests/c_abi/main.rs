//! The library as C and C++ see it: its header, and programs that use it.

mod header;
mod programs;
mod signatures;
mod toolchain;

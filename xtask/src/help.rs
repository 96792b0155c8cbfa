//! What the commands are.

/// Prints one line for each command.
pub(crate) fn print() {
    println!("{TEXT}");
}

const TEXT: &str = "\
cargo xtask <command>

  ci [--install]   every step below down to `cross-test`, the cheap ones first; with --install,
                   missing tools are got first
  tidy [--write]   the rules of the house that no other tool knows; --write writes what is
                   generated of the sources
  fmt [--check]    lay out the code, or say where it is not laid out
  lint             clippy, warnings refused
  alone            each crate built by itself; the leaves depend on none of the others
  test [args]      all tests; with arguments, `cargo test` with these
  doc              the documentation, warnings refused
  loom             the lock-free code in every interleaving, up to LOOM_MAX_PREEMPTIONS (2)
  stress [--seed N] [--seconds N] [--workers N]
                   fibers by chance for N (20) seconds, their traces checked
  shuttle          the whole mesh under DTACT_SCHEDULES (100000) schedules by chance
  cabi             the C ABI, used from C and from C++
  deny             licences, duplicates and sources of the dependencies
  miri             the pure Rust parts under Miri; needs nightly
  asan             tests, programs of C, planted bugs under AddressSanitizer; needs nightly; in
                   `ci` the tests of the switch alone
  tsan             tests and planted bugs under ThreadSanitizer, not in `ci`; needs nightly with
                   rust-src
  valgrind         tests of the switch, programs of C, and a planted bug under Valgrind
  careful [crates] the tests with a standard library that checks what its callers promise; needs
                   nightly with rust-src; not in `ci`
  coverage [crates]
                   which lines the tests run: a table, and pages; needs the component llvm-tools
  selftest [names] each checker against bugs that are planted for it; not in `ci`
  cross-test [--install] [--quick] [--write] [--target T]... [--crate C]...
                   the tests on other targets, processors and page sizes, under an emulator
                   where needed; targets that nothing here can run are linted, assembled and
                   read. Prints a table; --write writes that of the README, --quick does what
                   `ci` does
  bench [args]     Dtact beside its peers, in release, each in a process of its own
  bench-report     the tables and plots of what it measured; --write writes them into the docs
  sim-plots        simulate the scheduler, and draw the plots of docs/scheduling.md
  bench-arena      stacks and cells beside their peers, in release
  bench-ffi        fibers launched from C, beside Rust and Boost.Fiber
  fuzz [--seconds N] [target]
                   the fuzz targets, each for N (60) seconds; needs nightly
  install-ffi --prefix DIR [--destdir DIR]
                   the C library, with what pkg-config and CMake need to find it
  bench-switch [args]
                   the same for the switch and its coroutines
  help             this text

A step whose tool is missing prints SKIPPED with the command that gets it, and is counted.";

#[cfg(test)]
mod tests {
    use super::TEXT;
    use crate::steps;

    #[test]
    fn the_help_names_every_step() {
        for step in steps::ALL {
            let line = format!("\n  {}", step.command);
            assert!(TEXT.contains(&line), "{} is not in the help", step.command);
        }
    }
}

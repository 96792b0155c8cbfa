//! The C ABI as C and C++ see it: the tests of `dtact-ffi` compile and run programs in both.

use crate::outcome::Halt;
use crate::shell::{Shell, Tool};

const COMPILERS: [Tool; 2] = [
    Tool {
        name: "a C compiler",
        probe: &["cc", "--version"],
        get: "apt-get update && apt-get install -y gcc libc6-dev",
        may_lack: false,
    },
    Tool {
        name: "a C++ compiler",
        probe: &["c++", "--version"],
        get: "apt-get update && apt-get install -y g++",
        may_lack: false,
    },
];

/// Makes sure of both compilers, then builds and runs the programs.
pub(crate) fn run(shell: &Shell) -> Result<(), Halt> {
    for compiler in &COMPILERS {
        shell.need(compiler)?;
    }
    shell.run(&["cargo", "test", "-p", "dtact-ffi"])
}

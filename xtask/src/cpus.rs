//! The switch on a processor that has less than the emulator's usual one, which has all it knows.

use crate::cross;
use crate::outcome::Halt;
use crate::shell::Shell;

/// Without signed return addresses, and without checks of where branches land.
const PROCESSORS: [&str; 1] = ["cortex-a57"];

/// Runs the tests of the switch for AArch64 on each.
pub(crate) fn run(shell: &Shell) -> Result<(), Halt> {
    PROCESSORS
        .iter()
        .map(|processor| {
            let emulator = format!("qemu-aarch64 -cpu {processor} -L /usr/aarch64-linux-gnu");
            cross::test_under(
                shell,
                "aarch64-unknown-linux-gnu",
                &emulator,
                "dtact-switch",
            )
        })
        .fold(Ok(()), Result::and)
}

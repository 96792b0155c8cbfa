//! The switch on processors that have less, or that check more, than the emulator's usual one.

use crate::cross;
use crate::outcome::Halt;
use crate::shell::Shell;

/// One without signed return addresses and without checks of where branches land, and one with all
/// that the emulator knows.
const PROCESSORS: [&str; 2] = ["cortex-a57", "max"];

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

//! The leaves on other targets than the one this machine builds for.

use crate::outcome::Halt;
use crate::shell::{Shell, Tool};

const MUSL: &str = "x86_64-unknown-linux-musl";

/// rustc names the folder whether or not the library is in it.
const MUSL_STD: Tool = Tool {
    name: "the standard library for x86_64-unknown-linux-musl",
    probe: &[
        "sh",
        "-c",
        "test -e \"$(rustc --print target-libdir --target $0)\"",
        MUSL,
    ],
    get: "rustup target add x86_64-unknown-linux-musl",
    may_lack: false,
};

/// Builds and tests the leaves for `target`.
pub(crate) fn run(shell: &Shell, target: &str) -> Result<(), Halt> {
    if target != MUSL {
        let arch = target
            .split('-')
            .next()
            .unwrap_or(target)
            .trim_end_matches("gc");
        return Err(Halt::Unsupported(format!(
            "dtact-switch has no assembly for {arch} yet"
        )));
    }
    shell.need(&MUSL_STD)?;
    let line = ["cargo", "test", "--target", target];
    let leaves = [
        "-p",
        "dtact-switch",
        "-p",
        "dtact-arena",
        "-p",
        "dtact-mesh",
    ];
    shell.run(&[&line[..], &leaves].concat())
}

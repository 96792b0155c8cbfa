//! What the crates depend on: licences, duplicates, sources, as `deny.toml` says.

use crate::outcome::Halt;
use crate::shell::{Shell, Tool};

const CARGO_DENY: Tool = Tool {
    name: "cargo-deny",
    probe: &["cargo", "deny", "--version"],
    get: "cargo install --locked cargo-deny@0.20.2",
    may_lack: false,
};

/// Checks bans, licences and sources; advisories need a database from the network.
pub(crate) fn run(shell: &Shell) -> Result<(), Halt> {
    shell.need(&CARGO_DENY)?;
    // Packages for other platforms have licences too, and building here never fetched them.
    if let Err(halt) = shell.run(&["cargo", "fetch", "--locked"]) {
        println!("{halt}; going on with what is here");
    }
    shell.run(&[
        "cargo",
        "deny",
        "--offline",
        "check",
        "bans",
        "licenses",
        "sources",
    ])
}

//! The targets that nothing here can run: their code is checked, linted and assembled, and what can
//! be read off the machine code is.

use super::Wanted;
use super::table::{Row, What};
use crate::outcome::Halt;
use crate::shell::{Shell, Tool};

/// The crates that compile for all of these targets.
const CRATES: &[&str] = &["dtact-switch", "dtact-arena"];

/// A target, and what its code does with x18, which on some systems is the system's own.
struct Target {
    triple: &'static str,
    x18: X18,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum X18 {
    /// A register like any other, or not of this architecture.
    Free,
    /// Never named.
    Reserved,
    /// Named as the base of an address, and in no other way.
    Base,
}

const TARGETS: &[Target] = &[
    target("x86_64-apple-darwin", X18::Free),
    target("aarch64-apple-darwin", X18::Reserved),
    target("x86_64-pc-windows-msvc", X18::Free),
    target("aarch64-pc-windows-msvc", X18::Base),
    target("x86_64-unknown-freebsd", X18::Free),
    target("x86_64-unknown-linux-musl", X18::Free),
    target("aarch64-unknown-linux-musl", X18::Free),
];

/// What is not even checked, and why.
const LEFT_OUT: &[(&str, &str)] = &[(
    "riscv64gc-unknown-linux-musl",
    "rustup offers no standard library for it",
)];

/// A target that has a standard library and no port of the switch.
const UNSUPPORTED: &str = "i686-unknown-linux-gnu";

const fn target(triple: &'static str, x18: X18) -> Target {
    Target { triple, x18 }
}

const OBJDUMP: Tool = Tool {
    name: "llvm-objdump",
    probe: &["llvm-objdump", "--version"],
    get: "apt-get update && apt-get install -y --no-install-recommends llvm",
    may_lack: false,
};

const LIBRARIES: Tool = Tool {
    name: "the standard libraries of targets that cannot run here",
    probe: &[
        "sh",
        "-c",
        "for target in x86_64-apple-darwin aarch64-apple-darwin x86_64-pc-windows-msvc \
         aarch64-pc-windows-msvc x86_64-unknown-freebsd x86_64-unknown-linux-musl \
         aarch64-unknown-linux-musl i686-unknown-linux-gnu; do \
         test -e \"$(rustc --print target-libdir --target $target)\" || exit 1; done",
    ],
    get: "rustup target add x86_64-apple-darwin aarch64-apple-darwin x86_64-pc-windows-msvc \
          aarch64-pc-windows-msvc x86_64-unknown-freebsd x86_64-unknown-linux-musl \
          aarch64-unknown-linux-musl i686-unknown-linux-gnu",
    may_lack: false,
};

/// The targets of which anything is known here.
pub(super) fn triples() -> impl Iterator<Item = &'static str> {
    let left_out = LEFT_OUT.iter().map(|(triple, _)| *triple);
    TARGETS.iter().map(|target| target.triple).chain(left_out)
}

/// Checks each crate for each target, as far as they are wanted.
pub(super) fn rows(shell: &Shell, wanted: &Wanted<'_>) -> Vec<Row> {
    let crates = wanted.crates(CRATES);
    let mut rows = Vec::new();
    for (triple, why) in LEFT_OUT {
        if wanted.target(|word| word == *triple) {
            rows.push(Row::new(triple, "all", What::LeftOut((*why).to_owned())));
        }
    }
    let mut row = |triple: &str, result: Result<(), Halt>| {
        let what = result.map_or_else(What::Halted, |()| What::Checked);
        rows.push(Row::new(triple, &crates.join(", "), what));
    };
    let targets = TARGETS.iter().filter(|_| !crates.is_empty());
    for target in targets.filter(|target| wanted.target(|word| word == target.triple)) {
        row(target.triple, check(shell, target, &crates));
    }
    if wanted.targets.is_empty() && crates.contains(&"dtact-switch") {
        row(UNSUPPORTED, refuse(shell));
    }
    rows
}

fn check(shell: &Shell, target: &Target, crates: &[&str]) -> Result<(), Halt> {
    shell.need(&LIBRARIES)?;
    shell.need(&OBJDUMP)?;
    lint(shell, target, crates)?;
    assemble(shell, target.triple)?;
    read(shell, target)
}

/// Clippy checks types on its way.
fn lint(shell: &Shell, target: &Target, crates: &[&str]) -> Result<(), Halt> {
    for name in crates {
        let mut line = vec!["cargo", "clippy", "--locked", "--target", target.triple];
        line.extend(["-p", name]);
        // The tests of the arena make stacks of the system's, which they know on Linux alone.
        let is_all = *name == "dtact-switch";
        line.push(if is_all { "--all-targets" } else { "--lib" });
        line.extend(["--", "-D", "warnings"]);
        shell.run(&line)?;
    }
    Ok(())
}

/// In release, where assembly meets the optimiser, and without link-time optimisation, which would
/// leave the assembling to the linker.
fn assemble(shell: &Shell, triple: &str) -> Result<(), Halt> {
    let mut line = vec!["cargo", "build", "--locked", "--release", "--lib"];
    line.extend(["--target", triple]);
    line.extend(CRATES.iter().flat_map(|name| ["-p", name]));
    let unlinked = [("CARGO_PROFILE_RELEASE_LTO", "off")];
    shell.run_with(&unlinked, &line)?;
    let mut forms = vec!["cargo", "build", "--locked", "--release"];
    forms.extend([
        "--target",
        triple,
        "-p",
        "dtact-switch",
        "--example",
        "forms",
    ]);
    shell.run_with(&unlinked, &forms)
}

/// Looks at the machine code of every form of the switch.
fn read(shell: &Shell, target: &Target) -> Result<(), Halt> {
    let folder = shell.target().join(target.triple).join("release");
    let mut code = String::new();
    for file in ["libdtact_switch.rlib", "examples/libforms.rlib"] {
        let path = folder.join(file);
        code += &shell.read(&["llvm-objdump", "-d", &path.to_string_lossy()])?;
    }
    // Ten functions of the example, two naked forms, and the start of a stack.
    let functions = [
        "inline_float",
        "publishing_no_float",
        "switch_naked_no_float",
        "resume_no_float",
        "suspend_no_float",
    ];
    for name in functions {
        if !code.contains(name) {
            let text = format!("{name} is not in the machine code for {}", target.triple);
            return Err(Halt::failed(text));
        }
    }
    match misuse_of_x18(&code, target.x18) {
        Some(line) => Err(Halt::failed(format!(
            "x18 belongs to the system on {}: {line}",
            target.triple
        ))),
        None => Ok(()),
    }
}

/// The first instruction that uses x18 as it must not.
fn misuse_of_x18(code: &str, x18: X18) -> Option<&str> {
    if x18 == X18::Free {
        return None;
    }
    // An instruction: its address, a colon, its bytes, its text.
    let instructions = code.lines().filter(|line| line.starts_with(' '));
    instructions
        .filter(|line| names(line, "x18") || names(line, "w18"))
        .find(|line| {
            let is_written_back = line.ends_with('!') || line.contains("], ");
            let others = line.replace("[x18", "[");
            let is_base = !names(&others, "x18") && !names(&others, "w18") && !is_written_back;
            !(x18 == X18::Base && is_base)
        })
}

/// Whether a line has this word.
fn names(line: &str, word: &str) -> bool {
    line.split(|letter: char| !letter.is_ascii_alphanumeric())
        .any(|part| part == word)
}

/// Where there is no port there is one error, and it says where to read on.
fn refuse(shell: &Shell) -> Result<(), Halt> {
    let line = [
        "cargo",
        "check",
        "--locked",
        "-p",
        "dtact-switch",
        "--target",
        UNSUPPORTED,
    ];
    let said = shell.read_failure(&line)?;
    let errors = said
        .lines()
        .filter(|line| line.starts_with("error") && !line.contains("could not compile"))
        .count();
    if errors != 1 || !said.contains("docs/porting.md") {
        return Err(Halt::failed(format!(
            "{UNSUPPORTED} has no port, and is to be refused by one error that names \
             docs/porting.md:\n{said}"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tool_gets_the_library_of_every_target() {
        let triples = TARGETS.iter().map(|target| target.triple);
        for triple in triples.chain([UNSUPPORTED]) {
            assert!(LIBRARIES.get.contains(triple), "{triple}");
            assert!(LIBRARIES.probe[2].contains(triple), "{triple}");
        }
    }

    #[test]
    fn x18_may_be_the_base_of_an_address_and_nothing_else() {
        let base =
            "      44: 43 02 40 f9  \tldr\tx3, [x18]\n  48: 44 06 40 f9 \tstr\tw4, [x18, #8]";
        assert_eq!(misuse_of_x18(base, X18::Base), None);
        assert!(misuse_of_x18(base, X18::Reserved).is_some());
        assert_eq!(misuse_of_x18(base, X18::Free), None);
        for text in [
            "  0: 00 \tmov\tx18, x0",
            "  0: 00 \tldr\tw18, [x0]",
            "  0: 00 \tstr\tx18, [x18]",
            "  0: 00 \tldr\tx3, [x18, #8]!",
            "  0: 00 \tldr\tx3, [x18], #8",
        ] {
            assert_eq!(misuse_of_x18(text, X18::Base), Some(text));
        }
        let others = "0000 <has_x18_in_its_name>:\n  0: 00 \tmov\tx1, x8";
        assert_eq!(misuse_of_x18(others, X18::Reserved), None);
    }
}

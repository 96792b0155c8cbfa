//! The project's own commands: what CI runs, a contributor runs by the same name.
//!
//! ```text
//! cargo xtask ci
//!       |
//!       v
//!    main.rs --- finds the command in ----> steps.rs: the table of steps, cheap ones first
//!                                              |
//!    ci.rs: runs the table, counts             v
//!                                 fmt.rs, lint.rs, …: one file per step
//!                                              |
//!                                              v
//!                                 shell.rs: runs programs, prints them, installs tools
//! ```
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    reason = "a command-line program: its output is its purpose"
)]

mod alone;
mod bench;
mod bench_ffi;
mod bench_switch;
mod cabi;
mod careful;
mod ci;
mod coverage;
mod cross_test;
mod deny;
mod doc;
mod fmt;
mod fuzz;
mod help;
mod install_ffi;
mod lint;
mod loom;
mod miri;
mod outcome;
mod planted;
mod sanitizer;
mod selftest;
mod shell;
mod shuttle;
mod sim_plots;
mod steps;
mod stress;
mod test;
mod tidy;
mod valgrind;
mod wine;

use std::process::ExitCode;

use outcome::Halt;
use shell::Shell;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let shell = Shell::new(words.contains(&"--install"));
    match words.as_slice() {
        ["ci"] | ["ci", "--install"] => ci::run(&shell),
        ["bench", rest @ ..] => exit(&[bench::run(&shell, rest)]),
        ["bench-report", rest @ ..] => exit(&[bench::report(&shell, rest)]),
        ["bench-ffi"] => exit(&[bench_ffi::run(&shell)]),
        ["fuzz", rest @ ..] => exit(&[fuzz::run(&shell, rest)]),
        ["install-ffi", rest @ ..] => exit(&[install_ffi::run(&shell, rest)]),
        ["bench-arena", rest @ ..] => exit(&[bench::run_arena(&shell, rest)]),
        ["asan"] => exit(&[sanitizer::ADDRESS.all(&shell)]),
        ["careful", rest @ ..] => exit(&[careful::run(&shell, &crates(rest))]),
        ["coverage", rest @ ..] => exit(&[coverage::run(&shell, &crates(rest))]),
        ["selftest", rest @ ..] => exit(&[selftest::run(&shell, &crates(rest))]),
        ["valgrind"] => exit(&[valgrind::run(&shell)]),
        ["tsan"] => exit(&[sanitizer::THREAD.all(&shell)]),
        ["shuttle"] => exit(&[shuttle::all(&shell)]),
        ["stress", rest @ ..] => exit(&[stress::run(&shell, rest)]),
        ["sim-plots"] => exit(&[sim_plots::run(&shell)]),
        ["bench-switch", rest @ ..] => exit(&[bench_switch::run(&shell, rest)]),
        ["fmt"] => exit(&[fmt::write(&shell)]),
        ["tidy", "--write"] => exit(&[tidy::write(&shell)]),
        ["fmt", "--check"] => exit(&[fmt::check(&shell)]),
        // As `ci` names it.
        [command, detail] if steps::one(command, detail).is_some() => {
            let step = steps::one(command, detail).into_iter();
            let results: Vec<_> = step.map(|step| step.run(&shell)).collect();
            exit(&results)
        }
        ["cross-test", rest @ ..] => exit(&[cross_test::run(&shell, rest)]),
        ["test", rest @ ..] if !rest.is_empty() => exit(&[test::some(&shell, rest)]),
        [] | ["help" | "--help" | "-h"] => {
            help::print();
            ExitCode::SUCCESS
        }
        [command] if steps::of(command).next().is_some() => {
            let results: Vec<_> = steps::of(command).map(|step| step.run(&shell)).collect();
            exit(&results)
        }
        _ => {
            println!(
                "xtask: `{}` is no command; see `cargo xtask help`",
                words.join(" ")
            );
            ExitCode::from(2)
        }
    }
}

/// The names of crates among arguments, which may say `--install` beside.
fn crates<'a>(args: &[&'a str]) -> Vec<&'a str> {
    let mut names = args.to_vec();
    names.retain(|arg| *arg != "--install");
    names
}

/// How a command on its own ends: a step that could not run did not succeed.
fn exit(results: &[Result<(), Halt>]) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for halt in results.iter().filter_map(|result| result.as_ref().err()) {
        println!("{halt}");
        if !halt.is_unsupported() {
            code = ExitCode::FAILURE;
        }
    }
    code
}

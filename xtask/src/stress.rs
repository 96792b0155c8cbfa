//! Fibers that do what they can do by chance, with the trace of all of it checked, for as long as
//! asked.

use crate::outcome::Halt;
use crate::shell::Shell;

/// Runs the stress: `--seed N --seconds N --workers N`, each of which may be left out.
///
/// # Errors
///
/// When an option is unknown, and when a trace is not in order: then it prints the seed.
pub(crate) fn run(shell: &Shell, args: &[&str]) -> Result<(), Halt> {
    let mut vars = vec![("DTACT_STRESS_SECONDS", "20")];
    for option in args.chunks(2) {
        let (name, value) = match *option {
            ["--seed", value] => ("DTACT_STRESS_SEED", value),
            ["--seconds", value] => ("DTACT_STRESS_SECONDS", value),
            ["--workers", value] => ("DTACT_STRESS_WORKERS", value),
            _ => return Err(Halt::failed(format!("`{}` is no option", option.join(" ")))),
        };
        if value.parse::<u64>().is_err() {
            return Err(Halt::failed(format!("{name}: `{value}` is no number")));
        }
        vars.retain(|(other, _)| *other != name);
        vars.push((name, value));
    }
    let line = [
        "cargo",
        "test",
        "--release",
        "-p",
        "dtact",
        "--test",
        "stress",
    ];
    shell.run_with(&vars, &[&line[..], &["--", "--nocapture"]].concat())
}

//! `dtact-header`: writes the C header for what is exported from Rust, or compares it.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line program: its output is its purpose"
)]

use std::{env, ffi::OsString, process::ExitCode};

use dtact_header::Header;

const USAGE: &str = "\
Writes the C header for the functions of Rust that `#[export_async]` and `#[export_fiber]` export.

usage: dtact-header --out FILE [--define CONDITION=NAME]... SOURCE...
       dtact-header --check FILE [--define CONDITION=NAME]... SOURCE...

  SOURCE    a file of Rust, or a folder, of which all files are read
  --out     the header to write
  --check   the header to compare, and to leave as it is: the exit status says whether it differs
  --define  what C has in place of a condition of Rust:
            --define unix=IS_UNIX, --define 'feature = \"slow\"=HAS_SLOW'
";

/// What is to be done.
struct Command {
    header: Header,
    is_check: bool,
}

fn main() -> ExitCode {
    let args: Vec<_> = env::args_os().skip(1).collect();
    if args.iter().any(|arg| arg == "--help" || arg == "-h") {
        print!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let command = match command(args) {
        Ok(command) => command,
        Err(text) => {
            eprintln!("error: {text}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let done = if command.is_check {
        command.header.check()
    } else {
        command.header.write()
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Reads the words of the command, or says what is wrong with them.
fn command(args: Vec<OsString>) -> Result<Command, String> {
    let mut target = None;
    let (mut sources, mut defines) = (Vec::new(), Vec::new());
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        let option = arg.to_str().filter(|arg| arg.starts_with('-'));
        let Some(option) = option.map(str::to_owned) else {
            sources.push(arg);
            continue;
        };
        let value = args
            .next()
            .ok_or_else(|| format!("`{option}` needs a value"))?;
        match option.as_str() {
            "--out" | "--check" => {
                if target.replace((value, option == "--check")).is_some() {
                    return Err("one `--out` or `--check` at a time".to_owned());
                }
            }
            "--define" => {
                let value = value.to_string_lossy();
                let (condition, name) = value
                    .rsplit_once('=')
                    .ok_or("`--define` needs CONDITION=NAME")?;
                defines.push((condition.trim().to_owned(), name.trim().to_owned()));
            }
            _ => return Err(format!("`{option}` is not known")),
        }
    }
    let (path, is_check) = target.ok_or("`--out FILE` or `--check FILE` is missing")?;
    if sources.is_empty() {
        return Err("name at least one SOURCE".to_owned());
    }
    let header = sources.into_iter().fold(Header::new(path), Header::source);
    let header = defines
        .into_iter()
        .fold(header, |header, (condition, name)| {
            header.define(condition, name)
        });
    Ok(Command { header, is_check })
}

//! The page of published figures: what stands between the two markers of a command is its work.

use std::{fs, io, path::Path, process::Command};

/// Replaces what stands between the markers of `cargo xtask COMMAND --write` in `page`.
pub(crate) fn write(page: &Path, command: &str, text: &str) -> io::Result<()> {
    let [begin, end] = markers(command);
    let old = fs::read_to_string(page)?;
    let missing = || io::Error::other(format!("{} has lost its markers", page.display()));
    let (before, rest) = old.split_once(&begin).ok_or_else(missing)?;
    let (_, after) = rest.split_once(&end).ok_or_else(missing)?;
    fs::write(page, format!("{before}{begin}\n\n{text}\n\n{end}{after}"))
}

fn markers(command: &str) -> [String; 2] {
    ["begin", "end"]
        .map(|which| format!("<!-- written by `cargo xtask {command} --write`: {which} -->"))
}

/// Where and how the figures were taken.
pub(crate) fn circumstances(rounds: usize) -> String {
    let cpus = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let load = first_words("/proc/loadavg", 1);
    format!(
        "Commit {}; {cpus} CPUs ({}); Linux {}; {}; {rounds} rounds, \
         interleaved; load at the end {load}.",
        answer("git", &["rev-parse", "--short", "HEAD"]),
        processor(),
        first_words("/proc/sys/kernel/osrelease", 1),
        answer("rustc", &["--version"]),
    )
}

fn answer(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or_else(|error| format!("({program}: {error})"))
}

fn first_words(path: &str, count: usize) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace()
        .take(count)
        .collect::<Vec<_>>()
        .join(" ")
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("model name"));
    let name = line
        .and_then(|line| line.split_once(':'))
        .map(|(_, name)| name.trim());
    name.unwrap_or("of unknown make").to_owned()
}

#[cfg(test)]
mod tests {
    use super::{markers, write};

    #[test]
    fn only_what_stands_between_the_markers_changes() {
        let page = std::env::temp_dir().join(format!("dtact-page-{}", std::process::id()));
        let [begin, end] = markers("bench");
        let [other, rest] = markers("bench-other");
        let around = |what| format!("above\n{other}\n{rest}\n{begin}{what}{end}\nbelow\n");
        std::fs::write(&page, around("\nold\n")).unwrap();
        write(&page, "bench", "new").unwrap();
        let text = std::fs::read_to_string(&page).unwrap();
        std::fs::remove_file(&page).unwrap();
        assert_eq!(text, around("\n\nnew\n\n"));
    }
}

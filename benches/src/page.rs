//! The page of published figures: the part between two markers is written by this program.

use std::{fs, io, path::Path, process::Command};

const BEGIN: &str = "<!-- written by `cargo xtask bench --write`: begin -->";
const END: &str = "<!-- written by `cargo xtask bench --write`: end -->";

/// Replaces what stands between the markers of `page`.
pub(crate) fn write(page: &Path, text: &str) -> io::Result<()> {
    let old = fs::read_to_string(page)?;
    let missing = || io::Error::other(format!("{} has lost its markers", page.display()));
    let (before, rest) = old.split_once(BEGIN).ok_or_else(missing)?;
    let (_, after) = rest.split_once(END).ok_or_else(missing)?;
    fs::write(page, format!("{before}{BEGIN}\n\n{text}\n\n{END}{after}"))
}

/// Where and how the figures were taken.
pub(crate) fn circumstances(workers: usize, rounds: usize) -> String {
    let cpus = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let load = first_words("/proc/loadavg", 1);
    format!(
        "Commit {}; {workers} workers on {cpus} CPUs ({}); Linux {}; {}; {rounds} rounds, \
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
    use super::{BEGIN, END, write};

    #[test]
    fn only_what_stands_between_the_markers_changes() {
        let page = std::env::temp_dir().join(format!("dtact-page-{}", std::process::id()));
        std::fs::write(&page, format!("above\n{BEGIN}\nold\n{END}\nbelow\n")).unwrap();
        write(&page, "new").unwrap();
        let text = std::fs::read_to_string(&page).unwrap();
        std::fs::remove_file(&page).unwrap();
        assert_eq!(text, format!("above\n{BEGIN}\n\nnew\n\n{END}\nbelow\n"));
    }
}

//! Instructions of an operation, counted by callgrind: the difference of two runs, divided by the
//! difference of their lengths. On one worker, so that nobody spins.

use std::{
    env,
    fmt::Write as _,
    fs, io,
    process::{Command, Stdio},
};

use crate::{
    options::Options,
    runtime,
    workload::{self, Workload},
};

/// The runs of each contestant, and what callgrind can follow.
const COUNTED: [(&str, [usize; 2]); 14] = [
    ("spawn-join", [20_000, 40_000]),
    ("spawn-join/serial", [5_000, 10_000]),
    ("spawn-join/outside", [5_000, 10_000]),
    ("yield/1", [10_000, 20_000]),
    ("yield/1000", [20_000, 40_000]),
    ("yield/100000", [1_000_000, 2_000_000]),
    ("ping-pong", [5_000, 10_000]),
    ("ping-pong/wakers", [5_000, 10_000]),
    ("skynet", [10_000, 100_000]),
    ("fan-in", [20_000, 40_000]),
    ("future/1K", [2_000, 4_000]),
    ("future/4K", [2_000, 4_000]),
    ("future/8K", [2_000, 4_000]),
    ("future/16K", [2_000, 4_000]),
];

/// A table of them.
///
/// # Errors
///
/// When valgrind cannot be started.
pub(crate) fn run(options: &Options) -> io::Result<String> {
    let mut text = format!("| workload | {} |\n|", runtime::NAMES.join(" | "));
    text.push_str(&" --- |".repeat(1 + runtime::NAMES.len()));
    for (name, counts) in COUNTED {
        if !name.starts_with(&options.only) {
            continue;
        }
        let Some(workload) = workload::find(name) else {
            continue;
        };
        let _ = write!(text, "\n| `{name}` |");
        for contestant in runtime::NAMES {
            match of(workload, contestant, counts)? {
                Some(instructions) => {
                    let _ = write!(text, " {} |", grouped(instructions));
                }
                None => text.push_str(" – |"),
            }
        }
    }
    Ok(text)
}

fn of(workload: &Workload, contestant: &str, counts: [usize; 2]) -> io::Result<Option<u64>> {
    if !workload.is_done_by(contestant) {
        return Ok(None);
    }
    let [few, many] = counts;
    let Some(of_few) = count(workload, contestant, few)? else {
        return Ok(None);
    };
    let Some(of_many) = count(workload, contestant, many)? else {
        return Ok(None);
    };
    Ok(Some(of_many.saturating_sub(of_few) / (many - few) as u64))
}

/// All instructions of a run; `None` where it fails, as some do under valgrind.
fn count(workload: &Workload, contestant: &str, count: usize) -> io::Result<Option<u64>> {
    let file = env::temp_dir().join(format!("dtact-callgrind-{}", std::process::id()));
    let output = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(env::current_exe()?)
        .args(["--contestant", contestant, "--workload", workload.name])
        .args(["--workers", "1", "--cold", "--count", &count.to_string()])
        .stdout(Stdio::piped())
        .output()?;
    // Only the sum matters.
    if file.exists() {
        fs::remove_file(&file)?;
    }
    if !output.status.success() {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let mut words = text
        .split_whitespace()
        .skip_while(|word| *word != "Collected");
    Ok(words.nth(2).and_then(|word| word.parse().ok()))
}

/// With a comma before each three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(grouped),
            ["0", "999", "1,000", "1,234,567"]
        );
    }
}

//! Runs programs from the root of the repository, and prints each before it starts.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::outcome::Halt;

/// Where the repository is, and whether missing tools may be installed.
#[derive(Debug)]
pub(crate) struct Shell {
    root: PathBuf,
    install: bool,
}

impl Shell {
    /// A shell at the root of the repository that this program was started from.
    pub(crate) fn new(install: bool) -> Self {
        // Cargo sets the variable at run time too; the constant would be stale in a moved checkout.
        let package = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = package
            .parent()
            .map_or_else(|| package.clone(), Path::to_path_buf);
        Self { root, install }
    }

    /// The same shell at another root.
    pub(crate) const fn at(&self, root: PathBuf) -> Self {
        Self {
            root,
            install: self.install,
        }
    }

    /// The root of the repository.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Whether missing tools may be installed.
    pub(crate) fn installs(&self) -> bool {
        self.install
    }

    /// The folder for build outputs, as Cargo would choose it.
    pub(crate) fn target(&self) -> PathBuf {
        std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| self.root.join("target"), |dir| self.root.join(dir))
    }

    /// Runs one program to its end, its output shown as it comes.
    ///
    /// # Errors
    ///
    /// When it cannot be started or does not exit with zero.
    pub(crate) fn run(&self, line: &[&str]) -> Result<(), Halt> {
        self.run_with(&[], line)
    }

    /// [`Shell::run`] with environment variables beside the inherited ones.
    ///
    /// # Errors
    ///
    /// When it cannot be started or does not exit with zero.
    pub(crate) fn run_with(&self, vars: &[(&str, &str)], line: &[&str]) -> Result<(), Halt> {
        println!("$ {}", shown(vars, line));
        let status = self
            .command(line)?
            .envs(vars.iter().copied())
            .status()
            .map_err(|error| Halt::failed(format!("{} could not be started: {error}", line[0])))?;
        if status.success() {
            Ok(())
        } else {
            Err(Halt::failed(format!(
                "`{}` ended with {status}",
                shown(vars, line)
            )))
        }
    }

    /// Whether a program that may fail exits with zero, and what it says about errors.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub(crate) fn attempt(
        &self,
        vars: &[(&str, &str)],
        line: &[&str],
    ) -> Result<(bool, String), Halt> {
        println!("$ {}", shown(vars, line));
        let output = self
            .command(line)?
            .envs(vars.iter().copied())
            .output()
            .map_err(|error| Halt::failed(format!("{} could not be started: {error}", line[0])))?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok((output.status.success(), said))
    }

    /// Runs a program, hands over each line of its output, errors among them in their order, and
    /// shows those of which `read` says so. Says whether it exits with zero.
    ///
    /// # Errors
    ///
    /// When it cannot be started, or its output not be read.
    pub(crate) fn run_lines(
        &self,
        vars: &[(&str, &str)],
        line: &[&str],
        mut read: impl FnMut(&str) -> bool,
    ) -> Result<bool, Halt> {
        println!("$ {}", shown(vars, line));
        let failed = |error| Halt::failed(format!("{}: {error}", line[0]));
        let (reader, writer) = std::io::pipe().map_err(failed)?;
        let mut command = self.command(line)?;
        command
            .envs(vars.iter().copied())
            .stdout(writer.try_clone().map_err(failed)?)
            .stderr(writer);
        let mut child = command.spawn().map_err(failed)?;
        // It has the writing ends of the pipe, which would never end.
        drop(command);
        for bytes in BufReader::new(reader).split(b'\n') {
            // Not all that tests print is text.
            let text = String::from_utf8_lossy(&bytes.map_err(failed)?).into_owned();
            let text = text.trim_end_matches('\r');
            if read(text) {
                println!("{text}");
            }
        }
        let status = child.wait().map_err(failed)?;
        Ok(status.success())
    }

    /// What a program prints, its errors shown.
    ///
    /// # Errors
    ///
    /// When it cannot be started or does not exit with zero.
    pub(crate) fn read(&self, line: &[&str]) -> Result<String, Halt> {
        println!("$ {}", shown(&[], line));
        let output = self
            .command(line)?
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| Halt::failed(format!("{} could not be started: {error}", line[0])))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(Halt::failed(format!(
                "`{}` ended with {}",
                shown(&[], line),
                output.status
            )))
        }
    }

    /// What a program that is to fail says about it.
    ///
    /// # Errors
    ///
    /// When it cannot be started, or exits with zero.
    pub(crate) fn read_failure(&self, line: &[&str]) -> Result<String, Halt> {
        println!("$ ! {}", shown(&[], line));
        let output = self
            .command(line)?
            .output()
            .map_err(|error| Halt::failed(format!("{} could not be started: {error}", line[0])))?;
        if output.status.success() {
            return Err(Halt::failed(format!(
                "`{}` was to fail, and did not",
                shown(&[], line)
            )));
        }
        Ok(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Whether a program starts and exits with zero; it is a question, so nothing is printed.
    pub(crate) fn works(&self, line: &[&str]) -> bool {
        self.command(line).is_ok_and(|mut command| {
            command
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success())
        })
    }

    /// Makes sure that `probe` works, running `get` first if that is allowed and needed.
    ///
    /// # Errors
    ///
    /// [`Halt::Missing`] when the tool is not there in the end.
    pub(crate) fn need(&self, tool: &Tool) -> Result<(), Halt> {
        if self.works(tool.probe) {
            return Ok(());
        }
        if self.install {
            // Whether it worked is asked of the tool itself, below.
            if let Err(halt) = self.run(&["sh", "-c", tool.get]) {
                println!("{halt}");
            }
            if self.works(tool.probe) {
                return Ok(());
            }
        }
        Err(Halt::Missing {
            why: format!("{} is not here", tool.name),
            get: tool.get,
            may_lack: tool.may_lack,
        })
    }

    fn command(&self, line: &[&str]) -> Result<Command, Halt> {
        let (program, args) = line
            .split_first()
            .ok_or_else(|| Halt::failed("an empty command line"))?;
        let mut command = Command::new(program);
        command
            .args(args)
            .current_dir(&self.root)
            .stdin(Stdio::null());
        // What Cargo tells about this package is wrong for the packages that a child builds.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                command.env_remove(&name);
            }
        }
        Ok(command)
    }
}

/// A program that a step needs, and how to get it.
#[derive(Debug)]
pub(crate) struct Tool {
    /// What to call it.
    pub(crate) name: &'static str,
    /// A command that exits with zero when it is there.
    pub(crate) probe: &'static [&'static str],
    /// The command that installs it.
    pub(crate) get: &'static str,
    /// Whether a machine may rightly be without it even after trying.
    pub(crate) may_lack: bool,
}

fn shown(vars: &[(&str, &str)], line: &[&str]) -> String {
    let mut text = String::new();
    for (name, value) in vars {
        text.push_str(name);
        text.push('=');
        text.push_str(&quoted(value));
        text.push(' ');
    }
    let words: Vec<String> = line.iter().map(|word| quoted(word)).collect();
    text + &words.join(" ")
}

fn quoted(word: &str) -> String {
    if word.is_empty() || word.contains(|letter: char| letter.is_whitespace() || letter == '\'') {
        format!("'{}'", word.replace('\'', r"'\''"))
    } else {
        word.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_one_could_type_it() {
        let vars = [("RUSTFLAGS", "--cfg dtact_loom")];
        assert_eq!(
            shown(&vars, &["cargo", "test", ""]),
            "RUSTFLAGS='--cfg dtact_loom' cargo test ''"
        );
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }

    #[test]
    fn output_and_errors_are_read_in_their_order() {
        let mut lines = Vec::new();
        let script = "echo a; echo b >&2; echo c; exit 3";
        let status = Shell::new(false).run_lines(&[], &["sh", "-c", script], |line| {
            lines.push(line.to_owned());
            false
        });
        assert_eq!(status, Ok(false));
        assert_eq!(lines, ["a", "b", "c"]);
    }

    #[test]
    fn a_program_that_does_not_exist_does_not_work() {
        let shell = Shell::new(false);
        assert!(!shell.works(&["no-such-program-anywhere"]));
        assert!(!shell.works(&[]));
        assert!(shell.run(&["no-such-program-anywhere"]).is_err());
    }

    #[test]
    fn a_missing_tool_names_the_command_that_gets_it() {
        let tool = Tool {
            name: "nothing",
            probe: &["no-such-program-anywhere"],
            get: "get nothing",
            may_lack: false,
        };
        let halt = Shell::new(false)
            .need(&tool)
            .expect_err("it does not exist");
        assert_eq!(
            halt.to_string(),
            "SKIPPED: nothing is not here; get it with: get nothing"
        );
    }
}

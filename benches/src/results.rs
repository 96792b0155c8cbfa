//! What was measured, and the file in which that is kept.

use std::{fmt::Write as _, fs, io, path::Path};

/// Of which run a figure is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Key {
    pub(crate) workload: String,
    pub(crate) workers: usize,
    pub(crate) contestant: String,
}

impl Key {
    pub(crate) fn new(workload: &str, workers: usize, contestant: &str) -> Self {
        Self {
            workload: workload.to_owned(),
            workers,
            contestant: contestant.to_owned(),
        }
    }
}

/// Of each run and figure, the values of all rounds.
#[derive(Debug, Default)]
pub(crate) struct Results(Vec<(Key, String, Vec<f64>)>);

impl Results {
    /// Adds what a run has printed: a value and the figure's name to a line.
    pub(crate) fn add(&mut self, key: &Key, text: &str) {
        for line in text.lines() {
            if let Some((value, figure)) = line.split_once('\t')
                && let Ok(value) = value.parse()
            {
                self.push(key, figure, value);
            }
        }
    }

    fn push(&mut self, key: &Key, figure: &str, value: f64) {
        let is_same = |entry: &&mut (Key, String, Vec<f64>)| entry.0 == *key && entry.1 == figure;
        match self.0.iter_mut().find(is_same) {
            Some((_, _, values)) => values.push(value),
            None => self.0.push((key.clone(), figure.to_owned(), vec![value])),
        }
    }

    pub(crate) fn values(&self, key: &Key, figure: &str) -> Option<&[f64]> {
        let mut entries = self.0.iter();
        let found = entries.find(|entry| entry.0 == *key && entry.1 == figure);
        found.map(|(_, _, values)| values.as_slice())
    }

    /// The names of the figures of a workload.
    pub(crate) fn figures(&self, workload: &str, workers: usize) -> Vec<&str> {
        let mut figures = Vec::new();
        for (key, figure, _) in &self.0 {
            if key.workload == workload && key.workers == workers && !figures.contains(&&**figure) {
                figures.push(figure);
            }
        }
        figures
    }

    pub(crate) fn workers(&self) -> Vec<usize> {
        let mut workers: Vec<_> = self.0.iter().map(|(key, _, _)| key.workers).collect();
        workers.sort_unstable();
        workers.dedup();
        workers
    }

    /// Writes a line for each value.
    pub(crate) fn save(&self, file: &Path, circumstances: &str) -> io::Result<()> {
        let mut text = format!("{circumstances}\n");
        for (key, figure, values) in &self.0 {
            for value in values {
                let Key {
                    workload,
                    workers,
                    contestant,
                } = key;
                let _ = writeln!(
                    text,
                    "{workload}\t{workers}\t{contestant}\t{value}\t{figure}"
                );
            }
        }
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(file, text)
    }

    /// Reads what [`save`](Self::save) has written: the circumstances, and the values.
    pub(crate) fn load(file: &Path) -> io::Result<(String, Self)> {
        let text = fs::read_to_string(file)?;
        let (circumstances, lines) = text.split_once('\n').unwrap_or((&text, ""));
        let mut results = Self::default();
        for line in lines.lines() {
            let parts: Vec<_> = line.splitn(5, '\t').collect();
            let [workload, workers, contestant, value, figure] = parts[..] else {
                return Err(io::Error::other(format!("no figure: {line}")));
            };
            let (Ok(workers), Ok(value)) = (workers.parse(), value.parse()) else {
                return Err(io::Error::other(format!("no figure: {line}")));
            };
            results.push(&Key::new(workload, workers, contestant), figure, value);
        }
        Ok((circumstances.to_owned(), results))
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, Results};

    #[test]
    fn what_was_saved_is_what_is_loaded() {
        let key = Key::new("yield/1", 2, "dtact");
        let mut results = Results::default();
        results.add(&key, "4.5\tns\n9\tCPU ns\n");
        results.add(&key, "5.5\tns\n");
        let file = std::env::temp_dir().join(format!("dtact-results-{}", std::process::id()));
        results
            .save(&file, "a quiet machine")
            .expect("it can be written");
        let (circumstances, loaded) = Results::load(&file).expect("it can be read");
        std::fs::remove_file(&file).expect("it is there");
        assert_eq!(circumstances, "a quiet machine");
        assert_eq!(loaded.values(&key, "ns"), Some(&[4.5, 5.5][..]));
        assert_eq!(loaded.figures("yield/1", 2), ["ns", "CPU ns"]);
        assert_eq!(loaded.workers(), [2]);
    }
}

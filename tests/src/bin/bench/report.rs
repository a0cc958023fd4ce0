//! A report: every run of a plan, and where they were taken. Its file is written after each run, so that none is lost.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    about::About,
    figures::{Figures, Run},
    markdown,
    plan::{Plan, Scenario},
    plot,
};

/// Beside `BENCHMARKS.md`: the plots, and every run.
pub(crate) const FOLDER: &str = "docs/benchmarks";
const RUNS: &str = "runs.json";

/// What was measured where, in the order in which it was.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Report {
    pub(crate) about: About,
    pub(crate) runs: Vec<Taken>,
}

/// One run of one strategy.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Taken {
    pub(crate) scenario: String,
    /// From 1.
    pub(crate) round: u32,
    pub(crate) strategy: String,
    pub(crate) outcome: Outcome,
}

/// What came of it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Page(Run),
    FirstLine(FirstLine),
    Warm(Vec<Operation>),
    /// Why there is no figure.
    Failed(String),
}

/// When the first line of the package ran.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct FirstLine {
    pub(crate) pack_bytes: u64,
    /// Bytes that the line brought after it.
    pub(crate) later_bytes: u64,
    pub(crate) browser: String,
}

/// One operation on files that are here, `tests/apps/warm.py`. Microseconds for one file or folder.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Operation {
    pub(crate) name: String,
    pub(crate) wheelfs_us: f64,
    pub(crate) memfs_us: f64,
    pub(crate) count: u64,
}

/// The runs of one strategy in one scenario.
pub(crate) struct Cell<'a> {
    pub(crate) strategy: &'a str,
    /// `None`: none succeeded, or it is no page that was measured.
    pub(crate) figures: Option<Figures>,
    pub(crate) runs: usize,
    pub(crate) failures: Vec<&'a str>,
}

impl Outcome {
    /// Name and version of the browser, where it was noted.
    pub(crate) fn browser(&self) -> Option<&str> {
        match self {
            Outcome::Page(run) => Some(&run.browser),
            Outcome::FirstLine(line) => Some(&line.browser),
            Outcome::Warm(_) | Outcome::Failed(_) => None,
        }
    }
}

impl FirstLine {
    /// The share of the pack that was here by then.
    pub(crate) fn arrived(&self) -> f64 {
        1.0 - self.later_bytes as f64 / self.pack_bytes.max(1) as f64
    }
}

impl Operation {
    /// wheelfs' time as a multiple of MEMFS'.
    pub(crate) fn ratio(&self) -> f64 {
        self.wheelfs_us / self.memfs_us
    }
}

impl Report {
    /// Empty.
    pub(crate) fn new(about: About) -> Report {
        Report { about, runs: Vec::new() }
    }

    /// Takes over the runs of an earlier report in `root`, if there is one; returns how many. One of another commit or
    /// another machine is an error, which names that commit: going on would write over it.
    pub(crate) fn resume(&mut self, root: &Path) -> Result<usize, String> {
        let earlier = fs::read(runs_file(root)).ok().and_then(|text| serde_json::from_slice(&text).ok());
        let Some(Report { about, runs }) = earlier else { return Ok(0) };
        if (&about.commit, &about.machine) != (&self.about.commit, &self.about.machine) {
            return Err(about.commit);
        }
        self.runs = runs;
        self.runs.retain(|taken| !matches!(taken.outcome, Outcome::Failed(_)));
        Ok(self.runs.len())
    }

    /// Whether a run has an outcome already.
    pub(crate) fn has(&self, scenario: &Scenario, round: u32, strategy: &str) -> bool {
        self.of(&scenario.id, strategy).any(|taken| taken.round == round)
    }

    fn of<'a>(&'a self, scenario: &str, strategy: &str) -> impl Iterator<Item = &'a Taken> {
        self.runs.iter().filter(move |taken| taken.scenario == scenario && taken.strategy == strategy)
    }

    /// Every outcome of a scenario.
    pub(crate) fn outcomes<'a>(&'a self, scenario: &'a Scenario) -> impl Iterator<Item = &'a Outcome> {
        self.runs.iter().filter(|taken| taken.scenario == scenario.id).map(|taken| &taken.outcome)
    }

    /// The first output that a scenario's page printed, as SHA-256, and the strategy it came from.
    pub(crate) fn reference(&self, scenario: &Scenario) -> Option<(&str, &str)> {
        self.runs.iter().filter(|taken| taken.scenario == scenario.id).find_map(|taken| {
            match &taken.outcome {
                Outcome::Page(run) => Some((taken.strategy.as_str(), run.output_sha256.as_str())),
                _ => None,
            }
        })
    }

    /// What the strategies of a scenario came to, in the scenario's order; without those that have not run.
    pub(crate) fn cells<'a>(&'a self, scenario: &'a Scenario) -> Vec<Cell<'a>> {
        let cells = scenario.strategies.iter().map(|strategy| {
            let mut cell = Cell { strategy, figures: None, runs: 0, failures: Vec::new() };
            let mut runs = Vec::new();
            for taken in self.of(&scenario.id, strategy) {
                cell.runs += 1;
                match &taken.outcome {
                    Outcome::Page(run) => runs.push(run.clone()),
                    Outcome::Failed(reason) => cell.failures.push(reason),
                    Outcome::FirstLine(_) | Outcome::Warm(_) => {}
                }
            }
            cell.figures = (!runs.is_empty()).then(|| Figures::of(&runs));
            cell
        });
        cells.filter(|cell| cell.runs > 0).collect()
    }

    /// Writes the runs and what is said of them: `BENCHMARKS.md` in `root`, plots and runs in its [`FOLDER`].
    pub(crate) fn write(&self, plan: &Plan, root: &Path) -> io::Result<()> {
        let folder = root.join(FOLDER);
        fs::create_dir_all(&folder)?;
        replace(&runs_file(root), &self.json()?)?;
        for (name, svg) in plot::plots(plan, self) {
            replace(&folder.join(name), &svg)?;
        }
        replace(&root.join("BENCHMARKS.md"), &markdown::markdown(plan, self))
    }

    /// A line for each run, so that a difference between two reports can be read.
    fn json(&self) -> io::Result<String> {
        let runs: Vec<String> = self.runs.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        let about = serde_json::to_string(&self.about)?;
        Ok(format!("{{\"about\":{about},\n\"runs\":[\n{}\n]}}\n", runs.join(",\n")))
    }
}

fn runs_file(root: &Path) -> PathBuf {
    root.join(FOLDER).join(RUNS)
}

/// Never leaves half a file.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let partial = path.with_extension("partial");
    fs::write(&partial, text)?;
    fs::rename(partial, path)
}

//! Where and of what a report was taken.

use std::{fs, process::Command, thread};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use wheelfs_tests::Parts;

/// The head of a report.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct About {
    /// Year, month and day, UTC.
    pub(crate) date: String,
    /// What `git describe` says of the clone.
    pub(crate) commit: String,
    pub(crate) quick: bool,
    pub(crate) machine: Machine,
}

/// The machine that server and browsers share.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_mib: u64,
    pub(crate) system: String,
}

impl About {
    /// Now and here.
    pub(crate) fn new(quick: bool) -> About {
        let git =
            |arguments: &[&str]| Command::new("git").current_dir(Parts::root()).args(arguments).output().ok();
        let head = git(&["rev-parse", "--short=10", "HEAD"]).filter(|output| output.status.success());
        let mut commit = head.and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
        commit.truncate(commit.trim_end().len());
        // The report itself lies in the clone: what it wrote so far makes it no other one.
        let changes = git(&["diff", "--quiet", "HEAD", "--", ":!BENCHMARKS.md", ":!docs/benchmarks"]);
        if changes.is_some_and(|output| output.status.code() == Some(1)) {
            commit += "-dirty";
        }
        About { date: OffsetDateTime::now_utc().date().to_string(), commit, quick, machine: Machine::new() }
    }
}

impl Machine {
    fn new() -> Machine {
        let field = |file: &str, name: &str, separator: char| {
            let text = fs::read_to_string(file).unwrap_or_default();
            let value = text
                .lines()
                .filter_map(|line| line.split_once(separator))
                .find(|(key, _)| key.trim() == name);
            value.map(|(_, value)| value.trim().trim_matches('"').to_owned())
        };
        let memory = field("/proc/meminfo", "MemTotal", ':');
        let kib = memory.and_then(|text| text.split(' ').next()?.parse::<u64>().ok()).unwrap_or(0);
        let unknown = || "unknown".to_owned();
        Machine {
            processor: field("/proc/cpuinfo", "model name", ':').unwrap_or_else(unknown),
            cores: thread::available_parallelism().map_or(0, usize::from),
            memory_mib: kib / 1024,
            system: field("/etc/os-release", "PRETTY_NAME", '=').unwrap_or_else(unknown),
        }
    }
}

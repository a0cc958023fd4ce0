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
        let described = Command::new("git")
            .current_dir(Parts::root())
            .args(["describe", "--always", "--dirty", "--abbrev=10"])
            .output();
        let commit = described.ok().filter(|output| output.status.success()).map(|output| output.stdout);
        let commit = commit.and_then(|text| String::from_utf8(text).ok()).unwrap_or_default();
        About {
            date: OffsetDateTime::now_utc().date().to_string(),
            commit: commit.trim().to_owned(),
            quick,
            machine: Machine::new(),
        }
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

//! What a report measures: `tests/benchmarks.toml`.

use demo_site::Line;
use serde::Deserialize;
use wheelfs_tests::Engine;

const FILE: &str = include_str!("../../../benchmarks.toml");

/// The scenarios in their order.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    #[serde(rename = "scenario")]
    pub(crate) scenarios: Vec<Scenario>,
}

/// One app over one line in one engine, by several strategies. The fields are explained in the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) kind: Kind,
    pub(crate) title: String,
    pub(crate) text: String,
    pub(crate) app: String,
    pub(crate) index: Option<String>,
    #[serde(default = "pyodide")]
    pub(crate) pyodide: String,
    #[serde(default)]
    pub(crate) engine: Engine,
    /// Milliseconds.
    #[serde(default = "rtt")]
    pub(crate) rtt: u64,
    /// Mbit/s; 0: no limit.
    #[serde(default = "down")]
    pub(crate) down: u64,
    #[serde(default)]
    pub(crate) http1: bool,
    pub(crate) strategies: Vec<String>,
    pub(crate) rounds: u32,
    quick: Option<Quick>,
}

/// What is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    #[default]
    Page,
    FirstLine,
    Warm,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Quick {
    strategies: Vec<String>,
    rounds: u32,
}

fn pyodide() -> String {
    "0.27.7".to_owned()
}

fn rtt() -> u64 {
    200
}

fn down() -> u64 {
    20
}

impl Plan {
    /// The whole plan, or what `--quick` runs of it.
    pub(crate) fn read(quick: bool) -> Result<Plan, toml::de::Error> {
        let mut plan: Plan = toml::from_str(FILE)?;
        if quick {
            plan.scenarios.retain_mut(|scenario| {
                let Some(less) = scenario.quick.take() else { return false };
                scenario.strategies = less.strategies;
                scenario.rounds = less.rounds;
                true
            });
        }
        Ok(plan)
    }
}

impl Scenario {
    /// The line, as it is for `strategy`.
    pub(crate) fn line(&self, strategy: &str) -> Line {
        // What the processor alone needs.
        if strategy == "memfs" { Line::new(0, 0) } else { Line::new(self.rtt, self.down) }
    }

    /// Path and query of the page that runs `strategy`.
    pub(crate) fn page(&self, strategy: &str) -> String {
        let Scenario { app, pyodide, .. } = self;
        let index = self.index.as_ref().map(|index| format!("&index={index}")).unwrap_or_default();
        format!("/run.html?strategy={strategy}&app={app}&pyodide={pyodide}{index}")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::markdown;

    #[test]
    fn every_scenario_can_be_told_from_the_others_and_compares_with_eager() {
        let plan = Plan::read(false).unwrap();
        let ids: BTreeSet<_> = plan.scenarios.iter().map(|scenario| &scenario.id).collect();
        assert_eq!(ids.len(), plan.scenarios.len());
        for scenario in plan.scenarios {
            assert!(scenario.rounds > 0, "{}", scenario.id);
            let first = if scenario.kind == Kind::Page { "eager" } else { "pack" };
            assert_eq!(scenario.strategies[0], first, "{}", scenario.id);
            for strategy in &scenario.strategies {
                let told = markdown::strategies().any(|(name, _)| name == *strategy);
                assert!(told, "README.md does not say what {strategy} of {} is", scenario.id);
            }
        }
    }

    #[test]
    fn quick_is_part_of_the_whole() {
        let whole = Plan::read(false).unwrap();
        let quick = Plan::read(true).unwrap();
        assert!(!quick.scenarios.is_empty() && quick.scenarios.len() < whole.scenarios.len());
        for less in quick.scenarios {
            let more = whole.scenarios.iter().find(|scenario| scenario.id == less.id).unwrap();
            assert!(less.rounds <= more.rounds);
            assert!(less.strategies.iter().all(|strategy| more.strategies.contains(strategy)), "{}", less.id);
        }
    }
}

//! `BENCHMARKS.md`: a report in words and tables.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::{
    figures::{Figures, median},
    limit::Limit,
    plan::{Kind, Plan, Scenario},
    plot,
    report::{Cell, FOLDER, Operation, Outcome, Report},
};

/// What the strategies are stands in README.md, and only there.
const README: &str = include_str!("../../../../README.md");
const STRATEGIES: &str = "| strategy | what the page does |";

/// The strategies that the overview has columns for; all others are in the scenarios.
const OVERVIEW: [&str; 4] = ["eager", "bundle", "ranges", "pack"];

/// Times this close to each other are noise, as a share of the smaller; the page says so too (`report.mjs`).
const NOISE: f64 = 0.03;

/// Names of the strategies and what they are, from README.md's table.
pub(crate) fn strategies() -> impl Iterator<Item = (&'static str, &'static str)> {
    let rows = README.lines().skip_while(|line| *line != STRATEGIES).skip(2);
    rows.map_while(|row| {
        let (name, what) = row.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | ")?;
        Some((name.trim_matches('`'), what))
    })
}

/// The whole file.
pub(crate) fn markdown(plan: &Plan, report: &Report) -> String {
    let mut text = head(report);
    text += &overview(plan, report);
    text += &losses(plan, report);
    for scenario in &plan.scenarios {
        text += &section(scenario, report);
    }
    text
}

fn head(report: &Report) -> String {
    let about = &report.about;
    let machine = &about.machine;
    let command =
        if about.quick { "cargo xtask bench --report --quick" } else { "cargo xtask bench --report" };
    let browsers: BTreeSet<&str> = report.runs.iter().filter_map(|taken| taken.outcome.browser()).collect();
    let browsers: Vec<&str> = browsers.into_iter().collect();
    let mut text = format!(
        "# Benchmarks\n\n\
         Written by `{command}`; every run is in [`{FOLDER}/runs.json`]({FOLDER}/runs.json). Edit\n\
         `tests/benchmarks.toml` to measure something else.\n\n\
         | | |\n|---|---|\n\
         | date | {} |\n| wheelfs | {} |\n| machine | {}, {} cores, {:.1} GiB, {} |\n| browsers | {} |\n\n",
        about.date,
        about.commit,
        machine.processor,
        machine.cores,
        machine.memory_mib as f64 / 1024.0,
        machine.system,
        browsers.join("; "),
    );
    if about.quick {
        text += "**A quick run**: few rounds of few scenarios. It shows that everything works; its figures are rough.\n\n";
    }
    text += "\
        Each run is a browser with a fresh profile that opens one page; nothing is cached. The strategies of a scenario take\n\
        turns, round by round, so that what else the machine does falls on all of them. Figures are medians over the rounds,\n\
        with least and most. Times are from navigation to the program's last line of output. A line is shaped at the\n\
        transport: half of the round trip each way, one more round trip for a connection, one rate for all of them; pages\n\
        come by HTTP/2 over TLS with Pyodide's runtime compressed by brotli 11, unless a scenario says otherwise. Server and\n\
        browser share the machine. Strategies of a scenario print the same, or the report says that they did not.\n\n\
        | strategy | what the page does |\n|---|---|\n";
    for (name, what) in strategies() {
        _ = writeln!(text, "| `{name}` | {what} |");
    }
    text
}

fn overview(plan: &Plan, report: &Report) -> String {
    let mut text = format!(
        "\n## Overview\n\n![Time as a multiple of the eager page's]({FOLDER}/{})\n\n\
         Time of `eager`, and of others as a multiple of it: less than 1 is a gain.\n\n",
        plot::OVERVIEW
    );
    text += "| |";
    OVERVIEW.iter().for_each(|name| _ = write!(text, " `{name}` |"));
    text += "\n|---|---|---|---|---|\n";
    for scenario in plan.scenarios.iter().filter(|scenario| scenario.kind == Kind::Page) {
        let cells = report.cells(scenario);
        let Some(base) = base(&cells) else { continue };
        _ = write!(text, "| [{}](#{}) |", scenario.title, anchor(&scenario.title));
        for name in OVERVIEW {
            let cell = cells.iter().find(|cell| cell.strategy == name);
            let shown = match cell.map(|cell| (&cell.figures, &cell.failures)) {
                Some((Some(figures), _)) if name == "eager" => seconds(figures.total_ms),
                Some((Some(figures), _)) => format!("{:.2}", figures.total_ms / base.total_ms),
                Some((None, _)) => "failed".to_owned(),
                None => String::new(),
            };
            _ = write!(text, " {shown} |");
        }
        text += "\n";
    }
    text
}

/// Where something took longer, or moved more, than the page without wheelfs.
fn losses(plan: &Plan, report: &Report) -> String {
    let mut text = format!(
        "\n## Losses\n\n\
         Where a strategy took longer than `eager`, or moved more bytes of packages, by more than {:.0} %:\n\n",
        NOISE * 100.0
    );
    let before = text.len();
    for scenario in plan.scenarios.iter().filter(|scenario| scenario.kind == Kind::Page) {
        let cells = report.cells(scenario);
        let Some(base) = base(&cells) else { continue };
        // Without a line and with more than is read, `memfs` is no page that anybody would open.
        for cell in cells.iter().filter(|cell| cell.strategy != "memfs") {
            let Some(figures) = &cell.figures else { continue };
            let mut lost = Vec::new();
            if figures.total_ms > base.total_ms * (1.0 + NOISE) {
                lost.push(format!("{:.2} times the time", figures.total_ms / base.total_ms));
            }
            if figures.package_bytes as f64 > base.package_bytes as f64 * (1.0 + NOISE) {
                lost.push(format!(
                    "{:.2} times the bytes",
                    figures.package_bytes as f64 / base.package_bytes as f64
                ));
            }
            if !lost.is_empty() {
                _ = writeln!(text, "- {}: `{}` {}", scenario.title, cell.strategy, lost.join(", "));
            }
        }
    }
    if text.len() == before {
        text += "None in this report.\n";
    }
    text
}

fn section(scenario: &Scenario, report: &Report) -> String {
    let body = match scenario.kind {
        Kind::Page => page(scenario, report),
        Kind::FirstLine => first_line(scenario, report),
        Kind::Warm => warm(scenario, report),
    };
    let failures = failures(scenario, report);
    let body = body + &failures;
    let body = if body.is_empty() { "It has not run.\n".to_owned() } else { body };
    format!("\n## {}\n\n{}\n\n{body}", scenario.title, scenario.text.trim())
}

fn page(scenario: &Scenario, report: &Report) -> String {
    let cells = report.cells(scenario);
    let Some(base) = base(&cells) else { return String::new() };
    let file = plot::file(scenario);
    let mut text = format!(
        "![{}: time of each strategy by phase]({FOLDER}/{file})\n\n\
         | strategy | total (least to most) | of `{}` | boot | load | import | run | package requests | package bytes | all bytes | memory |\n\
         |---|---|---|---|---|---|---|---|---|---|---|\n",
        scenario.title, scenario.strategies[0],
    );
    for cell in &cells {
        let Some(figures) = &cell.figures else {
            _ = writeln!(text, "| `{}` | failed | | | | | | | | | |", cell.strategy);
            continue;
        };
        let [boot, load, import, run] = figures.phases();
        // A median may be a little more than the median of what it is part of.
        let run = run.max(0.0);
        let [least, most] = figures.spread;
        _ = writeln!(
            text,
            "| `{}` | {} ({:.1} to {:.1}) | {:.2} | {} | {} | {} | {} | {} | {} | {} | {} |",
            cell.strategy,
            seconds(figures.total_ms),
            least / 1e3,
            most / 1e3,
            figures.total_ms / base.total_ms,
            seconds(boot),
            seconds(load),
            seconds(import),
            seconds(run),
            figures.package_requests,
            megabytes(figures.package_bytes),
            megabytes(figures.wire_bytes),
            megabytes(figures.memory_bytes),
        );
    }
    let figures: BTreeMap<&str, Figures> =
        cells.iter().filter_map(|cell| Some((cell.strategy, cell.figures.clone()?))).collect();
    if let Some(limit) = Limit::of(&figures, scenario.rtt, scenario.down) {
        _ = write!(text, "\n{}\n", sentence(&limit.to_string()));
    }
    text
}

fn first_line(scenario: &Scenario, report: &Report) -> String {
    let lines: Vec<_> = report
        .outcomes(scenario)
        .filter_map(|outcome| if let Outcome::FirstLine(line) = outcome { Some(line) } else { None })
        .collect();
    let Some(first) = lines.first() else { return String::new() };
    let shares: Vec<f64> = lines.iter().map(|line| line.arrived()).collect();
    let (least, most) = spread(&shares);
    format!(
        "{:.2} of the pack's {} had arrived ({least:.2} to {most:.2}; runs: {}).\n",
        median(shares),
        megabytes(first.pack_bytes),
        lines.len(),
    )
}

fn warm(scenario: &Scenario, report: &Report) -> String {
    let rounds: Vec<&Vec<Operation>> = report
        .outcomes(scenario)
        .filter_map(|outcome| if let Outcome::Warm(operations) = outcome { Some(operations) } else { None })
        .collect();
    let Some(first) = rounds.first() else { return String::new() };
    let mut text =
        "| operation | wheelfs | MEMFS | ratio (least to most) | files or folders |\n|---|---|---|---|---|\n"
            .to_owned();
    for operation in *first {
        let same: Vec<&Operation> =
            rounds.iter().flat_map(|round| round.iter().filter(|one| one.name == operation.name)).collect();
        let of = |value: fn(&Operation) -> f64| same.iter().map(|one| value(one)).collect::<Vec<_>>();
        let ratios = of(Operation::ratio);
        let (least, most) = spread(&ratios);
        _ = writeln!(
            text,
            "| {} | {} | {} | {:.2} ({least:.2} to {most:.2}) | {} |",
            operation.name,
            microseconds(median(of(|one| one.wheelfs_us))),
            microseconds(median(of(|one| one.memfs_us))),
            median(ratios),
            operation.count,
        );
    }
    text
}

fn failures(scenario: &Scenario, report: &Report) -> String {
    let mut text = String::new();
    for cell in report.cells(scenario) {
        for reason in &cell.failures {
            // Python names the error after the traceback.
            let reason = reason.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
            _ = write!(text, "\n`{}` failed, one of {} runs: {reason}\n", cell.strategy, cell.runs);
        }
    }
    text
}

/// What the others are compared with: the first strategy, if it ran.
pub(crate) fn base<'a>(cells: &'a [Cell<'_>]) -> Option<&'a Figures> {
    cells.first().and_then(|cell| cell.figures.as_ref())
}

fn spread(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| {
        (least.min(*value), most.max(*value))
    })
}

/// A heading's anchor, as GitHub makes it.
fn anchor(title: &str) -> String {
    let kept = title.to_lowercase();
    let kept = kept.chars().filter(|char| char.is_alphanumeric() || matches!(char, ' ' | '-'));
    kept.map(|char| if char == ' ' { '-' } else { char }).collect()
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).chain(['.']).collect()).unwrap_or_default()
}

fn seconds(ms: f64) -> String {
    format!("{:.1} s", ms / 1e3)
}

fn microseconds(us: f64) -> String {
    if us < 1000.0 { format!("{us:.1} µs") } else { format!("{:.2} ms", us / 1e3) }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.2} MB", bytes as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A report of one scenario, from the least that a run holds.
    fn report(runs: &[(&str, &str, f64)]) -> Report {
        let runs: Vec<_> = runs
            .iter()
            .map(|(scenario, strategy, total_ms)| {
                let outcome = if total_ms.is_nan() {
                    json!({ "failed": "no answer" })
                } else {
                    json!({ "page": {
                        "total_ms": total_ms, "boot_ms": 1000, "run_ms": total_ms - 1000.0, "load_ms": 0,
                        "import_ms": 500, "waits": 0, "file_bytes": 1_000_000, "heap_bytes": 2_000_000,
                        "output_sha256": "", "browser": "chrome 1.2", "package_requests": 5,
                        "package_bytes": 9_510_000, "needed_bytes": 0, "requests": 12, "wire_bytes": 14_000_000,
                    } })
                };
                json!({ "scenario": scenario, "round": 1, "strategy": strategy, "outcome": outcome })
            })
            .collect();
        let machine = json!({ "processor": "P", "cores": 2, "memory_mib": 2048, "system": "S" });
        let about = json!({ "date": "2026-11-23", "commit": "c0ffee", "quick": false, "machine": machine });
        serde_json::from_value(json!({ "about": about, "runs": runs })).unwrap()
    }

    #[test]
    fn medians_ratios_and_losses() {
        let report = report(&[
            ("pandas", "eager", 12_000.0),
            ("pandas", "eager", 10_000.0),
            ("pandas", "eager", 11_000.0),
            ("pandas", "ranges", 12_100.0),
            ("pandas", "pack", 5_500.0),
        ]);
        let text = markdown(&Plan::read(false).unwrap(), &report);
        for expected in [
            "| machine | P, 2 cores, 2.0 GiB, S |\n| browsers | chrome 1.2 |",
            "| [pandas, 200 ms and 20 Mbit/s](#pandas-200-ms-and-20-mbits) | 11.0 s |  | 1.10 | 0.50 |",
            "| `eager` | 11.0 s (10.0 to 12.0) | 1.00 | 1.0 s | 0.0 s | 0.5 s | 9.5 s | 5 | 9.51 MB | 14.00 MB | 3.00 MB |",
            "- pandas, 200 ms and 20 Mbit/s: `ranges` 1.10 times the time\n",
            "![pandas, 200 ms and 20 Mbit/s: time of each strategy by phase](docs/benchmarks/pandas.svg)",
            "It has not run.",
        ] {
            assert!(text.contains(expected), "no {expected:?} in\n{text}");
        }
    }

    /// `total_ms` is 1490: 490 after the boot, of which 500 for imports.
    #[test]
    fn no_time_is_negative() {
        let text = markdown(&Plan::read(false).unwrap(), &report(&[("pandas", "eager", 1_490.0)]));
        assert!(text.contains("| 0.5 s | 0.0 s | 5 |") && !text.contains("-0.0"), "{text}");
        assert!(text.contains("bytes of packages, by more than 3 %:\n"), "{text}");
    }

    #[test]
    fn what_failed_stays_in_the_table_with_its_reason() {
        let report = report(&[("pandas", "eager", 10_000.0), ("pandas", "pack", f64::NAN)]);
        let text = markdown(&Plan::read(false).unwrap(), &report);
        assert!(text.contains("| `pack` | failed |") && text.contains("| 10.0 s |  |  | failed |"), "{text}");
        assert!(text.contains("\n`pack` failed, one of 1 runs: no answer\n"), "{text}");
    }

    #[test]
    fn a_report_survives_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let plan = Plan::read(false).unwrap();
        let taken =
            report(&[("pandas", "eager", 10_000.0), ("pandas", "pack", f64::NAN), ("six", "pack", 1.0)]);
        taken.write(&plan, folder.path()).unwrap();
        let mut again = Report::new(taken.about.clone());
        assert_eq!(again.resume(folder.path()), Ok(2), "what failed is tried again");
        assert!(again.has(&plan.scenarios[0], 1, "eager") && !again.has(&plan.scenarios[0], 1, "pack"));
        assert!(folder.path().join("docs/benchmarks/pandas.svg").exists());
        let mut elsewhere = Report::new(taken.about);
        elsewhere.about.commit = "other".to_owned();
        let refused = elsewhere.resume(folder.path());
        assert_eq!(refused, Err("c0ffee".to_owned()), "another commit's figures are not this one's");
        assert_eq!(elsewhere.resume(&folder.path().join("nothing")), Ok(0));
    }
}

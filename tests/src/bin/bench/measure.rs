//! Takes the runs of a report, the strategies of a scenario in turn in every round.

use std::{path::Path, time::Duration};

use serde_json::Value;
use wheelfs_tests::{Browser, HarnessError, LineSite, Parts, Site, bundle};

use crate::{
    BenchError,
    about::About,
    plan::{Kind, Plan, Scenario},
    report::{FirstLine, Operation, Outcome, Report, Taken},
    run,
};

/// A page without a result after this long has none: the report goes on without it. The slowest, which reads each of some
/// thousand files when it is opened, takes a third of it.
const PATIENCE: Duration = Duration::from_secs(20 * 60);

/// How often a page is asked whether the first line has run. At 5 Mbit/s some 12 kB arrive meanwhile.
const POLL: Duration = Duration::from_millis(20);

/// Measures a plan and writes the report into `root`, after each run as far as it has come. `resume`: takes over what an
/// earlier report in `root` has. `only`: the scenarios to measure; none: all.
pub(crate) async fn report(
    quick: bool,
    resume: bool,
    only: &[String],
    root: &Path,
) -> Result<(), BenchError> {
    let parts = Parts::find()?;
    let plan = Plan::read(quick)?;
    if let Some(id) = only.iter().find(|id| plan.scenarios.iter().all(|scenario| scenario.id != **id)) {
        return Err(BenchError::Scenario(id.clone()));
    }
    let mut report = Report::new(About::new(quick));
    if resume {
        let wanted = report.about.commit.clone();
        let runs = report.resume(root).map_err(|found| BenchError::Resume { wanted, found })?;
        eprintln!("    {runs} runs of an earlier report are taken over");
    }
    let write = |report: &Report| {
        report
            .write(&plan, root)
            .map_err(|source| BenchError::Write { path: root.join("BENCHMARKS.md"), source })
    };
    let wanted = |scenario: &&Scenario| only.is_empty() || only.contains(&scenario.id);
    for scenario in plan.scenarios.iter().filter(wanted) {
        for round in 1..=scenario.rounds {
            for strategy in &scenario.strategies {
                if report.has(scenario, round, strategy) {
                    continue;
                }
                let outcome = measure(&parts, scenario, strategy, &report).await;
                eprintln!("    {}, round {round}, {strategy}: {}", scenario.id, told(&outcome));
                let (scenario, strategy) = (scenario.id.clone(), strategy.clone());
                report.runs.push(Taken { scenario, round, strategy, outcome });
                write(&report)?;
            }
        }
    }
    write(&report)
}

/// One run; a failure is an outcome too.
async fn measure(parts: &Parts, scenario: &Scenario, strategy: &str, report: &Report) -> Outcome {
    let measured = async {
        match scenario.kind {
            Kind::Page => page(parts, scenario, strategy).await,
            Kind::FirstLine => first_line(parts, scenario, strategy).await,
            Kind::Warm => warm(parts, scenario, strategy).await,
        }
    };
    let outcome = match tokio::time::timeout(PATIENCE, measured).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(error)) => Outcome::Failed(error.to_string()),
        Err(_) => Outcome::Failed(format!("no result after {} minutes", PATIENCE.as_secs() / 60)),
    };
    match (&outcome, report.reference(scenario)) {
        (Outcome::Page(run), Some((reference, sha256))) if run.output_sha256 != sha256 => {
            Outcome::Failed(format!("it printed something else than {reference}: {:?}", run.page.output))
        }
        _ => outcome,
    }
}

async fn page(parts: &Parts, scenario: &Scenario, strategy: &str) -> Result<Outcome, HarnessError> {
    bundle::prepare(parts, &scenario.pyodide, &scenario.app, strategy)?;
    let site = Site::new(parts, &scenario.pyodide)?;
    let site = if scenario.http1 { site } else { site.tls() };
    let run =
        run::run(parts, scenario.engine, site, scenario.line(strategy), &scenario.page(strategy)).await?;
    Ok(Outcome::Page(run))
}

async fn first_line(parts: &Parts, scenario: &Scenario, strategy: &str) -> Result<Outcome, HarnessError> {
    let site = Site::new(parts, &scenario.pyodide)?.tls().start(scenario.line(strategy)).await?;
    let browser = Browser::of(parts, scenario.engine).await?;
    browser.goto(&site.url(&format!("{}&notice={}", scenario.page(strategy), scenario.app))).await?;
    wait_for(&browser, &site, "window.firstLine", POLL).await?;
    let by_then = site.relay.downstream_bytes();
    wait_for(&browser, &site, "window.result", POLL).await?;
    let later_bytes = site.bytes_in_the_end().await - by_then;
    let log = site.server.log().take();
    // Not the one that Python's start reads.
    let pack = format!("/{}.pack", scenario.app);
    let pack_bytes = log.iter().filter(|entry| entry.path.ends_with(&pack)).map(|entry| entry.bytes).sum();
    Ok(Outcome::FirstLine(FirstLine { pack_bytes, later_bytes, browser: browser.version() }))
}

/// Waits until an expression has a value; an `error` in the page's result is one here.
async fn wait_for(
    browser: &Browser,
    site: &LineSite,
    expression: &str,
    every: Duration,
) -> Result<(), HarnessError> {
    loop {
        let state =
            browser.execute(&format!("return [{expression} ?? null, window.result?.error ?? null]")).await?;
        if let Some(message) = state[1].as_str() {
            return Err(HarnessError::Page { url: site.url("/run.html"), message: message.to_owned() });
        }
        if !state[0].is_null() {
            return Ok(());
        }
        tokio::time::sleep(every).await;
    }
}

async fn warm(parts: &Parts, scenario: &Scenario, strategy: &str) -> Result<Outcome, HarnessError> {
    let site = Site::new(parts, &scenario.pyodide)?.with_tests().tls().start(scenario.line(strategy)).await?;
    let browser = Browser::of(parts, scenario.engine).await?;
    let page = format!("/tests/lazy.html?app=warm&index=/index/{}/{strategy}/wheelfs.idx", scenario.app);
    let result: Value = browser.result(&site.url(&page)).await?;
    let printed = result["output"].as_str().unwrap_or_default();
    let rows: Vec<(String, f64, f64, u64)> = serde_json::from_str(printed).map_err(std::io::Error::from)?;
    let operations = rows.into_iter().map(|(name, wheelfs_us, memfs_us, count)| Operation {
        name,
        wheelfs_us,
        memfs_us,
        count,
    });
    Ok(Outcome::Warm(operations.collect()))
}

fn told(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Page(run) => format!("{:.1} s", run.page.total_ms / 1e3),
        Outcome::FirstLine(line) => format!("{:.2} of the pack", line.arrived()),
        Outcome::Warm(operations) => {
            let ratios = operations.iter().map(|one| format!("{:.2}", one.ratio()));
            ratios.collect::<Vec<_>>().join(", ")
        }
        Outcome::Failed(reason) => reason.clone(),
    }
}

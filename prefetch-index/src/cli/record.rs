use anyhow::{Context, Result, bail};
use prefetch_index::trace::{self, EventKind};

use crate::args::Record;
use crate::{lock, node};

const RUNNER: &str = include_str!("record.mjs");
/// Exit statuses of the runner.
const APP_FAILED: i32 = 3;
const REFUSED: i32 = 4;

pub(crate) fn record(args: &Record) -> Result<()> {
    let (dir, app) = (args.pyodide.display(), args.app.display());
    lock::read(&args.pyodide)?;
    node::check_runtime(&args.pyodide)?;
    if !args.app.is_file() {
        bail!("{app}: no such file; give the Python file to run");
    }

    let work = tempfile::tempdir().context("no temporary folder can be made")?;
    let result = work.path().join("trace");
    let options = serde_json::json!({
        "dir": args.pyodide, "app": args.app, "packages": args.packages, "out": result,
    });
    // No spinner: the terminal is the program's.
    eprintln!("running {app} on the Pyodide of {dir}");
    let status = node::run(work.path(), RUNNER, &options)?;
    match status.code() {
        Some(0) => {}
        Some(APP_FAILED) => bail!("{app}: failed, Python's traceback is above; nothing was written"),
        Some(REFUSED) => {
            let message = std::fs::read_to_string(&result).unwrap_or_default();
            bail!("{message}");
        }
        _ => bail!(
            "{dir}: Pyodide did not start in Node ({status}), see above; are all its files from one release?"
        ),
    }

    let text = std::fs::read_to_string(&result).context("the run left no trace")?;
    let trace = trace::parse(&text).context("the run left a broken trace")?;
    std::fs::write(&args.output, text)
        .with_context(|| format!("{}: cannot be written", args.output.display()))?;
    let files: std::collections::BTreeSet<&str> = trace
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Read { path, .. } => Some(path.as_str()),
            _ => None,
        })
        .collect();
    eprintln!("{}: {} files read of {} packages", args.output.display(), files.len(), trace.packages.len());
    Ok(())
}

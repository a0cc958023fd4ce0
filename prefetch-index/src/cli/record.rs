use std::path::Path;

use anyhow::{Context, Result, bail};
use prefetch_index::trace::{self, EventKind};

use crate::args::Record;
use crate::build::write_whole;
use crate::{lock, node};

const SCRIPTS: [(&str, &str); 2] =
    [("record.mjs", include_str!("record.mjs")), ("profile.mjs", include_str!("profile.mjs"))];
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
    check_output(&args.output)?;

    let work = tempfile::tempdir().context("no temporary folder can be made")?;
    let result = work.path().join("trace");
    let options = serde_json::json!({
        "dir": node::option(&args.pyodide)?, "app": node::option(&args.app)?,
        "packages": args.packages, "out": node::option(&result)?,
    });
    // No spinner: the terminal is the program's.
    eprintln!("running {app} on the Pyodide of {dir}");
    let status = node::run(work.path(), &SCRIPTS, &options)?;
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
    write(&args.output, &text)?;
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

/// A program may run for minutes: that its trace has no place is said before.
fn check_output(output: &Path) -> Result<()> {
    let shown = output.display();
    if output.is_dir() {
        bail!("{shown}: a folder; give the file to write the trace to");
    }
    let folder = match output.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        bail!("{shown}: there is no folder {}; make it first", folder.display());
    }
    if is_replaced(output) {
        tempfile::tempfile_in(folder).with_context(|| format!("{shown}: cannot be written"))?;
    }
    Ok(())
}

fn write(output: &Path, text: &str) -> Result<()> {
    if is_replaced(output) {
        return write_whole(output, text.as_bytes());
    }
    std::fs::write(output, text).with_context(|| format!("{}: cannot be written", output.display()))
}

/// Not so a pipe or `/dev/stdout`.
fn is_replaced(output: &Path) -> bool {
    output.is_file() || !output.exists()
}

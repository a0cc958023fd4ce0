use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::args::Strip;
use crate::{node, progress};

const SCRIPT: (&str, &str) = ("bytecode.mjs", include_str!("bytecode.mjs"));

/// A module to compile.
pub(crate) struct Source {
    /// Absolute path in Pyodide's filesystem, for tracebacks.
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

/// The `.pyc` of each source, made by the Pyodide in `dir`: unchecked-hash, so that Python never looks at the source. `None`
/// where a source does not compile; wheels carry some that are meant for other versions of Python.
pub(crate) fn compile(dir: &Path, sources: &[Source], strip: &[Strip]) -> Result<Vec<Option<Vec<u8>>>> {
    node::check_runtime(dir)?;
    let work = tempfile::tempdir().context("no temporary folder can be made")?;
    let mut list = Vec::new();
    for (number, source) in sources.iter().enumerate() {
        let file = work.path().join(number.to_string());
        std::fs::write(&file, &source.bytes)
            .with_context(|| format!("{}: cannot be written", file.display()))?;
        list.push(serde_json::json!({ "file": node::option(&file)?, "name": source.name }));
    }
    let (listed, out) = (work.path().join("sources.json"), work.path().join("out"));
    std::fs::write(&listed, serde_json::to_vec(&list)?).context("the list of sources cannot be written")?;
    let bar = progress::step(&format!("compiling {} Python files", sources.len()), 0);
    let options = serde_json::json!({
        "dir": node::option(dir)?, "sources": node::option(&listed)?, "out": node::option(&out)?,
        "docstrings": !strip.contains(&Strip::Docstrings), "columns": !strip.contains(&Strip::Columns),
    });
    let status = node::run(work.path(), &[SCRIPT], &options)?;
    bar.finish_and_clear();
    if !status.success() {
        bail!(
            "{}: Pyodide could not compile in Node ({status}), see above; are all its files from one release?",
            dir.display()
        );
    }
    let made = std::fs::read(&out).context("the compiler left no result")?;
    let mut rest = made.as_slice();
    let mut compiled = Vec::new();
    for _ in sources {
        let (bytes, after) = split(rest).context("the compiler left a broken result")?;
        compiled.push((!bytes.is_empty()).then(|| bytes.to_vec()));
        rest = after;
    }
    Ok(compiled)
}

/// The first record of the compiler's output, and what follows it.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_le_bytes(*len) as usize)
}

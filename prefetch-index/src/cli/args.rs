use std::path::PathBuf;

use clap::{ArgGroup, Parser, Subcommand};

/// Make Pyodide pages start fast: record once what a program reads, then bring just that, in that order.
#[derive(Debug, Parser)]
#[command(version, after_help = AFTER_HELP, long_about = LONG_ABOUT)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const LONG_ABOUT: &str = "\
Make Pyodide pages start fast: record once what a program reads, then bring just that, in that order.

A page that runs Python through Pyodide downloads whole wheels before the first line runs. With an index, wheelfs \
shows every file at once and fetches the bytes a program reads, in the order it reads them, before it asks.";

const AFTER_HELP: &str = "\
Example: site/ holds pyodide.mjs, pyodide-lock.json, the wheels, …

  prefetch-index record --pyodide site -o app.trace app.py
  prefetch-index build  --pyodide site --trace app.trace -o site/
  prefetch-index inspect site/wheelfs.idx

The page then says
  loadPyodide({ indexURL: \"site/\", wheelfs: { index: \"site/wheelfs.idx\" } })";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a Python file on Pyodide in Node and write down every read
    ///
    /// The file runs to its end on the stock Pyodide of the folder; its output goes to the terminal. Needs Node 18 or
    /// newer, as `node` on PATH or in $NODE. A trace can also come from a browser: save what `pyodide.wheelfs.trace()`
    /// returns.
    Record(Record),
    /// Build wheelfs.idx from recorded runs and the wheels; with --pack, packs beside it
    ///
    /// Every wheel the traces name is read once and checked against the lock file's SHA-256. --pack and --stdlib compile
    /// Python with the folder's own Pyodide and need Node, as `record` does. Serve everything in OUT from one folder.
    Build(Build),
    /// Show what an index holds, and the requests of a page without packs
    ///
    /// Shows archives, groups and packs, and for each entry point the range requests on a line of 20 Mbit/s and 200 ms: what
    /// a page makes of them without packs, or if they fail. A page with packs asks for the packs.
    Inspect(Inspect),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Record {
    /// Folder as a site serves it: pyodide.mjs, pyodide.asm.*, python_stdlib.zip, pyodide-lock.json and the wheels
    #[arg(long, value_name = "DIR")]
    pub(crate) pyodide: PathBuf,
    /// Packages to load, by their names in the lock file; without it, those the file imports
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub(crate) packages: Vec<String>,
    /// The trace to write
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// The Python file to run; top-level await is allowed
    #[arg(value_name = "APP.py")]
    pub(crate) app: PathBuf,
}

#[derive(Debug, clap::Args)]
#[command(group(ArgGroup::new("compiled").args(["pack", "stdlib"]).multiple(true)))]
pub(crate) struct Build {
    /// Folder as a site serves it, with pyodide-lock.json and the wheels
    #[arg(long, value_name = "DIR")]
    pub(crate) pyodide: PathBuf,
    /// A recorded run; may be given several times. The file's name without extension names the entry point
    #[arg(long, value_name = "FILE", required = true)]
    pub(crate) trace: Vec<PathBuf>,
    /// Where the wheels will be served; without it, the index has the lock file's names, relative to the page's `baseUrl`
    #[arg(long, value_name = "URL")]
    pub(crate) base_url: Option<String>,
    /// Also write what the programs read as packs: one compressed stream in access order, Python compiled. Half the
    /// bytes, and nothing to compile on the page; sources are fetched when a traceback shows them
    #[arg(long)]
    pub(crate) pack: bool,
    /// Leave out of the compiled Python: docstrings (`__doc__` is empty, help() shows signatures only), columns
    /// (tracebacks name lines but do not underline expressions). Needs --pack or --stdlib
    #[arg(long, value_name = "WHAT", value_delimiter = ',', requires = "compiled")]
    pub(crate) strip: Vec<Strip>,
    /// Pack shared libraries as they are. Without it, the functions that the recorded programs call come first, and the
    /// others at the end of the pack; a call of one of those that comes sooner freezes the page until it is here
    #[arg(long, requires = "pack")]
    pub(crate) whole_libraries: bool,
    /// Make packs in half of the time, a seventh larger: for trying out. Needs --pack or --stdlib
    #[arg(long, requires = "compiled")]
    pub(crate) quick: bool,
    /// Also write python_stdlib.pack: the modules of the standard library that Pyodide's start and the programs load,
    /// compiled. Pages boot from it; the other modules stay importable and are fetched one by one
    #[arg(long)]
    pub(crate) stdlib: bool,
    /// Folder to write wheelfs.idx to; made if missing
    #[arg(short, long, value_name = "OUT")]
    pub(crate) output: PathBuf,
}

/// What compiled Python can do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Strip {
    Docstrings,
    Columns,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    /// The index, wheelfs.idx
    #[arg(value_name = "INDEX")]
    pub(crate) index: PathBuf,
    /// Machine-readable, on one line
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Args::command().debug_assert();
    }
}

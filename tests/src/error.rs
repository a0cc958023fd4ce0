//! What can go wrong around a test.

use std::{io, path::PathBuf};

use fantoccini::error::{CmdError, NewSessionError};
use thiserror::Error;

/// The harness could not do its part.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HarnessError {
    /// Set-up or build has not run, or is out of date.
    #[error("{} is missing: run `cargo xtask build` first", .0.display())]
    Missing(
        /// The file or folder that is not there.
        PathBuf,
    ),
    /// Set-up put no such Pyodide on this machine.
    #[error("set-up has no Pyodide {0}: target/parts.json lists those it has")]
    NoPyodide(
        /// The version asked for.
        String,
    ),
    /// Set-up put no such JupyterLite on this machine.
    #[error("set-up has no JupyterLite {0}: target/parts.json lists those it has")]
    NoJupyterLite(
        /// The version asked for.
        String,
    ),
    /// A document does not say what a test is to run.
    #[error("{section} has no {what}: what is written there is what the test runs")]
    NotWritten {
        /// Where.
        section: String,
        /// What was looked for.
        what: String,
    },
    /// A file of the harness's own does not parse.
    #[error("{}: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A script ended otherwise than with exit code 0; what it wrote to stderr is in the test's output.
    #[error("{} ended with {status}", script.display())]
    Script {
        /// The script.
        script: PathBuf,
        /// How it ended.
        status: std::process::ExitStatus,
    },
    /// A script was still running when it was given up.
    #[error("{} has no result after {seconds} s; what it printed until then is above", script.display())]
    NoEnd {
        /// The script.
        script: PathBuf,
        /// How long it ran.
        seconds: u64,
    },
    /// A script's last line of output is not the JSON that was wanted.
    #[error("{}: its last line is no result: {source}; it begins {begin:?}", script.display())]
    NoResult {
        /// The script.
        script: PathBuf,
        /// The first characters of its last line.
        begin: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A page reported that its run failed.
    #[error("the page at {url} reports: {message}")]
    Page {
        /// Its address.
        url: String,
        /// What it said.
        message: String,
    },
    /// A browser would not start.
    #[error("the driver gave no session: {0}")]
    Session(Box<NewSessionError>),
    /// A browser would not do what it was told.
    #[error("the driver: {0}")]
    Command(Box<CmdError>),
    /// The machine.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<NewSessionError> for HarnessError {
    fn from(error: NewSessionError) -> HarnessError {
        HarnessError::Session(Box::new(error))
    }
}

impl From<CmdError> for HarnessError {
    fn from(error: CmdError) -> HarnessError {
        HarnessError::Command(Box::new(error))
    }
}

//! What tests make once: the same program makes the same of the same inputs.

use std::{
    fs,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use sha2::{Digest, Sha256};

use crate::{HarnessError, Parts};

/// A folder in `target/test-made`, named by all that decides what is in it.
pub(crate) struct Made(Sha256);

impl Made {
    /// `words`: a command, its options.
    pub(crate) fn by(words: &[&str]) -> Made {
        Made(Sha256::new_with_prefix(words.join("\n")))
    }

    /// With these files, whose time and length tell them: they are large, or many others stand behind them.
    pub(crate) fn with(mut self, programs: &[&Path]) -> Result<Made, HarnessError> {
        for program in programs {
            let metadata = fs::metadata(program)?;
            let modified = metadata.modified()?.duration_since(UNIX_EPOCH).map_err(std::io::Error::other)?;
            self.0.update(format!("{} {}", modified.as_nanos(), metadata.len()));
        }
        Ok(self)
    }

    /// Of these files, by name and content.
    pub(crate) fn of(mut self, inputs: &[&Path]) -> Result<Made, HarnessError> {
        for input in inputs {
            self.0.update(input.file_name().unwrap_or_default().as_encoded_bytes());
            self.0.update(fs::read(input)?);
        }
        Ok(self)
    }

    /// The folder, which is not there before it is [filled](fill).
    pub(crate) fn folder(self) -> PathBuf {
        let key: String = self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        Parts::root().join("target/test-made").join(key)
    }
}

/// Lets `make` fill a folder, which shows when it is whole.
pub(crate) fn fill(
    folder: &Path,
    make: impl FnOnce(&Path) -> Result<(), HarnessError>,
) -> Result<(), HarnessError> {
    let beside = folder.parent().unwrap_or(folder);
    fs::create_dir_all(beside)?;
    let fresh = tempfile::tempdir_in(beside)?;
    make(fresh.path())?;
    // Another test may have made it meanwhile.
    match fs::rename(fresh.path(), folder) {
        Err(error) if !folder.exists() => Err(error.into()),
        _ => Ok(()),
    }
}

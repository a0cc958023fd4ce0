//! What tests make once: the same program makes the same of the same inputs.

use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use sha2::{Digest, Sha256};

use crate::{HarnessError, Parts};

/// How long what no test has used is kept: whatever changes, prefetch-index most of all, makes what came before useless.
const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

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

/// What `read` finds in a folder; `None` if it is not there. Another test may take it away meanwhile, and then it was not.
pub(crate) fn read<T>(
    folder: &Path,
    read: impl FnOnce(&Path) -> io::Result<T>,
) -> Result<Option<T>, HarnessError> {
    // It says when the folder was last used.
    let found = File::open(folder).and_then(|file| file.set_modified(SystemTime::now()));
    match found.and_then(|()| read(folder)) {
        Err(error) if error.kind() == ErrorKind::NotFound && !folder.exists() => Ok(None),
        result => Ok(Some(result?)),
    }
}

/// Lets `make` fill a folder, which shows when it is whole. Those beside it that were not used for long go.
pub(crate) fn fill(
    folder: &Path,
    make: impl FnOnce(&Path) -> Result<(), HarnessError>,
) -> Result<(), HarnessError> {
    let beside = folder.parent().unwrap_or(folder);
    fs::create_dir_all(beside)?;
    let fresh = tempfile::tempdir_in(beside)?;
    make(fresh.path())?;
    prune(beside)?;
    // Another test may have made it meanwhile.
    match fs::rename(fresh.path(), folder) {
        Err(error) if !folder.exists() => Err(error.into()),
        _ => Ok(()),
    }
}

/// Takes away what was not used for long in `folder`, and what tests that were killed have left in it.
fn prune(folder: &Path) -> Result<(), HarnessError> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let modified = fs::metadata(&path).and_then(|metadata| metadata.modified());
        if modified.is_ok_and(|time| time.elapsed().is_ok_and(|age| age > KEPT)) {
            // All at once, so that nobody finds half of it. Another test may have been faster.
            let grave = tempfile::tempdir_in(folder)?;
            let _ = fs::rename(&path, grave.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(folder: &Path) -> Result<(), HarnessError> {
        fill(folder, |fresh| Ok(fs::write(fresh.join("file"), "content")?))
    }

    fn content(folder: &Path) -> io::Result<String> {
        fs::read_to_string(folder.join("file"))
    }

    #[test]
    fn what_no_test_uses_goes_when_something_is_made() -> Result<(), HarnessError> {
        let beside = tempfile::tempdir()?;
        let folder = |name| beside.path().join(name);
        for name in ["used", "unused", "recent"] {
            made(&folder(name))?;
        }
        for (name, days) in [("used", 8), ("unused", 8), ("recent", 6)] {
            let time = SystemTime::now() - Duration::from_secs(days * 24 * 60 * 60);
            File::open(folder(name))?.set_modified(time)?;
        }
        assert_eq!(read(&folder("used"), content)?.as_deref(), Some("content"));
        made(&folder("new"))?;
        let mut left: Vec<_> =
            fs::read_dir(beside.path())?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<_>>()?;
        left.sort();
        assert_eq!(left, ["new", "recent", "used"]);
        Ok(())
    }

    #[test]
    fn what_goes_while_it_is_read_was_not_there() -> Result<(), HarnessError> {
        let beside = tempfile::tempdir()?;
        let folder = beside.path().join("folder");
        assert_eq!(read(&folder, content)?, None);
        made(&folder)?;
        let taken = read(&folder, |folder| {
            fs::remove_dir_all(folder)?;
            content(folder)
        });
        assert_eq!(taken?, None);
        made(&folder)?;
        assert!(
            read(&folder, |folder| fs::read(folder.join("other"))).is_err(),
            "that would be asked for ever"
        );
        Ok(())
    }
}

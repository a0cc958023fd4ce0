//! Where downloads live, how they are written, and how a finished step is recognised.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

/// The clone's root.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// `$WHEELFS_CACHE`, else `$XDG_CACHE_HOME/wheelfs`, else `~/.cache/wheelfs`; made if it is not there.
pub(crate) fn folder() -> Result<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = if let Some(folder) = set("WHEELFS_CACHE") {
        folder
    } else if let Some(folder) = set("XDG_CACHE_HOME") {
        folder.join("wheelfs")
    } else if let Some(home) = set("HOME") {
        home.join(".cache/wheelfs")
    } else {
        bail!("no place for downloads: set WHEELFS_CACHE to a folder outside the clone");
    };
    fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make the cache folder {}", folder.display()))?;
    Ok(folder)
}

/// Fills `folder` with `work` unless a run with the same `key` already finished there. A half-filled folder never
/// shows: the work is done beside it and renamed into place.
pub(crate) fn filled(folder: &Path, key: &str, work: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let stamp = folder.join(".stamp");
    if fs::read_to_string(&stamp).is_ok_and(|found| found == key) {
        return Ok(());
    }
    // Appended: the end of a version is no extension to be replaced.
    let mut partial = folder.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    remove(&partial)?;
    fs::create_dir_all(&partial)?;
    work(&partial)?;
    fs::write(partial.join(".stamp"), key)?;
    remove(folder)?;
    fs::rename(&partial, folder).with_context(|| format!("cannot put {} in place", folder.display()))?;
    Ok(())
}

/// Writes a whole file or nothing.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    fs::write(&partial, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    fs::rename(&partial, path)?;
    Ok(())
}

/// SHA-256 in lower-case hexadecimal, as lock files write it.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Removes a folder, if it is there.
pub(crate) fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let folder = env::temp_dir().join(format!("wheelfs-xtask-{name}-{}", std::process::id()));
        remove(&folder).unwrap();
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_folder_is_filled_once_per_key() {
        let scratch = scratch("filled");
        let folder = scratch.join("parts");
        let mut runs = 0;
        for key in ["one", "one", "two"] {
            filled(&folder, key, |partial| {
                runs += 1;
                Ok(fs::write(partial.join("key"), key)?)
            })
            .unwrap();
            assert_eq!(fs::read_to_string(folder.join("key")).unwrap(), key);
        }
        assert_eq!(runs, 2);
        remove(&scratch).unwrap();
    }

    #[test]
    fn a_failure_leaves_what_was_there() {
        let scratch = scratch("failure");
        let folder = scratch.join("parts");
        filled(&folder, "one", |partial| Ok(fs::write(partial.join("kept"), "1")?)).unwrap();
        let failed = filled(&folder, "two", |partial| {
            fs::write(partial.join("kept"), "2")?;
            bail!("the line went down")
        });
        assert!(failed.is_err());
        assert_eq!(fs::read_to_string(folder.join("kept")).unwrap(), "1");
        remove(&scratch).unwrap();
    }

    #[test]
    fn sha256_is_lower_case_hexadecimal() {
        assert_eq!(sha256(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}

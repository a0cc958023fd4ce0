//! Where downloads live, how they are written, and how a finished step is recognised.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

/// No set-up takes so long.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

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
    remove_abandoned(folder);
    let stamp = folder.join(".stamp");
    if fs::read_to_string(&stamp).is_ok_and(|found| found == key) {
        return Ok(());
    }
    let partial = beside(folder, "partial");
    remove(&partial)?;
    fs::create_dir_all(&partial)?;
    if let Err(error) = work(&partial).and_then(|()| Ok(fs::write(partial.join(".stamp"), key)?)) {
        remove(&partial)?;
        return Err(error);
    }
    replace(folder, &partial).with_context(|| format!("cannot put {} in place", folder.display()))
}

/// Puts `fresh` where `folder` is. Another process may do the same at any moment, so what is there is moved away in one
/// step before it is removed.
fn replace(folder: &Path, fresh: &Path) -> Result<()> {
    let old = beside(folder, "old");
    for _ in 0..10 {
        remove(&old)?;
        match fs::rename(folder, &old) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        match fs::rename(fresh, folder) {
            // Another's is there meanwhile.
            Err(error) if error.kind() == std::io::ErrorKind::DirectoryNotEmpty => {}
            renamed => {
                renamed?;
                return remove(&old);
            }
        }
    }
    bail!("other processes keep replacing it; wait for them")
}

/// Removes what runs that were killed left beside `folder`. Told by age: a cache may be shared with processes that cannot be
/// seen from here.
fn remove_abandoned(folder: &Path) {
    let (Some(parent), Some(name)) = (folder.parent(), folder.file_name()) else { return };
    let name = name.to_string_lossy();
    let starts = [format!("{name}.partial."), format!("{name}.old.")];
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let found = entry.file_name();
        let is_left = starts.iter().any(|start| found.to_string_lossy().starts_with(start));
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        let age = modified.ok().and_then(|modified| modified.elapsed().ok());
        if is_left && age.is_some_and(|age| age > ABANDONED) {
            // Another process may be removing it too.
            let _ = remove(&entry.path());
        }
    }
}

/// `X.partial.123`: this process's own, since several may share the cache. Appended: the end of a version is no extension
/// to be replaced.
fn beside(path: &Path, what: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{what}.{}", std::process::id()));
    PathBuf::from(name)
}

/// Writes a whole file or nothing.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let partial = beside(path, "partial");
    fs::write(&partial, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    fs::rename(&partial, path)?;
    Ok(())
}

/// SHA-256 in lower-case hexadecimal, as lock files write it.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One digest of files, by name and content; of a folder, of all that is in it but what Python leaves behind.
pub(crate) fn digest(paths: impl IntoIterator<Item = PathBuf>) -> Result<String> {
    let mut files = Vec::new();
    for path in paths {
        gather(path, &mut files)?;
    }
    files.sort();
    let mut text = String::new();
    for file in files {
        let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        text += &format!("{} {}\n", sha256(&bytes), file.display());
    }
    Ok(sha256(text.as_bytes()))
}

fn gather(path: PathBuf, files: &mut Vec<PathBuf>) -> Result<()> {
    if !path.is_dir() {
        files.push(path);
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_name() != "__pycache__" {
            gather(entry.path(), files)?;
        }
    }
    Ok(())
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
    use std::time::SystemTime;

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
    fn a_set_up_leaves_what_another_is_half_through() {
        let scratch = scratch("shared");
        let folder = scratch.join("parts");
        let half = scratch.join("parts.partial");
        fs::create_dir_all(&half).unwrap();
        fs::write(half.join("other"), "half").unwrap();
        filled(&folder, "one", |own| {
            // The other is done first.
            fs::create_dir_all(&folder)?;
            fs::write(folder.join("other"), "done")?;
            Ok(fs::write(own.join("own"), "1")?)
        })
        .unwrap();
        assert!(folder.join("own").exists() && !folder.join("other").exists());
        assert_eq!(fs::read_to_string(half.join("other")).unwrap(), "half");
        let left = fs::read_dir(&scratch).unwrap().count();
        assert_eq!(left, 2, "only the folder and the other's half");
        remove(&scratch).unwrap();
    }

    #[test]
    fn what_a_killed_run_left_is_removed_after_a_day() {
        let scratch = scratch("abandoned");
        let [fresh, stale] = ["parts.partial.1", "parts.partial.2"].map(|name| scratch.join(name));
        for folder in [&fresh, &stale] {
            fs::create_dir(folder).unwrap();
        }
        let before = SystemTime::now() - ABANDONED * 2;
        fs::File::open(&stale).unwrap().set_modified(before).unwrap();
        filled(&scratch.join("parts"), "one", |_| Ok(())).unwrap();
        assert!(fresh.exists() && !stale.exists());
        fs::File::open(&fresh).unwrap().set_modified(before).unwrap();
        filled(&scratch.join("parts"), "one", |_| Ok(())).unwrap();
        assert!(!fresh.exists(), "also where nothing is to be done");
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
        assert_eq!(fs::read_dir(&scratch).unwrap().count(), 1, "nothing half done");
        assert_eq!(fs::read_to_string(folder.join("kept")).unwrap(), "1");
        remove(&scratch).unwrap();
    }

    #[test]
    fn sha256_is_lower_case_hexadecimal() {
        assert_eq!(sha256(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}

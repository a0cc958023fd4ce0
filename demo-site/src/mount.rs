//! Folders and the paths they appear at.

use std::path::{Path, PathBuf};

/// A folder served at a path. Of several mounts the one with the longest path answers.
#[derive(Clone, Debug)]
pub struct Mount {
    at: String,
    folder: PathBuf,
}

impl Mount {
    /// `at`: where the folder's files appear, `/` or `/some/path`; `folder`: on this machine.
    pub fn new(at: &str, folder: impl Into<PathBuf>) -> Mount {
        Mount { at: at.trim_end_matches('/').to_owned(), folder: folder.into() }
    }

    /// The file that a request's path means, `None` when it is not under this mount or tries to leave the folder.
    fn file(&self, path: &str) -> Option<PathBuf> {
        let rest = path.strip_prefix(&self.at)?;
        let rest = if rest.is_empty() { "/" } else { rest };
        let mut file = self.folder.clone();
        for part in rest.strip_prefix('/')?.split('/') {
            match part {
                "" | "." => {}
                ".." => return None,
                part if part.contains(['\\', '\0']) => return None,
                part => file.push(part),
            }
        }
        if rest.ends_with('/') {
            file.push("index.html");
        }
        Some(file)
    }
}

/// The file that `path` means under `mounts`.
pub(crate) fn find(mounts: &[Mount], path: &str) -> Option<PathBuf> {
    let path = decoded(path)?;
    mounts
        .iter()
        .filter_map(|mount| Some((mount.at.len(), mount.file(&path)?)))
        .max_by_key(|(length, _)| *length)
        .map(|(_, file)| file)
}

/// The `Content-Type` of a file, by its name.
pub(crate) fn content_type(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("py" | "txt" | "md") => "text/plain; charset=utf-8",
        Some("json" | "map") => "application/json",
        // WebAssembly.instantiateStreaming takes no other.
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        Some("zip" | "whl") => "application/zip",
        _ => "application/octet-stream",
    }
}

/// Percent-decoding (RFC 3986, 2.1); `None` when it is not UTF-8.
fn decoded(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = match tail {
            [high, low, ..] if *first == b'%' => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match escaped {
            Some((high, low)) => {
                bytes.push(high << 4 | low);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside_their_folder() {
        let mounts = [Mount::new("/", "/page"), Mount::new("/pyodide/", "/dist")];
        for (path, expected) in [
            ("/", Some("/page/index.html")),
            ("/run.html", Some("/page/run.html")),
            ("/a%20b.txt", Some("/page/a b.txt")),
            ("/100%", Some("/page/100%")),
            ("/pyodide/numpy.whl", Some("/dist/numpy.whl")),
            ("/pyodide//./numpy.whl", Some("/dist/numpy.whl")),
            ("/pyodidex", Some("/page/pyodidex")),
            ("/../secret", None),
            ("/pyodide/../secret", None),
            ("/%2e%2e/secret", None),
            ("/..%2fsecret", None),
            ("/..\\secret", None),
            ("/%ff", None),
        ] {
            assert_eq!(find(&mounts, path).as_deref(), expected.map(Path::new), "{path}");
        }
    }
}

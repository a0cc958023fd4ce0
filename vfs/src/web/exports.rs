//! What JavaScript may call. Everything is checked here and nothing panics: an unknown inode has no bytes.

use std::cell::RefCell;
use std::rc::Rc;

use futures::channel::oneshot;
use js_sys::{Array, JsString, Promise, Uint8Array};
use prefetch_index::format;
use prefetch_index::index::{ArchiveInfo, Index, Install};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;

use super::blocks;
use super::error::Failure;
use super::host::{Host, Unpacker, WheelfsError};
use super::loader::{self, obtain_blocking};
use super::mount;
use super::object::{text, texts};
use super::settings::{Settings, SettingsObject};
use super::state::{Shared, State};
use super::stats::StatsObject;
use crate::tree::{FileId, Ino, MemberId, Node};

mod libraries;
mod trace;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** An archive to mount from its central directory; fields as in `pyodide-lock.json`. */
export interface ArchiveDescription {
  name: string;
  version: string;
  /** Absolute. */
  url: string;
  /** "dynlib" for shared libraries, else site-packages. */
  install_dir: string;
  imports: string[];
  depends: string[];
}

/** Absolute URLs of an index, and of what the URLs in it are relative to. Those of its packs are relative to its own. */
export interface IndexUrls {
  index: string;
  /** Of wheels. */
  base: string;
  /** Of the standard library. */
  runtime: string;
}
"#;

#[wasm_bindgen]
extern "C" {
    /// See the TypeScript interface above.
    #[wasm_bindgen(typescript_type = "ArchiveDescription")]
    pub type ArchiveDescription;
    /// See the TypeScript interface above.
    #[wasm_bindgen(typescript_type = "IndexUrls")]
    pub type IndexUrls;
}

include!(concat!(env!("OUT_DIR"), "/carried.rs"));

/// The mounted archives, their bytes and the requests for them.
#[wasm_bindgen]
pub struct Filesystem {
    shared: Shared,
}

#[wasm_bindgen]
impl Filesystem {
    /// `host`: Node's file access, absent in browsers. `unpacker`: another thread, where there is one.
    #[wasm_bindgen(constructor)]
    pub fn new(
        host: Option<Host>,
        unpacker: Option<Unpacker>,
        settings: &SettingsObject,
    ) -> Result<Self, WheelfsError> {
        let state = State::new(host, unpacker, Settings::read(settings)?);
        Ok(Self { shared: Rc::new(RefCell::new(state)) })
    }

    /// A file that this module carries: of `bridge/` a module, `"bridge.wasm"`, of `py/` and `worker/` a source, `"locks.py"`.
    pub fn carried(name: &str) -> Option<Uint8Array> {
        CARRIED.iter().find(|file| file.0 == name).map(|file| Uint8Array::from(file.1))
    }

    /// This module, compiled, for another thread.
    #[wasm_bindgen(js_name = compiledModule)]
    pub fn compiled_module() -> JsValue {
        wasm_bindgen::module()
    }

    /// Takes the content of a `wheelfs.idx`. Returns the version of Pyodide the index was built for.
    #[wasm_bindgen(js_name = loadIndex)]
    pub fn load_index(&self, bytes: &[u8], urls: &IndexUrls) -> Result<JsString, JsValue> {
        let [index_url, base_url, runtime_url] = &["index", "base", "runtime"].map(|key| text(urls, key));
        let index = format::decode(bytes).map_err(|error| Failure::new(index_url, error))?;
        let mut state = self.shared.borrow_mut();
        let started = match state.settings.entry.as_deref() {
            None => index.entries.first().filter(|_| index.entries.len() == 1),
            Some("") => None,
            Some(name) => Some(index.entry(name).ok_or_else(|| no_entry(&index, index_url, name))?),
        };
        let started = started.map(|entry| entry.groups.clone()).unwrap_or_default();
        let urls = index.archives.iter().map(|archive| match archive.install {
            Install::StandardLibrary => absolute(&archive.url, runtime_url),
            _ => absolute(&archive.url, base_url),
        });
        let urls = urls.collect();
        let pack_urls = index.packs.iter().map(|pack| absolute(&pack.url, index_url)).collect();
        let pyodide = JsString::from(index.pyodide.as_str());
        state.adopt(index, urls, pack_urls);
        state.entry = started;
        Ok(pyodide)
    }

    /// Number of packs of the index.
    #[wasm_bindgen(getter)]
    pub fn packs(&self) -> u32 {
        self.shared.borrow().index.packs.len() as u32
    }

    /// Folder of the standard library, `/lib/python3.12`, where the index shows it.
    #[wasm_bindgen(getter, js_name = standardLibrary)]
    pub fn standard_library(&self) -> Option<JsString> {
        let state = self.shared.borrow();
        state.index.boot.map(|_| ["/lib/python", &state.index.python].concat().into())
    }

    /// Brings what Pyodide's start reads of the standard library. Resolves when it is here, or cannot be: reading it then
    /// says why.
    #[wasm_bindgen(js_name = bringBoot)]
    pub fn bring_boot(&self) -> Promise {
        let shared = self.shared.clone();
        future_to_promise(async move {
            let group = shared.borrow().index.boot;
            let _ = loader::prefetch(&shared, group.as_slice()).await;
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Starts prefetching what the entry point reads that the option names: without one the only one, or nothing when
    /// there are several.
    pub fn start(&self) {
        {
            let mut state = self.shared.borrow_mut();
            let groups = std::mem::take(&mut state.entry);
            state.start(&groups);
        }
        loader::pump(&self.shared);
    }

    /// Brings what the named groups or entry points read; without names, all of them. Resolves when it is here, to the
    /// libraries among it, two values each: inode of the root, path below it.
    pub fn prefetch(&self, names: Option<Vec<String>>) -> Promise {
        self.bring(self.groups(names))
    }

    /// The same for what code that imports these modules will read, as far as the index knows.
    #[wasm_bindgen(js_name = prefetchImports)]
    pub fn prefetch_imports(&self, imports: Vec<String>) -> Promise {
        self.bring(Ok(self.shared.borrow().foreseen(&imports)))
    }

    /// Brings every member that is not here whenever nothing else is to be done, from when nothing has arrived for a second; of
    /// what is mounted later as well.
    pub fn fill(&self) {
        loader::fill(&self.shared);
    }

    /// Mounts an archive from its central directory. Resolves to its number of members.
    pub fn mount(&self, archive: &ArchiveDescription) -> Promise {
        let info = ArchiveInfo {
            name: text(archive, "name"),
            version: text(archive, "version"),
            url: text(archive, "url"),
            sha256: None,
            install: if text(archive, "install_dir") == "dynlib" {
                Install::SharedLibraries
            } else {
                Install::SitePackages
            },
            imports: texts(archive, "imports"),
            depends: texts(archive, "depends"),
        };
        let shared = self.shared.clone();
        future_to_promise(async move { Ok(JsValue::from(mount::mount(&shared, info).await? as f64)) })
    }

    /// Lock names of the mounted packages, in the order they were mounted.
    pub fn packages(&self) -> Vec<String> {
        let state = self.shared.borrow();
        let packages = state.index.archives.iter().filter(|a| a.install != Install::StandardLibrary);
        packages.map(|archive| archive.name.clone()).collect()
    }

    /// Children of a folder, five values each: name, inode, length (-1: a folder), modification time in seconds since
    /// 1970, executable (0 or 1). Bytecode that cannot come any more is none of them.
    pub fn children(&self, ino: Ino) -> Array {
        let state = self.shared.borrow();
        let out = Array::new();
        for (name, child) in state.tree.children(ino) {
            let (len, mtime, executable) = match state.file(child) {
                Some((len, mtime, executable)) => (len as f64, mtime as f64, executable),
                None if matches!(state.tree.node(child), Some(Node::Directory(_))) => (-1.0, 0.0, true),
                None => continue,
            };
            for value in [name.into(), child.into(), len.into(), mtime.into(), JsValue::from(executable)] {
                out.push(&value);
            }
        }
        out
    }

    /// The child `name` of a folder has been removed, moved or replaced: it is none any more until an archive is mounted
    /// that has it.
    pub fn detach(&self, folder: Ino, name: &str) {
        self.shared.borrow_mut().tree.detach(folder, name);
    }

    /// Null when the file's bytes from `start` to `end` are at hand, or are bytecode that cannot be had; else a promise that
    /// resolves once they are here, or once it is known why they cannot be ([`failure`](Self::failure) then tells). It never
    /// rejects. Files other than large stored members come whole.
    pub fn missing(&self, ino: Ino, start: f64, end: f64) -> Option<Promise> {
        let id = self.file(ino)?;
        let part = {
            let mut state = self.shared.borrow_mut();
            let part = match id {
                FileId::Member(id) => {
                    state.blocks_for(id, &(start as u64..end as u64)).map(|blocks| (id, blocks))
                }
                _ => None,
            };
            let is_here = match part.clone() {
                Some((id, blocks)) => state.has_blocks(id, blocks),
                None => state.at_hand(id).is_some() || state.is_lost(ino),
            };
            if is_here {
                return None;
            }
            part
        };
        let shared = self.shared.clone();
        Some(future_to_promise(async move {
            let by_blocks = match part {
                Some((id, wanted)) => Some(blocks::obtain(&shared, id, wanted).await),
                None => None,
            };
            let outcome = match by_blocks {
                Some(Err(failure)) if !failure.cause.is_about_content() => Err(failure),
                Some(Ok(())) => Ok(()),
                // The server sends other bytes than it says: the whole member can be checked.
                _ => loader::obtain(&shared, id).await.map(drop),
            };
            if let FileId::Member(id) = id {
                shared.borrow_mut().waited(id, outcome);
            }
            Ok(JsValue::UNDEFINED)
        }))
    }

    /// The next source or library that groups have brought, Python has not read, and was not named before: inode of the
    /// root, path below it. Empty: none is here. `onlySources`: libraries are passed over, and stay to be named.
    #[wasm_bindgen(js_name = nextToPrepare)]
    pub fn next_to_prepare(&self, #[wasm_bindgen(js_name = onlySources)] only_sources: bool) -> Array {
        rows(self.shared.borrow_mut().next_to_prepare(only_sources).into_iter().collect())
    }

    /// Resolves when bytes of a wheel arrive.
    pub fn arrival(&self) -> Promise {
        let (wake, woken) = oneshot::channel();
        self.shared.borrow_mut().arrivals.push(wake);
        future_to_promise(async move {
            let _ = woken.await;
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Whether this is bytecode that cannot be had: opening it is to fail as if it were not there, and Python compiles the
    /// source.
    #[wasm_bindgen(js_name = isLost)]
    pub fn is_lost(&self, ino: Ino) -> bool {
        self.shared.borrow().is_lost(ino)
    }

    /// The file's bytes, if they are at hand.
    pub fn bytes(&self, ino: Ino) -> Option<Uint8Array> {
        let mut state = self.shared.borrow_mut();
        match state.tree.node(ino)? {
            Node::Directory(_) | Node::Gone => None,
            Node::Inline(content) => Some(Uint8Array::from(&**content)),
            Node::File(id) => {
                let id = *id;
                state.at_hand(id).map(|decoded| decoded.0)
            }
        }
    }

    /// Copies the bytes from `position` on to `target`, which does not end past the file, fetching what is missing of them
    /// without returning to the event loop. `false`: the file is not read by parts; see [`bytes`](Self::bytes). Throws a
    /// `WheelfsError`.
    #[wasm_bindgen(js_name = readPart)]
    pub fn read_part(&self, ino: Ino, position: f64, target: &Uint8Array) -> Result<bool, JsValue> {
        match self.file(ino) {
            Some(FileId::Member(id)) if self.shared.borrow().is_large(id) => {
                if let Some(failure) = self.failure(ino) {
                    return Err(failure.into());
                }
                Ok(blocks::read(&self.shared, id, position as u64, target)?)
            }
            _ => Ok(false),
        }
    }

    /// The file's bytes, fetched without returning to the event loop where necessary. Throws a `WheelfsError`.
    #[wasm_bindgen(js_name = bytesBlocking)]
    pub fn bytes_blocking(&self, ino: Ino) -> Result<Uint8Array, JsValue> {
        if let Some(bytes) = self.bytes(ino) {
            return Ok(bytes);
        }
        match self.file(ino) {
            Some(FileId::Member(id)) => Ok(obtain_blocking(&self.shared, id)?.0),
            // Only a pack has it, and what is under way cannot arrive while the event loop stands still.
            Some(_) => Err(WheelfsError::new("bytecode is not here yet", "pending", "", None).into()),
            None => Ok(Uint8Array::new_with_length(0)),
        }
    }

    /// Why the last wait for this file brought no bytes; asking takes it away, so that the next read tries again.
    pub fn failure(&self, ino: Ino) -> Option<WheelfsError> {
        let id = self.member(ino)?;
        let mut state = self.shared.borrow_mut();
        let at = state.failures.iter().position(|(member, _)| *member == id)?;
        let (_, failure) = state.failures.swap_remove(at);
        Some(WheelfsError::from(&failure))
    }

    /// Counters.
    pub fn stats(&self) -> StatsObject {
        self.shared.borrow().stats_object()
    }

    fn bring(&self, groups: Result<Vec<u32>, JsValue>) -> Promise {
        let shared = self.shared.clone();
        future_to_promise(async move {
            let groups = groups?;
            loader::prefetch(&shared, &groups).await?;
            let libraries = rows(shared.borrow().libraries(&groups));
            Ok(libraries.into())
        })
    }

    /// Groups by the names of entry points and groups; all of them without names. An unknown name is an error.
    fn groups(&self, names: Option<Vec<String>>) -> Result<Vec<u32>, JsValue> {
        let state = self.shared.borrow();
        let Some(names) = names else { return Ok((0..state.index.groups.len() as u32).collect()) };
        let mut groups = Vec::new();
        for name in names {
            if let Some(entry) = state.index.entry(&name) {
                groups.extend(&entry.groups);
            } else if let Some((group, _)) = state.index.group(&name) {
                groups.push(group);
            } else {
                let message = format!(
                    "the index has no entry point or group named \"{name}\": see `prefetch-index inspect`"
                );
                return Err(WheelfsError::new(&message, "index", "", None).into());
            }
        }
        Ok(groups)
    }

    fn member(&self, ino: Ino) -> Option<MemberId> {
        match self.file(ino)? {
            FileId::Member(id) => Some(id),
            _ => None,
        }
    }

    fn file(&self, ino: Ino) -> Option<FileId> {
        match self.shared.borrow().tree.node(ino)? {
            Node::File(id) => Some(*id),
            _ => None,
        }
    }
}

/// What is said of an entry point that the index does not have.
fn no_entry(index: &Index, index_url: &str, name: &str) -> WheelfsError {
    let names: Vec<&str> = index.entries.iter().map(|entry| entry.name.as_str()).collect();
    let message = format!(
        "{index_url}: no entry point is named \"{name}\", the option \"entry\" may be one of: {}",
        names.join(", ")
    );
    WheelfsError::new(&message, "index", index_url, None)
}

/// `url` against `base`; an URL that cannot be parsed stays as it is and fails, named, when it is fetched.
fn absolute(url: &str, base: &str) -> String {
    web_sys::Url::new_with_base(url, base).map_or_else(|_| url.to_owned(), |url| url.href())
}

/// Two values each: inode of the root, path below it.
fn rows(paths: Vec<(Ino, String)>) -> Array {
    let out = Array::new();
    for (root, path) in paths {
        out.push(&root.into());
        out.push(&path.into());
    }
    out
}

//! Everything the page knows: what is mounted, what is decoded, what is under way. Touched only between awaits.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use futures::channel::oneshot;
use js_sys::{Date, Uint8Array};
use prefetch_index::index::{Archive, Index, Member, PackedFile, bytecode_path};
use prefetch_index::zip::MemberStream;
use wasm_bindgen::prelude::*;

use super::error::{Cause, Failure};
use super::host::{Host, Unpacker};
use super::parts::Part;
use super::settings::Settings;
use super::stats::Stats;
use crate::blocks::Blocks;
use crate::cache::{Cache, Sized64};
use crate::packs::{Packs, Whereabouts, file_id};
use crate::scheduler::{Found, RequestId, Scheduler};
use crate::trace::Trace;
use crate::tree::{FileId, Ino, MemberId, Node, PackedId, Tree, root_of};

/// The one state, shared by the exports and the transfers under way. Never borrowed across an `.await`.
pub(crate) type Shared = Rc<RefCell<State>>;

/// A decoded member, in JavaScript's memory: Emscripten reads it without another copy, and this module's own memory,
/// which can only grow, stays small.
#[derive(Clone)]
pub(crate) struct Decoded(pub(crate) Uint8Array);

impl Sized64 for Decoded {
    fn bytes(&self) -> u64 {
        u64::from(self.0.length())
    }
}

/// What the cache holds.
#[derive(PartialEq, Eq, Hash)]
pub(crate) enum Kept {
    /// A whole file.
    File(FileId),
    /// A block of a large stored member, by its number.
    Block(MemberId, u64),
}

/// What somebody who waits is told: the bytes are here, or why not.
pub(crate) type Outcome = Result<(), Failure>;

/// Somebody who waits until the bytes of a request are here up to an offset of the archive.
pub(super) struct Waiter {
    pub(super) request: RequestId,
    pub(super) until: u64,
    pub(super) wake: oneshot::Sender<Outcome>,
}

/// Whether every other member is to come too, once nothing else is to be done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filling {
    Off,
    /// Once nothing has arrived for a while.
    Waits,
    /// All that was mounted then is asked for.
    Began,
}

pub(crate) struct State {
    pub(crate) host: Option<Host>,
    pub(crate) unpacker: Option<Unpacker>,
    pub(crate) index: Index,
    /// Absolute URL of each archive.
    pub(crate) urls: Vec<String>,
    pub(crate) tree: Tree,
    pub(crate) scheduler: Scheduler,
    pub(crate) stats: Stats,
    pub(crate) trace: Trace,
    /// When this was made, milliseconds since 1970.
    began: f64,
    /// Absolute URL of each pack.
    pub(crate) pack_urls: Vec<String>,
    /// Packs that are to be opened.
    pub(crate) packs_to_open: Vec<u32>,
    pub(crate) packs: Packs<oneshot::Sender<Outcome>>,
    /// Why the last wait for a member ended without its bytes; taken by whoever reports it to Python.
    pub(crate) failures: Vec<(MemberId, Failure)>,
    /// URLs of archives whose server does not do ranges, so that the warning comes once.
    pub(crate) without_ranges: Vec<String>,
    /// Files that came with a pack and nobody has read yet. They are not the cache's to drop: they came to be read.
    unpacked: HashMap<FileId, Decoded>,
    /// Parts of packs that are still packed.
    pub(crate) parts: Vec<Part>,
    /// Whether somebody waits for the time to unpack them.
    pub(super) unpacks_later: bool,
    pub(crate) cache: Cache<Kept, Decoded>,
    /// Members of wheels that were decoded once. Who reads one again, after the cache dropped it, asks for it; nobody else does.
    decoded: HashSet<MemberId>,
    /// Large members whose local header was seen where the directory says it is.
    pub(crate) located: Vec<MemberId>,
    /// Blocks of large members under way.
    pub(crate) blocks: Blocks<oneshot::Sender<Outcome>>,
    pub(super) settings: Settings,
    pub(super) waiters: Vec<Waiter>,
    /// Groups of the entry point, until they are started.
    pub(crate) entry: Vec<u32>,
    /// Groups that were asked for.
    pub(super) started: Vec<u32>,
    /// Archives of which a request failed, for who asks for groups again.
    pub(super) failed: Vec<u32>,
    pub(super) filling: Filling,
    /// Sources and libraries that groups bring by ranges and nobody has prepared or read, in access order.
    pub(super) unprepared: Vec<MemberId>,
    /// Who waits until anything arrives.
    pub(super) arrivals: Vec<oneshot::Sender<()>>,
}

impl State {
    pub(crate) fn new(host: Option<Host>, unpacker: Option<Unpacker>, settings: Settings) -> Self {
        Self {
            host,
            unpacker,
            index: Index::default(),
            urls: Vec::new(),
            tree: Tree::default(),
            scheduler: Scheduler::new(settings.max_prefetches),
            stats: Stats::default(),
            trace: Trace::default(),
            began: Date::now(),
            pack_urls: Vec::new(),
            packs_to_open: Vec::new(),
            packs: Packs::default(),
            unpacked: HashMap::new(),
            parts: Vec::new(),
            unpacks_later: false,
            failures: Vec::new(),
            without_ranges: Vec::new(),
            cache: Cache::new(settings.cache_bytes),
            decoded: HashSet::new(),
            located: Vec::new(),
            blocks: Blocks::default(),
            settings,
            waiters: Vec::new(),
            entry: Vec::new(),
            started: Vec::new(),
            failed: Vec::new(),
            filling: Filling::Off,
            unprepared: Vec::new(),
            arrivals: Vec::new(),
        }
    }

    /// Milliseconds since this was made.
    pub(crate) fn age(&self) -> f64 {
        Date::now() - self.began
    }

    /// Takes over a decoded index. `urls`: the absolute URL of each of its archives; `pack_urls`: of each of its packs.
    pub(crate) fn adopt(&mut self, index: Index, urls: Vec<String>, pack_urls: Vec<String>) {
        self.packs = Packs::new(&index);
        self.pack_urls = pack_urls;
        self.index = Index { archives: Vec::new(), ..index };
        for (archive, url) in index.archives.into_iter().zip(urls) {
            self.add_archive(archive, url);
        }
        for packed in self.index.packs.iter().flat_map(|pack| &pack.files) {
            let FileId::Bytecode(source) = file_id(packed) else { continue };
            let Some(archive) = self.index.archives.get(packed.archive as usize) else { continue };
            let member = archive.members.get(packed.member as usize);
            let path = member.and_then(|member| archive.install_path(member));
            if let Some(path) = path.and_then(|source| bytecode_path(source, &self.index.python)) {
                self.tree.add_bytecode(root_of(archive.install), &path, source);
            }
        }
    }

    /// Mounts an archive.
    pub(crate) fn add_archive(&mut self, archive: Archive, url: String) {
        self.index.archives.push(archive);
        self.urls.push(url);
        self.show(self.index.archives.len() as u32 - 1);
    }

    /// Puts an archive's files into the tree: first, or again, where they have been removed.
    pub(crate) fn show(&mut self, id: u32) {
        let Some(archive) = self.index.archives.get(id as usize) else { return };
        self.tree.add_archive(id, archive);
        let root = root_of(archive.install);
        // What Pyodide's installer writes beside the metadata, so that micropip and importlib.metadata see the package. Wheels
        // have it at their end.
        let record =
            archive.members.iter().rev().find_map(|member| member.path.strip_suffix(".dist-info/METADATA"));
        if let Some(stem) = record {
            for (name, content) in [("INSTALLER", "wheelfs"), ("PYODIDE_SOURCE", "pyodide")] {
                self.tree.add_inline(root, &[stem, ".dist-info/", name].concat(), content.as_bytes());
            }
        }
    }

    pub(crate) fn member(&self, id: MemberId) -> Option<&Member> {
        self.index.archives.get(id.archive as usize)?.members.get(id.member as usize)
    }

    pub(crate) fn url(&self, archive: u32) -> &str {
        self.urls.get(archive as usize).map_or("", String::as_str)
    }

    /// Length, last modification (seconds since 1970) and executable bit of a file; `None` for a folder, and for bytecode
    /// whose pack failed before it came.
    pub(crate) fn file(&self, ino: Ino) -> Option<(u64, i64, bool)> {
        match self.tree.node(ino)? {
            Node::Directory(_) => None,
            Node::Gone => Some((0, 0, false)),
            Node::Inline(content) => Some((content.len() as u64, 0, false)),
            Node::File(FileId::Member(id)) => {
                self.member(*id).map(|member| (member.len, member.mtime, member.executable))
            }
            Node::File(bytecode) => {
                let (place, _) = self.packs.place(*bytecode)?;
                self.packed(place).map(|file| (self.index.packed_len(file), 0, false))
            }
        }
    }

    fn packed(&self, id: PackedId) -> Option<&PackedFile> {
        self.index.packs.get(id.pack as usize)?.files.get(id.file as usize)
    }

    /// The decoded file, if it is at hand.
    pub(crate) fn cached(&mut self, id: FileId) -> Option<Decoded> {
        if let Some(decoded) = self.unpacked.remove(&id) {
            self.cache.insert(Kept::File(id), decoded);
        }
        self.cache.get(&Kept::File(id)).cloned()
    }

    /// The decoded file, if it is held; it stays where it is.
    pub(super) fn held(&mut self, id: FileId) -> Option<Decoded> {
        self.unpacked.get(&id).or_else(|| self.cache.get(&Kept::File(id))).cloned()
    }

    /// Whether the decoded file is held.
    pub(super) fn is_kept(&self, id: FileId) -> bool {
        self.unpacked.contains_key(&id) || self.cache.contains(&Kept::File(id))
    }

    /// Whether nobody is known to want the member any more: it was decoded, though the cache may have dropped it.
    pub(super) fn has_been_here(&self, id: MemberId) -> bool {
        self.decoded.contains(&id)
    }

    /// The decoded file, if it can be had without the network.
    pub(crate) fn at_hand(&mut self, id: FileId) -> Option<Decoded> {
        self.cached(id).or_else(|| match id {
            FileId::Member(member) if self.member(member).is_some_and(|member| member.len == 0) => {
                Some(Decoded(Uint8Array::new_with_length(0)))
            }
            FileId::Member(member) => self.decode_arrived(member)?.ok(),
            FileId::Bytecode(_) | FileId::Primary(_) | FileId::Secondary(_) => None,
        })
    }

    /// Whether this is bytecode that cannot be had any more. Python then compiles the source.
    pub(crate) fn is_lost(&self, ino: Ino) -> bool {
        match self.tree.node(ino) {
            Some(Node::Gone) => true,
            Some(Node::File(id @ FileId::Bytecode(_))) => {
                !self.is_kept(*id)
                    && !matches!(
                        self.packs.place(*id),
                        Some((_, Whereabouts::Unopened | Whereabouts::Coming))
                    )
            }
            _ => false,
        }
    }

    /// A file of a pack has come: `bytes` were checked.
    pub(crate) fn unpacked(&mut self, id: PackedId, bytes: Uint8Array) {
        let Some(file_id) = self.packed(id).map(file_id) else { return };
        self.stats.members += 1;
        self.stats.decoded_bytes += u64::from(bytes.length());
        if !self.cache.contains(&Kept::File(file_id)) {
            self.unpacked.insert(file_id, Decoded(bytes));
        }
        self.has_arrived(id);
    }

    /// Wakes who waits for a file of a pack.
    pub(super) fn has_arrived(&mut self, id: PackedId) {
        for wake in self.packs.arrived(id) {
            // Nobody listens when the reader was cancelled; the bytes stay for the next.
            let _ = wake.send(Ok(()));
        }
    }

    /// A pack has come whole, or failed. Then what it was to bring is asked for from the wheels.
    pub(crate) fn pack_ended(&mut self, pack: u32, failure: Option<&Failure>) {
        if failure.is_none() {
            // What follows the last file of it.
            self.stats.bytes += self.packs.to_come_of(pack);
        }
        for wake in self.packs.end(pack, failure.is_some()) {
            let _ = wake.send(failure.map_or(Ok(()), |failure| Err(failure.clone())));
        }
        if failure.is_some() {
            let served = self.groups_with(pack);
            let again: Vec<u32> = self.started.extract_if(.., |group| served.contains(group)).collect();
            self.start(&again);
        }
    }

    pub(crate) fn cached_bytes(&self) -> u64 {
        self.cache.held()
    }

    /// Decodes a member whose bytes have arrived. `None`: they have not.
    pub(crate) fn decode_arrived(&mut self, id: MemberId) -> Option<Result<Decoded, Failure>> {
        let span = self.member(id)?.span();
        let Found::Bytes(bytes) = self.scheduler.find(id.archive, &span) else { return None };
        // The scheduler's bytes and the member live in different fields, but both behind `self`.
        let member = &mut self.index.archives[id.archive as usize].members[id.member as usize];
        let decoded = decode(member, bytes).map_err(|cause| self.failure(id, cause));
        Some(decoded.map(|bytes| self.keep(id, bytes)))
    }

    /// Decodes a member from bytes that were fetched outside the scheduler.
    pub(crate) fn decode_from(&mut self, id: MemberId, bytes: &[u8]) -> Result<Decoded, Failure> {
        let archive = self.index.archives.get_mut(id.archive as usize);
        let Some(member) = archive.and_then(|archive| archive.members.get_mut(id.member as usize)) else {
            return Err(self.failure(id, Cause::Unreadable));
        };
        match decode(member, bytes) {
            Ok(decoded) => Ok(self.keep(id, decoded)),
            Err(cause) => Err(self.failure(id, cause)),
        }
    }

    fn keep(&mut self, id: MemberId, bytes: Uint8Array) -> Decoded {
        // Its span began at the local header before that was read.
        let span = self.member(id).map(|member| member.header_offset..member.span_end);
        self.scheduler.release(id.archive, &span.unwrap_or_default());
        self.stats.members += 1;
        self.stats.decoded_bytes += u64::from(bytes.length());
        self.decoded.insert(id);
        let decoded = Decoded(bytes);
        self.cache.insert(Kept::File(FileId::Member(id)), decoded.clone());
        decoded
    }

    /// A failure of this member.
    pub(crate) fn failure(&self, id: MemberId, cause: impl Into<Cause>) -> Failure {
        let failure = Failure::new(self.url(id.archive), cause);
        match self.member(id) {
            Some(member) => failure.of_member(&member.path),
            None => failure,
        }
    }

    /// Remembers how the last wait for a member ended.
    pub(crate) fn waited(&mut self, id: MemberId, outcome: Outcome) {
        self.failures.retain(|(member, _)| *member != id);
        if let Err(failure) = outcome {
            self.failures.push((id, failure));
        }
    }

    /// Wakes those whose bytes of `request` are here, up to the offset `arrived`.
    pub(crate) fn wake(&mut self, request: RequestId, arrived: u64) {
        for waiter in self.waiters.extract_if(.., |w| w.request == request && w.until <= arrived) {
            // Nobody listens when the reader was cancelled; the bytes stay for the next.
            let _ = waiter.wake.send(Ok(()));
        }
        for wake in self.arrivals.drain(..) {
            let _ = wake.send(());
        }
    }

    /// Tells all who wait for `request` that it failed.
    pub(crate) fn wake_failed(&mut self, request: RequestId, failure: &Failure) {
        for waiter in self.waiters.extract_if(.., |waiter| waiter.request == request) {
            let _ = waiter.wake.send(Err(failure.clone()));
        }
    }

    /// Those who wait for `from` now wait for `to`, which brings the same bytes.
    pub(crate) fn move_waiters(&mut self, from: RequestId, to: RequestId) {
        for waiter in self.waiters.iter_mut().filter(|waiter| waiter.request == from) {
            waiter.request = to;
        }
    }
}

#[wasm_bindgen]
extern "C" {
    /// js-sys's constructor does not catch what this one throws where no memory is left.
    #[wasm_bindgen(js_name = Uint8Array)]
    type Memory;

    #[wasm_bindgen(constructor, catch, js_class = "Uint8Array")]
    fn new(len: u32) -> Result<Memory, JsValue>;
}

/// Piece by piece into JavaScript's memory: this module's own never holds a decoded member.
fn decode(member: &mut Member, bytes: &[u8]) -> Result<Uint8Array, Cause> {
    let start = match member.data_offset {
        Some(_) => 0,
        None => (member.locate(bytes)? - member.header_offset) as usize,
    };
    let compressed = bytes.get(start..start + member.compressed_len as usize).unwrap_or_default();
    let mut stream = MemberStream::new(member.method, compressed.len() as u64, member.len, member.crc32)?;
    let decoded = Memory::new(member.len as u32).map_err(|_| Cause::NoMemory(member.len))?;
    let decoded: Uint8Array = decoded.unchecked_into();
    let mut end = 0;
    stream.push(compressed, &mut |fresh| {
        let start = end;
        end += fresh.len() as u32;
        decoded.subarray(start, end).copy_from(fresh);
    })?;
    stream.finish()?;
    Ok(decoded)
}

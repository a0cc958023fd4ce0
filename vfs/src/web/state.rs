//! Everything the page knows: what is mounted, what is decoded, what is under way. Touched only between awaits.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use futures::channel::oneshot;
use js_sys::Uint8Array;
use prefetch_index::dylink;
use prefetch_index::index::{Archive, Group, Index, Member, PackedFile, bytecode_path};
use prefetch_index::order::by_numbers;
use prefetch_index::plan::{Budget, Line, Want, plan};
use prefetch_index::zip::decode_member;

use super::error::{Cause, Failure};
use super::host::{Host, Unpacker};
use crate::blocks::Blocks;
use crate::cache::{Cache, Sized64};
use crate::packs::{Packs, Whereabouts, file_id};
use crate::scheduler::{Found, RequestId, Scheduler, Send};
use crate::tree::{FileId, Ino, MemberId, Node, PackedId, SHARED_LIBRARIES, SITE_PACKAGES, Tree, root_of};

/// Bytes between two missing members that are fetched with them: a local header and a small member that is here.
const FILL_GAP: u64 = 4 << 10;
/// Most bytes of a request for what nobody is known to want: 0.2 s at 20 Mbit/s.
const FILL_BATCH: u64 = 512 << 10;

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

/// Counters for `pyodide.wheelfs.stats()`.
#[derive(Default)]
pub(crate) struct Stats {
    pub(crate) requests: u32,
    pub(crate) bytes: u64,
    pub(crate) retries: u32,
    pub(crate) blocking_requests: u32,
    pub(crate) waits: u32,
    pub(crate) members: u32,
    pub(crate) decoded_bytes: u64,
}

/// What somebody who waits is told: the bytes are here, or why not.
pub(crate) type Outcome = Result<(), Failure>;

/// Somebody who waits until the bytes of a request are here up to an offset of the archive.
struct Waiter {
    request: RequestId,
    until: u64,
    wake: oneshot::Sender<Outcome>,
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
    pub(crate) cache: Cache<Kept, Decoded>,
    /// Large members whose local header was seen where the directory says it is.
    pub(crate) located: Vec<MemberId>,
    /// Blocks of large members under way.
    pub(crate) blocks: Blocks<oneshot::Sender<Outcome>>,
    line: Line,
    waiters: Vec<Waiter>,
    started: Vec<u32>,
}

impl State {
    pub(crate) fn new(
        host: Option<Host>,
        unpacker: Option<Unpacker>,
        cache_bytes: u64,
        max_prefetches: usize,
        line: Line,
    ) -> Self {
        Self {
            host,
            unpacker,
            index: Index::default(),
            urls: Vec::new(),
            tree: Tree::default(),
            scheduler: Scheduler::new(max_prefetches),
            stats: Stats::default(),
            pack_urls: Vec::new(),
            packs_to_open: Vec::new(),
            packs: Packs::default(),
            unpacked: HashMap::new(),
            failures: Vec::new(),
            without_ranges: Vec::new(),
            cache: Cache::new(cache_bytes),
            located: Vec::new(),
            blocks: Blocks::default(),
            line,
            waiters: Vec::new(),
            started: Vec::new(),
        }
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
        let id = self.index.archives.len() as u32;
        self.tree.add_archive(id, &archive);
        let root = root_of(archive.install);
        // What Pyodide's installer writes beside the metadata, so that micropip and importlib.metadata see the package.
        let record =
            archive.members.iter().find_map(|member| member.path.strip_suffix(".dist-info/METADATA"));
        if let Some(stem) = record {
            for (name, content) in [("INSTALLER", "wheelfs"), ("PYODIDE_SOURCE", "pyodide")] {
                self.tree.add_inline(root, &[stem, ".dist-info/", name].concat(), content.as_bytes());
            }
        }
        self.index.archives.push(archive);
        self.urls.push(url);
    }

    pub(crate) fn member(&self, id: MemberId) -> Option<&Member> {
        self.index.archives.get(id.archive as usize)?.members.get(id.member as usize)
    }

    pub(crate) fn url(&self, archive: u32) -> &str {
        self.urls.get(archive as usize).map_or("", String::as_str)
    }

    /// Length, last modification (seconds since 1970) and executable bit of a file; `None` for a folder.
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
                self.packed(place).map(|file| (file.bytecode.unwrap_or_default(), 0, false))
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

    /// Whether the decoded file is held.
    fn is_kept(&self, id: FileId) -> bool {
        self.unpacked.contains_key(&id) || self.cache.contains(&Kept::File(id))
    }

    /// The decoded file, if it can be had without the network.
    pub(crate) fn at_hand(&mut self, id: FileId) -> Option<Decoded> {
        self.cached(id).or_else(|| match id {
            FileId::Member(member) if self.member(member).is_some_and(|member| member.len == 0) => {
                Some(Decoded(Uint8Array::new_with_length(0)))
            }
            FileId::Member(member) => self.decode_arrived(member)?.ok(),
            FileId::Bytecode(_) => None,
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
        for wake in self.packs.arrived(id) {
            // Nobody listens when the reader was cancelled; the bytes stay for the next.
            let _ = wake.send(Ok(()));
        }
    }

    /// A pack has come whole, or failed. Then what it was to bring is asked for from the wheels.
    pub(crate) fn pack_ended(&mut self, pack: u32, failure: Option<&Failure>) {
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
        Some(decoded.map(|bytes| {
            self.scheduler.release(id.archive, &span);
            self.keep(id, &bytes)
        }))
    }

    /// Decodes a member from bytes that were fetched outside the scheduler.
    pub(crate) fn decode_from(&mut self, id: MemberId, bytes: &[u8]) -> Result<Decoded, Failure> {
        let archive = self.index.archives.get_mut(id.archive as usize);
        let Some(member) = archive.and_then(|archive| archive.members.get_mut(id.member as usize)) else {
            return Err(self.failure(id, Cause::Unreadable));
        };
        match decode(member, bytes) {
            Ok(decoded) => Ok(self.keep(id, &decoded)),
            Err(cause) => Err(self.failure(id, cause)),
        }
    }

    fn keep(&mut self, id: MemberId, bytes: &[u8]) -> Decoded {
        let decoded = Decoded(Uint8Array::from(bytes));
        self.stats.members += 1;
        self.stats.decoded_bytes += bytes.len() as u64;
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

    /// Waits for a file of a pack; `None`: it is not on its way.
    pub(crate) fn await_packed(&mut self, id: PackedId) -> Option<oneshot::Receiver<Outcome>> {
        let (wake, woken) = oneshot::channel();
        self.packs.wait(id, wake).is_none().then_some(woken)
    }

    /// Starts the groups that a pack serves.
    pub(crate) fn start_groups_of_pack(&mut self, pack: u32) {
        let groups = self.groups_with(pack);
        self.start(&groups);
    }

    fn groups_with(&self, pack: u32) -> Vec<u32> {
        let groups = (0..).zip(&self.index.groups);
        groups.filter(|(_, group)| group.packs.contains(&pack)).map(|(number, _)| number).collect()
    }

    /// Asks for a member that Python waits for, and for what its groups will read after it.
    pub(crate) fn demand(&mut self, id: MemberId, span: Range<u64>) -> oneshot::Receiver<Outcome> {
        let (wake, woken) = oneshot::channel();
        let until = span.end;
        let request = self.scheduler.demand(id.archive, span);
        self.waiters.push(Waiter { request, until, wake });
        self.start_groups_reading(id);
        woken
    }

    /// Starts the groups that read this member: what they read will be read next.
    pub(crate) fn start_groups_reading(&mut self, id: MemberId) {
        let reads = |group: &Group| {
            group.reads.iter().any(|read| (read.archive, read.member) == (id.archive, id.member))
        };
        let groups = (0..).zip(&self.index.groups).filter(|(_, group)| reads(group));
        let groups: Vec<u32> = groups.map(|(number, _)| number).collect();
        self.start(&groups);
    }

    /// Queues what the groups and their parents read and nobody has asked for yet.
    pub(crate) fn start(&mut self, groups: &[u32]) {
        let mut fresh = groups.to_vec();
        fresh.retain(|group| !self.started.contains(group));
        self.started.extend(&fresh);
        if fresh.is_empty() {
            return;
        }
        self.open_packs(&fresh);
        let members = self
            .index
            .access_order(&fresh)
            .into_iter()
            .map(|read| MemberId { archive: read.archive, member: read.member });
        let is_missing = |id: &MemberId| {
            let file = FileId::Member(*id);
            !self.packs.serves(*id) && !self.is_large(*id) && !self.is_kept(file)
        };
        let missing = members.filter(is_missing).filter_map(|id| {
            let span = self.member(id)?.span();
            matches!(self.scheduler.find(id.archive, &span), Found::Nowhere)
                .then_some(Want { archive: id.archive, span })
        });
        let wants: Vec<Want> = missing.collect();
        let lens: Vec<u64> = self.index.archives.iter().map(|archive| archive.len).collect();
        let planned = plan(&wants, &lens, &self.line, &Budget::default());
        self.scheduler.prefetch(&planned, &wants);
    }

    /// Queues every member that is not here, to come when nothing else is to be done. Not those that are read by blocks.
    pub(crate) fn fill(&mut self) {
        for (archive, number) in self.index.archives.iter().zip(0..) {
            let ids = (0..archive.members.len() as u32).map(|member| MemberId { archive: number, member });
            let is_here = |id: &MemberId| {
                let file = FileId::Member(*id);
                let packed = self.packs.place(file).map(|(_, at)| at);
                matches!(packed, Some(Whereabouts::Coming | Whereabouts::Arrived)) || self.is_kept(file)
            };
            let missing =
                ids.filter(|id| !is_here(id) && !self.is_large(*id)).filter_map(|id| self.member(id));
            let spans = missing.filter(|member| member.len > 0).map(Member::span).collect();
            self.scheduler.fill(
                number,
                by_numbers(spans, |span| (span.start, span.end)),
                FILL_GAP,
                FILL_BATCH,
            );
        }
    }

    /// The next request to send.
    pub(crate) fn next_to_send(&mut self) -> Option<Send> {
        let next = self.scheduler.next_to_send();
        next.or_else(|| if self.packs.are_awaited() { None } else { self.scheduler.next_to_fill() })
    }

    /// Whether this transfer is to stop, since Python waits for another.
    pub(crate) fn pause(&mut self, id: RequestId) -> bool {
        let awaited = self.packs.are_awaited();
        let in_the_way = self.scheduler.is_in_the_way(id) || awaited && self.scheduler.is_background(id);
        if in_the_way {
            self.scheduler.pause(id);
        }
        in_the_way
    }

    /// Opens the packs of the groups and of their parents.
    fn open_packs(&mut self, groups: &[u32]) {
        for pack in self.packs_of(groups) {
            let files = self.index.packs.get(pack as usize).map_or(0, |pack| pack.files.len());
            if self.packs.open(pack, files) {
                self.packs_to_open.push(pack);
            }
        }
    }

    /// Packs of the groups and of their parents, in the order of what they hold first.
    fn packs_of(&self, groups: &[u32]) -> Vec<u32> {
        let mut pending = groups.to_vec();
        let mut visited = vec![false; self.index.groups.len()];
        while let Some(id) = pending.pop() {
            if let Some(group) = self.index.groups.get(id as usize)
                && !std::mem::replace(&mut visited[id as usize], true)
            {
                pending.extend(&group.parents);
            }
        }
        let groups = visited.iter().zip(&self.index.groups).filter(|(visited, _)| **visited);
        let packs = groups.flat_map(|(_, group)| group.packs.iter().copied()).collect();
        let mut packs = by_numbers(packs, |pack| (u64::from(*pack), 0));
        packs.dedup();
        packs
    }

    /// Groups that code which imports these top-level modules will read, and those already started: empty when none is foreseen.
    pub(crate) fn foreseen(&self, imports: &[String]) -> Vec<u32> {
        let mut groups = Vec::new();
        for (group, number) in self.index.groups.iter().zip(0..) {
            let top = group.name.split('.').next().unwrap_or_default();
            if imports.iter().any(|import| import == top) {
                groups.push(number);
            }
        }
        if !groups.is_empty() {
            groups.extend(&self.started);
        }
        groups
    }

    /// The libraries that these groups read, in access order, as (root, path below it).
    pub(crate) fn libraries(&self, groups: &[u32]) -> Vec<(Ino, String)> {
        let mut libraries = Vec::new();
        for read in self.index.access_order(groups) {
            let archive = &self.index.archives[read.archive as usize];
            if let Some(member) = self.index.member(read)
                && member.is_shared_library()
                && let Some(path) = archive.install_path(member)
            {
                libraries.push((root_of(archive.install), path.to_owned()));
            }
        }
        libraries
    }

    /// Everything of these groups that has not arrived: what to wait for so that they can run without the network.
    pub(crate) fn outstanding(&mut self, groups: &[u32]) -> Vec<oneshot::Receiver<Outcome>> {
        let members: Vec<MemberId> = self
            .index
            .access_order(groups)
            .into_iter()
            .map(|read| MemberId { archive: read.archive, member: read.member })
            .collect();
        let mut woken = Vec::new();
        for id in members {
            let Some(span) = self.member(id).map(Member::span) else { continue };
            if let Found::Coming(request) = self.scheduler.find(id.archive, &span) {
                let (wake, receiver) = oneshot::channel();
                self.waiters.push(Waiter { request, until: span.end, wake });
                woken.push(receiver);
            }
        }
        for pack in self.packs_of(groups) {
            let files = self.index.packs.get(pack as usize).map_or(0, |pack| pack.files.len() as u32);
            woken.extend((0..files).filter_map(|file| self.await_packed(PackedId { pack, file })));
        }
        woken
    }

    /// Wakes those whose bytes of `request` are here, up to the offset `arrived`.
    pub(crate) fn wake(&mut self, request: RequestId, arrived: u64) {
        for waiter in self.waiters.extract_if(.., |w| w.request == request && w.until <= arrived) {
            // Nobody listens when the reader was cancelled; the bytes stay for the next.
            let _ = waiter.wake.send(Ok(()));
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

    /// The libraries that the library `ino` needs, as (root, path below it). Those found nowhere are left out: the
    /// dynamic linker names them better than we could.
    pub(crate) fn needed(&mut self, ino: Ino) -> Vec<(Ino, String)> {
        let Some(Node::File(FileId::Member(id))) = self.tree.node(ino) else { return Vec::new() };
        let id = *id;
        let bytes = self.cached(FileId::Member(id));
        let Some((archive, member)) = self.index.archives.get(id.archive as usize).zip(self.member(id))
        else {
            return Vec::new();
        };
        let mut names = member.needed.clone();
        if names.is_empty()
            && let Some(Decoded(bytes)) = bytes
        {
            // Not recorded: the member is known from a central directory only. A broken section is the linker's to report.
            names = dylink::needed(&bytes.to_vec()).unwrap_or_default();
        }
        let folder = archive
            .install_path(member)
            .and_then(|path| path.rsplit_once('/'))
            .map_or("", |(folder, _)| folder);
        names.iter().filter_map(|name| self.find_library(root_of(archive.install), folder, name)).collect()
    }

    /// Where a library of that file name is: beside the one that needs it, in a wheel's `NAME.libs`, in the folder of
    /// shared libraries, or in site-packages itself.
    fn find_library(&self, root: Ino, folder: &str, name: &str) -> Option<(Ino, String)> {
        let top = self.tree.children(SITE_PACKAGES).filter(|(child, _)| child.ends_with(".libs"));
        let places = std::iter::once((root, folder))
            .chain(top.map(|(child, _)| (SITE_PACKAGES, child)))
            .chain([(SHARED_LIBRARIES, ""), (SITE_PACKAGES, "")]);
        places
            .map(|(root, folder)| (root, [folder, if folder.is_empty() { "" } else { "/" }, name].concat()))
            .find(|(root, path)| self.tree.lookup(*root, path).is_some())
    }
}

fn decode(member: &mut Member, bytes: &[u8]) -> Result<Vec<u8>, Cause> {
    let start = match member.data_offset {
        Some(_) => 0,
        None => (member.locate(bytes)? - member.header_offset) as usize,
    };
    let compressed = bytes.get(start..start + member.compressed_len as usize).unwrap_or_default();
    Ok(decode_member(member.method, compressed, member.len, member.crc32)?)
}

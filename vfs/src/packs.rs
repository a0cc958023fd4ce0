//! Which packs are under way, which of their files have come, and who waits for them.
//!
//! A pack is opened at most once. Its files arrive one by one, usable at once and whatever becomes of the others; if it
//! fails, what had not arrived is to be had from the wheels, and bytecode, which is in no wheel, not at all.

use std::collections::HashMap;

use prefetch_index::index::{Content, Index, Pack, PackedFile};

use crate::tree::{FileId, MemberId, PackedId};

/// How far a pack is.
enum Progress<W> {
    Idle { files: usize, bytes: u64 },
    Coming { arrived: Vec<bool>, waiters: Vec<(u32, W)>, to_come: u64 },
    Complete,
    Failed { arrived: Vec<bool> },
}

/// Where a file of a pack is; the nearer, the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whereabouts {
    /// The pack failed before it came.
    Lost,
    /// In a pack that nobody has opened.
    Unopened,
    /// On its way.
    Coming,
    /// It has come.
    Arrived,
}

/// See the module's description. `W`: what wakes somebody who waits.
pub struct Packs<W> {
    packs: Vec<Progress<W>>,
    /// Where each file is. In several packs, where keeping it in one would have cost its programs more requests.
    places: HashMap<FileId, Vec<PackedId>>,
}

impl<W> Default for Packs<W> {
    fn default() -> Self {
        Self { packs: Vec::new(), places: HashMap::new() }
    }
}

/// What a file of a pack is.
pub fn file_id(file: &PackedFile) -> FileId {
    let member = MemberId { archive: file.archive, member: file.member };
    match file.content {
        Content::Member => FileId::Member(member),
        Content::Bytecode(_) => FileId::Bytecode(member),
        Content::Primary(_) => FileId::Primary(member),
        Content::Secondary(_) => FileId::Secondary(member),
    }
}

impl<W> Packs<W> {
    /// The packs of an index, none of them opened.
    pub fn new(index: &Index) -> Self {
        let mut packs = Self::default();
        for (Pack { files, len, .. }, pack) in index.packs.iter().zip(0..) {
            packs.packs.push(Progress::Idle { files: files.len(), bytes: *len });
            for (packed, file) in files.iter().zip(0..) {
                packs.places.entry(file_id(packed)).or_default().push(PackedId { pack, file });
            }
        }
        packs
    }

    /// Where a file comes from first: a pack that was opened, else one that can be. `None`: no pack brings it.
    pub fn place(&self, file: FileId) -> Option<(PackedId, Whereabouts)> {
        let places = self.places.get(&file)?.iter().map(|place| (*place, self.whereabouts(*place)));
        places.filter(|(_, at)| *at != Whereabouts::Lost).max_by_key(|(_, at)| *at)
    }

    /// Whether asking for this member is needless, since packs that were opened bring it, or have, or what takes its place.
    pub fn serves(&self, member: MemberId) -> bool {
        self.brings(member) || self.is_brought(FileId::Bytecode(member))
    }

    /// The same of the member itself: as it is, or as the two modules of a library.
    pub fn brings(&self, member: MemberId) -> bool {
        self.is_brought(FileId::Member(member))
            || [FileId::Primary(member), FileId::Secondary(member)].iter().all(|half| self.is_brought(*half))
    }

    fn is_brought(&self, file: FileId) -> bool {
        matches!(self.place(file), Some((_, Whereabouts::Coming | Whereabouts::Arrived)))
    }

    /// Where that file is.
    pub fn whereabouts(&self, file: PackedId) -> Whereabouts {
        let (arrived, otherwise) = match self.packs.get(file.pack as usize) {
            None => return Whereabouts::Lost,
            Some(Progress::Idle { .. }) => return Whereabouts::Unopened,
            Some(Progress::Complete) => return Whereabouts::Arrived,
            Some(Progress::Coming { arrived, .. }) => (arrived, Whereabouts::Coming),
            Some(Progress::Failed { arrived }) => (arrived, Whereabouts::Lost),
        };
        match arrived.get(file.file as usize) {
            Some(true) => Whereabouts::Arrived,
            Some(false) => otherwise,
            None => Whereabouts::Lost,
        }
    }

    /// Marks a pack as opened. False: it was before.
    pub fn open(&mut self, pack: u32) -> bool {
        let Some(progress) = self.packs.get_mut(pack as usize) else { return false };
        let Progress::Idle { files, bytes } = *progress else { return false };
        *progress = Progress::Coming { arrived: vec![false; files], waiters: Vec::new(), to_come: bytes };
        true
    }

    /// So many bytes of a pack have come.
    pub fn received(&mut self, pack: u32, bytes: u64) {
        if let Some(Progress::Coming { to_come, .. }) = self.packs.get_mut(pack as usize) {
            *to_come = to_come.saturating_sub(bytes);
        }
    }

    /// Bytes of a pack that are under way.
    pub fn to_come_of(&self, pack: u32) -> u64 {
        match self.packs.get(pack as usize) {
            Some(Progress::Coming { to_come, .. }) => *to_come,
            _ => 0,
        }
    }

    /// Bytes of all packs that are under way.
    pub fn to_come(&self) -> u64 {
        (0..self.packs.len() as u32).map(|pack| self.to_come_of(pack)).sum()
    }

    /// `waiter` is to be woken when `file`, which is on its way, has come. Gives it back when the file is not.
    pub fn wait(&mut self, file: PackedId, waiter: W) -> Option<W> {
        if self.whereabouts(file) != Whereabouts::Coming {
            return Some(waiter);
        }
        if let Some(Progress::Coming { waiters, .. }) = self.packs.get_mut(file.pack as usize) {
            waiters.push((file.file, waiter));
        }
        None
    }

    /// Whether somebody waits for a file of any pack.
    pub fn are_awaited(&self) -> bool {
        self.packs.iter().any(|pack| matches!(pack, Progress::Coming { waiters, .. } if !waiters.is_empty()))
    }

    /// A file has come: who is to be woken.
    pub fn arrived(&mut self, file: PackedId) -> Vec<W> {
        let Some(Progress::Coming { arrived, waiters, .. }) = self.packs.get_mut(file.pack as usize) else {
            return Vec::new();
        };
        if let Some(arrived) = arrived.get_mut(file.file as usize) {
            *arrived = true;
        }
        waiters.extract_if(.., |(wanted, _)| *wanted == file.file).map(|(_, waiter)| waiter).collect()
    }

    /// The pack has come whole, or (`failed`) will not: who is to be woken.
    pub fn end(&mut self, pack: u32, failed: bool) -> Vec<W> {
        let Some(progress) = self.packs.get_mut(pack as usize) else { return Vec::new() };
        let (arrived, waiters) = match std::mem::replace(progress, Progress::Complete) {
            Progress::Coming { arrived, waiters, .. } => (arrived, waiters),
            _ => (Vec::new(), Vec::new()),
        };
        if failed {
            *progress = Progress::Failed { arrived };
        }
        waiters.into_iter().map(|(_, waiter)| waiter).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn file(pack: u32, file: u32) -> PackedId {
        PackedId { pack, file }
    }

    const fn member(member: u32) -> MemberId {
        MemberId { archive: 0, member }
    }

    /// Pack 0, of 10 bytes: member 0, and bytecode of member 1; pack 1, of 20: member 0 again, and member 2 in two modules.
    fn packs() -> Packs<char> {
        let packed = |member, content| PackedFile { archive: 0, member, content };
        let pack = |len, files| Pack { url: String::new(), id: [0; 16], len, files };
        let index = Index {
            packs: vec![
                pack(10, vec![packed(0, Content::Member), packed(1, Content::Bytecode(9))]),
                pack(
                    20,
                    vec![
                        packed(0, Content::Member),
                        packed(2, Content::Primary(7)),
                        packed(2, Content::Secondary(5)),
                    ],
                ),
            ],
            ..Index::default()
        };
        Packs::new(&index)
    }

    #[test]
    fn files_come_one_by_one() {
        let mut packs = packs();
        assert_eq!(packs.whereabouts(file(0, 0)), Whereabouts::Unopened);
        assert!(packs.open(0) && !packs.open(0), "opened once");
        assert_eq!(packs.wait(file(0, 1), 'a'), None);
        assert_eq!(packs.wait(file(0, 0), 'b'), None);
        assert!(packs.are_awaited());
        assert_eq!(packs.arrived(file(0, 0)), ['b']);
        assert_eq!(packs.wait(file(0, 0), 'c'), Some('c'), "it is here");
        assert_eq!(packs.arrived(file(0, 1)), ['a']);
        assert!(!packs.are_awaited());
        assert_eq!(packs.end(0, false), []);
        assert_eq!(packs.whereabouts(file(0, 1)), Whereabouts::Arrived);
    }

    #[test]
    fn who_waits_for_a_pack_that_fails_is_woken() {
        let mut packs = packs();
        packs.open(0);
        packs.wait(file(0, 1), 'a');
        assert_eq!(packs.end(0, true), ['a']);
        assert_eq!(packs.whereabouts(file(0, 1)), Whereabouts::Lost);
        assert_eq!(packs.whereabouts(file(7, 0)), Whereabouts::Lost);
        assert!(!packs.open(0), "not again");
    }

    #[test]
    fn what_is_to_come_is_known() {
        let mut packs = packs();
        assert_eq!(packs.to_come(), 0);
        packs.open(0);
        packs.open(1);
        packs.received(0, 4);
        assert_eq!((packs.to_come_of(0), packs.to_come()), (6, 26));
        packs.received(0, 7);
        assert_eq!(packs.to_come(), 20, "what is fetched anew counts once");
        packs.end(1, true);
        packs.received(1, 5);
        assert_eq!(packs.to_come(), 0);
    }

    #[test]
    fn bytecode_stands_in_for_its_source_while_its_pack_lives() {
        let mut packs = packs();
        assert!(!packs.serves(member(1)));
        packs.open(0);
        assert!(packs.serves(member(0)) && packs.serves(member(1)) && !packs.serves(member(2)));
        packs.end(0, true);
        assert!(!packs.serves(member(1)));
    }

    #[test]
    fn what_came_before_a_pack_failed_is_here() {
        let mut packs = packs();
        packs.open(0);
        packs.arrived(file(0, 1));
        packs.end(0, true);
        assert_eq!(packs.place(FileId::Bytecode(member(1))), Some((file(0, 1), Whereabouts::Arrived)));
        assert!(packs.serves(member(1)) && !packs.brings(member(1)), "bytecode is not its source");
        assert_eq!(packs.whereabouts(file(0, 0)), Whereabouts::Lost);
        packs.open(1);
        packs.arrived(file(1, 1));
        assert!(packs.brings(member(2)));
        packs.end(1, true);
        assert!(!packs.serves(member(2)), "half a library");
    }

    #[test]
    fn a_library_in_two_modules_is_served_and_is_no_file() {
        let mut packs = packs();
        packs.open(1);
        assert!(packs.serves(member(2)));
        assert_eq!(packs.place(FileId::Member(member(2))), None);
        assert_eq!(packs.place(FileId::Primary(member(2))), Some((file(1, 1), Whereabouts::Coming)));
        packs.arrived(file(1, 1));
        assert_eq!(packs.place(FileId::Secondary(member(2))), Some((file(1, 2), Whereabouts::Coming)));
        packs.end(1, true);
        assert!(!packs.serves(member(2)));
    }

    #[test]
    fn a_file_of_two_packs_comes_with_the_one_that_is_nearer() {
        let mut packs = packs();
        let place = |packs: &Packs<char>, number| packs.place(FileId::Member(member(number)));
        assert_eq!(place(&packs, 1), None, "only its bytecode is packed");
        assert!(matches!(place(&packs, 0), Some((_, Whereabouts::Unopened))));
        packs.open(1);
        assert_eq!(place(&packs, 0), Some((file(1, 0), Whereabouts::Coming)));
        packs.open(0);
        packs.arrived(file(0, 0));
        assert_eq!(place(&packs, 0), Some((file(0, 0), Whereabouts::Arrived)));
        packs.end(0, true);
        assert_eq!(place(&packs, 0), Some((file(0, 0), Whereabouts::Arrived)));
    }

    #[test]
    fn a_file_of_two_packs_comes_with_the_other_if_one_fails() {
        let mut packs = packs();
        packs.open(0);
        packs.open(1);
        packs.end(0, true);
        let place = packs.place(FileId::Member(member(0)));
        assert_eq!(place, Some((file(1, 0), Whereabouts::Coming)));
    }
}

//! Which packs are under way, which of their files have come, and who waits for them.
//!
//! A pack is opened at most once. Its files arrive one by one, usable at once; if it fails, whatever had not arrived is to
//! be had from the wheels, and bytecode, which is in no wheel, not at all.

use std::collections::HashMap;

use prefetch_index::index::{Index, Pack};

use crate::tree::{MemberId, PackedId};

/// How far a pack is.
enum Progress<W> {
    Idle,
    Coming { arrived: Vec<bool>, waiters: Vec<(u32, W)> },
    Complete,
    Failed,
}

/// Where a file of a pack is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whereabouts {
    /// In a pack that nobody has opened.
    Unopened,
    /// On its way.
    Coming,
    /// It has come.
    Arrived,
    /// The pack failed before it came.
    Lost,
}

/// See the module's description. `W`: what wakes somebody who waits.
pub struct Packs<W> {
    packs: Vec<Progress<W>>,
    /// Members that lie in packs as they are.
    holding: HashMap<MemberId, PackedId>,
    /// Sources whose bytecode lies in packs.
    compiled: HashMap<MemberId, PackedId>,
}

impl<W> Default for Packs<W> {
    fn default() -> Self {
        Self { packs: Vec::new(), holding: HashMap::new(), compiled: HashMap::new() }
    }
}

impl<W> Packs<W> {
    /// The packs of an index, none of them opened.
    pub fn new(index: &Index) -> Self {
        let mut packs = Self::default();
        for (Pack { files, .. }, pack) in index.packs.iter().zip(0..) {
            packs.packs.push(Progress::Idle);
            for (packed, file) in files.iter().zip(0..) {
                let member = MemberId { archive: packed.archive, member: packed.member };
                let map = if packed.bytecode.is_some() { &mut packs.compiled } else { &mut packs.holding };
                // Where two packs hold one member, the first is shared by more programs.
                map.entry(member).or_insert(PackedId { pack, file });
            }
        }
        packs
    }

    /// The file of a pack that is this member.
    pub fn holding(&self, member: MemberId) -> Option<PackedId> {
        self.holding.get(&member).copied()
    }

    /// Whether a pack that was opened and has not failed makes asking for this member needless: it brings the member, or
    /// bytecode in its place.
    pub fn serves(&self, member: MemberId) -> bool {
        let packed = self.holding.get(&member).or_else(|| self.compiled.get(&member));
        packed
            .is_some_and(|file| matches!(self.whereabouts(*file), Whereabouts::Coming | Whereabouts::Arrived))
    }

    /// Where that file is.
    pub fn whereabouts(&self, file: PackedId) -> Whereabouts {
        match self.packs.get(file.pack as usize) {
            None | Some(Progress::Failed) => Whereabouts::Lost,
            Some(Progress::Idle) => Whereabouts::Unopened,
            Some(Progress::Complete) => Whereabouts::Arrived,
            Some(Progress::Coming { arrived, .. }) => match arrived.get(file.file as usize) {
                Some(true) => Whereabouts::Arrived,
                Some(false) => Whereabouts::Coming,
                None => Whereabouts::Lost,
            },
        }
    }

    /// Marks a pack of `files` files as opened. False: it was before.
    pub fn open(&mut self, pack: u32, files: usize) -> bool {
        let Some(progress @ Progress::Idle) = self.packs.get_mut(pack as usize) else { return false };
        *progress = Progress::Coming { arrived: vec![false; files], waiters: Vec::new() };
        true
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

    /// A file has come: who is to be woken.
    pub fn arrived(&mut self, file: PackedId) -> Vec<W> {
        let Some(Progress::Coming { arrived, waiters }) = self.packs.get_mut(file.pack as usize) else {
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
        let ended = if failed { Progress::Failed } else { Progress::Complete };
        match std::mem::replace(progress, ended) {
            Progress::Coming { waiters, .. } => waiters.into_iter().map(|(_, waiter)| waiter).collect(),
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prefetch_index::index::PackedFile;

    const fn file(pack: u32, file: u32) -> PackedId {
        PackedId { pack, file }
    }

    const fn member(member: u32) -> MemberId {
        MemberId { archive: 0, member }
    }

    /// Pack 0: member 0, and bytecode of member 1; pack 1: member 0 again, and member 2.
    fn packs() -> Packs<char> {
        let packed = |member, bytecode| PackedFile { archive: 0, member, bytecode };
        let pack = |files| Pack { url: String::new(), id: [0; 16], len: 1, files };
        let index = Index {
            packs: vec![
                pack(vec![packed(0, None), packed(1, Some(9))]),
                pack(vec![packed(0, None), packed(2, None)]),
            ],
            ..Index::default()
        };
        Packs::new(&index)
    }

    #[test]
    fn files_come_one_by_one() {
        let mut packs = packs();
        assert_eq!(packs.whereabouts(file(0, 0)), Whereabouts::Unopened);
        assert!(packs.open(0, 2) && !packs.open(0, 2), "opened once");
        assert_eq!(packs.wait(file(0, 1), 'a'), None);
        assert_eq!(packs.wait(file(0, 0), 'b'), None);
        assert_eq!(packs.arrived(file(0, 0)), ['b']);
        assert_eq!(packs.wait(file(0, 0), 'c'), Some('c'), "it is here");
        assert_eq!(packs.arrived(file(0, 1)), ['a']);
        assert_eq!(packs.end(0, false), []);
        assert_eq!(packs.whereabouts(file(0, 1)), Whereabouts::Arrived);
    }

    #[test]
    fn who_waits_for_a_pack_that_fails_is_woken() {
        let mut packs = packs();
        packs.open(0, 2);
        packs.wait(file(0, 1), 'a');
        assert_eq!(packs.end(0, true), ['a']);
        assert_eq!(packs.whereabouts(file(0, 1)), Whereabouts::Lost);
        assert_eq!(packs.whereabouts(file(7, 0)), Whereabouts::Lost);
        assert!(!packs.open(0, 2), "not again");
    }

    #[test]
    fn bytecode_stands_in_for_its_source_while_its_pack_lives() {
        let mut packs = packs();
        assert_eq!((packs.holding(member(0)), packs.holding(member(1))), (Some(file(0, 0)), None));
        assert!(!packs.serves(member(1)));
        packs.open(0, 2);
        assert!(packs.serves(member(0)) && packs.serves(member(1)) && !packs.serves(member(2)));
        packs.end(0, true);
        assert!(!packs.serves(member(1)));
    }
}

//! Which files go into which pack.
//!
//! Files that the same programs read belong together: a page of one of them needs all of those, a page of another none. So
//! there is one pack for each set of entry points that some file belongs to. An index of one program has one pack; what
//! two programs share lies in a third pack, once.

use std::collections::{BTreeMap, BTreeSet};

use crate::group::Texts;
use crate::index::{Index, Install};

/// The most packs that one program should need: each is a request, and where it ends the compressor starts anew. Beyond
/// that the smallest of them are dissolved, and what they hold is packed for each of their programs.
const MAX_PACKS: usize = 4;

/// What one pack is to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packing {
    /// Positions in [`Index::entries`]: the programs that need it.
    pub entries: BTreeSet<u32>,
    /// In access order, each once.
    pub files: Vec<File>,
}

/// A file to pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct File {
    /// Position in [`Index::archives`].
    pub archive: u32,
    /// Position in [`Archive::members`](crate::index::Archive::members).
    pub member: u32,
    /// The bytecode of the source that the member is, instead of the member itself.
    pub bytecode: bool,
}

/// The packs for an index. `texts`: of each of its entry points.
pub fn packings(index: &Index, texts: &[Texts]) -> Vec<Packing> {
    let mut rank = BTreeMap::new();
    let mut readers: BTreeMap<File, BTreeSet<u32>> = BTreeMap::new();
    for (entry, number) in index.entries.iter().zip(0..) {
        let none = Texts::default();
        let texts = texts.get(number as usize).unwrap_or(&none);
        let first = index.access_order(&entry.groups).into_iter().map(|read| {
            let text = texts.only.contains(&(read.archive, read.member));
            file(index, read.archive, read.member, text)
        });
        // Last: nearly all of them are read after the imports.
        let again = texts.again.iter().map(|(archive, member)| file(index, *archive, *member, true));
        for file in first.chain(again) {
            let next = rank.len();
            rank.entry(file).or_insert(next);
            readers.entry(file).or_default().insert(number);
        }
    }
    let mut sets: BTreeMap<BTreeSet<u32>, Vec<File>> = BTreeMap::new();
    for (file, entries) in readers {
        sets.entry(entries).or_default().push(file);
    }
    while let Some(smallest) = too_many(index, &sets) {
        let files = sets.remove(&smallest).unwrap_or_default();
        for entry in smallest {
            sets.entry(BTreeSet::from([entry])).or_default().extend(&files);
        }
    }
    let mut packings: Vec<Packing> = sets
        .into_iter()
        .map(|(entries, mut files)| {
            files.sort_by_key(|file| rank.get(file).copied());
            Packing { entries, files }
        })
        .collect();
    packings.sort_by_key(|packing| packing.files.first().and_then(|file| rank.get(file).copied()));
    packings
}

/// A member as it is packed: a source as its bytecode, unless its text was wanted.
pub fn file(index: &Index, archive: u32, member: u32, text: bool) -> File {
    let is_source = || {
        let found = index.archives.get(archive as usize)?;
        let path = found.install_path(found.members.get(member as usize)?)?;
        Some(found.install != Install::SharedLibraries && path.ends_with(".py"))
    };
    File { archive, member, bytecode: !text && is_source().unwrap_or(false) }
}

/// The set to dissolve, if a program needs too many packs: of those that it shares, the one that costs the fewest bytes when
/// each of its programs has them by itself.
fn too_many(index: &Index, sets: &BTreeMap<BTreeSet<u32>, Vec<File>>) -> Option<BTreeSet<u32>> {
    let bytes = |files: &Vec<File>| -> u64 {
        files.iter().filter_map(|file| Some(index.member_at(file.archive, file.member)?.len)).sum()
    };
    let crowded = (0..index.entries.len() as u32)
        .find(|entry| sets.keys().filter(|entries| entries.contains(entry)).count() > MAX_PACKS)?;
    let shared = sets.iter().filter(|(entries, _)| entries.len() > 1 && entries.contains(&crowded));
    shared
        .min_by_key(|(entries, files)| bytes(files) * (entries.len() as u64 - 1))
        .map(|(entries, _)| entries.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::tests::archive;
    use crate::index::{EntryPoint, Group, Read};

    /// One group for each entry, which reads these members of archive 0.
    fn check(entries: &[&[u32]], expected: &[(&[u32], &[u32])]) {
        let read = |member: &u32| Read { archive: 0, member: *member, range: 0..1 };
        let index = Index {
            groups: entries
                .iter()
                .map(|members| Group {
                    name: String::new(),
                    parents: Vec::new(),
                    reads: members.iter().map(read).collect(),
                    packs: Vec::new(),
                })
                .collect(),
            archives: vec![archive("a", &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"])],
            entries: (0..entries.len() as u32)
                .map(|group| EntryPoint { name: String::new(), groups: vec![group] })
                .collect(),
            ..Index::default()
        };
        let found: Vec<(Vec<u32>, Vec<u32>)> = packings(&index, &[])
            .into_iter()
            .map(|packing| {
                (
                    packing.entries.into_iter().collect(),
                    packing.files.into_iter().map(|file| file.member).collect(),
                )
            })
            .collect();
        let expected: Vec<(Vec<u32>, Vec<u32>)> =
            expected.iter().map(|(entries, members)| (entries.to_vec(), members.to_vec())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn one_program_has_one_pack() {
        check(&[&[3, 1, 2]], &[(&[0], &[3, 1, 2])]);
    }

    #[test]
    fn what_two_programs_share_is_packed_once() {
        check(&[&[5, 0, 1], &[1, 7, 0]], &[(&[0], &[5]), (&[0, 1], &[0, 1]), (&[1], &[7])]);
    }

    #[test]
    fn a_program_needs_few_packs() {
        // Program 0 shares something with each of four others, and one thing with all.
        let entries: &[&[u32]] = &[&[0, 1, 2, 3, 4, 9], &[1, 9], &[2, 9], &[3, 9], &[4, 9]];
        let expected: &[(&[u32], &[u32])] = &[
            (&[0], &[0, 1, 2]),
            (&[1], &[1]),
            (&[2], &[2]),
            (&[0, 3], &[3]),
            (&[0, 4], &[4]),
            (&[0, 1, 2, 3, 4], &[9]),
        ];
        check(entries, expected);
    }

    #[test]
    fn a_source_is_packed_as_what_its_programs_want_of_it() {
        let read = |member| Read { archive: 0, member, range: 0..1 };
        let reads = vec![read(0), read(1), read(2)];
        let group = Group { name: String::new(), parents: Vec::new(), reads, packs: Vec::new() };
        let index = Index {
            groups: vec![group],
            archives: vec![archive("a", &["imported.py", "read.py", "table.csv"])],
            entries: vec![EntryPoint { name: String::new(), groups: vec![0] }],
            ..Index::default()
        };
        let files = |texts: Texts| -> Vec<(u32, bool)> {
            let packings = packings(&index, &[texts]);
            packings
                .iter()
                .flat_map(|packing| &packing.files)
                .map(|file| (file.member, file.bytecode))
                .collect()
        };
        assert_eq!(files(Texts::default()), [(0, true), (1, true), (2, false)]);
        let texts = Texts { only: BTreeSet::from([(0, 1)]), again: vec![(0, 0)] };
        assert_eq!(files(texts), [(0, true), (1, false), (2, false), (0, false)]);
    }

    #[test]
    fn no_program_has_no_pack() {
        check(&[], &[]);
        check(&[&[]], &[]);
    }
}

//! Which files go into which pack.
//!
//! Files that the same programs read belong together: a page of one of them needs all of those, a page of another none. So
//! there is one pack for each set of entry points that some file belongs to. An index of one program has one pack; what
//! two programs share lies in a third pack, once.

use std::collections::{BTreeMap, BTreeSet};

use crate::index::Index;

/// The most packs that one program should need: each is a request, and where it ends the compressor starts anew. Beyond
/// that the smallest of them are dissolved, and what they hold is packed for each of their programs.
const MAX_PACKS: usize = 4;

/// What one pack is to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packing {
    /// Positions in [`Index::entries`]: the programs that need it.
    pub entries: BTreeSet<u32>,
    /// Archive and member, in access order, each once.
    pub members: Vec<(u32, u32)>,
}

/// The packs for an index.
pub fn packings(index: &Index) -> Vec<Packing> {
    let mut rank = BTreeMap::new();
    let mut readers: BTreeMap<(u32, u32), BTreeSet<u32>> = BTreeMap::new();
    for (entry, number) in index.entries.iter().zip(0..) {
        for read in index.access_order(&entry.groups) {
            let member = (read.archive, read.member);
            let next = rank.len();
            rank.entry(member).or_insert(next);
            readers.entry(member).or_default().insert(number);
        }
    }
    let mut sets: BTreeMap<BTreeSet<u32>, Vec<(u32, u32)>> = BTreeMap::new();
    for (member, entries) in readers {
        sets.entry(entries).or_default().push(member);
    }
    while let Some(smallest) = too_many(index, &sets) {
        let members = sets.remove(&smallest).unwrap_or_default();
        for entry in smallest {
            sets.entry(BTreeSet::from([entry])).or_default().extend(&members);
        }
    }
    let mut packings: Vec<Packing> = sets
        .into_iter()
        .map(|(entries, mut members)| {
            members.sort_by_key(|member| rank.get(member).copied());
            Packing { entries, members }
        })
        .collect();
    packings.sort_by_key(|packing| packing.members.first().and_then(|member| rank.get(member).copied()));
    packings
}

/// The set to dissolve, if a program needs too many packs: of those that it shares, the one that costs the fewest bytes when
/// each of its programs has them by itself.
fn too_many(index: &Index, sets: &BTreeMap<BTreeSet<u32>, Vec<(u32, u32)>>) -> Option<BTreeSet<u32>> {
    let bytes = |members: &Vec<(u32, u32)>| -> u64 {
        members.iter().filter_map(|(archive, member)| Some(index.member_at(*archive, *member)?.len)).sum()
    };
    let crowded = (0..index.entries.len() as u32)
        .find(|entry| sets.keys().filter(|entries| entries.contains(entry)).count() > MAX_PACKS)?;
    let shared = sets.iter().filter(|(entries, _)| entries.len() > 1 && entries.contains(&crowded));
    shared
        .min_by_key(|(entries, members)| bytes(members) * (entries.len() as u64 - 1))
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
        let found: Vec<(Vec<u32>, Vec<u32>)> = packings(&index)
            .into_iter()
            .map(|packing| {
                (packing.entries.into_iter().collect(), packing.members.into_iter().map(|(_, m)| m).collect())
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
    fn no_program_has_no_pack() {
        check(&[], &[]);
        check(&[&[]], &[]);
    }
}

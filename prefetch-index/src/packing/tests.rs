use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::index::tests::archive;
use crate::index::{EntryPoint, Read};

const NAMES: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9.py"];

/// Groups by parents and members of archive 0 that they read; entries, named `a`, `b`, …, by groups.
fn index(groups: &[(&[u32], &[u32])], entries: &[&[u32]]) -> Index {
    let read = |member: &u32| Read { archive: 0, member: *member, range: 0..1 };
    let group = |(parents, members): &(&[u32], &[u32])| Group {
        name: String::new(),
        parents: parents.to_vec(),
        reads: members.iter().map(read).collect(),
        packs: Vec::new(),
    };
    let entry = |(groups, name): (&&[u32], char)| EntryPoint { name: name.into(), groups: groups.to_vec() };
    Index {
        groups: groups.iter().map(group).collect(),
        archives: vec![archive("a", &NAMES)],
        entries: entries.iter().zip('a'..).map(entry).collect(),
        ..Index::default()
    }
}

/// Packs everything, and checks for each program that the packs it opens are those made for it, that no file is in two of
/// them, and that a page that loses one of them knows all that it was to bring.
fn check_entered(mut index: Index, texts: &[Texts]) -> Index {
    let packings = packings(&index, texts);
    for packing in &packings {
        let pack = Pack { url: String::new(), id: [0; 16], len: 1, files: Vec::new() };
        enter(&mut index, packing, pack, texts);
    }
    assert_eq!(index.validate(), Ok(()));
    let users = users(&index);
    for (number, entry) in (0..).zip(&index.entries) {
        let started = (0u32..).zip(&users).filter(|(_, users)| users.contains(&number));
        let started: Vec<u32> = started.map(|(group, _)| group).collect();
        let naming = |pack: u32| -> Vec<u32> {
            let names = |group: &u32| index.groups[*group as usize].packs.contains(&pack);
            started.iter().copied().filter(names).collect()
        };
        let only = texts.get(number as usize).map(|texts| texts.only.clone()).unwrap_or_default();
        let mut seen = BTreeSet::new();
        for (pack, packing) in (0..).zip(&packings) {
            let naming = naming(pack);
            assert_eq!(!naming.is_empty(), packing.entries.contains(&number), "{}: {index:?}", entry.name);
            if !naming.is_empty() {
                assert!(packing.files.iter().all(|file| seen.insert(*file)), "{}: a file twice", entry.name);
                let known = index.access_order(&naming);
                let brought = index.access_order(&entry.groups).into_iter().filter(|read| {
                    let text = only.contains(&(read.archive, read.member));
                    packing.files.contains(&file(&index, read.archive, read.member, text))
                });
                let mut unknown = brought.filter(|read| !known.contains(read));
                assert_eq!(unknown.next(), None, "{}: {index:?}", entry.name);
            }
        }
    }
    index
}

#[test]
fn a_pack_of_one_program_is_not_named_by_a_group_of_two() {
    // Group 0 is common to both; what is read of 9.py differs.
    let texts = [Texts::default(), Texts { only: BTreeSet::from([(0, 9)]), again: vec![] }];
    let entered = check_entered(index(&[(&[], &[0, 9])], &[&[0], &[0]]), &texts);
    let shown: Vec<(&str, &[u32])> =
        entered.groups.iter().map(|group| (group.name.as_str(), group.packs.as_slice())).collect();
    assert_eq!(shown, [("", &[0][..]), ("packs of a", &[1]), ("packs of b", &[2])]);
    let again = [Texts { only: BTreeSet::new(), again: vec![(0, 9)] }, Texts::default()];
    check_entered(index(&[(&[], &[0, 9])], &[&[0], &[0]]), &again);
}

#[test]
fn programs_that_share_only_what_they_read_need_no_group_more() {
    let shared = index(&[(&[], &[0, 1]), (&[0], &[2]), (&[0], &[3])], &[&[0, 1], &[0, 2]]);
    assert_eq!(check_entered(shared, &[]).groups.len(), 3);
}

proptest! {
    #[test]
    fn each_program_opens_its_own_packs(
        groups in vec((any::<[bool; 8]>(), vec(0..10u32, 0..4)), 1..8),
        entries in vec(vec(0..8u32, 1..4), 1..7),
        texts in vec(any::<(bool, bool)>(), 7),
    ) {
        let parents: Vec<Vec<u32>> = (0..)
            .zip(&groups)
            .map(|(number, (chosen, _))| (0..number).filter(|n| chosen[*n as usize]).collect())
            .collect();
        let reads = |at: usize| groups[at].1.iter().copied().collect::<BTreeSet<u32>>().into_iter().collect();
        let reads: Vec<Vec<u32>> = (0..groups.len()).map(reads).collect();
        let groups: Vec<(&[u32], &[u32])> =
            parents.iter().zip(&reads).map(|(parents, reads)| (&parents[..], &reads[..])).collect();
        let entries: Vec<Vec<u32>> = entries
            .iter()
            .map(|entry| entry.iter().map(|group| group % groups.len() as u32).collect::<BTreeSet<_>>())
            .map(|entry| entry.into_iter().collect())
            .collect();
        let entries: Vec<&[u32]> = entries.iter().map(Vec::as_slice).collect();
        let text = |(only, again): &(bool, bool)| Texts {
            only: only.then_some((0, 9)).into_iter().collect(),
            again: (*again && !only).then_some((0, 9)).into_iter().collect(),
        };
        let texts: Vec<Texts> = texts.iter().map(text).collect();
        check_entered(index(&groups, &entries), &texts);
    }
}

/// One group for each entry, which reads these members of archive 0.
fn check(entries: &[&[u32]], expected: &[(&[u32], &[u32])]) {
    let groups: Vec<(&[u32], &[u32])> = entries.iter().map(|members| (&[][..], *members)).collect();
    let started: Vec<[u32; 1]> = (0..entries.len() as u32).map(|group| [group]).collect();
    let started: Vec<&[u32]> = started.iter().map(|groups| &groups[..]).collect();
    let index = index(&groups, &started);
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
        packings.iter().flat_map(|packing| &packing.files).map(|file| (file.member, file.bytecode)).collect()
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

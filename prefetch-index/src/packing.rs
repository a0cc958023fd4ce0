//! Which files go into which pack.
//!
//! Groups that the same entry points use belong together: a page of one of them needs all of those files, a page of
//! another none. So there is one pack for each set of entry points that some group belongs to; an index of one program
//! has one pack, and what two programs share lies in a third pack once.

use std::collections::BTreeSet;

use crate::index::{Group, Index};

/// What one pack is to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packing {
    /// Positions in [`Index::groups`]: the groups that this pack serves.
    pub groups: Vec<u32>,
    /// Archive and member, in access order, each once.
    pub members: Vec<(u32, u32)>,
}

/// The packs for an index, in the order of their first groups. What a pack of all the same entry points, and more, holds
/// already is left out.
pub fn packings(index: &Index) -> Vec<Packing> {
    let mut sets: Vec<(BTreeSet<usize>, Vec<u32>)> = Vec::new();
    for group in 0..index.groups.len() as u32 {
        let users = users(index, group);
        match sets.iter_mut().find(|(known, _)| *known == users) {
            Some((_, groups)) => groups.push(group),
            None => sets.push((users, vec![group])),
        }
    }
    let members = |groups: &[u32]| -> Vec<(u32, u32)> {
        let of = groups.iter().filter_map(|group| index.groups.get(*group as usize));
        of.flat_map(|group: &Group| &group.reads).map(|read| (read.archive, read.member)).collect()
    };
    let packing = |(users, groups): &(BTreeSet<usize>, Vec<u32>)| {
        let wider = sets.iter().filter(|(others, _)| others.len() > users.len() && others.is_superset(users));
        let mut known: BTreeSet<(u32, u32)> = wider.flat_map(|(_, groups)| members(groups)).collect();
        let mut members = members(groups);
        members.retain(|member| known.insert(*member));
        Packing { groups: groups.clone(), members }
    };
    sets.iter().map(packing).filter(|packing| !packing.members.is_empty()).collect()
}

/// Entry points that need a group, for itself or as another's parent.
fn users(index: &Index, group: u32) -> BTreeSet<usize> {
    let needs = |entry: &[u32]| {
        let mut pending = entry.to_vec();
        let mut visited = BTreeSet::new();
        while let Some(id) = pending.pop() {
            if id == group {
                return true;
            }
            if visited.insert(id) {
                pending.extend(index.groups.get(id as usize).into_iter().flat_map(|group| &group.parents));
            }
        }
        false
    };
    index.entries.iter().enumerate().filter(|(_, entry)| needs(&entry.groups)).map(|(i, _)| i).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::{EntryPoint, Read};

    /// Groups as (parents, members of archive 0), entries as groups.
    fn index(groups: &[(&[u32], &[u32])], entries: &[&[u32]]) -> Index {
        let read = |member: &u32| Read { archive: 0, member: *member, range: 0..1 };
        let group = |(parents, members): &(&[u32], &[u32])| Group {
            name: String::new(),
            parents: parents.to_vec(),
            reads: members.iter().map(read).collect(),
            pack: None,
        };
        let entry = |groups: &&[u32]| EntryPoint { name: String::new(), groups: groups.to_vec() };
        Index {
            groups: groups.iter().map(group).collect(),
            entries: entries.iter().map(entry).collect(),
            ..Index::default()
        }
    }

    fn check(groups: &[(&[u32], &[u32])], entries: &[&[u32]], expected: &[(&[u32], &[u32])]) {
        let found = packings(&index(groups, entries));
        let found: Vec<(Vec<u32>, Vec<u32>)> = found
            .into_iter()
            .map(|packing| (packing.groups, packing.members.into_iter().map(|(_, member)| member).collect()))
            .collect();
        let expected: Vec<(Vec<u32>, Vec<u32>)> =
            expected.iter().map(|(groups, members)| (groups.to_vec(), members.to_vec())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn one_program_has_one_pack() {
        check(&[(&[], &[3, 1]), (&[0], &[2])], &[&[0, 1]], &[(&[0, 1], &[3, 1, 2])]);
    }

    #[test]
    fn what_two_programs_share_is_packed_once() {
        // numpy; pandas and sklearn on it; each program's own.
        let groups: &[(&[u32], &[u32])] =
            &[(&[], &[0, 1]), (&[0], &[2, 9]), (&[], &[3]), (&[0], &[4, 9]), (&[], &[1, 5])];
        check(
            groups,
            &[&[0, 1, 2], &[3, 4]],
            &[(&[0], &[0, 1]), (&[1, 2], &[2, 9, 3]), (&[3, 4], &[4, 9, 5])],
        );
    }

    #[test]
    fn an_empty_pack_is_none() {
        check(&[(&[], &[0]), (&[], &[0])], &[&[0, 1], &[0]], &[(&[0], &[0])]);
    }
}

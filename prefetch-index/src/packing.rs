//! Which files go into which pack.
//!
//! Files that the same programs read belong together: a page of one of them needs all of those, a page of another none. So
//! there is one pack for each set of entry points that some file belongs to. An index of one program has one pack; what
//! two programs share lies in a third pack, once.
//!
//! A page opens the packs of every group that it starts. So a group names a pack only if each program that uses the group
//! needs the pack; a program that would miss one by that names it in a group of its own, which reads nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::group::Texts;
use crate::index::{Group, Index, Install, Pack};

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

/// Enters a written pack into the index, and into the groups that bring it. `texts`: of each entry point.
pub fn enter(index: &mut Index, packing: &Packing, pack: Pack, texts: &[Texts]) {
    let number = index.packs.len() as u32;
    index.packs.push(pack);
    for group in naming(index, packing, texts) {
        index.groups[group as usize].packs.push(number);
    }
}

fn naming(index: &mut Index, packing: &Packing, texts: &[Texts]) -> BTreeSet<u32> {
    if packing.entries.is_empty() {
        return index.boot.into_iter().collect();
    }
    let users = users(index);
    let files: BTreeSet<File> = packing.files.iter().copied().collect();
    let none = Texts::default();
    let mut naming = BTreeSet::new();
    for entry in &packing.entries {
        let only = &texts.get(*entry as usize).unwrap_or(&none).only;
        let needs = |group: &Group| {
            group.reads.iter().any(|read| {
                let text = only.contains(&(read.archive, read.member));
                files.contains(&file(index, read.archive, read.member, text))
            })
        };
        let groups = (0..).zip(&index.groups).zip(&users).filter(|(_, users)| users.contains(entry));
        let needing = groups.filter(|((_, group), _)| needs(group));
        let (able, unable): (Vec<_>, Vec<_>) =
            needing.partition(|(_, users)| users.is_subset(&packing.entries));
        naming.extend(able.iter().map(|((number, _), _)| *number));
        // Texts that were read again are no group's.
        if able.is_empty() || !unable.is_empty() {
            naming.insert(own_group(index, *entry));
        }
    }
    naming
}

/// The programs that start each group, by itself or since another builds on it.
fn users(index: &Index) -> Vec<BTreeSet<u32>> {
    let mut users = vec![BTreeSet::new(); index.groups.len()];
    for (entry, number) in index.entries.iter().zip(0..) {
        for group in &entry.groups {
            users[*group as usize].insert(number);
        }
    }
    // Parents stand before what builds on them.
    for (number, group) in index.groups.iter().enumerate().rev() {
        let own = users[number].clone();
        for parent in &group.parents {
            users[*parent as usize].extend(&own);
        }
    }
    users
}

/// The group that only this program starts, to name its packs. It builds on all the others, so that a page that loses such
/// a pack knows what to ask for.
fn own_group(index: &mut Index, entry: u32) -> u32 {
    let entry = &mut index.entries[entry as usize];
    // No module's name: an import foresees the groups that are named like it.
    let name = format!("packs of {}", entry.name);
    let known = entry.groups.iter().copied().find(|group| index.groups[*group as usize].name == name);
    known.unwrap_or_else(|| {
        let number = index.groups.len() as u32;
        let parents = entry.groups.clone();
        index.groups.push(Group { name, parents, reads: Vec::new(), packs: Vec::new() });
        entry.groups.push(number);
        number
    })
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
mod tests;

//! From recorded runs to groups: what each import reads beyond the imports before it.
//!
//! An outermost import is a group named by its module. What a program reads outside its imports is a group named by the
//! program (`program pandas` where an import has that name), a further one (`app#2`) for each stretch after another
//! import, so that groups in their order keep the order of the reads. Groups of one name met in several traces become one,
//! in the order of the first.

use std::collections::{BTreeMap, BTreeSet};

use crate::index::{Archive, EntryPoint, Group, Install, MemberKind, Read, is_same_package, source_path};
use crate::trace::{EventKind, Trace};

/// Groups and entry points of some traces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grouped {
    /// For [`Index::groups`](crate::index::Index::groups).
    pub groups: Vec<Group>,
    /// For [`Index::entries`](crate::index::Index::entries); one per trace, in their order.
    pub entries: Vec<EntryPoint>,
    /// What each entry point read of sources for their text.
    pub texts: Vec<Texts>,
    /// Paths that were read but belong to no archive (written while running, or another package's), each once.
    pub unknown: BTreeSet<String>,
}

/// Sources that one program read for their text: to show a traceback, to look for something in them. Bytecode is not
/// enough for these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    /// Those that it did not import.
    pub only: BTreeSet<File>,
    /// Those that it imported, and opened again; in that order.
    pub again: Vec<File>,
}

/// Groups the reads of named traces. The archives must know their members' `needed`: the libraries a library needs are
/// put before it, because stock Pyodide loads them before the program starts and no trace can show it.
pub fn group(archives: &[Archive], traces: &[(&str, &Trace)]) -> Grouped {
    let files = Files::of(archives);
    let mut grouped = Grouped::default();
    let imported: BTreeSet<&str> =
        traces.iter().flat_map(|(_, trace)| imports(trace)).map(top_level).collect();
    for (name, trace) in traces {
        let mut run = Run {
            archives,
            files: &files,
            grouped: &mut grouped,
            started: Vec::new(),
            seen: BTreeMap::new(),
            texts: Texts::default(),
        };
        // An import brings every group that is named like its package.
        let is_module = imported.contains(top_level(name));
        let program = if is_module { format!("program {name}") } else { (*name).to_owned() };
        run.follow(&program, trace);
        let (groups, texts) = (run.started, run.texts);
        grouped.texts.push(texts);
        grouped.entries.push(EntryPoint { name: (*name).to_owned(), groups });
    }
    let order = grouped.groups.len();
    for id in 0..order {
        drop_what_parents_read(&mut grouped.groups, id);
    }
    grouped
}

fn imports(trace: &Trace) -> impl Iterator<Item = &str> {
    trace.events.iter().filter_map(|event| match &event.kind {
        EventKind::Import(module) => Some(module.as_str()),
        _ => None,
    })
}

fn top_level(module: &str) -> &str {
    module.split('.').next().unwrap_or(module)
}

/// Archive and member.
pub type File = (u32, u32);

struct Files<'a> {
    /// By install folder and path below it. Where two packages install the same file, the last one wins, as on disk.
    by_path: BTreeMap<(bool, &'a str), File>,
    /// Shared libraries by file name.
    libraries: BTreeMap<&'a str, Vec<File>>,
}

impl<'a> Files<'a> {
    fn of(archives: &'a [Archive]) -> Files<'a> {
        let mut files = Files { by_path: BTreeMap::new(), libraries: BTreeMap::new() };
        for (archive, a) in archives.iter().zip(0..) {
            for (member, m) in archive.members.iter().zip(0..) {
                let Some(path) = archive.install_path(member) else { continue };
                files.by_path.insert((archive.install == Install::SharedLibraries, path), (a, m));
                if member.is_shared_library() && member.kind == MemberKind::File {
                    let name = path.rsplit('/').next().unwrap_or(path);
                    files.libraries.entry(name).or_default().push((a, m));
                }
            }
        }
        files
    }

    /// `path` as in a trace; `lib:` marks the folder of shared libraries. Bytecode that a page had from a pack counts as
    /// its source.
    fn find(&self, path: &str) -> Option<File> {
        let key = path.strip_prefix("lib:").map_or((false, path), |path| (true, path));
        let file = self.by_path.get(&key).copied();
        file.or_else(|| self.by_path.get(&(false, source_path(path)?.as_str())).copied())
    }

    /// The library of that name that `needer` means: one of its own archive, else any.
    fn library(&self, name: &str, needer: File) -> Option<File> {
        let all = self.libraries.get(name)?;
        all.iter().find(|file| file.0 == needer.0).or(all.first()).copied()
    }
}

/// One trace being followed.
struct Run<'a> {
    archives: &'a [Archive],
    files: &'a Files<'a>,
    grouped: &'a mut Grouped,
    /// Groups this program started.
    started: Vec<u32>,
    /// Members read so far, and which bytes: `(start, end)`.
    seen: BTreeMap<File, (u64, u64)>,
    texts: Texts,
}

impl Run<'_> {
    fn follow(&mut self, program: &str, trace: &Trace) {
        let mut import: Option<&str> = None;
        let (mut stretches, mut stretch) = (0, None);
        let modules: Option<BTreeSet<&str>> =
            trace.modules.as_ref().map(|modules| modules.iter().map(String::as_str).collect());
        for event in &trace.events {
            match &event.kind {
                EventKind::Import(module) => import = Some(module),
                EventKind::Imported(_) => import = None,
                EventKind::Read { path, offset, len, .. } => {
                    let Some(file) = self.files.find(path) else {
                        self.grouped.unknown.insert(path.clone());
                        continue;
                    };
                    let range = (*offset, offset.saturating_add(*len));
                    self.note_text(file, path, *offset, modules.as_ref());
                    if let Some(module) = import {
                        stretch = None;
                        self.read(module, file, range);
                    } else {
                        let name = stretch.get_or_insert_with(|| {
                            stretches += 1;
                            if stretches == 1 { program.to_owned() } else { format!("{program}#{stretches}") }
                        });
                        self.read(name, file, range);
                    }
                }
            }
        }
        for id in self.started.clone() {
            self.add_parents(id);
        }
    }

    /// Before the read itself is noted. `modules`: of the trace.
    fn note_text(&mut self, file: File, path: &str, offset: u64, modules: Option<&BTreeSet<&str>>) {
        if offset > 0 || !path.ends_with(".py") {
            return;
        }
        if modules.is_some_and(|modules| !modules.contains(path)) {
            self.texts.only.insert(file);
        } else if self.seen.contains_key(&file) && !self.texts.again.contains(&file) {
            self.texts.again.push(file);
        }
    }

    fn read(&mut self, group: &str, file: File, (start, end): (u64, u64)) {
        let Some(member) = self.archives.get(file.0 as usize).and_then(|a| a.members.get(file.1 as usize))
        else {
            return;
        };
        let range = (start.min(member.len), end.min(member.len));
        let known = self.seen.get(&file).copied();
        if known.is_some_and(|(from, to)| from <= range.0 && range.1 <= to) {
            return;
        }
        let whole = known.map_or(range, |(from, to)| (from.min(range.0), to.max(range.1)));
        self.seen.insert(file, whole);
        if known.is_none() {
            for name in &member.needed {
                if let Some(library) = self.files.library(name, file) {
                    self.read(group, library, (0, u64::MAX));
                }
            }
        }
        let id = self.start(group);
        let reads = &mut self.grouped.groups[id as usize].reads;
        match reads.iter_mut().find(|read| (read.archive, read.member) == file) {
            Some(read) => read.range = read.range.start.min(whole.0)..read.range.end.max(whole.1),
            None => reads.push(Read { archive: file.0, member: file.1, range: whole.0..whole.1 }),
        }
    }

    fn start(&mut self, name: &str) -> u32 {
        let groups = &mut self.grouped.groups;
        let id = groups.iter().position(|group| group.name == name).unwrap_or_else(|| {
            groups.push(Group {
                name: name.to_owned(),
                parents: Vec::new(),
                reads: Vec::new(),
                packs: Vec::new(),
            });
            groups.len() - 1
        }) as u32;
        if !self.started.contains(&id) {
            self.started.push(id);
        }
        id
    }

    /// A group builds on the earlier ones of its program that read the packages it reads, or needs.
    fn add_parents(&mut self, id: u32) {
        let packages = |group: &Group| group.reads.iter().map(|read| read.archive).collect::<BTreeSet<u32>>();
        let needed = self.with_depends(packages(&self.grouped.groups[id as usize]));
        let earlier = self.started.iter().copied().take_while(|&other| other != id);
        // Only smaller positions, so that there is no circle when programs import in different orders. A group left out
        // here read its packages itself in the trace that placed it first.
        let builds_on =
            |&other: &u32| other < id && !packages(&self.grouped.groups[other as usize]).is_disjoint(&needed);
        let parents: Vec<u32> = earlier.filter(builds_on).collect();
        let known = &mut self.grouped.groups[id as usize].parents;
        for parent in parents {
            if !known.contains(&parent) {
                known.push(parent);
            }
        }
    }

    fn with_depends(&self, mut packages: BTreeSet<u32>) -> BTreeSet<u32> {
        let mut pending: Vec<u32> = packages.iter().copied().collect();
        while let Some(id) = pending.pop() {
            for name in &self.archives[id as usize].depends {
                let position = self.archives.iter().position(|archive| is_same_package(&archive.name, name));
                if let Some(position) = position
                    && packages.insert(position as u32)
                {
                    pending.push(position as u32);
                }
            }
        }
        packages
    }
}

/// Removes the reads of a group that its parents, or theirs, contain.
fn drop_what_parents_read(groups: &mut [Group], id: usize) {
    let mut pending = groups[id].parents.clone();
    let mut ancestors = BTreeSet::new();
    while let Some(parent) = pending.pop() {
        if ancestors.insert(parent) {
            pending.extend(&groups[parent as usize].parents);
        }
    }
    let known: Vec<Read> =
        ancestors.iter().flat_map(|&parent| groups[parent as usize].reads.clone()).collect();
    let known: BTreeMap<File, Read> =
        known.into_iter().map(|read| ((read.archive, read.member), read)).collect();
    groups[id].reads.retain(|read| {
        known
            .get(&(read.archive, read.member))
            .is_none_or(|other| read.range.start < other.range.start || other.range.end < read.range.end)
    });
}

#[cfg(test)]
mod tests;

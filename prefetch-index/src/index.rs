//! The index: which archives there are, where every member lies in them, and what a program reads in which order.
//!
//! Everything else in the system knows only this structure. The command line builds one from wheels and traces;
//! a browser without a build step builds the same from central directories with [`Archive::from_central_directory`].

mod error;

use std::ops::Range;

use bincode::{Decode, Encode};

pub use self::error::{IndexError, MemberProblem};
use crate::plan::Want;
pub use crate::zip::Method;
use crate::zip::{self, CentralDirectory, EntryKind, ZipError, check_name};

/// Archives, members and access order for one site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Decode, Encode)]
pub struct Index {
    /// Version of Pyodide the index was built for, `"0.27.7"`; empty: any.
    pub pyodide: String,
    /// Python's `X.Y` version, `"3.12"`; empty: any.
    pub python: String,
    /// Wheels and library archives; everything below refers to them by position.
    pub archives: Vec<Archive>,
    /// What an import, or an application outside its imports, reads.
    pub groups: Vec<Group>,
    /// One per recorded program.
    pub entries: Vec<EntryPoint>,
    /// The groups' files once more, compressed together; empty when the index was built without packs.
    pub packs: Vec<Pack>,
    /// Position in [`Index::groups`] of what Pyodide's start reads of the standard library, in place of its own archive:
    /// all of it has to be at hand before Python starts. `None`: Pyodide boots from its own.
    pub boot: Option<u32>,
}

/// One wheel, or one zip of shared libraries.
#[derive(Clone, Debug, PartialEq, Eq, Decode, Encode)]
pub struct Archive {
    /// Package name as in Pyodide's lock file, `"python-dateutil"`.
    pub name: String,
    /// Package version.
    pub version: String,
    /// Absolute, or relative to the base URL the runtime chose.
    pub url: String,
    /// Length of the archive in bytes.
    pub len: u64,
    /// SHA-256 of the whole archive, when known.
    pub sha256: Option<[u8; 32]>,
    /// Where the members go.
    pub install: Install,
    /// Module names the package provides (`imports` of the lock file).
    pub imports: Vec<String>,
    /// Lock names of the packages it needs.
    pub depends: Vec<String>,
    /// Files and symlinks, sorted by `header_offset`; folders are implied by paths.
    pub members: Vec<Member>,
}

/// Where an archive's members are installed (`install_dir` of Pyodide's lock file).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Decode, Encode)]
pub enum Install {
    /// `site`: Python's site-packages.
    SitePackages,
    /// `dynlib`: the folder of shared libraries, `/usr/lib`.
    SharedLibraries,
    /// The folder of the standard library, `/lib/python3.12`. Its archive is Pyodide's `python_stdlib.zip`, whose URL is
    /// relative to the runtime's.
    StandardLibrary,
}

/// One file or symlink of an archive.
#[derive(Clone, Debug, PartialEq, Eq, Decode, Encode)]
pub struct Member {
    /// Name inside the archive: relative, `/` between components, no `.` or `..`.
    pub path: String,
    /// File or symlink (whose bytes are the target).
    pub kind: MemberKind,
    /// Any execute bit was set.
    pub executable: bool,
    /// Modification time, seconds since 1970.
    pub mtime: i64,
    /// Start of the local header, bytes from the start of the archive.
    pub header_offset: u64,
    /// Start of the member's bytes, past the local header; `None` when only the central directory was read.
    pub data_offset: Option<u64>,
    /// End (exclusive) of the bytes to fetch: the data's end once `data_offset` is known, else the next local header or
    /// the central directory.
    pub span_end: u64,
    /// Bytes in the archive.
    pub compressed_len: u64,
    /// Bytes after decoding.
    pub len: u64,
    /// How the bytes are compressed.
    pub method: Method,
    /// CRC-32 of the decoded bytes.
    pub crc32: u32,
    /// File names of the shared libraries this one needs (`dylink.0` NEEDED); empty when not a library or not yet read.
    pub needed: Vec<String>,
}

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Decode, Encode)]
pub enum MemberKind {
    /// An ordinary file.
    File,
    /// A symbolic link; the member's bytes are its target.
    Symlink,
}

/// What one import, or one application outside its imports, reads beyond its parents, in order of first access.
#[derive(Clone, Debug, PartialEq, Eq, Decode, Encode)]
pub struct Group {
    /// Module name, or the entry point's name for what is read outside imports.
    pub name: String,
    /// Positions in [`Index::groups`] of groups this one builds on; always smaller than its own.
    pub parents: Vec<u32>,
    /// Members in order of first access.
    pub reads: Vec<Read>,
    /// Positions in [`Index::packs`] of the packs that hold what this group reads.
    pub packs: Vec<u32>,
}

/// A stretch of one member that was read.
#[derive(Clone, Debug, PartialEq, Eq, Decode, Encode)]
pub struct Read {
    /// Position in [`Index::archives`].
    pub archive: u32,
    /// Position in [`Archive::members`].
    pub member: u32,
    /// Decoded bytes of the member; the whole member is `0..len`.
    pub range: Range<u64>,
}

/// A file that brings many members as one compressed stream, in access order.
#[derive(Clone, Debug, PartialEq, Eq, Decode, Encode)]
pub struct Pack {
    /// Relative to the index's own URL, or absolute.
    pub url: String,
    /// The file starts with it, so that a pack of another build is not taken for this one.
    pub id: [u8; 16],
    /// Length of the file in bytes.
    pub len: u64,
    /// Its files, in access order.
    pub files: Vec<PackedFile>,
}

/// One file of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Decode, Encode)]
pub struct PackedFile {
    /// Position in [`Index::archives`].
    pub archive: u32,
    /// Position in [`Archive::members`].
    pub member: u32,
    /// What of the member, or made of it.
    pub content: Content,
}

/// What a file of a pack is. Lengths in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Decode, Encode)]
pub enum Content {
    /// The member itself.
    Member,
    /// The bytecode of the source that the member is.
    Bytecode(u64),
    /// The module that is linked in place of the library that the member is (see [`split`](mod@crate::split)).
    Primary(u64),
    /// The functions that the primary module lacks.
    Secondary(u64),
}

/// One recorded program.
#[derive(Clone, Debug, PartialEq, Eq, Decode, Encode)]
pub struct EntryPoint {
    /// The trace file's stem.
    pub name: String,
    /// Positions in [`Index::groups`], in the order they start.
    pub groups: Vec<u32>,
}

/// How fast Python compiles in a page. pandas' 9.4 MB of sources took 1.4 to 3.5 s in Node 26, on two machines.
const SOURCE_BYTES_PER_US: u64 = 5;

impl Member {
    /// Bytes of the archive to fetch for this member: its data, with the local header before it while that has not been read.
    pub fn span(&self) -> Range<u64> {
        self.data_offset.unwrap_or(self.header_offset)..self.span_end
    }

    /// Reads the local header at the start of `local` (the bytes from `header_offset` on), checks that it agrees with the
    /// central directory, and narrows the member to its data. Returns the data's offset in the archive.
    pub fn locate(&mut self, local: &[u8]) -> Result<u64, ZipError> {
        let limit = self.data_offset.map_or(self.span_end, |offset| offset + self.compressed_len);
        let Member { header_offset, method, compressed_len, crc32, .. } = *self;
        let offset =
            zip::data_offset(local, header_offset, &self.path, method, compressed_len, crc32, limit)?;
        self.data_offset = Some(offset);
        self.span_end = offset + self.compressed_len;
        Ok(offset)
    }

    /// The member, of that archive, as a want.
    pub fn want(&self, archive: u32) -> Want {
        // A source can be compiled before it is imported.
        let source = if self.is_source() { self.len } else { 0 };
        Want { archive, span: self.span(), work_us: source / SOURCE_BYTES_PER_US }
    }

    /// Whether the name is that of a Python source.
    pub fn is_source(&self) -> bool {
        self.path.ends_with(".py")
    }

    /// Whether the name is that of a shared library: `.so`, or `.so.1.2` (Pyodide's `SHAREDLIB_REGEX`).
    pub fn is_shared_library(&self) -> bool {
        let mut name = self.path.rsplit('/').next().unwrap_or_default();
        while !name.ends_with(".so") {
            let Some((rest, number)) = name.rsplit_once('.') else { return false };
            if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
                return false;
            }
            name = rest;
        }
        true
    }
}

/// Whether two names mean one package (PEP 503): case and runs of `-`, `_` and `.` do not count. Lock files say `Pillow`
/// for a package others depend on as `pillow`.
pub fn is_same_package(a: &str, b: &str) -> bool {
    fn normal(name: &str) -> impl Iterator<Item = u8> {
        let separator = |byte| matches!(byte, b'-' | b'_' | b'.');
        let mut previous = 0;
        name.bytes().filter_map(move |byte| {
            let repeated = separator(byte) && separator(std::mem::replace(&mut previous, byte));
            previous = byte;
            (!repeated).then(|| if separator(byte) { b'-' } else { byte.to_ascii_lowercase() })
        })
    }
    normal(a).eq(normal(b))
}

/// Where Python `X.Y` (`"3.12"`) looks for the bytecode of the source at `path`:
/// `pkg/__pycache__/mod.cpython-312.pyc` (PEP 3147). `None` when it is no source.
pub fn bytecode_path(path: &str, python: &str) -> Option<String> {
    let stem = path.strip_suffix(".py")?;
    let (folder, name) = stem.rsplit_once('/').map_or(("", stem), |(folder, name)| (folder, name));
    let slash = if folder.is_empty() { "" } else { "/" };
    Some([folder, slash, "__pycache__/", name, ".cpython-", &python.replace('.', ""), ".pyc"].concat())
}

/// The source whose bytecode is at `path`: the inverse of [`bytecode_path`].
pub fn source_path(path: &str) -> Option<String> {
    let (folder, name) = path.rsplit_once('/')?;
    let folder = folder.strip_suffix("__pycache__")?;
    let (stem, tag) = name.strip_suffix(".pyc")?.rsplit_once('.')?;
    tag.starts_with("cpython-").then(|| [folder, stem, ".py"].concat())
}

/// What the lock file, or the caller, knows about an archive beyond its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveInfo {
    /// See [`Archive::name`].
    pub name: String,
    /// See [`Archive::version`].
    pub version: String,
    /// See [`Archive::url`].
    pub url: String,
    /// See [`Archive::sha256`].
    pub sha256: Option<[u8; 32]>,
    /// See [`Archive::install`].
    pub install: Install,
    /// See [`Archive::imports`].
    pub imports: Vec<String>,
    /// See [`Archive::depends`].
    pub depends: Vec<String>,
}

impl Archive {
    /// An archive whose members are known from its central directory alone: no `data_offset`, no `needed`. Folders and
    /// refused members are left out.
    pub fn from_central_directory(info: ArchiveInfo, directory: CentralDirectory) -> Archive {
        let members = directory.entries.into_iter().filter_map(|entry| {
            let kind = match entry.kind {
                EntryKind::Directory => return None,
                EntryKind::File => MemberKind::File,
                EntryKind::Symlink => MemberKind::Symlink,
            };
            Some(Member {
                path: entry.name,
                kind,
                executable: entry.mode.is_some_and(|mode| mode & 0o111 != 0),
                mtime: entry.mtime,
                header_offset: entry.header_offset,
                data_offset: None,
                span_end: entry.span_end,
                compressed_len: entry.compressed_len,
                len: entry.len,
                method: entry.method,
                crc32: entry.crc32,
                needed: Vec::new(),
            })
        });
        let members = members.collect();
        let ArchiveInfo { name, version, url, sha256, install, imports, depends } = info;
        Archive { name, version, url, len: directory.archive_len, sha256, install, imports, depends, members }
    }

    fn validate(&self) -> Result<(), MemberProblem> {
        let mut previous_end = 0;
        for (member, number) in self.members.iter().zip(0..) {
            if check_name(&member.path).is_err() || member.path.ends_with('/') {
                return Err(MemberProblem::Name { member: number });
            }
            let data = member.data_offset.unwrap_or(member.header_offset);
            let data_end = data.checked_add(member.compressed_len);
            let ends = if member.data_offset.is_some() {
                data_end == Some(member.span_end)
            } else {
                data_end.is_some_and(|end| end <= member.span_end)
            };
            let in_order = previous_end <= member.header_offset && member.header_offset <= data;
            if !ends || !in_order || member.span_end > self.len {
                return Err(MemberProblem::Span { member: number });
            }
            previous_end = member.span_end;
            if !zip::is_plausible(member.method, member.compressed_len, member.len) {
                return Err(MemberProblem::Length { member: number });
            }
        }
        Ok(())
    }

    /// Where a member lands below the install folder, or `None` when it is not installed there: of a wheel's
    /// `NAME.data/` folder only `purelib` and `platlib` belong in site-packages (binary distribution format, "The .data
    /// directory").
    pub fn install_path<'a>(&self, member: &'a Member) -> Option<&'a str> {
        let path = member.path.as_str();
        if self.install != Install::SitePackages {
            return Some(path);
        }
        let Some((top, below)) = path.split_once('/') else {
            return Some(path);
        };
        if !top.ends_with(".data") {
            return Some(path);
        }
        let (scheme, below) = below.split_once('/')?;
        matches!(scheme, "purelib" | "platlib").then_some(below)
    }

    /// The member's name in a trace (see [`trace`](crate::trace)); `None` when it has none there: it is not installed, or is of
    /// the standard library, whose modules stand in the trace's header.
    pub fn trace_path(&self, member: &Member) -> Option<String> {
        let path = self.install_path(member)?;
        match self.install {
            Install::SitePackages => Some(path.to_owned()),
            Install::SharedLibraries => Some(["lib:", path].concat()),
            Install::StandardLibrary => None,
        }
    }
}

impl Index {
    /// Whether every position, range and path in the index can be used without a further check. Two members may still
    /// claim one path, as members of two archives may: whoever builds a tree decides.
    pub fn validate(&self) -> Result<(), IndexError> {
        for (archive, number) in self.archives.iter().zip(0..) {
            archive.validate().map_err(|problem| IndexError::Member { archive: number, problem })?;
        }
        for (group, number) in self.groups.iter().zip(0..) {
            if let Some(&parent) = group.parents.iter().find(|&&parent| parent >= number) {
                return Err(IndexError::Parent { group: number, parent });
            }
            for (read, position) in group.reads.iter().zip(0..) {
                let fits =
                    |member: &Member| read.range.start <= read.range.end && read.range.end <= member.len;
                if !self.member(read).is_some_and(fits) {
                    return Err(IndexError::Read { group: number, read: position });
                }
            }
        }
        for (pack, number) in self.packs.iter().zip(0..) {
            for (file, position) in pack.files.iter().zip(0..) {
                let member = self.member_at(file.archive, file.member);
                let fits = |member: &Member| match file.content {
                    Content::Member => true,
                    Content::Bytecode(_) => member.is_source(),
                    Content::Primary(_) | Content::Secondary(_) => member.is_shared_library(),
                };
                if !member.is_some_and(fits) {
                    return Err(IndexError::PackedFile { pack: number, file: position });
                }
            }
        }
        for (group, number) in self.groups.iter().zip(0..) {
            if let Some(&pack) = group.packs.iter().find(|pack| **pack as usize >= self.packs.len()) {
                return Err(IndexError::GroupPack { group: number, pack });
            }
        }
        if let Some(group) = self.boot.filter(|group| *group as usize >= self.groups.len()) {
            return Err(IndexError::BootGroup { group });
        }
        for (entry, number) in self.entries.iter().zip(0..) {
            if let Some(&group) = entry.groups.iter().find(|&&group| group as usize >= self.groups.len()) {
                return Err(IndexError::EntryGroup { entry: number, group });
            }
        }
        Ok(())
    }

    /// The archive of that package, by any spelling of its name.
    pub fn archive(&self, name: &str) -> Option<(u32, &Archive)> {
        let mut numbered = (0..).zip(&self.archives);
        numbered.find(|(_, archive)| is_same_package(&archive.name, name))
    }

    /// The group of that name.
    pub fn group(&self, name: &str) -> Option<(u32, &Group)> {
        self.groups.iter().zip(0..).find(|(group, _)| group.name == name).map(|(group, i)| (i, group))
    }

    /// The entry point of that name.
    pub fn entry(&self, name: &str) -> Option<&EntryPoint> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// The member a read refers to, or `None` when the read does not belong to this index.
    pub fn member(&self, read: &Read) -> Option<&Member> {
        self.member_at(read.archive, read.member)
    }

    /// The member at these positions, or `None` when there is none.
    pub fn member_at(&self, archive: u32, member: u32) -> Option<&Member> {
        self.archives.get(archive as usize)?.members.get(member as usize)
    }

    /// Decoded length of a file of a pack; 0 when it does not belong to this index.
    pub fn packed_len(&self, file: &PackedFile) -> u64 {
        match file.content {
            Content::Member => self.member_at(file.archive, file.member).map_or(0, |member| member.len),
            Content::Bytecode(len) | Content::Primary(len) | Content::Secondary(len) => len,
        }
    }

    /// What to fetch for these reads, for [`plan`](crate::plan::plan). A member is fetched whole even where only a part of
    /// it was read: its checksum covers the whole. Empty members need no bytes and are left out.
    pub fn wants(&self, reads: &[&Read]) -> Vec<Want> {
        let wants = reads.iter().filter_map(|read| Some(self.member(read)?.want(read.archive)));
        wants.filter(|want| !want.span.is_empty()).collect()
    }

    /// Everything the groups read, parents before children and every member once, in access order.
    pub fn access_order(&self, groups: &[u32]) -> Vec<&Read> {
        let mut order = Vec::new();
        let mut visited = vec![false; self.groups.len()];
        let mut seen = std::collections::BTreeSet::new();
        // Depth first without recursion: a group's parents are pushed above it and so come out before it.
        let mut stack: Vec<(u32, bool)> = groups.iter().rev().map(|&group| (group, false)).collect();
        while let Some((id, parents_done)) = stack.pop() {
            let Some(group) = self.groups.get(id as usize) else {
                continue;
            };
            if parents_done {
                order.extend(group.reads.iter().filter(|read| seen.insert((read.archive, read.member))));
            } else if !std::mem::replace(&mut visited[id as usize], true) {
                stack.push((id, true));
                stack.extend(group.parents.iter().rev().map(|&parent| (parent, false)));
            }
        }
        order
    }
}

#[cfg(test)]
pub(crate) mod tests;

use thiserror::Error;

/// What in an [`Index`](super::Index) contradicts something else in it. Numbers are positions in the index's lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IndexError {
    /// A member cannot lie, or be named, as it says.
    #[error("archive {archive}, {problem}")]
    Member {
        /// The archive.
        archive: u32,
        /// Which member, and what is wrong.
        problem: MemberProblem,
    },
    /// A group builds on itself or on a later one.
    #[error("group {group} builds on group {parent}")]
    Parent {
        /// The group.
        group: u32,
        /// Its parent.
        parent: u32,
    },
    /// A read is not within a member.
    #[error("group {group}, read {read} is not within a member")]
    Read {
        /// The group.
        group: u32,
        /// Position of the read in it.
        read: u32,
    },
    /// A file of a pack is no member, or is bytecode of something that is no source.
    #[error("pack {pack}, file {file} is not of a member")]
    PackedFile {
        /// The pack.
        pack: u32,
        /// Position of the file in it.
        file: u32,
    },
    /// A group names a pack that does not exist.
    #[error("group {group} names pack {pack}")]
    GroupPack {
        /// The group.
        group: u32,
        /// The pack it names.
        pack: u32,
    },
    /// The standard library's group does not exist.
    #[error("Pyodide is to boot from group {group}")]
    BootGroup {
        /// What [`Index::boot`](super::Index::boot) says.
        group: u32,
    },
    /// An entry point names a group that does not exist.
    #[error("entry {entry} names group {group}")]
    EntryGroup {
        /// The entry point.
        entry: u32,
        /// The group it names.
        group: u32,
    },
}

/// What is wrong with a member of an [`Archive`](super::Archive).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MemberProblem {
    /// Not a plain relative path.
    #[error("member {member}: unusable path")]
    Name {
        /// Position in the archive.
        member: u32,
    },
    /// Overlaps another member, is out of order, or ends past the archive.
    #[error("member {member}: impossible place in the archive")]
    Span {
        /// Position in the archive.
        member: u32,
    },
    /// The lengths do not go together.
    #[error("member {member}: impossible lengths")]
    Length {
        /// Position in the archive.
        member: u32,
    },
}

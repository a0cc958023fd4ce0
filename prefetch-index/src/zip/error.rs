use thiserror::Error;

/// Why an archive, or one member of it, was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ZipError {
    /// No end of central directory record fits the archive's end.
    #[error("no end of central directory in the last {searched} of {archive_len} bytes")]
    NoEndRecord {
        /// Length of the archive.
        archive_len: u64,
        /// Bytes looked through.
        searched: u64,
    },
    /// The archive is one volume of several.
    #[error("volume {disk} of a split archive")]
    Split {
        /// The record's volume number, counted from 0.
        disk: u32,
    },
    /// A record does not start with its signature.
    #[error("signature {found:#010x} instead of {wanted:#010x} at offset {offset}")]
    Signature {
        /// Offset in the archive.
        offset: u64,
        /// The record's signature.
        wanted: u32,
        /// What is there.
        found: u32,
    },
    /// A structure reaches past the place where it must end.
    #[error("structure at {offset} ends at {end}, past {limit}")]
    OutOfBounds {
        /// Where it starts.
        offset: u64,
        /// Where it would end; `u64::MAX` on overflow.
        end: u64,
        /// Where it must end.
        limit: u64,
    },
    /// The directory does not hold as many entries as the end record says.
    #[error("{found} directory entries, the end record says {wanted}")]
    EntryCount {
        /// According to the end record.
        wanted: u64,
        /// Entries that were there.
        found: u64,
    },
    /// More, or other, bytes were supplied than the archive has.
    #[error("bytes from {start} do not continue at {wanted}")]
    UnexpectedBytes {
        /// Where the next byte was wanted.
        wanted: u64,
        /// Where the supplied bytes start.
        start: u64,
    },
    /// The supplied bytes end past the archive.
    #[error("bytes end at {end}, the archive at {archive_len}")]
    PastEnd {
        /// End of the supplied bytes.
        end: u64,
        /// Length of the archive.
        archive_len: u64,
    },
    /// The reader was asked to finish while it still wants bytes.
    #[error("unfinished: bytes {start}..{end} are missing")]
    Unfinished {
        /// First byte missing.
        start: u64,
        /// End of the missing bytes.
        end: u64,
    },
    /// A member's name cannot be a path below a folder.
    #[error("unusable name: {0}")]
    Name(NameProblem),
    /// The member's bytes are encrypted.
    #[error("encrypted member")]
    Encrypted,
    /// Neither stored nor deflated.
    #[error("compression method {method}")]
    UnsupportedMethod {
        /// APPNOTE 4.4.5.
        method: u16,
    },
    /// Neither file, folder nor symlink.
    #[error("file type {mode:#o}")]
    UnsupportedFileType {
        /// Unix mode.
        mode: u32,
    },
    /// More bytes than deflate can make of the compressed ones, or a stored member whose two lengths differ.
    #[error("{compressed_len} compressed bytes cannot hold {len}")]
    ImplausibleLength {
        /// Length after decoding.
        len: u64,
        /// Length in the archive.
        compressed_len: u64,
    },
    /// A zip64 extra field lacks a value the entry refers to.
    #[error("zip64 field of {found} bytes instead of {wanted}")]
    Zip64Field {
        /// Bytes needed.
        wanted: u64,
        /// Bytes there.
        found: u64,
    },
    /// The local header names another member or method than the directory.
    #[error("local header at {offset} disagrees with the central directory")]
    LocalHeader {
        /// Offset of the local header.
        offset: u64,
    },
}

/// What makes a member's name unusable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NameProblem {
    /// No name.
    #[error("empty")]
    Empty,
    /// Flagged as UTF-8 and is not.
    #[error("not UTF-8")]
    NotUtf8,
    /// A NUL character.
    #[error("NUL character")]
    Nul,
    /// A backslash: a separator on some systems, a character on others.
    #[error("backslash")]
    Backslash,
    /// Starts with `/`.
    #[error("absolute path")]
    Absolute,
    /// Starts with a drive, `C:`.
    #[error("drive letter")]
    Drive,
    /// A component is `..`, `.` or empty.
    #[error("component '..', '.' or empty")]
    Component,
    /// Longer than a path can be.
    #[error("{len} bytes, a path has at most 4096")]
    TooLong {
        /// Bytes of UTF-8.
        len: u64,
    },
    /// Another member has the same name; none of them can be trusted to be the one meant.
    #[error("duplicate")]
    Duplicate,
    /// A file is used as a folder by another member.
    #[error("file that other members use as a folder")]
    FileAndFolder,
}

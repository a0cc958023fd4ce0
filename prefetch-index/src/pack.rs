//! A pack: the files one program reads, in access order, as one compressed file that can be read while it arrives.
//!
//! The members' bytes are sorted into streams, because Python text, WebAssembly and the parts of a `.pyc`
//! compress better each with its own statistics. Every stream is LZMA, cut into chunks without a flush between; the
//! chunks of all streams follow each other in the order in which the members need them.
//!
//! | offset | bytes | |
//! |---|---|---|
//! | 0 | 8 | `"WHLPACK\0"` |
//! | 8 | 4 | format version, little-endian as all below |
//! | 12 | 16 | id of the index the pack was made for |
//! | 28 | 4 | number of members |
//! | 32 | 9 each | per stream: codec (LZMA's property byte, 255 stored), decoded length |
//! | | 4 | CRC-32 of all above |
//!
//! Then frames, integers in LEB128:
//!
//! * a chunk: stream number, compressed length (at most 64 KiB), decoded length; then the compressed bytes;
//! * a member: 255, its `Form`, CRC-32 of its bytes (4 bytes, little-endian), how many bytes it takes from each stream of
//!   that form. All chunks that it needs come before;
//! * a part: 254, how many of the next members it has, but not all; its length; CRC-32 of its bytes; then the bytes, which
//!   are a pack of these members, with the same id. So what may never be read arrives with the others, and stays packed.

mod decoder;
mod frame;
mod lzma;
mod model;
mod pyc;

#[cfg(feature = "cli")]
mod encoder;

use thiserror::Error;

pub use decoder::{Decoder, Step, unpack};
#[cfg(feature = "cli")]
pub use encoder::{Effort, encode};

/// The version this build writes, and the only one it reads.
pub const VERSION: u32 = 2;

/// What a member is, so how it compresses best. A hint: a member that is not what its kind says is packed as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Anything else.
    Plain,
    /// A `.pyc`: Python's header of 16 bytes, then a marshalled code object.
    Bytecode,
    /// A `.so`: an Emscripten side module.
    Library,
}

/// A file to pack.
#[derive(Clone, Copy, Debug)]
pub struct Packed<'a> {
    /// What it is.
    pub kind: Kind,
    /// All of it.
    pub bytes: &'a [u8],
}

/// Why a file is not the pack that was wanted, or could not be made. `member`: number in the pack, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PackError {
    /// The file does not start with the magic bytes.
    #[error("not a wheelfs pack")]
    Magic,
    /// Written by another version of the format.
    #[error("written by wheelfs pack format {found}; this is format {wanted}")]
    Version {
        /// [`VERSION`].
        wanted: u32,
        /// In the file.
        found: u32,
    },
    /// Made for another index.
    #[error("made for the index {:032x}, not for {:032x}: build both again", u128::from_be_bytes(*.found), u128::from_be_bytes(*.wanted))]
    Stale {
        /// Of the index at hand.
        wanted: [u8; 16],
        /// In the file.
        found: [u8; 16],
    },
    /// The header was damaged.
    #[error("CRC-32 {found:#010x} of the header instead of {wanted:#010x}")]
    Header {
        /// In the file.
        wanted: u32,
        /// Of the header.
        found: u32,
    },
    /// Another number of members than the index says.
    #[error("{found} members instead of {wanted}")]
    Members {
        /// According to the index.
        wanted: u32,
        /// In the file.
        found: u32,
    },
    /// More than the caller allows; nothing was allocated.
    #[error("a pack of {len} bytes decoded, at most {limit} are accepted")]
    TooLarge {
        /// Decoded length: of all streams, or of all members.
        len: u64,
        /// The most accepted.
        limit: u64,
    },
    /// The file contradicts itself.
    #[error("damaged after {offset} bytes, in member {member}")]
    Corrupt {
        /// Where the damage was noticed: bytes from the start of the file, at most one frame too far.
        offset: u64,
        /// The first member that is not complete.
        member: u32,
    },
    /// A member of another length than the index says.
    #[error("{found} bytes of member {member} instead of {wanted}")]
    Length {
        /// The member.
        member: u32,
        /// According to the index.
        wanted: u64,
        /// In the file; when too many, possibly less than all.
        found: u64,
    },
    /// A member's bytes are not those that were packed.
    #[error("CRC-32 {found:#010x} of member {member} instead of {wanted:#010x}")]
    Crc {
        /// The member.
        member: u32,
        /// According to the file.
        wanted: u32,
        /// Of the decoded bytes.
        found: u32,
    },
    /// The transfer ended too early.
    #[error("the file ends after {complete} of {members} members")]
    Truncated {
        /// Members that were complete.
        complete: u32,
        /// Members wanted.
        members: u32,
    },
    /// The compressor failed. Only while packing.
    #[error("liblzma cannot compress a stream of {len} bytes")]
    Compress {
        /// Length of the stream.
        len: u64,
    },
}

#[cfg(test)]
#[cfg(feature = "cli")]
mod tests;

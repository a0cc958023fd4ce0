//! The index as a file: a header of our own, then a deflated bincode payload.
//!
//! | offset | bytes | |
//! |---|---|---|
//! | 0 | 8 | `"WHLFIDX\0"` |
//! | 8 | 4 | format version, little-endian as all below |
//! | 12 | 8 | payload length: the rest of the file |
//! | 20 | 8 | length of the payload once inflated |
//! | 28 | 4 | CRC-32 of everything after it |
//! | 32 | 4 | flags: 1, Pyodide boots from the index ([`Index::boot`]), and `empty.zip` lies beside it |
//!
//! The flags stand in the header because a page has to know them before it has the module that decodes the rest.
//! The payload is compressed here rather than by the server because static hosts do not compress an unknown file type.

use bincode::config::{Configuration, Limit, LittleEndian, Varint};
use thiserror::Error;

use crate::crc32;
use crate::index::{Index, IndexError};
use crate::zip;

/// The version this build writes, and the only one it reads.
pub const VERSION: u32 = 4;

const MAGIC: &[u8; 8] = b"WHLFIDX\0";
const HEADER_LEN: usize = 36;
/// See the table above.
const BOOTS: u32 = 1;
/// An index takes some 60 bytes a member before compression; this allows for half a million members.
const MAX_LEN: usize = 64 << 20;

const CONFIG: Configuration<LittleEndian, Varint, Limit<MAX_LEN>> =
    bincode::config::standard().with_limit::<MAX_LEN>();

/// Why a file is not an index this build can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The file does not start with the magic bytes.
    #[error("not a wheelfs index")]
    Magic,
    /// Written by another version of the format.
    #[error("written by wheelfs format {found}; this is format {wanted}")]
    Version {
        /// [`VERSION`].
        wanted: u32,
        /// In the file.
        found: u32,
    },
    /// The file is shorter or longer than it says.
    #[error("{found} bytes instead of {wanted}")]
    Length {
        /// According to the header.
        wanted: u64,
        /// In the file.
        found: u64,
    },
    /// More than an index may be; nothing was allocated.
    #[error("an index of {len} bytes, at most {limit} are accepted")]
    TooLarge {
        /// Inflated length.
        len: u64,
        /// The most accepted.
        limit: u64,
    },
    /// The payload was damaged.
    #[error("CRC-32 {found:#010x} instead of {wanted:#010x}")]
    Crc {
        /// According to the header.
        wanted: u32,
        /// Of the payload.
        found: u32,
    },
    /// The payload does not inflate to what the header says.
    #[error("the payload does not inflate to {len} bytes")]
    Compressed {
        /// According to the header.
        len: u64,
    },
    /// The payload is not an index.
    #[error("the payload is not an index")]
    Payload,
    /// The index contradicts itself.
    #[error("the index contradicts itself: {0}")]
    Index(#[from] IndexError),
}

/// The index as a file. Fails if [`Index::validate`] would refuse it.
pub fn encode(index: &Index) -> Result<Vec<u8>, FormatError> {
    index.validate()?;
    let plain = bincode::encode_to_vec(index, CONFIG).map_err(|_| FormatError::Payload)?;
    check_len(plain.len() as u64)?;
    let payload = miniz_oxide::deflate::compress_to_vec(&plain, 9);
    let mut file = Vec::with_capacity(HEADER_LEN + payload.len());
    file.extend(MAGIC);
    file.extend(VERSION.to_le_bytes());
    file.extend((payload.len() as u64).to_le_bytes());
    file.extend((plain.len() as u64).to_le_bytes());
    let rest = [(u32::from(index.boot.is_some()) * BOOTS).to_le_bytes().as_slice(), &payload].concat();
    file.extend(crc32::hash(&rest).to_le_bytes());
    file.extend(rest);
    Ok(file)
}

/// Reads an index file, and vouches for every position, range and path in it.
pub fn decode(file: &[u8]) -> Result<Index, FormatError> {
    if !file.starts_with(&MAGIC[..MAGIC.len().min(file.len())]) {
        return Err(FormatError::Magic);
    }
    let found = file.len() as u64;
    let Some((header, payload)) = file.split_at_checked(HEADER_LEN) else {
        return Err(FormatError::Length { wanted: HEADER_LEN as u64, found });
    };
    let version = zip::u32_at(header, 8);
    if version != VERSION {
        return Err(FormatError::Version { wanted: VERSION, found: version });
    }
    let wanted = zip::u64_at(header, 12).saturating_add(HEADER_LEN as u64);
    if wanted != found {
        return Err(FormatError::Length { wanted, found });
    }
    let (wanted, found) = (zip::u32_at(header, 28), crc32::hash(&file[32..]));
    if wanted != found {
        return Err(FormatError::Crc { wanted, found });
    }
    let len = zip::u64_at(header, 20);
    check_len(len)?;
    let plain = zip::inflate_exactly(payload, len).ok_or(FormatError::Compressed { len })?;
    let (index, read) =
        bincode::decode_from_slice::<Index, _>(&plain, CONFIG).map_err(|_| FormatError::Payload)?;
    if read != plain.len() {
        return Err(FormatError::Payload);
    }
    index.validate()?;
    Ok(index)
}

fn check_len(len: u64) -> Result<(), FormatError> {
    let limit = MAX_LEN as u64;
    if len > limit { Err(FormatError::TooLarge { len, limit }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::tests::small;

    #[test]
    fn round_trip() {
        for index in [Index::default(), small()] {
            assert_eq!(decode(&encode(&index).unwrap()), Ok(index));
        }
    }

    #[test]
    fn every_damaged_byte_is_noticed() {
        let index = small();
        let file = encode(&index).unwrap();
        for at in 0..file.len() {
            for flip in [1, 0x80, 0xff] {
                let mut damaged = file.clone();
                damaged[at] ^= flip;
                assert!(decode(&damaged).is_err(), "byte {at} ^ {flip:#x}");
            }
        }
    }

    #[test]
    fn every_other_length_is_noticed() {
        let file = encode(&small()).unwrap();
        for len in 0..file.len() {
            assert!(decode(&file[..len]).is_err(), "cut to {len}");
        }
        let longer = [file.as_slice(), b"x"].concat();
        let (wanted, found) = (file.len() as u64, longer.len() as u64);
        assert_eq!(decode(&longer), Err(FormatError::Length { wanted, found }));
    }

    /// A file whose header is right for a payload of our choosing.
    fn sealed(plain: &[u8], len: u64) -> Vec<u8> {
        let payload = miniz_oxide::deflate::compress_to_vec(plain, 6);
        let mut file = [MAGIC.as_slice(), &VERSION.to_le_bytes()].concat();
        file.extend((payload.len() as u64).to_le_bytes());
        file.extend(len.to_le_bytes());
        let rest = [[0; 4].as_slice(), &payload].concat();
        file.extend(crc32fast::hash(&rest).to_le_bytes());
        file.extend(rest);
        file
    }

    #[test]
    fn wrong_files() {
        assert_eq!(decode(b"<!doctype html>"), Err(FormatError::Magic));
        assert_eq!(decode(b""), Err(FormatError::Length { wanted: 36, found: 0 }));
        let mut newer = encode(&small()).unwrap();
        newer[8] += 1;
        let (wanted, found) = (VERSION, VERSION + 1);
        assert_eq!(decode(&newer), Err(FormatError::Version { wanted, found }));

        let limit = MAX_LEN as u64;
        let long = Err(FormatError::TooLarge { len: limit + 1, limit });
        assert_eq!(decode(&sealed(b"", limit + 1)), long);
        assert_eq!(decode(&sealed(b"", limit)), Err(FormatError::Compressed { len: limit }));
        assert_eq!(decode(&sealed(b"noise", 5)), Err(FormatError::Payload));
        // A string of 2^63 bytes: bincode's varint marker for u64, then the length.
        let boast = [[253].as_slice(), &(1u64 << 63).to_le_bytes()].concat();
        assert_eq!(decode(&sealed(&boast, boast.len() as u64)), Err(FormatError::Payload));
        // An empty index and something after it.
        assert_eq!(decode(&sealed(&[0; 8], 8)), Err(FormatError::Payload));
    }

    #[test]
    fn an_index_that_contradicts_itself_is_neither_written_nor_read() {
        let mut index = small();
        index.groups[0].reads[0].member = 9;
        let error = Err(FormatError::Index(IndexError::Read { group: 0, read: 0 }));
        assert_eq!(encode(&index), error.clone().map(|_: Index| vec![]));
        let plain = bincode::encode_to_vec(&index, CONFIG).unwrap();
        assert_eq!(decode(&sealed(&plain, plain.len() as u64)), error);
    }
}

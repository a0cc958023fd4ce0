use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};
use thiserror::Error;

use super::central::Method;

/// Deflate's limit: 258 bytes from two bits, once the code tables are paid for (zlib's technical notes give 1032:1).
const MAX_DEFLATE_RATIO: u64 = 1032;

/// Whether `compressed_len` bytes can decode to `len`.
pub(crate) fn is_plausible(method: Method, compressed_len: u64, len: u64) -> bool {
    match method {
        Method::Stored => len == compressed_len,
        Method::Deflate => len <= compressed_len.saturating_mul(MAX_DEFLATE_RATIO),
    }
}

/// Why a member's bytes were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The lengths do not go together; nothing was allocated.
    #[error("{compressed_len} compressed bytes cannot hold {len}")]
    ImplausibleLength {
        /// Length after decoding.
        len: u64,
        /// Length in the archive.
        compressed_len: u64,
    },
    /// The compressed stream is broken.
    #[error("broken deflate stream after {decoded} of {len} bytes")]
    Corrupt {
        /// Bytes decoded before the fault.
        decoded: u64,
        /// Bytes expected.
        len: u64,
    },
    /// Too few, or too many, bytes.
    #[error("{found} bytes instead of {wanted}")]
    Length {
        /// According to the directory.
        wanted: u64,
        /// Decoded bytes; when too many, the first one more.
        found: u64,
    },
    /// The bytes are not those the archive was made from.
    #[error("CRC-32 {found:#010x} instead of {wanted:#010x}")]
    Crc {
        /// According to the directory.
        wanted: u32,
        /// Of the decoded bytes.
        found: u32,
    },
}

/// Decodes a whole member. `len` and `crc32`: the directory's, of the decoded bytes.
pub fn decode_member(
    method: Method,
    compressed: &[u8],
    len: u64,
    crc32: u32,
) -> Result<Vec<u8>, DecodeError> {
    let mut stream = InflateStream::new(method, compressed.len() as u64, len, crc32)?;
    stream.push(compressed)?;
    stream.finish()
}

/// A raw deflate stream that must decode to exactly `len` bytes; `None` if it does not. For data with a checksum of its own.
pub(crate) fn inflate_exactly(compressed: &[u8], len: u64) -> Option<Vec<u8>> {
    let mut stream = InflateStream::new(Method::Deflate, compressed.len() as u64, len, 0).ok()?;
    stream.push(compressed).ok()?;
    (stream.done && stream.filled == stream.output.len()).then_some(stream.output)
}

/// Decodes a member while it arrives. Holds one copy of the output and no other buffer.
pub struct InflateStream {
    /// `None` for a stored member.
    inflate: Option<Box<DecompressorOxide>>,
    output: Vec<u8>,
    filled: usize,
    hasher: crc32fast::Hasher,
    crc32: u32,
    done: bool,
}

impl InflateStream {
    /// `compressed_len` is what the archive holds; `len` and `crc32` are of the decoded bytes. The output is allocated here,
    /// after the lengths were seen to go together.
    pub fn new(
        method: Method,
        compressed_len: u64,
        len: u64,
        crc32: u32,
    ) -> Result<InflateStream, DecodeError> {
        let plausible = is_plausible(method, compressed_len, len);
        let size = usize::try_from(len).ok().filter(|_| plausible);
        let size = size.ok_or(DecodeError::ImplausibleLength { len, compressed_len })?;
        Ok(InflateStream {
            inflate: (method == Method::Deflate).then(Box::default),
            output: vec![0; size],
            filled: 0,
            hasher: crc32fast::Hasher::new(),
            crc32,
            done: method == Method::Stored,
        })
    }

    /// Takes the next compressed bytes and returns what they decode to.
    pub fn push(&mut self, compressed: &[u8]) -> Result<&[u8], DecodeError> {
        let before = self.filled;
        match &mut self.inflate {
            None => {
                let end = self.filled + compressed.len();
                let Some(room) = self.output.get_mut(self.filled..end) else {
                    return Err(DecodeError::Length { wanted: self.output.len() as u64, found: end as u64 });
                };
                room.copy_from_slice(compressed);
                self.filled = end;
            }
            Some(inflate) if !self.done => {
                let flags = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF | TINFL_FLAG_HAS_MORE_INPUT;
                let (status, read, written) =
                    decompress(inflate, compressed, &mut self.output, self.filled, flags);
                self.filled += written;
                let (decoded, len) = (self.filled as u64, self.output.len() as u64);
                match status {
                    TINFLStatus::Done if read == compressed.len() => self.done = true,
                    TINFLStatus::NeedsMoreInput => {}
                    // Also the answer when the output is full and the end-of-block code has yet to arrive.
                    TINFLStatus::HasMoreOutput if read == compressed.len() => {}
                    TINFLStatus::HasMoreOutput => {
                        return Err(DecodeError::Length { wanted: len, found: len + 1 });
                    }
                    _ => return Err(DecodeError::Corrupt { decoded, len }),
                }
            }
            Some(_) if compressed.is_empty() => {}
            Some(_) => {
                let decoded = self.filled as u64;
                return Err(DecodeError::Corrupt { decoded, len: self.output.len() as u64 });
            }
        }
        let fresh = &self.output[before..self.filled];
        self.hasher.update(fresh);
        Ok(fresh)
    }

    /// What has been decoded so far, from the member's start.
    pub fn decoded(&self) -> &[u8] {
        &self.output[..self.filled]
    }

    /// The whole member, once its length and CRC-32 were seen to be right.
    pub fn finish(self) -> Result<Vec<u8>, DecodeError> {
        let (wanted, found) = (self.output.len() as u64, self.filled as u64);
        if wanted != found {
            return Err(DecodeError::Length { wanted, found });
        }
        if !self.done {
            return Err(DecodeError::Corrupt { decoded: found, len: wanted });
        }
        let found = self.hasher.finalize();
        if found != self.crc32 {
            return Err(DecodeError::Crc { wanted: self.crc32, found });
        }
        Ok(self.output)
    }
}

#[cfg(test)]
mod tests {
    use miniz_oxide::deflate::compress_to_vec;
    use proptest::prelude::*;

    use super::*;

    fn deflated(data: &[u8]) -> (Vec<u8>, u64, u32) {
        (compress_to_vec(data, 6), data.len() as u64, crc32fast::hash(data))
    }

    #[test]
    fn wrong_members_are_refused() {
        let data = b"import pandas ".repeat(100);
        let (compressed, len, crc) = deflated(&data);
        let decode = |compressed: &[u8], len, crc| decode_member(Method::Deflate, compressed, len, crc);
        assert_eq!(decode(&compressed, len, crc), Ok(data.clone()));
        assert_eq!(decode(&compressed, len, !crc), Err(DecodeError::Crc { wanted: !crc, found: crc }));
        assert_eq!(
            decode(&compressed, len + 1, crc),
            Err(DecodeError::Length { wanted: len + 1, found: len })
        );
        assert!(decode(&compressed, len - 1, crc).is_err());
        let huge =
            Err(DecodeError::ImplausibleLength { len: u64::MAX, compressed_len: compressed.len() as u64 });
        assert_eq!(decode(&compressed, u64::MAX, crc), huge);
        let more = [compressed.as_slice(), b"x"].concat();
        assert!(matches!(decode(&more, len, crc), Err(DecodeError::Corrupt { .. })));
        for cut in 0..compressed.len() {
            assert!(decode(&compressed[..cut], len, crc).is_err(), "cut to {cut}");
        }
        assert_eq!(decode_member(Method::Stored, &data, len, crc), Ok(data.clone()));
        assert!(matches!(
            decode_member(Method::Stored, &data, len + 1, crc),
            Err(DecodeError::ImplausibleLength { .. })
        ));
        // Nothing at all, as many __init__.py files are.
        let (compressed, len, crc) = deflated(b"");
        assert_eq!(decode(&compressed, len, crc), Ok(vec![]));
        assert_eq!(decode_member(Method::Stored, b"", 0, 0), Ok(vec![]));
    }

    #[test]
    fn a_stored_member_that_is_too_long() {
        let mut stream = InflateStream::new(Method::Stored, 4, 4, 0).unwrap();
        assert_eq!(stream.push(b"123"), Ok(b"123".as_slice()));
        assert_eq!(stream.push(b"45"), Err(DecodeError::Length { wanted: 4, found: 5 }));
    }

    proptest! {
        #[test]
        fn pieces_decode_as_the_whole(
            words in proptest::collection::vec("[a-d]{1,6}", 0..400), step in 1..64usize, stored: bool,
        ) {
            let data = words.concat().into_bytes();
            let (mut compressed, len, crc) = deflated(&data);
            let mut method = Method::Deflate;
            if stored {
                (compressed, method) = (data.clone(), Method::Stored);
            }
            let mut stream = InflateStream::new(method, compressed.len() as u64, len, crc).unwrap();
            let mut arrived = Vec::new();
            for piece in compressed.chunks(step) {
                let fresh = stream.push(piece).unwrap().to_vec();
                arrived.extend(fresh);
                prop_assert_eq!(stream.decoded(), arrived.as_slice());
            }
            prop_assert_eq!(&arrived, &data);
            prop_assert_eq!(stream.finish(), Ok(data));
        }

        #[test]
        fn noise_never_decodes(noise in proptest::collection::vec(any::<u8>(), 0..200), len in 0..1000u64) {
            // A stream that happens to be valid still meets a CRC it does not have.
            if let Ok(data) = decode_member(Method::Deflate, &noise, len, 0xDEAD_BEEF) {
                prop_assert_eq!(crc32fast::hash(&data), 0xDEAD_BEEF);
            }
        }
    }
}

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};
use thiserror::Error;

use super::central::Method;
use crate::crc32;

/// The longest piece handed out at once; deflate looks back half as far.
const WINDOW: usize = 64 << 10;
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
    let mut stream = MemberStream::new(method, compressed.len() as u64, len, crc32)?;
    // Plausible, so not more than a thousand times what is there.
    let mut decoded = Vec::with_capacity(len as usize);
    stream.push(compressed, &mut |fresh| decoded.extend_from_slice(fresh))?;
    stream.finish()?;
    Ok(decoded)
}

/// A raw deflate stream that must decode to exactly `len` bytes; `None` if it does not. For data with a checksum of its own.
pub(crate) fn inflate_exactly(compressed: &[u8], len: u64) -> Option<Vec<u8>> {
    let mut stream = MemberStream::new(Method::Deflate, compressed.len() as u64, len, 0).ok()?;
    let mut decoded = Vec::with_capacity(len as usize);
    stream.push(compressed, &mut |fresh| decoded.extend_from_slice(fresh)).ok()?;
    (stream.done && stream.decoded == len).then_some(decoded)
}

/// Decodes a member piece by piece. Holds no more of it than deflate looks back on.
pub struct MemberStream {
    /// `None` where bytes come as they are.
    inflate: Option<Box<DecompressorOxide>>,
    /// A ring of the last decoded bytes; its length is a power of two.
    window: Vec<u8>,
    decoded: u64,
    len: u64,
    hasher: crc32::Hasher,
    crc32: u32,
    done: bool,
}

impl MemberStream {
    /// `compressed_len` is what the archive holds; `len` and `crc32` are of the decoded bytes. The caller may allocate `len`
    /// bytes after this: the lengths were seen to go together.
    pub fn new(
        method: Method,
        compressed_len: u64,
        len: u64,
        crc32: u32,
    ) -> Result<MemberStream, DecodeError> {
        if !is_plausible(method, compressed_len, len) || usize::try_from(len).is_err() {
            return Err(DecodeError::ImplausibleLength { len, compressed_len });
        }
        // Some writers leave out even the end of the stream where there is no content, and CPython reads none there.
        let deflated = method == Method::Deflate && compressed_len > 0;
        let window = if deflated { (len as usize).min(WINDOW).next_power_of_two() } else { 0 };
        Ok(MemberStream {
            inflate: deflated.then(Box::default),
            window: vec![0; window],
            decoded: 0,
            len,
            hasher: crc32::Hasher::default(),
            crc32,
            done: !deflated,
        })
    }

    /// Takes the next compressed bytes and hands what they decode to, in pieces, to `emit`.
    pub fn push(&mut self, compressed: &[u8], emit: &mut dyn FnMut(&[u8])) -> Result<(), DecodeError> {
        let Some(inflate) = &mut self.inflate else {
            self.decoded = count(self.decoded, self.len, compressed)?;
            self.hasher.update(compressed);
            emit(compressed);
            return Ok(());
        };
        let mut rest = compressed;
        while !self.done {
            let at = self.decoded as usize & (self.window.len() - 1);
            let (status, read, written) =
                decompress(inflate, rest, &mut self.window, at, TINFL_FLAG_HAS_MORE_INPUT);
            rest = &rest[read..];
            let fresh = &self.window[at..at + written];
            self.decoded = count(self.decoded, self.len, fresh)?;
            self.hasher.update(fresh);
            emit(fresh);
            match status {
                TINFLStatus::Done => self.done = true,
                TINFLStatus::NeedsMoreInput => return Ok(()),
                TINFLStatus::HasMoreOutput => {}
                _ => return Err(DecodeError::Corrupt { decoded: self.decoded, len: self.len }),
            }
        }
        if rest.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::Corrupt { decoded: self.decoded, len: self.len })
        }
    }

    /// Whether that was the whole member: its length and CRC-32 are right.
    pub fn finish(self) -> Result<(), DecodeError> {
        let (wanted, found) = (self.len, self.decoded);
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
        Ok(())
    }
}

/// Bytes decoded, with the `fresh` ones; a member has no more than `len`.
fn count(decoded: u64, len: u64, fresh: &[u8]) -> Result<u64, DecodeError> {
    let decoded = decoded + fresh.len() as u64;
    if decoded > len { Err(DecodeError::Length { wanted: len, found: len + 1 }) } else { Ok(decoded) }
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
        assert_eq!(decode(b"", 0, 0), Ok(vec![]));
        assert_eq!(decode(b"", 0, 1), Err(DecodeError::Crc { wanted: 1, found: 0 }));
        assert!(matches!(decode(b"", 1, 0), Err(DecodeError::ImplausibleLength { .. })));
        let mut nothing = MemberStream::new(Method::Deflate, 0, 0, 0).unwrap();
        assert_eq!(nothing.push(b"\x03", &mut |_| ()), Err(DecodeError::Length { wanted: 0, found: 1 }));
    }

    #[test]
    fn a_stored_member_that_is_too_long() {
        let mut stream = MemberStream::new(Method::Stored, 4, 4, 0).unwrap();
        let mut decoded: Vec<u8> = Vec::new();
        assert_eq!(stream.push(b"123", &mut |fresh| decoded.extend(fresh)), Ok(()));
        let too_long = stream.push(b"45", &mut |fresh| decoded.extend(fresh));
        assert_eq!(too_long, Err(DecodeError::Length { wanted: 4, found: 5 }));
        assert_eq!(decoded, b"123");
    }

    #[test]
    fn no_piece_is_longer_than_the_window() {
        let data: Vec<u8> = (0..400_000u32).flat_map(|number| number.to_le_bytes()).collect();
        let (compressed, len, crc) = deflated(&data);
        let mut stream = MemberStream::new(Method::Deflate, compressed.len() as u64, len, crc).unwrap();
        let (mut decoded, mut longest): (Vec<u8>, usize) = (Vec::new(), 0);
        let mut take = |fresh: &[u8]| {
            longest = longest.max(fresh.len());
            decoded.extend_from_slice(fresh);
        };
        assert_eq!(stream.push(&compressed, &mut take), Ok(()));
        assert_eq!((stream.finish(), longest), (Ok(()), WINDOW));
        assert!(decoded == data);
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
            let mut stream = MemberStream::new(method, compressed.len() as u64, len, crc).unwrap();
            let mut arrived: Vec<u8> = Vec::new();
            for piece in compressed.chunks(step) {
                stream.push(piece, &mut |fresh| arrived.extend(fresh)).unwrap();
                prop_assert_eq!(&arrived, &data[..arrived.len()]);
            }
            prop_assert_eq!(arrived, data);
            prop_assert_eq!(stream.finish(), Ok(()));
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

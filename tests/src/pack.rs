//! Packs, read as a page reads them.

use prefetch_index::{
    index::{Index, Pack},
    pack::{Decoder, Step},
};

use crate::HarnessError;

/// A decoder for a pack of this index.
pub fn decoder(index: &Index, pack: &Pack) -> Decoder {
    let lengths: Vec<u64> = pack.files.iter().map(|file| index.packed_len(file)).collect();
    let limit = lengths.iter().sum();
    Decoder::new(pack.id, lengths, limit)
}

/// The next file that is complete: its number in the pack, and its bytes. `None`: more bytes are wanted, or it was the last.
pub fn next_file(decoder: &mut Decoder) -> Result<Option<(u32, Vec<u8>)>, HarnessError> {
    loop {
        match decoder.step(usize::MAX).map_err(std::io::Error::other)? {
            Step::Member { number, bytes } => return Ok(Some((number, bytes))),
            Step::Working => {}
            Step::Starved | Step::Done => return Ok(None),
        }
    }
}

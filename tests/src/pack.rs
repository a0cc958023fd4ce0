//! Packs, read as a page reads them.

use prefetch_index::{
    index::{Index, Pack},
    pack::{self, Decoder, Step},
};

use crate::HarnessError;

/// A pack that arrives.
pub struct PackReader {
    id: [u8; 16],
    lengths: Vec<u64>,
    decoder: Decoder,
}

impl PackReader {
    /// Reads a pack of this index.
    pub fn new(index: &Index, pack: &Pack) -> PackReader {
        let lengths: Vec<u64> = pack.files.iter().map(|file| index.packed_len(file)).collect();
        let decoder = Decoder::new(pack.id, lengths.clone(), lengths.iter().sum());
        PackReader { id: pack.id, lengths, decoder }
    }

    /// The files that are complete with these bytes: each one's number in the pack, and its bytes. Those of a part come
    /// together.
    pub fn supply(&mut self, bytes: &[u8]) -> Result<Vec<(u32, Vec<u8>)>, HarnessError> {
        self.decoder.supply(bytes);
        let mut files = Vec::new();
        loop {
            match self.decoder.step(usize::MAX).map_err(std::io::Error::other)? {
                Step::Member { number, bytes } => files.push((number, bytes)),
                Step::Part { number, members, bytes } => {
                    let lengths = &self.lengths[number as usize..][..members as usize];
                    let unpacked = pack::unpack(self.id, lengths, &bytes).map_err(std::io::Error::other)?;
                    files.extend((number..).zip(unpacked));
                }
                Step::Working => {}
                Step::Starved | Step::Done => return Ok(files),
            }
        }
    }
}

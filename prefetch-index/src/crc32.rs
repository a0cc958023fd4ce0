//! CRC-32 as zip has it (ITU-T V.42), sixteen bytes at a time.
//!
//! crc32fast does the same from tables that are constants: 16 KiB that no compression makes smaller, a tenth of what a page
//! downloads of wheelfs. These are computed when they are first needed.

use std::sync::LazyLock;

/// Reflected.
const POLYNOMIAL: u32 = 0xedb8_8320;
const STEP: usize = 16;

/// What a byte does to the checksum, `n` bytes before the end of a step in table `n`.
static TABLES: LazyLock<[[u32; 256]; STEP]> = LazyLock::new(|| {
    let mut tables = [[0; 256]; STEP];
    for (byte, entry) in (0..).zip(&mut tables[0]) {
        *entry = (0..8).fold(byte, |crc: u32, _| crc >> 1 ^ if crc & 1 == 0 { 0 } else { POLYNOMIAL });
    }
    for n in 1..STEP {
        for byte in 0..256 {
            let before = tables[n - 1][byte];
            tables[n][byte] = before >> 8 ^ tables[0][before as usize & 255];
        }
    }
    tables
});

/// The checksum of all these bytes.
pub(crate) fn hash(bytes: &[u8]) -> u32 {
    let mut hasher = Hasher::default();
    hasher.update(bytes);
    hasher.finalize()
}

/// The checksum of bytes that come in pieces.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hasher(u32);

impl Hasher {
    /// Takes the next bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        let tables = &*TABLES;
        let mut crc = !self.0;
        let (steps, rest) = bytes.as_chunks::<STEP>();
        for step in steps {
            let mut step = *step;
            for (byte, before) in step.iter_mut().zip(crc.to_le_bytes()) {
                *byte ^= before;
            }
            crc = step
                .iter()
                .zip(tables.iter().rev())
                .fold(0, |crc, (byte, table)| crc ^ table[usize::from(*byte)]);
        }
        for byte in rest {
            crc = crc >> 8 ^ tables[0][usize::from(crc as u8 ^ byte)];
        }
        self.0 = !crc;
    }

    /// The checksum of all bytes so far.
    pub(crate) fn finalize(&self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_check_value_of_the_catalogue() {
        assert_eq!((hash(b""), hash(b"123456789")), (0, 0xcbf4_3926));
    }

    proptest! {
        /// Wherever the pieces end.
        #[test]
        fn agrees_with_crc32fast(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0..200usize) {
            let (first, second) = bytes.split_at(cut.min(bytes.len()));
            let mut hasher = Hasher::default();
            hasher.update(first);
            hasher.update(second);
            prop_assert_eq!(hasher.finalize(), crc32fast::hash(&bytes));
            prop_assert_eq!(hash(&bytes), hasher.finalize());
        }
    }
}

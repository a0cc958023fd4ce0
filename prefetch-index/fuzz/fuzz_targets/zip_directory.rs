#![no_main]
//! Any bytes as an archive: read in whole ranges and in pieces, the answers agree, and what is accepted can be located
//! and decoded or refused without a panic.

use libfuzzer_sys::fuzz_target;
use prefetch_index::zip::{CentralDirectory, CentralDirectoryReader, ZipError, data_offset, decode_member};

fn read(archive: &[u8], step: usize) -> Result<CentralDirectory, ZipError> {
    let mut reader = CentralDirectoryReader::new(archive.len() as u64);
    while let Some(range) = reader.wants() {
        let end = (range.start as usize + step).min(range.end as usize);
        reader.supply(range.start, &archive[range.start as usize..end])?;
    }
    reader.finish()
}

fuzz_target!(|archive: &[u8]| {
    let directory = read(archive, archive.len().max(1));
    assert_eq!(directory, read(archive, 7));
    for entry in directory.iter().flat_map(|directory| &directory.entries) {
        let member = &archive[entry.header_offset as usize..entry.span_end as usize];
        let start = data_offset(
            member,
            entry.header_offset,
            &entry.name,
            entry.method,
            entry.compressed_len,
            entry.crc32,
            entry.span_end,
        );
        if let Ok(start) = start {
            let data = &archive[start as usize..(start + entry.compressed_len) as usize];
            if let Ok(decoded) = decode_member(entry.method, data, entry.len, entry.crc32) {
                assert_eq!(decoded.len() as u64, entry.len);
            }
        }
    }
});

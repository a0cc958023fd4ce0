#![no_main]
//! Any bytes as a pack, behind a header that is right: whole and in pieces the answers agree, members have the lengths
//! asked for, and nothing loops or grows without end.

use libfuzzer_sys::fuzz_target;
use prefetch_index::pack::{self, Decoder, PackError, Step};

const ID: [u8; 16] = [7; 16];
const STREAMS: usize = 6;

/// The format's header. `streams`: codec, and length in 16 bytes.
fn sealed(members: u32, streams: &[[u8; 2]], frames: &[u8]) -> Vec<u8> {
    let mut file = b"WHLPACK\0".to_vec();
    file.extend(pack::VERSION.to_le_bytes());
    file.extend(ID);
    file.extend(members.to_le_bytes());
    for [codec, len] in streams {
        file.push(*codec);
        file.extend((u64::from(*len) * 16).to_le_bytes());
    }
    file.extend(crc32fast::hash(&file).to_le_bytes());
    file.extend(frames);
    file
}

fn decode(file: &[u8], lengths: &[u64], piece: usize, budget: usize) -> Result<Vec<Vec<u8>>, PackError> {
    let mut decoder = Decoder::new(ID, lengths.to_vec(), 1 << 20);
    let mut members = Vec::new();
    for piece in file.chunks(piece) {
        decoder.supply(piece);
        loop {
            match decoder.step(budget)? {
                Step::Member { number, bytes } => {
                    assert_eq!(bytes.len() as u64, lengths[number as usize]);
                    members.push(bytes);
                }
                Step::Part { number, members: count, bytes } => {
                    members.extend(pack::unpack(ID, &lengths[number as usize..][..count as usize], &bytes)?);
                }
                Step::Working => {}
                Step::Starved | Step::Done => break,
            }
        }
    }
    decoder.finish()?;
    Ok(members)
}

fuzz_target!(|bytes: &[u8]| {
    let _ = decode(bytes, &[100], bytes.len().max(1), usize::MAX);
    let Some((&count, rest)) = bytes.split_first() else { return };
    let count = usize::from(count % 5);
    let Some((lengths, rest)) = rest.split_at_checked(count) else { return };
    let Some((streams, frames)) = rest.split_at_checked(2 * STREAMS) else { return };
    let lengths: Vec<u64> = lengths.iter().map(|&len| u64::from(len) * 16).collect();
    let streams: Vec<[u8; 2]> = streams.chunks(2).map(|stream| [stream[0], stream[1]]).collect();
    let file = sealed(count as u32, &streams, frames);
    let whole = decode(&file, &lengths, file.len(), usize::MAX);
    let pieces = decode(&file, &lengths, 7, 50);
    match (whole, pieces) {
        (Err(_), Err(_)) => {}
        (whole, pieces) => assert_eq!(whole, pieces),
    }
});

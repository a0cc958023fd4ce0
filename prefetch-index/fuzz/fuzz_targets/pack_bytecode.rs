#![no_main]
//! Any bytes as a `.pyc`, after those of Python 3.12 and 3.14: packed, they come back.

use libfuzzer_sys::fuzz_target;
use prefetch_index::pack::{Decoder, Effort, Kind, Packed, Step, encode};

const ID: [u8; 16] = [7; 16];

fn round_trip(file: &[u8]) {
    let members = [Packed { kind: Kind::Bytecode, bytes: file }; 2];
    let pack = encode(ID, &members, Effort::Quick, &mut |_| ()).expect("anything can be packed");
    let mut decoder = Decoder::new(ID, vec![file.len() as u64; 2], 1 << 30);
    decoder.supply(&pack);
    let mut found = 0;
    loop {
        match decoder.step(usize::MAX).expect("what was packed can be unpacked") {
            Step::Member { bytes, .. } => {
                assert!(bytes == file);
                found += 1;
            }
            Step::Working => {}
            Step::Starved | Step::Done => break,
        }
    }
    assert_eq!(found, 2);
}

fuzz_target!(|bytes: &[u8]| {
    round_trip(bytes);
    for magic in [3531u16, 3627] {
        let header = [&magic.to_le_bytes()[..], b"\r\n", &[1, 0, 0, 0], &[0; 8]].concat();
        round_trip(&[&header, bytes].concat());
    }
});

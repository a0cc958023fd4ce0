#![no_main]
//! Any bytes as a `.pyc`, after those of Python 3.12 and 3.14: packed, they come back.

use libfuzzer_sys::fuzz_target;
use prefetch_index::pack::{Effort, Kind, Packed, encode, unpack};

const ID: [u8; 16] = [7; 16];

fn round_trip(file: &[u8]) {
    let members = [Packed { kind: Kind::Bytecode, bytes: file }; 2];
    let pack = encode(ID, &members, &[], Effort::Quick, &mut |_| ()).expect("anything can be packed");
    let found = unpack(ID, &[file.len() as u64; 2], &pack).expect("what was packed can be unpacked");
    assert!(found == [file; 2]);
}

fuzz_target!(|bytes: &[u8]| {
    round_trip(bytes);
    for magic in [3531u16, 3627] {
        let header = [&magic.to_le_bytes()[..], b"\r\n", &[1, 0, 0, 0], &[0; 8]].concat();
        round_trip(&[&header, bytes].concat());
    }
});

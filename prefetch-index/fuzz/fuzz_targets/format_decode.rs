#![no_main]
//! Any bytes as an index, raw and behind a header that is right for them; what is accepted survives its file.

use libfuzzer_sys::fuzz_target;
use prefetch_index::format;

/// A stored deflate stream of one block (RFC 1951, 3.2.4), so that the fuzzer reaches the payload's own decoder.
fn sealed(payload: &[u8]) -> Vec<u8> {
    let len = payload.len() as u16;
    let mut stream = vec![1];
    stream.extend(len.to_le_bytes());
    stream.extend((!len).to_le_bytes());
    stream.extend(payload);
    let mut file = b"WHLFIDX\0".to_vec();
    file.extend(format::VERSION.to_le_bytes());
    file.extend((stream.len() as u64).to_le_bytes());
    file.extend((payload.len() as u64).to_le_bytes());
    file.extend(crc32fast::hash(&stream).to_le_bytes());
    file.extend(stream);
    file
}

fuzz_target!(|bytes: &[u8]| {
    let _ = format::decode(bytes);
    let payload = &bytes[..bytes.len().min(usize::from(u16::MAX))];
    if let Ok(index) = format::decode(&sealed(payload)) {
        let again = format::encode(&index).map(|file| format::decode(&file));
        assert_eq!(again, Ok(Ok(index)));
    }
});

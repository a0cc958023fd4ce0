#![no_main]
//! Any bytes as a library: a prefix that is enough gives the same answer as the whole.

use libfuzzer_sys::fuzz_target;
use prefetch_index::dylink::needed;

fuzz_target!(|bytes: &[u8]| {
    let whole = needed(bytes);
    let half = needed(&bytes[..bytes.len() / 2]);
    if half.is_ok() {
        assert_eq!(half, whole);
    }
});

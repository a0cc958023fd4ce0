#![no_main]
//! Any bytes as a library: nothing panics, and what is split can be put together again.

use libfuzzer_sys::fuzz_target;
use prefetch_index::split::{join, secondary_of, split, with_warm_up};

fuzz_target!(|bytes: &[u8]| {
    let _ = secondary_of(bytes);
    let _ = with_warm_up(bytes);
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let _ = join(first, second);
    if let Ok(halves) = split(bytes, &[0]) {
        assert_eq!(join(&halves.primary, &halves.secondary).as_deref(), Ok(bytes));
    }
});

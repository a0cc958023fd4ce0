use std::io::Write;

use liblzma::stream::{Filters, LzmaOptions, Stream};
use liblzma::write::XzEncoder;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// The reference encoder's raw stream.
fn compress(bytes: &[u8], properties: Properties) -> Vec<u8> {
    let mut options = LzmaOptions::new_preset(1).unwrap();
    let Properties { lc, lp, pb } = properties;
    options.literal_context_bits(lc.into()).literal_position_bits(lp.into()).position_bits(pb.into());
    let stream = Stream::new_raw_encoder(Filters::new().lzma1(&options)).unwrap();
    let mut writer = XzEncoder::new_stream(Vec::new(), stream);
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn decompress(
    chunk: &[u8],
    properties: Properties,
    len: usize,
    budget: usize,
) -> Result<(Vec<u8>, usize), Broken> {
    let (mut lzma, mut at, len) = (Lzma::new(properties), 0, len as u64);
    while lzma.decoded() < len {
        lzma.decode(chunk, &mut at, len, len, budget)?;
    }
    Ok((lzma.get(0, len).unwrap().to_vec(), at))
}

proptest! {
    /// What liblzma encodes is decoded, whatever the properties and the steps; nothing after it is needed.
    #[test]
    fn agrees_with_liblzma(
        pieces in vec((vec(any::<u8>(), 1..20), 1usize..60), 1..40),
        lc in 0u8..=4,
        lp in 0u8..=4,
        pb in 0u8..=4,
        budget in 1usize..500,
    ) {
        let properties = Properties { lc, lp: lp.min(4 - lc), pb };
        prop_assert_eq!(Properties::from_byte(properties.byte()), Some(properties));
        let bytes: Vec<u8> = pieces.iter().flat_map(|(piece, times)| piece.repeat(*times)).collect();
        let stream = compress(&bytes, properties);
        let (decoded, read) = decompress(&stream, properties, bytes.len(), budget).unwrap();
        prop_assert_eq!(&decoded, &bytes);
        prop_assert_eq!(decompress(&stream[..read], properties, bytes.len(), usize::MAX).unwrap().0, bytes);
        prop_assert_eq!(decompress(&stream[..read - 1], properties, decoded.len(), usize::MAX), Err(Broken));
    }

    #[test]
    fn noise_is_no_stream_but_no_panic(noise in vec(any::<u8>(), 0..300), properties in 0u8..225) {
        if let Some(properties) = Properties::from_byte(properties) {
            let _ = decompress(&noise, properties, 5_000, 64);
        }
    }
}

#[test]
fn old_bytes_are_forgotten() {
    let bytes: Vec<u8> = (0..WINDOW * 2).map(|at| (at / 1000 % 251) as u8).collect();
    let properties = Properties { lc: 3, lp: 0, pb: 0 };
    let stream = compress(&bytes, properties);
    let (mut lzma, mut at, len) = (Lzma::new(properties), 0, bytes.len() as u64);
    let mut taken = 0;
    while taken < len {
        let target = (taken + (1 << 20)).min(len);
        lzma.decode(&stream, &mut at, target, len, usize::MAX).unwrap();
        assert_eq!(lzma.get(taken, target), Some(&bytes[taken as usize..target as usize]));
        taken = target;
        lzma.forget(taken);
        assert!(lzma.output.len() <= WINDOW + WINDOW / 2 + (1 << 20));
    }
    assert_eq!(lzma.get(0, 1), None);
}

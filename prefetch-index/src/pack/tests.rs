use super::*;

const ID: [u8; 16] = *b"the index' own 1";

/// Feeds `file` in pieces of `piece` bytes and collects the members.
fn decode(file: &[u8], lengths: &[u64], piece: usize, budget: usize) -> Result<Vec<Vec<u8>>, PackError> {
    let mut decoder = Decoder::new(ID, lengths.to_vec(), 1 << 30);
    let mut members = Vec::new();
    for piece in file.chunks(piece) {
        decoder.supply(piece);
        loop {
            match decoder.step(budget)? {
                Step::Member { number, bytes } => {
                    assert_eq!(number as usize, members.len());
                    members.push(bytes);
                }
                Step::Working => {}
                Step::Starved | Step::Done => break,
            }
        }
    }
    decoder.finish()?;
    Ok(members)
}

fn lengths(members: &[Packed<'_>]) -> Vec<u64> {
    members.iter().map(|member| member.bytes.len() as u64).collect()
}

/// Text that repeats and bytes that do not; empty members among them.
fn sample() -> Vec<(Kind, Vec<u8>)> {
    let mut noise = 1u32;
    let mut byte = move || {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (noise >> 24) as u8
    };
    let kinds = [Kind::Plain, Kind::Bytecode, Kind::Library];
    (0..40usize)
        .map(|number| {
            let len = [0, 1, 300, 5_000, 70_000][number % 5];
            let bytes =
                (0..len).map(|at| if at % 700 < 500 { b"def f(x): "[at % 10] } else { byte() }).collect();
            (kinds[number % 3], bytes)
        })
        .collect()
}

#[test]
fn round_trip_in_any_slices() {
    let sample = sample();
    let members: Vec<_> = sample.iter().map(|(kind, bytes)| Packed { kind: *kind, bytes }).collect();
    for effort in [Effort::Stored, Effort::Quick, Effort::Thorough] {
        let mut seen = 0;
        let file = encode(ID, &members, effort, &mut |bytes| seen += bytes).unwrap();
        assert!(seen > 0);
        for (piece, budget) in [(1, 1), (1, usize::MAX), (1000, 100), (file.len(), usize::MAX)] {
            let decoded = decode(&file, &lengths(&members), piece, budget).unwrap();
            assert!(
                decoded.iter().zip(&sample).all(|(found, (_, bytes))| found == bytes),
                "{effort:?} {piece}"
            );
            assert_eq!(decoded.len(), members.len());
        }
    }
}

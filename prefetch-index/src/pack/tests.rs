use super::*;

const ID: [u8; 16] = *b"the index' own 1";

/// Feeds `file` in pieces of `piece` bytes and collects the members.
fn decode(file: &[u8], lengths: &[u64], piece: usize, budget: usize) -> Result<Vec<Vec<u8>>, PackError> {
    decode_within(1 << 30, file, lengths, piece, budget)
}

fn decode_within(
    limit: u64,
    file: &[u8],
    lengths: &[u64],
    piece: usize,
    budget: usize,
) -> Result<Vec<Vec<u8>>, PackError> {
    let mut decoder = Decoder::new(ID, lengths.to_vec(), limit);
    let mut members = Vec::new();
    for piece in file.chunks(piece) {
        decoder.supply(piece);
        loop {
            match decoder.step(budget)? {
                Step::Member { number, bytes } => {
                    assert_eq!(number as usize, members.len());
                    members.push(bytes);
                }
                Step::Part { number, members: count, bytes } => {
                    assert_eq!(number as usize, members.len());
                    let lengths = &lengths[members.len()..][..count as usize];
                    members.extend(unpack(ID, lengths, &bytes)?);
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

/// Bytes that do not repeat.
pub(super) fn noise() -> impl FnMut() -> u8 {
    let mut noise = 1u32;
    move || {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (noise >> 24) as u8
    }
}

/// Text that repeats and bytes that do not; empty members among them.
fn sample() -> Vec<(Kind, Vec<u8>)> {
    let mut byte = noise();
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
    let (first, rest) = members.split_at(25);
    let (second, third) = rest.split_at(14);
    for effort in [Effort::Quick, Effort::Thorough] {
        let mut seen = 0;
        let file = encode(ID, first, &[second.to_vec(), third.to_vec()], effort, &mut |bytes| seen += bytes)
            .unwrap();
        assert!(seen > 0);
        for (piece, budget) in [(1, 1), (1, usize::MAX), (1000, 100), (file.len(), usize::MAX)] {
            let decoded = decode(&file, &lengths(&members), piece, budget).unwrap();
            assert!(
                decoded.iter().zip(&sample).all(|(found, (_, bytes))| found == bytes),
                "{effort:?} {piece}"
            );
            assert_eq!(decoded.len(), members.len());
        }
        assert!(
            unpack(ID, &lengths(&members), &file).unwrap().iter().eq(sample.iter().map(|(_, bytes)| bytes))
        );
    }
}

/// Of bytes that are as good as random the model makes more than there were. A page allows as many as the members have.
#[test]
fn streams_are_no_longer_than_the_members() {
    const SAMPLE: &[u8] = include_bytes!("pyc/sample.cpython-312.pyc");
    let mut byte = noise();
    let mut constant = |len: u32| {
        let bytes: Vec<u8> = (0..len).map(|_| byte()).collect();
        [&SAMPLE[..16], b"s", &len.to_le_bytes(), &bytes].concat()
    };
    let (long, short) = (constant(20_000), constant(0));
    let cases: &[&[&[u8]]] =
        &[&[&long], &[&short], &[&long, SAMPLE, &long], &[&short, SAMPLE, &short, SAMPLE], &[SAMPLE, &long]];
    for files in cases {
        let members: Vec<_> = files.iter().map(|bytes| Packed { kind: Kind::Bytecode, bytes }).collect();
        let file = encode(ID, &members, &[], Effort::Quick, &mut |_| ()).unwrap();
        let lengths = lengths(&members);
        let decoded = decode_within(lengths.iter().sum(), &file, &lengths, file.len(), usize::MAX).unwrap();
        assert!(decoded.iter().eq(files.iter()), "{lengths:?}");
    }
}

#[test]
fn errors_say_what_is_wrong() {
    let bytes = b"some text, some text".repeat(50);
    let members =
        [Packed { kind: Kind::Plain, bytes: &bytes }, Packed { kind: Kind::Library, bytes: &bytes }];
    let file = encode(ID, &members, &[], Effort::Quick, &mut |_| ()).unwrap();
    let lengths = lengths(&members);
    let whole = |file: &[u8], lengths: &[u64]| decode(file, lengths, file.len().max(1), usize::MAX);
    assert!(whole(&file, &lengths).is_ok());

    assert_eq!(whole(b"<!doctype html>", &lengths), Err(PackError::Magic));
    assert_eq!(whole(b"", &lengths), Err(PackError::Truncated { complete: 0, members: 2 }));
    let mut newer = file.clone();
    newer[8] += 1;
    assert_eq!(whole(&newer, &lengths), Err(PackError::Version { wanted: VERSION, found: VERSION + 1 }));
    let mut damaged = file.clone();
    damaged[33] ^= 1;
    assert!(matches!(whole(&damaged, &lengths), Err(PackError::Header { .. })));

    let mut other = Decoder::new([0; 16], lengths.clone(), 1 << 20);
    other.supply(&file);
    let stale = PackError::Stale { wanted: [0; 16], found: ID };
    assert_eq!((other.step(1), other.step(1), other.finish()), (Err(stale), Err(stale), Err(stale)));

    assert_eq!(whole(&file, &lengths[..1]), Err(PackError::Members { wanted: 1, found: 2 }));
    let wrong = [lengths[0], lengths[1] + 1];
    let expected = PackError::Length { member: 1, wanted: wrong[1], found: lengths[1] };
    assert_eq!(whole(&file, &wrong), Err(expected));
    for len in 0..file.len() {
        let complete = match whole(&file[..len], &lengths) {
            Err(PackError::Truncated { complete, members: 2 }) => complete,
            other => panic!("cut to {len}: {other:?}"),
        };
        assert!(complete < 2);
    }
    let mut small = Decoder::new(ID, lengths.clone(), 1_999);
    small.supply(&file);
    assert_eq!(small.step(1), Err(PackError::TooLarge { len: 2_000, limit: 1_999 }));
}

/// No damaged byte goes unnoticed: a member is right, or there is an error.
#[test]
fn every_damaged_byte_is_noticed() {
    let text = b"def area(self, width): return width".repeat(9);
    let members = [
        Packed { kind: Kind::Bytecode, bytes: include_bytes!("pyc/sample.cpython-312.pyc") },
        Packed { kind: Kind::Plain, bytes: &text },
        Packed { kind: Kind::Library, bytes: &text },
    ];
    let lengths = lengths(&members);
    let file = encode(ID, &members[..2], &[members[2..].to_vec()], Effort::Quick, &mut |_| ()).unwrap();
    for at in (0..file.len()).step_by(3) {
        let mut damaged = file.clone();
        damaged[at] ^= 0x41;
        match decode(&damaged, &lengths, damaged.len(), usize::MAX) {
            Err(_) => {}
            // The frames of a form and of a chunk have more than one spelling; the members are those that were packed.
            Ok(decoded) => {
                assert!(decoded.iter().zip(&members).all(|(found, member)| found == member.bytes), "{at}")
            }
        }
    }
}

/// What is in a part is not unpacked, and is checked all the same.
#[test]
fn a_part_is_given_out_as_it_is() {
    let text = b"def area(self, width): return width".repeat(90);
    let members = [Packed { kind: Kind::Plain, bytes: &text }; 4];
    let parts = [members[1..3].to_vec(), members[3..].to_vec()];
    let file = encode(ID, &members[..1], &parts, Effort::Quick, &mut |_| ()).unwrap();
    let mut decoder = Decoder::new(ID, lengths(&members), 1 << 20);
    decoder.supply(&file);
    assert!(matches!(decoder.step(usize::MAX), Ok(Step::Member { number: 0, .. })));
    let Ok(Step::Part { number: 1, members: 2, bytes: first }) = decoder.step(usize::MAX) else { panic!() };
    let Ok(Step::Part { number: 3, members: 1, bytes: second }) = decoder.step(usize::MAX) else { panic!() };
    assert_eq!((decoder.step(usize::MAX), decoder.finish()), (Ok(Step::Done), Ok(())));
    assert!(first.len() + second.len() < text.len() / 2, "packed");
    assert_eq!(unpack(ID, &lengths(&members[1..3]), &first), Ok(vec![text.clone(); 2]));
    assert_eq!(unpack(ID, &lengths(&members), &file), Ok(vec![text.clone(); 4]));
    assert!(matches!(unpack([0; 16], &lengths(&members[1..3]), &first), Err(PackError::Stale { .. })));

    let mut damaged = file.clone();
    *damaged.last_mut().unwrap() ^= 1;
    assert!(matches!(unpack(ID, &lengths(&members), &damaged), Err(PackError::Crc { member: 3, .. })));
    // One that would hold itself, one of nothing, one of more than there are, one of more bytes than there can be.
    let header = &encode(ID, &members, &[], Effort::Quick, &mut |_| ()).unwrap()[..frame::HEADER_LEN];
    for (count, len) in [(4, 0), (0, 0), (5, 0), (1, 1 << 40)] {
        let mut file = header.to_vec();
        frame::Frame::Part { members: count, len, crc32: 0 }.write(&mut file);
        let found = unpack(ID, &lengths(&members), &file);
        let refused = matches!(found, Err(PackError::Corrupt { .. } | PackError::TooLarge { .. }));
        assert!(refused, "{count} members, {len} bytes: {found:?}");
    }
}

/// A member comes as soon as its last byte is here.
#[test]
fn members_come_while_the_file_arrives() {
    let sample = sample();
    let members: Vec<_> = sample.iter().map(|(kind, bytes)| Packed { kind: *kind, bytes }).collect();
    let file = encode(ID, &members, &[], Effort::Quick, &mut |_| ()).unwrap();
    let mut decoder = Decoder::new(ID, lengths(&members), 1 << 30);
    let mut arrivals = Vec::new();
    for (at, piece) in file.chunks(256).enumerate() {
        decoder.supply(piece);
        while let Step::Member { bytes, .. } = decoder.step(usize::MAX).unwrap() {
            arrivals.push((at * 256, bytes.len()));
        }
    }
    let total: usize = sample.iter().map(|(_, bytes)| bytes.len()).sum();
    let mut decoded = 0;
    for (at, len) in arrivals {
        decoded += len;
        // The sample is alike everywhere, so a tenth of the file should hold a tenth of the bytes, but for what is shared.
        assert!(
            at * total <= (decoded + total / 5) * file.len(),
            "{decoded} of {total} bytes after {at} of {}",
            file.len()
        );
    }
    assert_eq!(decoded, total);
}

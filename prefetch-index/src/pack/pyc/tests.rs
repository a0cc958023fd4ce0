use super::super::tests::noise;
use super::*;

/// `sample.py` as the Pythons of Pyodide 0.27.7 and 314.0.7 compile it.
const SAMPLES: [&[u8]; 2] =
    [include_bytes!("sample.cpython-312.pyc"), include_bytes!("sample.cpython-314.pyc")];

/// Packs the files and unpacks them again, `budget` bytes at a time. How many bytes the model wrote for each.
fn round_trip(files: &[&[u8]], budget: usize) -> Vec<usize> {
    let mut packer = Packer::new();
    let sorted: Vec<_> = files.iter().map(|file| packer.pack(file).expect("a file that fits")).collect();
    let model = packer.finish();
    let mut unpacker = Unpacker::new();
    let mut start = 0;
    for (file, sorted) in files.iter().zip(&sorted) {
        let end = start + sorted.model;
        let bytes = model[start..end].to_vec();
        start = end;
        unpacker.begin(file.len(), bytes, sorted.names.clone(), sorted.text.clone()).unwrap();
        let unpacked = loop {
            if let Some(unpacked) = unpacker.advance(budget).unwrap() {
                break unpacked;
            }
        };
        assert!(unpacked == **file);
    }
    assert_eq!(start, model.len());
    sorted.iter().map(|sorted| sorted.model).collect()
}

#[test]
fn real_files_come_back_in_any_steps() {
    let [old, new] = SAMPLES;
    for budget in [1, 100, usize::MAX] {
        round_trip(&[old, new, new, old], budget);
    }
}

#[test]
fn what_was_seen_before_costs_little() {
    for sample in SAMPLES {
        let [first, second] = round_trip(&[sample, sample], usize::MAX)[..] else { unreachable!() };
        assert!(first < sample.len() * 2 / 5, "{first} of {}", sample.len());
        assert!(second * 5 < first * 2, "{second} after {first}");
    }
}

/// A file that does not fit leaves the packer as it was.
#[test]
fn other_files_are_refused() {
    let [sample, _] = SAMPLES;
    let mut wrong: Vec<Vec<u8>> = vec![vec![], sample[..15].to_vec(), [sample, b"x"].concat()];
    // Another magic number; another object than marshal knows; every prefix.
    wrong.push([&[0xcc], &sample[1..]].concat());
    wrong.push([&sample[..16], b"?", &sample[17..]].concat());
    // A constant that costs more than it is long.
    let bytes: Vec<u8> = std::iter::repeat_with(noise()).take(5_000).collect();
    wrong.push([&sample[..16], b"s", &5_000u32.to_le_bytes(), &bytes].concat());
    wrong.extend((16..sample.len()).step_by(23).map(|len| sample[..len].to_vec()));
    let mut packer = Packer::new();
    let mut undisturbed = Packer::new();
    for file in wrong {
        assert!(packer.pack(&file).is_none(), "{} bytes", file.len());
    }
    let model = |packer: &mut Packer| packer.pack(sample).map(|sorted| sorted.model);
    assert_eq!(model(&mut packer), model(&mut undisturbed));
    assert_eq!(packer.finish(), undisturbed.finish());
}

/// Whatever happens to a byte: the file is packed and comes back, or is refused.
#[test]
fn changed_files_come_back_or_are_refused() {
    for sample in SAMPLES {
        let mut fitting = 0;
        for at in (0..sample.len()).step_by(29) {
            let mut file = sample.to_vec();
            file[at] ^= 1 << (at % 8);
            if Packer::new().pack(&file).is_some() {
                fitting += 1;
                round_trip(&[&file], usize::MAX);
            }
        }
        assert!(fitting > sample.len() / 116, "{fitting}");
    }
}

/// The unpacker is given what no packer wrote.
#[test]
fn damage_is_refused_or_gives_the_length_that_was_asked_for() {
    let [sample, _] = SAMPLES;
    let mut packer = Packer::new();
    let sorted = packer.pack(sample).unwrap();
    let model = packer.finish();
    for at in (0..model.len()).step_by(5) {
        let mut damaged = model.clone();
        damaged[at] ^= 0x55;
        let mut unpacker = Unpacker::new();
        let result = unpacker
            .begin(sample.len(), damaged, sorted.names.clone(), sorted.text.clone())
            .and_then(|()| unpacker.advance(usize::MAX));
        if let Ok(file) = result {
            assert_eq!(file.map(|file| file.len()), Some(sample.len()));
        }
    }
    for len in (0..model.len()).step_by(11) {
        let mut unpacker = Unpacker::new();
        let result = unpacker
            .begin(sample.len(), model[..len].to_vec(), sorted.names.clone(), sorted.text.clone())
            .and_then(|()| unpacker.advance(usize::MAX));
        assert_eq!(result, Err(Unfit), "cut to {len}");
    }
}

#[test]
fn line_tables() {
    use super::lines::{Place, Run, parse, write};
    use super::spans::Span;
    let columns = |line, lines, start, end| Place::Columns { line, lines, span: Span { start, end } };
    let run = |units, place| Run { units, place };
    let runs = [
        run(1, columns(0, 0, 4, 9)),
        run(19, columns(2, 0, 79, 94)),
        run(8, columns(2, 0, 80, 85)),
        run(3, columns(1, 0, 0, 1)),
        run(2, columns(1, 3, 0, 1)),
        run(1, Place::Nowhere),
        run(9, Place::Line { line: 70_000 }),
        run(1, columns(-5, 0, 200, 100)),
    ];
    let table = write(&runs);
    assert_eq!(parse(&table).as_deref(), Some(&runs[..]));
    // One unit in line 0, columns 4 to 9, in the short form; then units of 8, 8 and 3 in line 2.
    assert_eq!(table[..8], [0x80, 0x45, 0xe7, 79, 94, 0x80 | 9 << 3 | 7, 0x7f, 0x80 | 9 << 3 | 2]);
    for len in 0..table.len() {
        if let Some(runs) = parse(&table[..len]) {
            assert_eq!(write(&runs), table[..len], "cut to {len}");
        }
    }
}

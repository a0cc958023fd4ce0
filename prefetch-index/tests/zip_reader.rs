//! The zip reader on archives made by another writer, and on hand-made ones for what no writer makes. Every archive is
//! read in whole ranges and again one byte at a time.
#![allow(clippy::unwrap_used, reason = "a test that fails here fails as it should")]

mod archive;

use std::io::Write;

use archive::{HandMade, Piece};
use prefetch_index::index::{Archive, ArchiveInfo, Install};
use prefetch_index::zip::{
    CentralDirectory, CentralDirectoryReader, EntryKind, Method, NameProblem, ZipError, data_offset,
    decode_member,
};
use proptest::prelude::*;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// Reads in pieces of at most `step` bytes.
fn read_by(bytes: &[u8], step: usize) -> Result<CentralDirectory, ZipError> {
    let mut reader = CentralDirectoryReader::new(bytes.len() as u64);
    while let Some(range) = reader.wants() {
        let end = (range.start as usize + step).min(range.end as usize);
        reader.supply(range.start, &bytes[range.start as usize..end])?;
    }
    reader.finish()
}

/// Reads in whole ranges and byte by byte; both must agree.
fn read(bytes: &[u8]) -> Result<CentralDirectory, ZipError> {
    let whole = read_by(bytes, usize::MAX / 2);
    assert_eq!(whole, read_by(bytes, 1));
    whole
}

/// Everything there is to a member: found, located and decoded.
fn contents(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let directory = read(bytes).unwrap();
    let files = directory.entries.iter().filter(|entry| entry.kind != EntryKind::Directory);
    files
        .map(|entry| {
            let local = &bytes[entry.header_offset as usize..entry.span_end as usize];
            let start = data_offset(
                local,
                entry.header_offset,
                &entry.name,
                entry.method,
                entry.compressed_len,
                entry.crc32,
                entry.span_end,
            )
            .unwrap() as usize;
            let data = &bytes[start..start + entry.compressed_len as usize];
            (entry.name.clone(), decode_member(entry.method, data, entry.len, entry.crc32).unwrap())
        })
        .collect()
}

fn written(members: &[(&str, &[u8], SimpleFileOptions)], comment: &str) -> Vec<u8> {
    let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, data, options) in members {
        writer.start_file(*name, *options).unwrap();
        writer.write_all(data).unwrap();
    }
    writer.set_comment(comment).unwrap();
    writer.finish().unwrap().into_inner()
}

#[test]
fn what_another_writer_wrote() {
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let deflated = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    let long = b"pandas ".repeat(10_000);
    let members: &[(&str, &[u8], SimpleFileOptions)] = &[
        ("a.py", b"print()", deflated),
        ("empty/__init__.py", b"", deflated),
        ("stored.bin", &long, stored),
        ("naïve/日本.txt", &long, deflated),
        ("large.so", &long, deflated.large_file(true)),
    ];
    for comment in ["", "made for a test", &"PK\x05\x06".repeat(16_000)] {
        let found = contents(&written(members, comment));
        let expected: Vec<_> =
            members.iter().map(|(name, data, _)| ((*name).to_owned(), data.to_vec())).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn attributes() {
    let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let at = DateTime::from_date_and_time(2024, 2, 29, 23, 59, 58).unwrap();
    let options = SimpleFileOptions::default().last_modified_time(at);
    writer.add_directory("bin", options).unwrap();
    writer.start_file("bin/run", options.unix_permissions(0o755)).unwrap();
    writer.add_symlink("bin/link", "run", options).unwrap();
    let bytes = writer.finish().unwrap().into_inner();

    let directory = read(&bytes).unwrap();
    let seen: Vec<_> = directory.entries.iter().map(|e| (e.name.as_str(), e.kind, e.mtime)).collect();
    // date -u -d "2024-02-29 23:59:58" +%s
    let mtime = 1_709_251_198;
    assert_eq!(
        seen,
        [
            ("bin", EntryKind::Directory, mtime),
            ("bin/run", EntryKind::File, mtime),
            ("bin/link", EntryKind::Symlink, mtime)
        ]
    );

    let info = ArchiveInfo {
        name: "tool".to_owned(),
        version: "1".to_owned(),
        url: "tool.whl".to_owned(),
        sha256: None,
        install: Install::SitePackages,
        imports: Vec::new(),
        depends: Vec::new(),
    };
    let mut archive = Archive::from_central_directory(info, directory);
    assert_eq!(archive.members.iter().map(|m| m.executable).collect::<Vec<_>>(), [true, true]);
    let link = &mut archive.members[1];
    let header = link.span();
    let offset = link.locate(&bytes[header.start as usize..header.end as usize]).unwrap();
    assert_eq!(&bytes[offset as usize..link.span().end as usize], b"run");
}

#[test]
fn odd_members_are_set_aside() {
    let name = |problem| ZipError::Name(problem);
    let good = Piece::new("good", b"data");
    let long = "a/".repeat(32_700);
    type Case<'a> = (&'static str, Vec<Piece>, Vec<(&'a str, ZipError)>);
    let cases: Vec<Case<'_>> = vec![
        ("parent", vec![Piece::new("../evil", b"x")], vec![("../evil", name(NameProblem::Component))]),
        ("absolute", vec![Piece::new("/evil", b"x")], vec![("/evil", name(NameProblem::Absolute))]),
        ("backslash", vec![Piece::new("a\\b", b"x")], vec![("a\\b", name(NameProblem::Backslash))]),
        ("NUL", vec![Piece::new("a\0b", b"x")], vec![("a\0b", name(NameProblem::Nul))]),
        ("no name", vec![Piece::new("", b"x")], vec![("", name(NameProblem::Empty))]),
        ("long", vec![Piece::new(&long, b"x")], vec![(&long, name(NameProblem::TooLong { len: 65_400 }))]),
        (
            "duplicate",
            vec![Piece::new("twice", b"1"), Piece::new("twice", b"2")],
            vec![("twice", name(NameProblem::Duplicate)), ("twice", name(NameProblem::Duplicate))],
        ),
        (
            "file and folder",
            vec![Piece::new("a", b"1"), Piece::new("a-b", b"1"), Piece::new("a/b", b"2")],
            vec![("a", name(NameProblem::FileAndFolder))],
        ),
        ("encrypted", vec![Piece::new("secret", b"x").flags(1)], vec![("secret", ZipError::Encrypted)]),
        (
            "bzip2",
            vec![Piece::new("old", b"x").method(12)],
            vec![("old", ZipError::UnsupportedMethod { method: 12 })],
        ),
        (
            "device",
            vec![Piece::new("null", b"").mode(0o020_666)],
            vec![("null", ZipError::UnsupportedFileType { mode: 0o020_666 })],
        ),
        (
            "bomb",
            vec![Piece::new("bomb", b"x").method(8).len(1 << 30)],
            vec![("bomb", ZipError::ImplausibleLength { len: 1 << 30, compressed_len: 1 })],
        ),
        (
            "zip64 without its field",
            vec![Piece::new("big", b"x").len(u64::from(u32::MAX))],
            vec![("big", ZipError::Zip64Field { wanted: 8, found: 0 })],
        ),
    ];
    for (title, mut pieces, refused) in cases {
        let others = pieces.len() - refused.len();
        pieces.push(good.clone());
        let directory = read(&HandMade::of(pieces).build()).unwrap();
        assert_eq!(directory.entries.len(), others + 1, "{title}");
        assert_eq!(directory.entries.last().unwrap().name, "good", "{title}");
        let found: Vec<_> = directory.refused.iter().map(|(name, error)| (name.as_str(), *error)).collect();
        assert_eq!(found, refused, "{title}");
    }
}

#[test]
fn overlapping_members_are_set_aside() {
    // The first member claims the second one's bytes too.
    let greedy = Piece::new("greedy", b"ab").method(8).compressed_len(60);
    let bytes = HandMade::of(vec![greedy, Piece::new("victim", &[7; 40])]).build();
    let directory = read(&bytes).unwrap();
    assert_eq!(directory.entries.iter().map(|e| e.name.as_str()).collect::<Vec<_>>(), ["victim"]);
    assert!(matches!(directory.refused[..], [(_, ZipError::OutOfBounds { .. })]), "{:?}", directory.refused);
}

#[test]
fn names_in_code_page_437() {
    let bytes = HandMade::of(vec![Piece::raw(b"na\x8bve", b"data")]).build();
    assert_eq!(contents(&bytes), [("naïve".to_owned(), b"data".to_vec())]);
}

/// Info-ZIP's Unicode Path, in the local header and in the central directory: which header is whose is seen without it.
#[test]
fn names_in_unicode_beside_the_raw_ones() {
    let files = |bytes: &[u8]| contents(bytes).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    for raw in [&b"#U65e5.py"[..], b"\x93\xfa.py"] {
        let piece = Piece::raw(raw, b"data");
        let old = files(&HandMade::of(vec![piece.clone()]).build());
        for (local, central) in [(true, true), (false, true), (true, false)] {
            let piece = piece.clone().unicode("日.py", local, central);
            let bytes = HandMade::of(vec![piece.clone(), Piece::new("next", b"more")]).build();
            let expected = if central { "日.py" } else { old[0].as_str() };
            assert_eq!(files(&bytes), [expected, "next"], "{local} {central}");
        }
    }

    // What tells is that the header has the member's CRC and length: another member's has not.
    let piece = |data| Piece::raw(b"#U65e5.py", data).unicode("日.py", false, true);
    let bytes = HandMade::of(vec![piece(b"data")]).build();
    let entry = &read(&bytes).unwrap().entries[0];
    let locate = |local: &[u8], name: &str, crc32| {
        data_offset(local, 0, name, entry.method, entry.compressed_len, crc32, entry.span_end)
    };
    let disagrees = Err(ZipError::LocalHeader { offset: 0 });
    assert!(locate(&bytes, &entry.name, entry.crc32).is_ok());
    assert_eq!(locate(&bytes, &entry.name, !entry.crc32), disagrees);
    assert_eq!(locate(&bytes, "other.py", entry.crc32), disagrees);
    for other in [piece(b"atad"), piece(b"data").descriptor(), piece(b"data").flags(1 << 11)] {
        assert_eq!(locate(&HandMade::of(vec![other]).build(), &entry.name, entry.crc32), disagrees);
    }
}

#[test]
fn data_descriptors() {
    let pieces = vec![Piece::new("streamed", b"data").descriptor(), Piece::new("next", b"more")];
    let found = contents(&HandMade::of(pieces).build());
    assert_eq!(found, [("streamed".to_owned(), b"data".to_vec()), ("next".to_owned(), b"more".to_vec())]);
}

#[test]
fn a_deflated_member_of_no_bytes() {
    let pieces = vec![Piece::new("empty.py", b"").method(8), Piece::new("next", b"more")];
    let found = contents(&HandMade::of(pieces).build());
    assert_eq!(found, [("empty.py".to_owned(), vec![]), ("next".to_owned(), b"more".to_vec())]);
}

#[test]
fn zip64() {
    let pieces = vec![Piece::new("a", b"data"), Piece::new("b", b"more").zip64()];
    let bytes = HandMade::of(pieces).zip64().build();
    assert_eq!(contents(&bytes), [("a".to_owned(), b"data".to_vec()), ("b".to_owned(), b"more".to_vec())]);
}

#[test]
fn a_directory_longer_than_the_first_range() {
    for zip64 in [false, true] {
        let pieces: Vec<Piece> =
            (0..2000).map(|i| Piece::new(&format!("folder/member-{i:04}"), b"x")).collect();
        let mut archive = HandMade::of(pieces);
        if zip64 {
            archive = archive.zip64();
        }
        let bytes = archive.build();
        assert_eq!(read(&bytes).unwrap().entries.len(), 2000);
        let mut reader = CentralDirectoryReader::new(bytes.len() as u64);
        let mut ranges = 0;
        while let Some(range) = reader.wants() {
            reader.supply(range.start, &bytes[range.start as usize..range.end as usize]).unwrap();
            ranges += 1;
        }
        assert_eq!(ranges, 2);
    }
}

#[test]
fn more_than_was_asked_for() {
    let bytes =
        HandMade::of((0..2000).map(|i| Piece::new(&format!("member-{i:04}"), &[1; 20])).collect()).build();
    let mut reader = CentralDirectoryReader::new(bytes.len() as u64);
    reader.supply(0, &bytes).unwrap();
    assert_eq!(reader.wants(), None);
    // Whatever else arrives changes nothing.
    reader.supply(5, &bytes[5..50]).unwrap();
    assert_eq!(reader.finish(), read(&bytes));
}

#[test]
fn bytes_that_do_not_fit() {
    let bytes = HandMade::of(vec![Piece::new("a", b"data")]).build();
    let len = bytes.len() as u64;
    let mut reader = CentralDirectoryReader::new(len);
    assert_eq!(reader.supply(2, &bytes[2..]), Err(ZipError::UnexpectedBytes { wanted: 0, start: 2 }));
    assert_eq!(reader.supply(1, &bytes), Err(ZipError::PastEnd { end: len + 1, archive_len: len }));
    assert_eq!(reader.finish(), Err(ZipError::Unfinished { start: 0, end: len }));
}

#[test]
fn broken_archives_are_refused() {
    let good = HandMade::of(vec![Piece::new("a", b"data"), Piece::new("b", b"more")]);
    let bytes = good.clone().build();
    assert!(read(&bytes).is_ok());
    for len in 0..bytes.len() {
        assert!(read(&bytes[..len]).is_err(), "cut to {len} bytes");
    }
    for zip in [b"".as_slice(), b"<!doctype html><title>404</title>", &[0; 100_000]] {
        assert!(matches!(read(zip), Err(ZipError::NoEndRecord { .. })));
    }
    assert_eq!(read(&good.clone().entries(3).build()), Err(ZipError::EntryCount { wanted: 3, found: 2 }));
    assert_eq!(read(&good.clone().entries(1).build()), Err(ZipError::EntryCount { wanted: 1, found: 2 }));
    assert_eq!(read(&good.clone().disk(2).build()), Err(ZipError::Split { disk: 2 }));
    assert!(matches!(read(&good.directory_offset(1 << 30).build()), Err(ZipError::OutOfBounds { .. })));
}

#[test]
fn local_headers_must_agree() {
    let bytes = HandMade::of(vec![Piece::new("name", b"data")]).build();
    let locate = |local: &[u8], name: &str, method, compressed_len, limit| {
        data_offset(local, 0, name, method, compressed_len, 0, limit)
    };
    assert_eq!(locate(&bytes, "name", Method::Stored, 4, 38), Ok(34));
    let disagrees = Err(ZipError::LocalHeader { offset: 0 });
    assert_eq!(locate(&bytes, "other", Method::Stored, 4, 38), disagrees);
    assert_eq!(locate(&bytes, "name", Method::Deflate, 4, 38), disagrees);
    let out = |end, limit| Err(ZipError::OutOfBounds { offset: 34, end, limit });
    assert_eq!(locate(&bytes, "name", Method::Stored, 4, 37), out(38, 37));
    assert_eq!(locate(&bytes, "name", Method::Stored, u64::MAX, 38), out(u64::MAX, 38));
    for len in 0..34 {
        assert!(matches!(
            locate(&bytes[..len], "name", Method::Stored, 4, 38),
            Err(ZipError::OutOfBounds { .. })
        ));
    }
    assert!(matches!(locate(&bytes[1..], "name", Method::Stored, 4, 38), Err(ZipError::Signature { .. })));
}

proptest! {
    #[test]
    fn any_chunking_reads_the_same(names in proptest::collection::btree_set("[a-z]{1,8}", 0..40), step in 1..200usize) {
        let bytes = HandMade::of(names.iter().map(|name| Piece::new(name, name.as_bytes())).collect()).build();
        prop_assert_eq!(read_by(&bytes, step), read_by(&bytes, usize::MAX / 2));
        prop_assert_eq!(contents(&bytes).len(), names.len());
    }

    #[test]
    fn damage_never_panics(at in 0..400usize, value: u8, cut in 0..400usize) {
        let pieces = vec![Piece::new("a", b"data").zip64(), Piece::new("b/c", &[3; 50]).method(8).descriptor()];
        let mut bytes = HandMade::of(pieces).zip64().build();
        let at = at % bytes.len();
        bytes[at] = value;
        bytes.truncate(bytes.len().saturating_sub(cut.saturating_sub(200)));
        if let Ok(directory) = read(&bytes) {
            for entry in &directory.entries {
                prop_assert!(entry.header_offset + 30 + entry.compressed_len <= entry.span_end);
                prop_assert!(entry.span_end <= bytes.len() as u64);
                prop_assert!(entry.len <= entry.compressed_len * 1032);
            }
        }
    }
}

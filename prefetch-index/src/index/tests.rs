use super::*;

/// A member of `len` stored bytes whose local header is `30 + path` bytes long.
pub(crate) fn member(path: &str, header_offset: u64, len: u64) -> Member {
    let data = header_offset + 30 + path.len() as u64;
    Member {
        path: path.to_owned(),
        kind: MemberKind::File,
        executable: false,
        mtime: 1_700_000_000,
        header_offset,
        data_offset: Some(data),
        span_end: data + len,
        compressed_len: len,
        len,
        method: Method::Stored,
        crc32: 0x1234_5678,
        needed: Vec::new(),
    }
}

/// Members of 100 bytes each, packed.
pub(crate) fn archive(name: &str, paths: &[&str]) -> Archive {
    let mut at = 0;
    let members: Vec<Member> = paths
        .iter()
        .map(|path| {
            let member = member(path, at, 100);
            at = member.span_end;
            member
        })
        .collect();
    Archive {
        name: name.to_owned(),
        version: "1.0".to_owned(),
        url: format!("{name}-1.0-py3-none-any.whl"),
        len: at + 1000,
        sha256: Some([7; 32]),
        install: Install::SitePackages,
        imports: vec![name.to_owned()],
        depends: Vec::new(),
        members,
    }
}

fn read(archive: u32, member: u32) -> Read {
    Read { archive, member, range: 0..100 }
}

fn group(name: &str, parents: &[u32], reads: Vec<Read>) -> Group {
    Group { name: name.to_owned(), parents: parents.to_vec(), reads, packs: Vec::new() }
}

pub(crate) fn small() -> Index {
    Index {
        pyodide: "0.27.7".to_owned(),
        python: "3.12".to_owned(),
        archives: vec![archive("one", &["one/__init__.py", "one/more.py"]), archive("two", &["two.py"])],
        groups: vec![group("one", &[], vec![read(0, 1), read(0, 0)]), group("two", &[0], vec![read(1, 0)])],
        entries: vec![EntryPoint { name: "app".to_owned(), groups: vec![1] }],
        packs: vec![Pack {
            url: "app.pack".to_owned(),
            id: [3; 16],
            len: 99,
            files: vec![PackedFile { archive: 0, member: 1, content: Content::Bytecode(70) }],
        }],
        boot: None,
    }
}

#[test]
fn access_order_puts_parents_first_and_members_once() {
    let mut index = small();
    index.groups.push(group("three", &[1, 0], vec![read(1, 0), read(0, 0)]));
    let order =
        |groups: &[u32]| index.access_order(groups).iter().map(|r| (r.archive, r.member)).collect::<Vec<_>>();
    assert_eq!(order(&[]), []);
    assert_eq!(order(&[0]), [(0, 1), (0, 0)]);
    assert_eq!(order(&[1]), [(0, 1), (0, 0), (1, 0)]);
    assert_eq!(order(&[2]), [(0, 1), (0, 0), (1, 0)]);
    assert_eq!(order(&[1, 0, 1]), [(0, 1), (0, 0), (1, 0)]);
    assert_eq!(order(&[77]), []);
}

#[test]
fn wants_leave_out_empty_members() {
    let mut index = small();
    let empty = &mut index.archives[0].members[0];
    (empty.len, empty.compressed_len) = (0, 0);
    empty.span_end = empty.span().start;
    let wants = index.wants(&index.access_order(&[1]));
    let spans: Vec<_> = wants.iter().map(|want| (want.archive, want.span.clone())).collect();
    assert_eq!(spans, [(0, 186..286), (1, 36..136)]);
}

#[test]
fn contradictions_are_found() {
    type Spoil = fn(&mut Index);
    let member_at = |problem| Err(IndexError::Member { archive: 0, problem });
    let name = |member| member_at(MemberProblem::Name { member });
    let span = |member| member_at(MemberProblem::Span { member });
    let cases: Vec<(Spoil, Result<(), IndexError>)> = vec![
        (|_| {}, Ok(())),
        (|i| i.archives[0].members[1].path = "../x".to_owned(), name(1)),
        (|i| i.archives[0].members[1].path = "folder/".to_owned(), name(1)),
        (|i| i.archives[0].members.swap(0, 1), span(1)),
        (|i| i.archives[0].len = 200, span(1)),
        (|i| i.archives[0].members[0].span_end += 1, span(0)),
        (|i| i.archives[0].members[0].data_offset = Some(u64::MAX), span(0)),
        (|i| i.archives[0].members[0].len += 1, member_at(MemberProblem::Length { member: 0 })),
        (|i| i.groups[0].parents.push(0), Err(IndexError::Parent { group: 0, parent: 0 })),
        (|i| i.groups[1].reads[0].archive = 2, Err(IndexError::Read { group: 1, read: 0 })),
        (|i| i.groups[0].reads[1].range = 0..101, Err(IndexError::Read { group: 0, read: 1 })),
        (|i| i.groups[0].reads[1].range.start = 101, Err(IndexError::Read { group: 0, read: 1 })),
        (|i| i.packs[0].files[0].archive = 2, Err(IndexError::PackedFile { pack: 0, file: 0 })),
        (
            |i| i.archives[0].members[1].path = "one/more.so".to_owned(),
            Err(IndexError::PackedFile { pack: 0, file: 0 }),
        ),
        (|i| i.groups[1].packs.push(1), Err(IndexError::GroupPack { group: 1, pack: 1 })),
        (|i| i.boot = Some(2), Err(IndexError::BootGroup { group: 2 })),
        (|i| i.entries[0].groups.push(2), Err(IndexError::EntryGroup { entry: 0, group: 2 })),
    ];
    for (number, (spoil, expected)) in cases.into_iter().enumerate() {
        let mut index = small();
        spoil(&mut index);
        assert_eq!(index.validate(), expected, "case {number}");
    }
}

#[test]
fn install_paths() {
    let mut wheel = archive("w", &[]);
    let cases = [
        ("w/__init__.py", Some("w/__init__.py")),
        ("w-1.0.dist-info/METADATA", Some("w-1.0.dist-info/METADATA")),
        ("w-1.0.data/purelib/w/a.py", Some("w/a.py")),
        ("w-1.0.data/platlib/w/b.so", Some("w/b.so")),
        ("w-1.0.data/data/share/man", None),
        ("w-1.0.data/scripts/run", None),
        ("w-1.0.data/headers/w.h", None),
        ("w-1.0.data/stray", None),
        ("w/x.data/purelib", Some("w/x.data/purelib")),
        ("top.py", Some("top.py")),
    ];
    for (path, expected) in cases {
        assert_eq!(wheel.install_path(&member(path, 0, 1)), expected, "{path}");
    }
    wheel.install = Install::SharedLibraries;
    assert_eq!(wheel.install_path(&member("x.data/data/y.so", 0, 1)), Some("x.data/data/y.so"));
}

#[test]
fn library_names() {
    let cases = [
        ("a.so", true),
        ("pkg/_x.cpython-312-wasm32-emscripten.so", true),
        ("libz.so.1", true),
        ("libz.so.1.2.11", true),
        ("libz.so.", false),
        ("libz.so.a", false),
        ("a.sock", false),
        ("a.so/b.py", false),
        ("a.py", false),
        ("a.so.x.so", true),
    ];
    for (path, expected) in cases {
        assert_eq!(member(path, 0, 1).is_shared_library(), expected, "{path}");
    }
}

#[test]
fn package_names() {
    let same = [("Pillow", "pillow"), ("python-dateutil", "Python_DateUtil"), ("a.b", "a-_.B"), ("", "")];
    let different = [("a", "b"), ("a-b", "ab"), ("a", "a-"), ("scikit-learn", "scikit")];
    assert!(same.iter().all(|(a, b)| is_same_package(a, b)));
    assert!(different.iter().all(|(a, b)| !is_same_package(a, b)));
}

#[test]
fn bytecode_lies_in_the_cache_folder_of_its_source() {
    for (source, bytecode) in [
        ("two.py", "__pycache__/two.cpython-312.pyc"),
        ("a/b/__init__.py", "a/b/__pycache__/__init__.cpython-312.pyc"),
    ] {
        assert_eq!(bytecode_path(source, "3.12").as_deref(), Some(bytecode));
        assert_eq!(source_path(bytecode).as_deref(), Some(source));
    }
    assert_eq!(bytecode_path("data.json", "3.12"), None);
    for path in ["two.pyc", "a/__pycache__/x.pyc", "a/__pycache__/x.cpython-312.txt", "a/b.cpython-312.pyc"] {
        assert_eq!(source_path(path), None, "{path}");
    }
}

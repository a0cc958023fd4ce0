use super::*;
use crate::index::Index;
use crate::index::tests::archive;
use crate::trace::Event;

/// `>name` begins an import, `<` ends it, anything else is read whole.
fn trace(script: &str) -> Trace {
    let events = script.split_whitespace().map(|word| {
        let kind = if let Some(name) = word.strip_prefix('>') {
            EventKind::Import(name.to_owned())
        } else if word == "<" {
            EventKind::Imported(String::new())
        } else {
            EventKind::Read { path: word.to_owned(), offset: 0, len: 1000, archive: None }
        };
        Event { t: 0.0, kind }
    });
    Trace { events: events.collect(), ..Trace::default() }
}

fn packages() -> Vec<Archive> {
    let mut blas = archive("openblas", &["libblas.so"]);
    blas.install = Install::SharedLibraries;
    let mut num = archive("num", &["num/__init__.py", "num/core.so", "num/extra.py"]);
    num.members[1].needed = vec!["libblas.so".to_owned(), "libc.so".to_owned()];
    num.depends = vec!["openblas".to_owned()];
    let mut frame = archive("frame", &["frame/__init__.py", "frame/io.py"]);
    frame.depends = vec!["Num".to_owned()];
    vec![blas, num, frame, archive("sym", &["sym/__init__.py"])]
}

/// Groups as `name[parents]: paths`, entries as `name: groups`.
fn shown(grouped: &Grouped, archives: &[Archive]) -> Vec<String> {
    let name = |id: &u32| grouped.groups[*id as usize].name.as_str();
    let list = |ids: &[u32]| ids.iter().map(name).collect::<Vec<_>>().join(",");
    let path = |read: &Read| archives[read.archive as usize].members[read.member as usize].path.as_str();
    let groups = grouped.groups.iter().map(|group| {
        let reads = group.reads.iter().map(path).collect::<Vec<_>>().join(" ");
        format!("{}[{}]: {reads}", group.name, list(&group.parents))
    });
    let entries = grouped.entries.iter().map(|entry| format!("{} = {}", entry.name, list(&entry.groups)));
    groups.chain(entries).collect()
}

fn check(traces: &[(&str, &str)], expected: &[&str]) {
    let archives = packages();
    let traces: Vec<(&str, Trace)> = traces.iter().map(|(name, script)| (*name, trace(script))).collect();
    let named: Vec<(&str, &Trace)> = traces.iter().map(|(name, trace)| (*name, trace)).collect();
    let grouped = group(&archives, &named);
    assert_eq!(shown(&grouped, &archives), expected);
    let index = Index { archives, groups: grouped.groups, entries: grouped.entries, ..Index::default() };
    assert_eq!(index.validate(), Ok(()));
}

#[test]
fn needed_libraries_come_before_the_library_that_needs_them() {
    check(
        &[("app", ">num num/__init__.py num/core.so <")],
        &["num[]: num/__init__.py libblas.so num/core.so", "app = num"],
    );
    // Unless they were read before.
    check(
        &[("app", "lib:libblas.so >num num/core.so <")],
        &["app[]: libblas.so", "num[app]: num/core.so", "app = app,num"],
    );
}

#[test]
fn an_import_builds_on_those_its_package_depends_on() {
    let script = ">num num/__init__.py < >sym sym/__init__.py < >frame frame/__init__.py num/extra.py num/__init__.py <";
    check(
        &[("app", script)],
        &[
            "num[]: num/__init__.py",
            "sym[]: sym/__init__.py",
            "frame[num]: frame/__init__.py num/extra.py",
            "app = num,sym,frame",
        ],
    );
}

#[test]
fn reads_outside_imports_are_the_programs() {
    check(
        &[("app", ">frame frame/__init__.py < frame/io.py other/file.txt")],
        &["frame[]: frame/__init__.py", "app[frame]: frame/io.py", "app = frame,app"],
    );
}

#[test]
fn stretches_outside_imports_keep_their_place() {
    check(
        &[("app", "num/__init__.py >frame frame/__init__.py < sym/__init__.py >io < frame/io.py")],
        &[
            "app[]: num/__init__.py",
            "frame[app]: frame/__init__.py",
            "app#2[app,frame]: sym/__init__.py frame/io.py",
            "app = app,frame,app#2",
        ],
    );
}

#[test]
fn a_program_named_like_an_import_has_groups_of_its_own() {
    let importing = ">num num/__init__.py < num/extra.py >sym sym/__init__.py < frame/io.py";
    check(
        &[("num", importing), ("other", ">num num/__init__.py <")],
        &[
            "num[]: num/__init__.py",
            "program num[num]: num/extra.py",
            "sym[]: sym/__init__.py",
            "program num#2[num,program num]: frame/io.py",
            "num = num,program num,sym,program num#2",
            "other = num",
        ],
    );
    // The import is another program's, of a module in the package.
    check(
        &[("num.core", "num/extra.py"), ("other", ">num num/__init__.py <")],
        &[
            "program num.core[]: num/extra.py",
            "num[]: num/__init__.py",
            "num.core = program num.core",
            "other = num",
        ],
    );
}

#[test]
fn groups_of_several_programs_merge() {
    let first = ">frame frame/__init__.py num/__init__.py <";
    let second = ">num num/__init__.py num/extra.py < >frame frame/__init__.py frame/io.py <";
    // In the first program frame brings num itself, so it does not come to build on the later group.
    check(
        &[("a", first), ("b", second)],
        &[
            "frame[]: frame/__init__.py num/__init__.py frame/io.py",
            "num[]: num/__init__.py num/extra.py",
            "a = frame",
            "b = num,frame",
        ],
    );
    // The other way round it does, and what num brings is taken out of it.
    check(
        &[("b", second), ("a", first)],
        &[
            "num[]: num/__init__.py num/extra.py",
            "frame[num]: frame/__init__.py frame/io.py",
            "b = num,frame",
            "a = frame",
        ],
    );
}

#[test]
fn pieces_of_a_member_become_one_read() {
    let read = |path: &str, offset, len| Event {
        t: 0.0,
        kind: EventKind::Read { path: path.to_owned(), offset, len, archive: None },
    };
    let events =
        vec![read("frame/io.py", 20, 10), read("frame/__init__.py", 0, 5), read("frame/io.py", 40, 1000)];
    let trace = Trace { events, ..Trace::default() };
    let grouped = group(&packages(), &[("app", &trace)]);
    let ranges: Vec<_> =
        grouped.groups[0].reads.iter().map(|read| (read.member, read.range.clone())).collect();
    assert_eq!(ranges, [(1, 20..100), (0, 0..5)]);
}

#[test]
fn what_belongs_to_no_archive_is_named_once() {
    let trace = trace("made/by/program.txt lib:none.so made/by/program.txt sym/__init__.py");
    let grouped = group(&packages(), &[("app", &trace)]);
    assert_eq!(grouped.unknown.into_iter().collect::<Vec<_>>(), ["lib:none.so", "made/by/program.txt"]);
}

#[test]
fn a_source_that_was_not_imported_or_was_opened_again_was_read_for_its_text() {
    let archives = packages();
    let mut trace =
        trace(">num num/__init__.py num/__init__.py num/core.so < num/core.so num/__init__.py num/extra.py");
    assert_eq!(
        group(&archives, &[("app", &trace)]).texts,
        [Texts { only: BTreeSet::new(), again: vec![(1, 0)] }]
    );
    trace.modules = Some(vec!["num/__init__.py".to_owned()]);
    assert_eq!(
        group(&archives, &[("app", &trace)]).texts,
        [Texts { only: BTreeSet::from([(1, 2)]), again: vec![(1, 0)] }]
    );
}

#[test]
fn a_source_whose_bytecode_a_page_had_was_read_for_its_text() {
    let trace = trace(">num num/__pycache__/__init__.cpython-312.pyc < num/__init__.py");
    assert_eq!(
        group(&packages(), &[("app", &trace)]).texts,
        [Texts { only: BTreeSet::new(), again: vec![(1, 0)] }]
    );
}

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use prefetch_index::index::{Archive, ArchiveInfo, Group, Index, Install, Read};
use prefetch_index::trace::Trace;

use crate::args::Build;
use crate::build::{locate_members, read_directory};

/// Pyodide's archive of the standard library.
const ARCHIVE: &str = "python_stdlib.zip";
/// What a page gives Pyodide in its place: a zip of no files. Pyodide puts it where Python looks first.
pub(crate) const EMPTY: (&str, &[u8]) = ("empty.zip", b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");

/// Enters Pyodide's archive of the standard library into `index`, with what its start and the programs load of it as the
/// group that Pyodide boots from. Returns where the archive is on disk.
pub(crate) fn enter(args: &Build, traces: &[(String, Trace)], index: &mut Index) -> Result<PathBuf> {
    let path = args.pyodide.join(ARCHIVE);
    let shown = path.display();
    let bytes = std::fs::read(&path).with_context(|| {
        format!("{shown}: cannot be read; copy all files of the npm package pyodide into the folder")
    })?;
    let directory =
        read_directory(&bytes).with_context(|| format!("{shown}: not a usable zip; download it again"))?;
    let info = ArchiveInfo {
        name: "python_stdlib".to_owned(),
        version: index.python.clone(),
        url: ARCHIVE.to_owned(),
        sha256: None,
        install: Install::StandardLibrary,
        imports: Vec::new(),
        depends: Vec::new(),
    };
    let mut archive = Archive::from_central_directory(info, directory);
    locate_members(&mut archive, &bytes, &shown)?;

    let position = index.archives.len() as u32;
    let reads: Vec<Read> = loaded(traces, &archive)
        .into_iter()
        .map(|member| Read { archive: position, member, range: 0..archive.members[member as usize].len })
        .collect();
    if reads.is_empty() {
        bail!("no trace names a module of the standard library; record them again");
    }
    eprintln!("{shown}: {} of {} modules are needed to start", reads.len(), archive.members.len());
    index.boot = Some(index.groups.len() as u32);
    index.groups.push(Group { name: archive.name.clone(), parents: Vec::new(), reads, packs: Vec::new() });
    index.archives.push(archive);
    Ok(path)
}

/// Members that were loaded, each once, in the order they were first.
fn loaded(traces: &[(String, Trace)], archive: &Archive) -> Vec<u32> {
    // Nothing can wait while Pyodide boots: its own modules are there whatever Node's boot had of them.
    let own = archive.members.iter().map(|member| member.path.as_str());
    let own = own.filter(|path| path.starts_with("pyodide/") || path.starts_with("_pyodide/"));
    let mut members = Vec::new();
    for name in traces.iter().flat_map(|(_, trace)| &trace.stdlib).map(String::as_str).chain(own) {
        let Some(member) = archive.members.iter().position(|member| member.path == name) else { continue };
        if !members.contains(&(member as u32)) {
            members.push(member as u32);
        }
    }
    members
}

use std::collections::BTreeMap;
use std::io::{Cursor, Write};

use anyhow::{Context, Result, anyhow, bail};
use prefetch_index::index::{Archive, ArchiveInfo, Install};
use prefetch_index::trace::Trace;
use prefetch_index::zip::decode_member;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::args::Build;
use crate::build::{locate_members, read_directory, write_whole};
use crate::bytecode::{self, Source};

/// Pyodide's archive of the standard library, and the hot one that takes its place.
const ARCHIVE: &str = "python_stdlib.zip";

/// Writes the hot standard library to the output folder. Returns Pyodide's own as an archive: what is not hot is
/// read from there.
///
/// Compiled modules are named as if they lay in `/lib/python3.12`, where the sources are shown lazily: a traceback finds
/// its lines there.
pub(crate) fn write(args: &Build, traces: &[(String, Trace)], python: &str) -> Result<Archive> {
    let path = args.pyodide.join(ARCHIVE);
    let shown = path.display();
    let bytes = std::fs::read(&path).with_context(|| {
        format!("{shown}: cannot be read; copy all files of the npm package pyodide into the folder")
    })?;
    let directory =
        read_directory(&bytes).with_context(|| format!("{shown}: not a usable zip; download it again"))?;
    let info = ArchiveInfo {
        name: ARCHIVE.to_owned(),
        version: python.to_owned(),
        url: ARCHIVE.to_owned(),
        sha256: None,
        install: Install::StandardLibrary,
        imports: Vec::new(),
        depends: Vec::new(),
    };
    let mut archive = Archive::from_central_directory(info, directory);
    locate_members(&mut archive, &bytes, &shown)?;

    if traces.iter().all(|(_, trace)| trace.stdlib.is_empty()) {
        bail!("no trace names a module of the standard library; record them again");
    }
    // While Pyodide boots nothing can be fetched: its own modules are there whatever Node's boot had of them.
    let own = archive.members.iter().map(|member| &member.path);
    let own = own.filter(|path| path.starts_with("pyodide/") || path.starts_with("_pyodide/"));
    let mut names: Vec<&str> = Vec::new();
    for name in traces.iter().flat_map(|(_, trace)| &trace.stdlib).chain(own) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let by_path: BTreeMap<&str, usize> =
        archive.members.iter().enumerate().map(|(i, member)| (member.path.as_str(), i)).collect();
    let mut sources = Vec::new();
    let mut paths = Vec::new();
    for name in names {
        // A trace from a page that had a hot library names its bytecode.
        let source = name.strip_suffix('c').filter(|name| name.ends_with(".py")).unwrap_or(name);
        let Some(member) = by_path.get(source).map(|i| &archive.members[*i]) else { continue };
        let data = &bytes[member.span().start as usize..member.span().end as usize];
        let bytes = decode_member(member.method, data, member.len, member.crc32)
            .map_err(|error| anyhow!("{shown}: {source}: {error}; download the file again"))?;
        sources.push(Source { name: format!("/lib/python{python}/{source}"), bytes });
        paths.push(source);
    }
    let compiled = bytecode::compile(&args.pyodide, &sources, &args.strip)?;

    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    // A time of its own would make every build another file.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(9))
        .last_modified_time(DateTime::default());
    for ((path, source), bytecode) in paths.iter().zip(&sources).zip(&compiled) {
        let (name, bytes) = match bytecode {
            Some(bytecode) => (format!("{path}c"), bytecode),
            None => ((*path).to_owned(), &source.bytes),
        };
        zip.start_file(name, options).context("the hot standard library cannot be written")?;
        zip.write_all(bytes).context("the hot standard library cannot be written")?;
    }
    let hot = zip.finish().context("the hot standard library cannot be written")?.into_inner();
    let output = args.output.join(ARCHIVE);
    write_whole(&output, &hot)?;
    eprintln!(
        "{}: {} of {} modules, {} bytes instead of {}",
        output.display(),
        paths.len(),
        archive.members.len(),
        hot.len(),
        bytes.len()
    );
    Ok(archive)
}

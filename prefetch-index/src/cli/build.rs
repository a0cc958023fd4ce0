use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use prefetch_index::format::{self, FormatError};
use prefetch_index::index::{Archive, ArchiveInfo, Index, Install, MemberKind};
use prefetch_index::trace::{self, Trace};
use prefetch_index::zip::{CentralDirectory, CentralDirectoryReader, ZipError, decode_member};
use prefetch_index::{dylink, group};
use sha2::{Digest, Sha256};

use crate::args::Build;
use crate::lock::{self, Lock, LockPackage};
use crate::{packs, progress, stdlib};

const INDEX: &str = "wheelfs.idx";

pub(crate) fn build(args: &Build) -> Result<()> {
    let lock = lock::read(&args.pyodide)?;
    let traces = read_traces(&args.trace, &lock)?;
    let packages = packages(&traces, &lock, &args.pyodide)?;

    let bar = progress::step(&format!("reading {} archives", packages.len()), packages.len() as u64);
    let mut archives = Vec::new();
    let mut files = Vec::new();
    for package in packages {
        archives.push(read_archive(&args.pyodide, package, args.base_url.as_deref())?);
        files.push(args.pyodide.join(package.local_name()));
        bar.inc(1);
    }
    bar.finish_and_clear();

    let named: Vec<(&str, &Trace)> = traces.iter().map(|(name, trace)| (name.as_str(), trace)).collect();
    let grouped = group::group(&archives, &named);
    let first = &traces.first().context("no trace was given")?.1;
    let mut index = Index {
        pyodide: first.pyodide.clone(),
        python: minor(&first.python).to_owned(),
        archives,
        groups: grouped.groups,
        entries: grouped.entries,
        packs: Vec::new(),
        boot: None,
    };
    std::fs::create_dir_all(&args.output)
        .with_context(|| format!("{}: cannot be made", args.output.display()))?;
    let mut written: Vec<(String, Vec<u8>)> = Vec::new();
    if args.stdlib {
        files.push(stdlib::enter(args, &traces, &mut index)?);
        let (name, empty) = stdlib::EMPTY;
        written.push((name.to_owned(), empty.to_vec()));
    }
    written.extend(packs::make(args, &mut index, &grouped.texts, &traces, &files)?);
    let bytes = format::encode(&index).map_err(|error: FormatError| anyhow!("{error}; report this wheel"))?;
    let len = bytes.len();
    // Last: what it names is there when a page reads it.
    written.push((INDEX.to_owned(), bytes));
    write_together(&args.output, &written)?;
    for pack in &index.packs {
        let unpacked: u64 = pack.files.iter().map(|file| index.packed_len(file)).sum();
        let shown = args.output.join(&pack.url);
        eprintln!("{}: {} files, {unpacked} bytes as {}", shown.display(), pack.files.len(), pack.len);
    }
    if !grouped.unknown.is_empty() {
        eprintln!("{} files were read that belong to no archive; they are left out", grouped.unknown.len());
    }
    let reads: usize = index.groups.iter().map(|group| group.reads.len()).sum();
    eprintln!(
        "{}: {} archives, {} groups, {reads} members in access order, {len} bytes",
        args.output.join(INDEX).display(),
        index.archives.len(),
        index.groups.len(),
    );
    Ok(())
}

/// A site may be serving the old file: it is replaced in one step.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    write_partial(path, bytes).and_then(|()| put_in_place(path))
}

/// A site may be serving an older index and its packs, which belong together: nothing is replaced before all is written,
/// and then one after the other.
fn write_together(folder: &Path, files: &[(String, Vec<u8>)]) -> Result<()> {
    files.iter().try_for_each(|(name, bytes)| write_partial(&folder.join(name), bytes))?;
    files.iter().try_for_each(|(name, _)| put_in_place(&folder.join(name)))
}

fn write_partial(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(partial(path), bytes).with_context(|| format!("{}: cannot be written", path.display()))
}

fn put_in_place(path: &Path) -> Result<()> {
    std::fs::rename(partial(path), path).with_context(|| format!("{}: cannot be written", path.display()))
}

/// Beside the file, by another name than any other file's.
fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

/// `3.12` of `3.12.7`.
fn minor(python: &str) -> &str {
    python.match_indices('.').nth(1).map_or(python, |(at, _)| &python[..at])
}

/// Traces by their files' stems, all of one Pyodide, the folder's.
fn read_traces(paths: &[PathBuf], lock: &Lock) -> Result<Vec<(String, Trace)>> {
    let mut traces: Vec<(String, Trace)> = Vec::new();
    for path in paths {
        let shown = path.display();
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("{shown}: cannot be read; make it with prefetch-index record"))?;
        let trace = trace::parse(&text)
            .with_context(|| format!("{shown}: not a trace; make it with prefetch-index record"))?;
        let found = &trace.pyodide;
        if let Some(wanted) = lock.info.version.as_ref().filter(|&wanted| wanted != found) {
            bail!("{shown}: recorded on Pyodide {found}, the folder's is {wanted}; record it again");
        }
        if let Some((name, first)) = traces.first().filter(|(_, first)| first.pyodide != *found) {
            bail!("{shown}: recorded on Pyodide {found}, {name} on {}; record one again", first.pyodide);
        }
        if trace.python != lock.info.python {
            let (found, wanted) = (&trace.python, &lock.info.python);
            bail!("{shown}: recorded on Python {found}, the folder's is {wanted}; record it again");
        }
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if traces.iter().any(|(name, _)| *name == stem) {
            bail!("{shown}: two traces are named {stem}; rename one, it names the entry point");
        }
        traces.push((stem, trace));
    }
    Ok(traces)
}

/// The lock's packages the traces ran with, in the order they were loaded.
fn packages<'a>(traces: &[(String, Trace)], lock: &'a Lock, dir: &Path) -> Result<Vec<&'a LockPackage>> {
    let mut order: Vec<&LockPackage> = Vec::new();
    let mut known: BTreeMap<&str, ()> = BTreeMap::new();
    for (name, trace) in traces {
        for package in &trace.packages {
            let Some(entry) = lock.package(&package.name) else {
                bail!(
                    "{}: the lock file has no package {}, which trace {name} ran with",
                    dir.display(),
                    package.name
                );
            };
            if package.sha256.as_ref().is_some_and(|sha256| *sha256 != entry.sha256) {
                bail!(
                    "trace {name}: ran with another build of {} than the lock file's; record it again",
                    package.name
                );
            }
            if known.insert(entry.name.as_str(), ()).is_none() {
                order.push(entry);
            }
        }
    }
    Ok(order)
}

fn read_archive(dir: &Path, package: &LockPackage, base_url: Option<&str>) -> Result<Archive> {
    let path = dir.join(package.local_name());
    let shown = path.display();
    let bytes = std::fs::read(&path).with_context(|| {
        format!("{shown}: cannot be read; put the archive of package {} there", package.name)
    })?;
    let digest: [u8; 32] = Sha256::digest(&bytes).into();
    let directory = read_directory(&bytes);
    let found: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    if found != package.sha256 {
        let why = match directory {
            Err(_) if bytes.starts_with(b"PK") => format!("truncated or damaged at {} bytes", bytes.len()),
            Err(_) => "not a zip".to_owned(),
            Ok(_) => format!("SHA-256 {found} instead of the lock file's {}", package.sha256),
        };
        bail!("{shown}: {why}; download it again, or take the lock file that belongs to it");
    }
    let directory = directory.with_context(|| format!("{shown}: not a usable zip; download it again"))?;
    for (name, error) in &directory.refused {
        eprintln!("{shown}: {name} is left out: {error}");
    }
    let info = ArchiveInfo {
        name: package.name.clone(),
        version: package.version.clone(),
        url: url(package, base_url),
        sha256: Some(digest),
        install: if package.install_dir == "dynlib" {
            Install::SharedLibraries
        } else {
            Install::SitePackages
        },
        imports: package.imports.clone(),
        depends: package.depends.clone(),
    };
    let mut archive = Archive::from_central_directory(info, directory);
    locate_members(&mut archive, &bytes, &shown)?;
    Ok(archive)
}

/// Reads the local headers, and what the libraries need, from the bytes of the archive, which is `shown` in messages.
pub(crate) fn locate_members(
    archive: &mut Archive,
    bytes: &[u8],
    shown: &dyn std::fmt::Display,
) -> Result<()> {
    for member in &mut archive.members {
        let broken =
            |error: &dyn std::error::Error| anyhow!("{shown}: {}: {error}; rebuild the wheel", member.path);
        let span = member.header_offset as usize..member.span_end as usize;
        let local = bytes.get(span).unwrap_or_default();
        let mut located = member.clone();
        let offset = located.locate(local).map_err(|error| broken(&error))?;
        if member.kind == MemberKind::File && member.is_shared_library() {
            let data = bytes.get(offset as usize..located.span_end as usize).unwrap_or_default();
            let library =
                decode_member(member.method, data, member.len, member.crc32).map_err(|e| broken(&e))?;
            // Some wheels carry libraries for other machines; those need nothing from us.
            located.needed = dylink::needed(&library).unwrap_or_default();
        }
        *member = located;
    }
    Ok(())
}

pub(crate) fn read_directory(bytes: &[u8]) -> Result<CentralDirectory, ZipError> {
    let mut reader = CentralDirectoryReader::new(bytes.len() as u64);
    while let Some(range) = reader.wants() {
        let wanted = bytes.get(range.start as usize..range.end as usize).unwrap_or_default();
        reader.supply(range.start, wanted)?;
    }
    reader.finish()
}

fn url(package: &LockPackage, base_url: Option<&str>) -> String {
    match base_url {
        Some(base) => format!("{}/{}", base.trim_end_matches('/'), package.local_name()),
        None => package.file_name.clone(),
    }
}

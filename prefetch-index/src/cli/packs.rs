use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail};
use prefetch_index::group::Texts;
use prefetch_index::index::{Content, Index, Install, Pack, PackedFile};
use prefetch_index::pack::{Effort, Kind, Packed, encode as encode_pack, unpack};
use prefetch_index::packing::{self, File, Packing, packings};
use prefetch_index::split::{Unsplit, split};
use prefetch_index::trace::{Event, EventKind, Trace};
use prefetch_index::zip::decode_member;
use sha2::{Digest, Sha256};

use crate::args::Build;
use crate::bytecode::{self, Source};
use crate::progress;

/// A part of a pack is closed once it has so many bytes, decoded: whoever needs something of it unpacks all of it, maybe on a
/// page's main thread.
const PART: usize = 4 << 20;

/// A file of a pack and its bytes.
struct Packable {
    file: PackedFile,
    kind: Kind,
    bytes: Vec<u8>,
    /// Of a library: what comes last.
    secondary: Option<Box<Packable>>,
}

/// The packs that were asked for, each a file's name and bytes, and enters them. `texts`: of each entry point; `archives`:
/// where each archive is on disk.
pub(crate) fn make(
    args: &Build,
    index: &mut Index,
    texts: &[Texts],
    traces: &[(String, Trace)],
    archives: &[PathBuf],
) -> Result<Vec<(String, Vec<u8>)>> {
    let mut packings = if args.pack { packings(index, texts) } else { Vec::new() };
    packings.extend(boot_packing(index));
    let wanted = packings.iter().flat_map(|packing| packing.files.iter().copied());
    let mut contents = read_members(index, archives, wanted)?;
    compile(args, index, &mut contents)?;
    if !args.whole_libraries {
        split_libraries(index, traces, &mut contents);
    }
    let mut made = Vec::new();
    for packing in packings {
        let name = pack_name(index, &packing);
        let effort = if args.quick { Effort::Quick } else { Effort::Thorough };
        let (pack, bytes) = encode(index, &packing, &contents, &name, effort)?;
        made.push((name, bytes));
        packing::enter(index, &packing, pack, texts);
    }
    Ok(made)
}

/// What Pyodide's start reads is needed before anything else: a pack of its own.
fn boot_packing(index: &Index) -> Option<Packing> {
    let group = index.groups.get(index.boot? as usize)?;
    let files =
        group.reads.iter().map(|read| packing::file(index, read.archive, read.member, false)).collect();
    Some(Packing { entries: BTreeSet::new(), files })
}

/// Named by the program that needs it; what several share by the first package in it: `pandas.pack`.
fn pack_name(index: &Index, packing: &Packing) -> String {
    let mut users = packing.entries.iter().filter_map(|entry| index.entries.get(*entry as usize));
    let archive = packing.files.first().and_then(|file| index.archives.get(file.archive as usize));
    let name = match (users.next(), users.next()) {
        (Some(entry), None) => entry.name.as_str(),
        _ => archive.map_or("", |archive| archive.name.as_str()),
    };
    let safe = name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' });
    let stem: String = safe.collect();
    let taken = |name: &str| index.packs.iter().any(|pack| pack.url == name);
    let plain = format!("{stem}.pack");
    let numbered = (2..).map(|number| format!("{stem}-{number}.pack"));
    std::iter::once(plain).chain(numbered).find(|name| !taken(name)).unwrap_or_default()
}

fn read_members(
    index: &Index,
    archives: &[PathBuf],
    wanted: impl Iterator<Item = File>,
) -> Result<BTreeMap<File, Packable>> {
    let mut by_archive: BTreeMap<u32, BTreeSet<File>> = BTreeMap::new();
    for file in wanted {
        by_archive.entry(file.archive).or_default().insert(file);
    }
    let mut contents = BTreeMap::new();
    for (archive, wanted) in by_archive {
        let path = &archives[archive as usize];
        let bytes = std::fs::read(path).with_context(|| format!("{}: cannot be read", path.display()))?;
        for place in wanted {
            let member = &index.archives[archive as usize].members[place.member as usize];
            let span = member.span();
            let data = bytes.get(span.start as usize..span.end as usize).unwrap_or_default();
            let bytes = decode_member(member.method, data, member.len, member.crc32).map_err(|error| {
                anyhow!("{}: {}: {error}; rebuild the wheel", path.display(), member.path)
            })?;
            let kind = if member.is_shared_library() { Kind::Library } else { Kind::Plain };
            let file = PackedFile { archive, member: place.member, content: Content::Member };
            contents.insert(place, Packable { file, kind, bytes, secondary: None });
        }
    }
    Ok(contents)
}

/// Puts the bytecode of every source that was imported in its place.
fn compile(args: &Build, index: &Index, contents: &mut BTreeMap<File, Packable>) -> Result<()> {
    let mut sources = Vec::new();
    let mut places = Vec::new();
    for (place, content) in contents.iter().filter(|(place, _)| place.bytecode) {
        let archive = &index.archives[place.archive as usize];
        let Some(path) = archive.install_path(&archive.members[place.member as usize]) else { continue };
        if let Some(folder) = folder(archive.install, &index.python) {
            sources.push(Source { name: format!("{folder}/{path}"), bytes: content.bytes.clone() });
            places.push(*place);
        }
    }
    if sources.is_empty() {
        // Nothing needs Python, nor a folder that can run it.
        return Ok(());
    }
    let compiled = bytecode::compile(&args.pyodide, &sources, &args.strip)?;
    for (place, bytes) in places.into_iter().zip(compiled) {
        // What cannot be compiled is packed as its text, once.
        if bytes.is_none() && contents.contains_key(&File { bytecode: false, ..place }) {
            contents.remove(&place);
        } else if let (Some(bytes), Some(content)) = (bytes, contents.get_mut(&place)) {
            content.file.content = Content::Bytecode(bytes.len() as u64);
            content.kind = Kind::Bytecode;
            content.bytes = bytes;
        }
    }
    Ok(())
}

/// Puts the functions that the programs called in place of each library; the others come last.
fn split_libraries(index: &Index, traces: &[(String, Trace)], contents: &mut BTreeMap<File, Packable>) {
    for content in contents.values_mut().filter(|content| content.kind == Kind::Library) {
        let archive = &index.archives[content.file.archive as usize];
        let member = &archive.members[content.file.member as usize];
        let Some(path) = archive.trace_path(member) else { continue };
        // One that another library needs was loaded before the program read anything.
        let loading = traces.iter().map(|(_, trace)| trace).filter(|trace| {
            let is_it =
                |event: &Event| matches!(&event.kind, EventKind::Read { path: read, .. } if *read == path);
            trace.called.contains_key(&path) || trace.events.iter().any(is_it)
        });
        // A trace from a browser does not say: that program may call any.
        let called: Option<Vec<&Vec<u32>>> = loading.map(|trace| trace.called.get(&path)).collect();
        let Some(called) = called.filter(|called| !called.is_empty()) else { continue };
        let called: Vec<u32> = called.into_iter().flatten().copied().collect();
        let halves = match split(&content.bytes, &called) {
            Ok(halves) => halves,
            Err(Unsplit::TooLittle { .. }) => continue,
            Err(reason) => {
                eprintln!("{path}: packed whole: {reason}");
                continue;
            }
        };
        let half = |content: Content, file: PackedFile| PackedFile { content, ..file };
        let secondary = Content::Secondary(halves.secondary.len() as u64);
        content.secondary = Some(Box::new(Packable {
            file: half(secondary, content.file),
            kind: Kind::Library,
            bytes: halves.secondary,
            secondary: None,
        }));
        content.file = half(Content::Primary(halves.primary.len() as u64), content.file);
        content.bytes = halves.primary;
    }
}

/// Where Pyodide's Python `X.Y` finds the modules of an archive.
fn folder(install: Install, python: &str) -> Option<String> {
    match install {
        Install::SitePackages => Some(format!("/lib/python{python}/site-packages")),
        Install::StandardLibrary => Some(format!("/lib/python{python}")),
        Install::SharedLibraries => None,
    }
}

fn encode(
    index: &Index,
    packing: &Packing,
    contents: &BTreeMap<File, Packable>,
    name: &str,
    effort: Effort,
) -> Result<(Pack, Vec<u8>)> {
    let first: Vec<&Packable> = packing.files.iter().filter_map(|place| contents.get(place)).collect();
    let parts = parts(first.iter().filter_map(|content| content.secondary.as_deref()));
    let contents: Vec<&Packable> = first.iter().copied().chain(parts.iter().flatten().copied()).collect();
    let mut digest = Sha256::new();
    for content in &contents {
        digest.update((content.bytes.len() as u64).to_le_bytes());
        digest.update(&content.bytes);
    }
    let mut id = [0; 16];
    id.copy_from_slice(&digest.finalize()[..16]);
    let total = contents.iter().map(|content| content.bytes.len() as u64).sum();
    let bar = progress::step(&format!("packing {name}"), total);
    let parts: Vec<_> = parts.iter().map(|part| packed(part)).collect();
    let bytes = encode_pack(id, &packed(&first), &parts, effort, &mut |done| bar.inc(done))
        .map_err(|error| anyhow!("{name}: {error}; report this"))?;
    bar.finish_and_clear();
    let files: Vec<PackedFile> = contents.iter().map(|content| content.file).collect();
    let pack = Pack { url: name.to_owned(), id, len: bytes.len() as u64, files };
    let lengths: Vec<u64> = pack.files.iter().map(|file| index.packed_len(file)).collect();
    let read = unpack(id, &lengths, &bytes)
        .map_err(|error| anyhow!("{name}: {error} in what was just written; report this"))?;
    // One that a page could not read is never shipped.
    if !read.iter().eq(contents.iter().map(|content| &content.bytes)) {
        bail!("{name}: does not decode to what went in; report this");
    }
    Ok((pack, bytes))
}

fn packed<'a>(contents: &[&'a Packable]) -> Vec<Packed<'a>> {
    contents.iter().map(|content| Packed { kind: content.kind, bytes: &content.bytes }).collect()
}

/// What nobody is known to call, in the order of the libraries, as parts of about [`PART`] bytes.
fn parts<'a>(secondaries: impl Iterator<Item = &'a Packable>) -> Vec<Vec<&'a Packable>> {
    let mut parts: Vec<Vec<&Packable>> = Vec::new();
    let mut len = PART;
    for secondary in secondaries {
        if len >= PART {
            parts.push(Vec::new());
            len = 0;
        }
        len += secondary.bytes.len();
        parts.last_mut().into_iter().for_each(|part| part.push(secondary));
    }
    parts
}

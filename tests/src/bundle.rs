//! What the strategies `bundle` and `memfs` are served: archives of the files that an app reads.

use std::{
    fs,
    io::{Cursor, Write},
    path::{Path, PathBuf},
};

use prefetch_index::{
    format,
    index::{Content, Index, Install, bytecode_path},
    zip::decode_member,
};
use serde::Serialize;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::{HarnessError, PackReader, Parts};

/// What [`prepare`] makes for strategies that a visitor of the page may choose, each with the file that is written last.
const OFFERED: [(&str, &str); 2] = [("bundle", "bundle.json"), ("memfs", "memfs.json")];

/// Writes what the page needs to offer them all for `app`, unless it is there: set-up makes the folder anew when what it
/// is made of has changed.
pub fn offer(parts: &Parts, pyodide: &str, app: &str) -> Result<(), HarnessError> {
    for (strategy, last) in OFFERED {
        if !folder(pyodide, app).join(last).exists() {
            prepare(parts, pyodide, app, strategy)?;
        }
    }
    Ok(())
}

/// Writes what `strategy` needs and no other tool makes, beside the app's index.
pub fn prepare(parts: &Parts, pyodide: &str, app: &str, strategy: &str) -> Result<(), HarnessError> {
    let folder = folder(pyodide, app);
    let distribution = parts.pyodide(pyodide)?;
    match strategy {
        "bundle" => {
            let index = read_index(&folder)?;
            let groups: Vec<u32> = index.entries.iter().flat_map(|entry| entry.groups.clone()).collect();
            let files = members(&index, &groups, distribution)?;
            let libraries: Vec<&str> =
                files.iter().map(|(path, _)| path.as_str()).filter(|path| path.contains(".so")).collect();
            let list: Vec<String> = libraries.iter().map(|path| format!("/{path}")).collect();
            write_zip(&folder.join("bundle.zip"), &files)?;
            write_json(&folder.join("bundle.json"), &list)
        }
        "memfs" => {
            let index = read_index(&folder.join("pack"))?;
            let groups: Vec<u32> = (0..index.groups.len() as u32).collect();
            let mut files = members(&index, &groups, distribution)?;
            files.extend(bytecode(&index, &folder.join("pack"))?);
            let list: Vec<(String, usize)> =
                files.iter().map(|(path, bytes)| (format!("/{path}"), bytes.len())).collect();
            let bytes: Vec<&[u8]> = files.iter().map(|(_, bytes)| bytes.as_slice()).collect();
            fs::write(folder.join("memfs.bin"), bytes.concat())?;
            write_json(&folder.join("memfs.json"), &list)
        }
        _ => Ok(()),
    }
}

fn folder(pyodide: &str, app: &str) -> PathBuf {
    Parts::root().join("target/site/index").join(pyodide).join(app)
}

fn write_json(file: &Path, value: &impl Serialize) -> Result<(), HarnessError> {
    Ok(fs::write(file, serde_json::to_vec(value).map_err(std::io::Error::from)?)?)
}

fn read_index(folder: &Path) -> Result<Index, HarnessError> {
    Ok(format::decode(&fs::read(folder.join("wheelfs.idx"))?).map_err(std::io::Error::other)?)
}

/// The members that the groups read, by absolute path without the first `/`, in access order.
fn members(
    index: &Index,
    groups: &[u32],
    distribution: &Path,
) -> Result<Vec<(String, Vec<u8>)>, HarnessError> {
    let mut files = Vec::new();
    let mut archives: Vec<Option<Vec<u8>>> = vec![None; index.archives.len()];
    for read in index.access_order(groups) {
        let archive = &index.archives[read.archive as usize];
        let bytes = match &mut archives[read.archive as usize] {
            Some(bytes) => bytes,
            empty => {
                let name = archive.url.rsplit('/').next().unwrap_or_default();
                empty.insert(fs::read(distribution.join(name))?)
            }
        };
        let member = &archive.members[read.member as usize];
        let Some(path) = archive.install_path(member) else { continue };
        let span = member.span();
        let data = &bytes[span.start as usize..span.end as usize];
        let content = decode_member(member.method, data, member.len, member.crc32);
        files.push((installed(index, archive.install, path), content.map_err(std::io::Error::other)?));
    }
    Ok(files)
}

/// The bytecode in the packs.
fn bytecode(index: &Index, folder: &Path) -> Result<Vec<(String, Vec<u8>)>, HarnessError> {
    let mut files = Vec::new();
    for pack in &index.packs {
        for (number, bytes) in PackReader::new(index, pack).supply(&fs::read(folder.join(&pack.url))?)? {
            let file = &pack.files[number as usize];
            let archive = &index.archives[file.archive as usize];
            let member = &archive.members[file.member as usize];
            let source = archive.install_path(member).and_then(|path| bytecode_path(path, &index.python));
            if let (Content::Bytecode(_), Some(path)) = (file.content, source) {
                files.push((installed(index, archive.install, &path), bytes));
            }
        }
    }
    Ok(files)
}

fn installed(index: &Index, install: Install, path: &str) -> String {
    match install {
        Install::SharedLibraries => format!("usr/lib/{path}"),
        Install::StandardLibrary => format!("lib/python{}/{path}", index.python),
        Install::SitePackages => format!("lib/python{}/site-packages/{path}", index.python),
    }
}

fn write_zip(path: &Path, files: &[(String, Vec<u8>)]) -> Result<(), HarnessError> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, bytes) in files {
        zip.start_file(name, options).map_err(std::io::Error::other)?;
        zip.write_all(bytes)?;
    }
    fs::write(path, zip.finish().map_err(std::io::Error::other)?.into_inner())?;
    Ok(())
}

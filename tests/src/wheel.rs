//! Wheels and indexes made for a test.

use std::{fs, io::Write, path::Path};

use prefetch_index::{
    format,
    index::{Archive, ArchiveInfo, Index, Install},
    zip::CentralDirectoryReader,
};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::HarnessError;

/// A wheel of these members, stored or deflated, and its length as an index wants it.
pub fn wheel(
    path: &Path,
    members: &[(String, Vec<u8>)],
    method: CompressionMethod,
) -> Result<(), HarnessError> {
    let mut wheel = ZipWriter::new(fs::File::create(path)?);
    for (name, content) in members {
        let options = SimpleFileOptions::default().compression_method(method);
        wheel.start_file(name, options).map_err(std::io::Error::from)?;
        wheel.write_all(content)?;
    }
    wheel.finish().map_err(std::io::Error::from)?;
    Ok(())
}

/// Writes `FOLDER/wheelfs.idx` of these wheels in `folder`, with nothing to prefetch. URLs are their file names.
pub fn index(folder: &Path, wheels: &[String]) -> Result<(), HarnessError> {
    let archives: Result<_, _> = wheels.iter().map(|name| archive(folder, name)).collect();
    let index = Index { archives: archives?, ..Index::default() };
    Ok(fs::write(folder.join("wheelfs.idx"), format::encode(&index).map_err(std::io::Error::other)?)?)
}

fn archive(folder: &Path, name: &str) -> Result<Archive, HarnessError> {
    let bytes = fs::read(folder.join(name))?;
    let mut reader = CentralDirectoryReader::new(bytes.len() as u64);
    while let Some(span) = reader.wants() {
        let part = &bytes[span.start as usize..span.end as usize];
        reader.supply(span.start, part).map_err(std::io::Error::other)?;
    }
    let info = ArchiveInfo {
        name: name.split('-').next().unwrap_or_default().to_owned(),
        version: "1.0".to_owned(),
        url: name.to_owned(),
        sha256: None,
        install: Install::SitePackages,
        imports: Vec::new(),
        depends: Vec::new(),
    };
    let directory = reader.finish().map_err(std::io::Error::other)?;
    let mut archive = Archive::from_central_directory(info, directory);
    for member in &mut archive.members {
        let at = member.header_offset as usize;
        member.locate(&bytes[at..]).map_err(std::io::Error::other)?;
    }
    Ok(archive)
}

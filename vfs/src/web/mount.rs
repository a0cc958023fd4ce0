//! Mounting an archive that no index describes: its central directory is read instead.

use prefetch_index::index::{Archive, ArchiveInfo, Member};
use prefetch_index::zip::CentralDirectoryReader;

use super::error::{Cause, Failure};
use super::state::Shared;
use super::transport::{self, Manner};

/// Reads the central directory of the archive at `info.url` (absolute) and mounts it. Returns the number of members.
pub(crate) async fn mount(shared: &Shared, info: ArchiveInfo) -> Result<usize, Failure> {
    let url = info.url.clone();
    let (archive, read) = read_archive(shared, info).await.map_err(|cause| Failure::new(&url, cause))?;
    let members = archive.members.len();
    let mut state = shared.borrow_mut();
    // Two calls may have read the same directory at once; the first one's archive is the one that stays.
    if !state.urls.contains(&url) {
        let id = state.urls.len() as u32;
        for (start, bytes) in &read {
            // A small wheel has come whole with its directory.
            state.scheduler.adopt(id, *start, bytes, archive.members.iter().map(Member::span));
        }
        state.add_archive(archive, url);
    }
    Ok(members)
}

/// The archive, and the bytes that were read to know it, with their offsets.
async fn read_archive(shared: &Shared, info: ArchiveInfo) -> Result<(Archive, Vec<(u64, Vec<u8>)>), Cause> {
    let host = shared.borrow().host.clone();
    let len = transport::length(host.as_ref(), &info.url).await?;
    let mut reader = CentralDirectoryReader::new(len);
    let mut read = Vec::new();
    let manner = Manner { urgent: true, reload: false };
    while let Some(span) = reader.wants() {
        let bytes = transport::read(host.as_ref(), &info.url, &span, Some(len), manner).await?;
        let mut state = shared.borrow_mut();
        state.stats.requests += 1;
        state.stats.bytes += bytes.len() as u64;
        drop(state);
        reader.supply(span.start, &bytes)?;
        read.push((span.start, bytes));
    }
    Ok((Archive::from_central_directory(info, reader.finish()?), read))
}

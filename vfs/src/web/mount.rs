//! Mounting an archive that no index describes: its central directory is read instead.

use prefetch_index::index::{Archive, ArchiveInfo};
use prefetch_index::zip::CentralDirectoryReader;

use super::error::{Cause, Failure};
use super::state::Shared;
use super::transport::{self, Manner};

/// Reads the central directory of the archive at `info.url` (absolute) and mounts it. Returns the number of members.
pub(crate) async fn mount(shared: &Shared, info: ArchiveInfo) -> Result<usize, Failure> {
    let url = info.url.clone();
    let archive = read_archive(shared, info).await.map_err(|cause| Failure::new(&url, cause))?;
    let members = archive.members.len();
    let mut state = shared.borrow_mut();
    // Two calls may have read the same directory at once; the first one's archive is the one that stays.
    if !state.urls.contains(&url) {
        state.add_archive(archive, url);
    }
    Ok(members)
}

async fn read_archive(shared: &Shared, info: ArchiveInfo) -> Result<Archive, Cause> {
    let host = shared.borrow().host.clone();
    let len = transport::length(host.as_ref(), &info.url).await?;
    let mut reader = CentralDirectoryReader::new(len);
    let manner = Manner { urgent: true, reload: false };
    while let Some(span) = reader.wants() {
        let bytes = transport::read(host.as_ref(), &info.url, &span, Some(len), manner).await?;
        let mut state = shared.borrow_mut();
        state.stats.requests += 1;
        state.stats.bytes += bytes.len() as u64;
        drop(state);
        reader.supply(span.start, &bytes)?;
    }
    Ok(Archive::from_central_directory(info, reader.finish()?))
}

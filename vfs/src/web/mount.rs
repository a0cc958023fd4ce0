//! Mounting an archive that no index describes: its central directory is read instead.

use prefetch_index::index::{Archive, ArchiveInfo, Member};
use prefetch_index::zip::{CentralDirectory, CentralDirectoryReader};
use web_sys::RequestCache;

use super::error::{Cause, Failure};
use super::loader;
use super::state::{Filling, Shared};
use super::transport::{self, Manner};
use crate::response::Received;

const MANNER: Manner = Manner { urgent: true, cache: RequestCache::Default };

/// What was read of an archive to know its members.
enum Read {
    /// Stretches of it, each with its offset.
    Parts(Vec<(u64, Vec<u8>)>),
    /// All of it: its server has no ranges.
    Whole(Vec<u8>),
}

/// Reads the central directory of the archive at `info.url` (absolute) and mounts it. Returns the number of members.
pub(crate) async fn mount(shared: &Shared, info: ArchiveInfo) -> Result<usize, Failure> {
    let url = info.url.clone();
    let (directory, read) = read_directory(shared, &url).await.map_err(|cause| Failure::new(&url, cause))?;
    if let [(name, reason), ..] = directory.refused.as_slice() {
        let count = directory.refused.len().to_string();
        let warning =
            ["wheelfs: ", &url, ": members left out: ", &count, ", first ", name, ": ", &reason.to_string()];
        web_sys::console::warn_1(&warning.concat().into());
    }
    let archive = Archive::from_central_directory(info, directory);
    let members = archive.members.len();
    let mut state = shared.borrow_mut();
    // Two calls may have read the same directory at once; the first one's archive is the one that stays. It may have been
    // uninstalled since.
    if let Some(id) = state.urls.iter().position(|known| *known == url) {
        state.show(id as u32);
    } else {
        let id = state.urls.len() as u32;
        match read {
            // A small wheel has come whole with its directory. Nobody reads the bytes of an empty file.
            Read::Parts(parts) => parts.iter().for_each(|(start, bytes)| {
                let members = archive.members.iter().filter(|member| member.len > 0);
                state.scheduler.adopt(id, *start, bytes, members.map(Member::span));
            }),
            Read::Whole(bytes) => {
                state.scheduler.adopt_whole(id, bytes);
            }
        }
        state.add_archive(archive, url);
        if state.filling != Filling::Off {
            drop(state);
            loader::fill(shared);
        }
    }
    Ok(members)
}

async fn read_directory(shared: &Shared, url: &str) -> Result<(CentralDirectory, Read), Cause> {
    let len = match length(shared, url).await? {
        Length::Known(len) => len,
        Length::Whole(bytes) => return in_whole(bytes),
    };
    match by_ranges(shared, url, len).await {
        // What came is no directory: other bytes than those that were asked for, or the archive is no zip. The whole tells.
        Err(cause @ Cause::Zip(_)) if !transport::is_file(url) && loader::warn_once(shared, url, &cause) => {
            in_whole(whole(shared, url).await?)
        }
        outcome => outcome,
    }
}

async fn by_ranges(shared: &Shared, url: &str, len: u64) -> Result<(CentralDirectory, Read), Cause> {
    let mut reader = CentralDirectoryReader::new(len);
    let mut parts = Vec::new();
    while let Some(span) = reader.wants() {
        match loader::insist(shared, url, Some(&span), Some(len), MANNER).await? {
            (Received::Whole(bytes), _) => return in_whole(bytes),
            (Received::Range(bytes), _) => {
                reader.supply(span.start, &bytes)?;
                parts.push((span.start, bytes));
            }
        }
    }
    Ok((reader.finish()?, Read::Parts(parts)))
}

fn in_whole(bytes: Vec<u8>) -> Result<(CentralDirectory, Read), Cause> {
    let mut reader = CentralDirectoryReader::new(bytes.len() as u64);
    while let Some(span) = reader.wants() {
        reader.supply(span.start, &bytes[span.start as usize..span.end as usize])?;
    }
    Ok((reader.finish()?, Read::Whole(bytes)))
}

async fn whole(shared: &Shared, url: &str) -> Result<Vec<u8>, Cause> {
    let (Received::Range(bytes) | Received::Whole(bytes), _) =
        loader::insist(shared, url, None, None, MANNER).await?;
    Ok(bytes)
}

enum Length {
    Known(u64),
    /// The server tells no length, or sends it all: this is the archive.
    Whole(Vec<u8>),
}

/// Length of the archive: from `Content-Range` of a one-byte request, where CORS hides that from a HEAD. None of these
/// requests causes a preflight.
async fn length(shared: &Shared, url: &str) -> Result<Length, Cause> {
    let host = shared.borrow().host.clone();
    if !transport::is_file(url) {
        match loader::insist(shared, url, Some(&(0..1)), None, MANNER).await? {
            (Received::Range(_), Some(len)) => return Ok(Length::Known(len)),
            (Received::Range(_), None) => {}
            (Received::Whole(bytes), _) => return Ok(Length::Whole(bytes)),
        }
    }
    match transport::length(host.as_ref(), url).await? {
        Some(len) => Ok(Length::Known(len)),
        None => Ok(Length::Whole(whole(shared, url).await?)),
    }
}

//! Brings parts of large stored members, and copies them to Python.
//!
//! A member's CRC-32 covers all of it, so a part cannot be checked against it. Checked instead: status, `Content-Range`
//! with the archive's length, the exact number of bytes; and once, with the member's first block, that its local header
//! is where the directory says, which shows a server that sends other bytes than it names. Where it is not, the member
//! is brought whole, which is checked.

use std::ops::Range;

use futures::channel::oneshot;
use futures::future::join_all;
use js_sys::Uint8Array;
use prefetch_index::zip::Method;
use wasm_bindgen_futures::spawn_local;
use web_sys::RequestCache;

use super::error::{Cause, Failure};
use super::loader::{self, take};
use super::state::{Decoded, Kept, Shared, State};
use super::transport::Manner;
use crate::blocks::{BLOCK, LARGE, bytes_of, holding};
use crate::response::Received;
use crate::scheduler::Found;
use crate::tree::{FileId, MemberId};

/// Longest local header: 30 bytes, a name, an extra field (APPNOTE 4.3.7).
const MAX_LOCAL_HEADER: u64 = 30 + 2 * 0xffff;

impl State {
    /// Whether parts of this member can be had alone and are worth it. A library is loaded whole.
    pub(crate) fn is_large(&self, id: MemberId) -> bool {
        self.member(id).is_some_and(|member| {
            member.method == Method::Stored && member.len >= LARGE && !member.is_shared_library()
        })
    }

    /// The blocks to bring for a read of `range` (which may end, or lie, past the member), or nothing where the whole member
    /// is to be brought: it is not large, it is here or coming anyway, or the read is so long that blocks save nothing.
    pub(crate) fn blocks_for(&self, id: MemberId, range: &Range<u64>) -> Option<Range<u64>> {
        let member = self.member(id).filter(|_| self.is_large(id))?;
        let blocks = holding(range, member.len);
        let len = range.end.min(member.len).saturating_sub(range.start);
        let file = FileId::Member(id);
        let whole = len >= member.len / 2
            || len > self.cache.budget() / 4
            || self.cache.contains(&Kept::File(file))
            || self.packs.place(file).is_some()
            || self.scheduler.find(id.archive, &member.span()) != Found::Nowhere;
        (!whole || blocks.is_empty()).then_some(blocks)
    }

    /// Whether all these blocks are here.
    pub(crate) fn has_blocks(&self, id: MemberId, mut blocks: Range<u64>) -> bool {
        blocks.all(|block| self.cache.contains(&Kept::Block(id, block)))
    }

    /// Whether the member's first block has come, with the local header before it.
    fn is_located(&self, id: MemberId) -> bool {
        self.located.contains(&id)
    }

    fn count_of_blocks(&self, id: MemberId) -> u64 {
        self.member(id).map_or(0, |member| member.len.div_ceil(BLOCK))
    }

    /// Bytes of the archive that bring the run; the first block comes with the local header before it. `None`: not known
    /// before the first block has come.
    fn span_of_run(&self, id: MemberId, run: &Range<u64>) -> Option<Range<u64>> {
        let member = self.member(id)?;
        let bytes = bytes_of(run, member.len);
        let (start, data) = match (run.start, member.data_offset) {
            (0, data) => (member.header_offset, data.unwrap_or(member.header_offset + MAX_LOCAL_HEADER)),
            (_, data) => (data? + bytes.start, data?),
        };
        Some(start..(data + bytes.end).min(member.span_end))
    }

    fn keep_run(&mut self, id: MemberId, run: &Range<u64>, bytes: &[u8]) -> Result<(), Cause> {
        self.stats.bytes += bytes.len() as u64;
        let member = self.index.archives.get_mut(id.archive as usize);
        let member = member.and_then(|archive| archive.members.get_mut(id.member as usize));
        let member = member.ok_or(Cause::Unreadable)?;
        let mut content = bytes;
        if run.start == 0 {
            let header = member.locate(bytes)? - member.header_offset;
            content = bytes.get(header as usize..).unwrap_or_default();
            if !self.located.contains(&id) {
                self.located.push(id);
            }
        }
        let end = bytes_of(run, member.len).end;
        // The last first: should the cache be too small for all, the first is what is read next.
        for block in run.clone().rev() {
            let at = (block - run.start) * BLOCK;
            let len = BLOCK.min(end - block * BLOCK);
            let block_bytes = content.get(at as usize..(at + len) as usize).ok_or(Cause::Unreadable)?;
            self.cache.insert(Kept::Block(id, block), Decoded(Uint8Array::from(block_bytes)));
        }
        Ok(())
    }
}

/// Waits until the blocks are here, or the whole member. An error about content: the member is to be brought whole.
pub(crate) async fn obtain(shared: &Shared, id: MemberId, wanted: Range<u64>) -> Result<(), Failure> {
    let first = (!shared.borrow().is_located(id)).then_some(0..1);
    for wanted in first.into_iter().chain([wanted]) {
        bring(shared, id, wanted).await?;
        if shared.borrow().cache.contains(&Kept::File(FileId::Member(id))) {
            break;
        }
    }
    Ok(())
}

async fn bring(shared: &Shared, id: MemberId, wanted: Range<u64>) -> Result<(), Failure> {
    let (runs, woken) = {
        let mut state = shared.borrow_mut();
        state.start_groups_reading(id);
        let count = state.count_of_blocks(id);
        let State { blocks, cache, stats, .. } = &mut *state;
        let runs = blocks.ask(id, wanted.clone(), count, |block| cache.contains(&Kept::Block(id, block)));
        let mut woken = Vec::new();
        blocks.wait(id, &wanted, || {
            let (wake, receiver) = oneshot::channel();
            woken.push(receiver);
            wake
        });
        stats.waits += u32::from(!woken.is_empty());
        (runs, woken)
    };
    loader::pump(shared);
    for run in runs {
        let shared = shared.clone();
        spawn_local(async move {
            let outcome = fetch(&shared, id, &run).await;
            for wake in shared.borrow_mut().blocks.ended(id, run.start) {
                // Nobody listens when the reader was cancelled; the blocks stay for the next.
                let _ = wake.send(outcome.clone());
            }
            loader::pump(&shared);
        });
    }
    join_all(woken).await.into_iter().flatten().collect()
}

async fn fetch(shared: &Shared, id: MemberId, run: &Range<u64>) -> Result<(), Failure> {
    let at = loader::address(shared, id)?;
    let span = shared.borrow().span_of_run(id, run);
    let manner = Manner { urgent: true, cache: RequestCache::Default };
    let received = loader::insist(shared, &at.url, span.as_ref(), Some(at.len), manner).await;
    let (received, _) = received.map_err(|cause| shared.borrow().failure(id, cause))?;
    keep(shared, id, run, received)
}

fn keep(shared: &Shared, id: MemberId, run: &Range<u64>, received: Received) -> Result<(), Failure> {
    match received {
        Received::Range(bytes) => {
            let mut state = shared.borrow_mut();
            state.keep_run(id, run, &bytes).map_err(|cause| state.failure(id, cause))
        }
        whole => take(shared, id, whole).map(drop),
    }
}

/// Copies the member's bytes from `start` on to `target`, which does not end past the member. Blocks that are not here are
/// fetched without returning to the event loop. `false`: the whole member is to be read instead.
pub(crate) fn read(shared: &Shared, id: MemberId, start: u64, target: &Uint8Array) -> Result<bool, Failure> {
    let end = start + u64::from(target.length());
    let Some(wanted) = shared.borrow().blocks_for(id, &(start..end)) else { return Ok(false) };
    if !shared.borrow().is_located(id) && block_blocking(shared, id, 0..1)?.is_none() {
        return Ok(false);
    }
    for block in wanted.clone() {
        let Some(Decoded(content)) = block_blocking(shared, id, block..wanted.end)? else {
            return Ok(false);
        };
        let at = block * BLOCK;
        let (from, to) = (start.max(at), end.min(at + BLOCK));
        target.set(&content.subarray((from - at) as u32, (to - at) as u32), (from - start) as u32);
    }
    Ok(true)
}

/// The first of the blocks `wanted`. If it is not here it is fetched, and those after it in the same request. `None`: the
/// member has come whole, or is to.
fn block_blocking(shared: &Shared, id: MemberId, wanted: Range<u64>) -> Result<Option<Decoded>, Failure> {
    let key = Kept::Block(id, wanted.start);
    let (run, span) = {
        let mut state = shared.borrow_mut();
        if let Some(block) = state.cache.get(&key) {
            return Ok(Some(block.clone()));
        }
        let count = state.count_of_blocks(id);
        let State { blocks, cache, .. } = &mut *state;
        let is_here = |block| cache.contains(&Kept::Block(id, block));
        let run = blocks.run(id, wanted.start, wanted.end, count, is_here);
        let Some(span) = state.span_of_run(id, &run) else { return Ok(None) };
        (run, span)
    };
    match loader::insist_blocking(shared, id, &span, &mut |received| keep(shared, id, &run, received)) {
        Err(failure) if failure.cause.is_about_content() => Ok(None),
        fetched => {
            fetched?;
            Ok(shared.borrow_mut().cache.get(&key).cloned())
        }
    }
}

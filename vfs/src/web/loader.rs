//! Carries out what the scheduler decides: transfers, retries, and waking whoever waits.

use futures::future::join_all;
use gloo_timers::future::TimeoutFuture;
use js_sys::Math;
use wasm_bindgen_futures::spawn_local;

use super::blocking;
use super::error::{Cause, Failure};
use super::pack;
use super::state::{Decoded, Shared};
use super::transport::{self, Incoming, Manner};
use crate::packs::Whereabouts;
use crate::response::Body;
use crate::scheduler::{RequestId, Send, SupplyError};
use crate::tree::{FileId, MemberId};

/// How often a request is sent again after a failure that may pass.
const RETRIES: u32 = 3;
/// Wait before the first retry, milliseconds; doubled each time, with a random factor of 0.5 to 1.5.
const FIRST_BACKOFF_MS: f64 = 150.0;

/// Brings a file: waits until it is decoded and in the cache. Bytecode whose pack failed is `None`: Python compiles the
/// source then.
pub(crate) async fn obtain(shared: &Shared, id: FileId) -> Result<Option<Decoded>, Failure> {
    if let Some(decoded) = shared.borrow_mut().at_hand(id) {
        return Ok(Some(decoded));
    }
    wait_for_pack(shared, id).await;
    if let Some(decoded) = shared.borrow_mut().cached(id) {
        return Ok(Some(decoded));
    }
    let FileId::Member(member) = id else { return Ok(None) };
    obtain_from_wheel(shared, member).await.map(Some)
}

/// Resolves when the file has come with a pack, or will not. A pack that nobody has foreseen is opened: what its programs
/// read will be read next.
async fn wait_for_pack(shared: &Shared, id: FileId) {
    let woken = {
        let mut state = shared.borrow_mut();
        if let Some((place, Whereabouts::Unopened)) = state.packs.place(id) {
            state.start_groups_of_pack(place.pack);
        }
        let place = state.packs.place(id);
        let woken = place.and_then(|(place, _)| state.await_packed(place));
        state.stats.waits += u32::from(woken.is_some());
        woken
    };
    if let Some(woken) = woken {
        pump(shared);
        // Why a pack failed was said when it did; what it was to bring comes from the wheels.
        let _ = woken.await;
    }
}

async fn obtain_from_wheel(shared: &Shared, id: MemberId) -> Result<Decoded, Failure> {
    let woken = {
        let mut state = shared.borrow_mut();
        let span = state.member(id).map(|member| member.span());
        match (state.decode_arrived(id), span) {
            (Some(Ok(decoded)), _) => return Ok(decoded),
            (Some(Err(_)), _) | (None, None) => None,
            (None, Some(span)) => {
                state.stats.waits += 1;
                Some(state.demand(id, span))
            }
        }
    };
    if let Some(woken) = woken {
        pump(shared);
        let arrived = woken.await.unwrap_or_else(|_| Err(shared.borrow().failure(id, Cause::Network)));
        arrived.map_err(|failure| name_member(shared, id, failure))?;
        let decoded = { shared.borrow_mut().decode_arrived(id) };
        if let Some(Ok(decoded)) = decoded {
            return Ok(decoded);
        }
    }
    refetch(shared, id).await
}

/// What arrived does not decode: asks once more, past every cache, before it is called an error.
async fn refetch(shared: &Shared, id: MemberId) -> Result<Decoded, Failure> {
    let Some((host, url, span, len)) = address(shared, id) else {
        return Err(shared.borrow().failure(id, Cause::Unreadable));
    };
    let manner = Manner { urgent: true, reload: true };
    let bytes = transport::read(host.as_ref(), &url, &span, Some(len), manner).await;
    let mut state = shared.borrow_mut();
    let bytes = bytes.map_err(|cause| state.failure(id, cause))?;
    state.stats.requests += 1;
    state.stats.bytes += bytes.len() as u64;
    state.decode_from(id, &bytes)
}

/// Brings a member that is not at hand without returning to the event loop.
pub(crate) fn obtain_blocking(shared: &Shared, id: MemberId) -> Result<Decoded, Failure> {
    let Some((host, url, span, len)) = address(shared, id) else {
        return Err(shared.borrow().failure(id, Cause::Unreadable));
    };
    // A request of this member may be under way; it cannot make progress while the event loop stands still. A second
    // try answers what passes: a damaged transfer, a server that was busy.
    let attempt = || {
        let bytes = blocking::read(host.as_ref(), &url, &span, Some(len));
        let mut state = shared.borrow_mut();
        state.stats.blocking_requests += 1;
        let bytes = bytes.map_err(|cause| state.failure(id, cause))?;
        state.stats.bytes += bytes.len() as u64;
        state.decode_from(id, &bytes)
    };
    attempt().or_else(|failure| match failure.cause {
        Cause::Decode(_) => attempt(),
        ref cause if cause.is_transient() => attempt(),
        _ => Err(failure),
    })
}

/// Starts these groups; resolves when all they read is here.
pub(crate) async fn prefetch(shared: &Shared, groups: &[u32]) -> Result<(), Failure> {
    shared.borrow_mut().start(groups);
    pump(shared);
    let outstanding = { shared.borrow_mut().outstanding(groups) };
    join_all(outstanding).await.into_iter().flatten().collect()
}

/// Sends what may be sent.
pub(crate) fn pump(shared: &Shared) {
    let packs = { std::mem::take(&mut shared.borrow_mut().packs_to_open) };
    for pack in packs {
        spawn_local(pack::open(shared.clone(), pack));
    }
    loop {
        let Some(send) = ({ shared.borrow_mut().scheduler.next_to_send() }) else { return };
        let shared = shared.clone();
        spawn_local(async move {
            run(&shared, &send).await;
            pump(&shared);
        });
    }
}

/// Why a transfer stopped early.
enum Stop {
    /// The archive arrives whole by another request.
    Gone,
    Failed(Cause),
}

impl<C: Into<Cause>> From<C> for Stop {
    fn from(cause: C) -> Self {
        match cause.into() {
            Cause::Supply(SupplyError::Gone) => Self::Gone,
            cause => Self::Failed(cause),
        }
    }
}

async fn run(shared: &Shared, send: &Send) {
    let mut attempt = 0;
    let outcome = loop {
        match transfer(shared, send).await {
            Err(Stop::Failed(cause)) if cause.is_transient() && attempt < RETRIES => {
                let backoff = FIRST_BACKOFF_MS * f64::from(1 << attempt) * (0.5 + Math::random());
                attempt += 1;
                shared.borrow_mut().stats.retries += 1;
                TimeoutFuture::new(backoff as u32).await;
            }
            outcome => break outcome,
        }
    };
    if let Err(Stop::Failed(cause)) = outcome {
        let mut state = shared.borrow_mut();
        let failure = Failure::new(state.url(send.archive), cause);
        state.scheduler.fail(send.id);
        state.wake_failed(send.id, &failure);
    }
}

/// One attempt, from the first byte that has not arrived.
async fn transfer(shared: &Shared, send: &Send) -> Result<(), Stop> {
    let (host, url, len, remaining) = {
        let mut state = shared.borrow_mut();
        let remaining = state.scheduler.remaining(send.id).ok_or(SupplyError::Gone)?;
        state.stats.requests += 1;
        let len = state.index.archives.get(send.archive as usize).map(|archive| archive.len);
        (state.host.clone(), state.url(send.archive).to_owned(), len, remaining)
    };
    if remaining.is_empty() {
        return Ok(shared.borrow_mut().scheduler.finish(send.id)?);
    }
    let manner = Manner { urgent: send.urgent, reload: false };
    match transport::request(host.as_ref(), &url, &remaining, len, manner).await? {
        Incoming::Bytes(bytes) => supply(shared, send.id, &bytes.to_vec())?,
        Incoming::Stream(reader, body) => {
            if let (Body::Whole, Some(len)) = (body, len) {
                become_whole(shared, send, len)?;
            }
            loop {
                match transport::next_chunk(&reader).await {
                    Ok(None) => break,
                    Ok(Some(chunk)) => {
                        if let Err(stop) = supply(shared, send.id, &chunk.to_vec()) {
                            // Nobody wants the rest; not waiting for the cancellation.
                            let _ = reader.cancel();
                            return Err(stop.into());
                        }
                    }
                    Err(cause) => return Err(cause.into()),
                }
            }
        }
    }
    Ok(shared.borrow_mut().scheduler.finish(send.id)?)
}

fn supply(shared: &Shared, id: RequestId, bytes: &[u8]) -> Result<(), SupplyError> {
    let mut state = shared.borrow_mut();
    state.stats.bytes += bytes.len() as u64;
    let arrived = state.scheduler.supply(id, bytes)?;
    state.wake(id, arrived);
    Ok(())
}

/// The server ignores ranges: its answer serves every request of this archive.
fn become_whole(shared: &Shared, send: &Send, len: u64) -> Result<(), SupplyError> {
    let mut state = shared.borrow_mut();
    if state.scheduler.remaining(send.id).is_none() {
        return Err(SupplyError::Gone);
    }
    for replaced in state.scheduler.became_whole(send.id, len) {
        state.move_waiters(replaced, send.id);
    }
    if state.without_ranges.insert(send.archive) {
        let url = state.url(send.archive);
        let warning = format!(
            "wheelfs: {url}: the server ignores byte ranges, so all {len} bytes are downloaded; serve the file with \
             `Accept-Ranges: bytes`"
        );
        web_sys::console::warn_1(&warning.into());
    }
    Ok(())
}

fn name_member(shared: &Shared, id: MemberId, failure: Failure) -> Failure {
    match shared.borrow().member(id) {
        Some(member) => failure.of_member(&member.path),
        None => failure,
    }
}

fn address(
    shared: &Shared,
    id: MemberId,
) -> Option<(Option<super::host::Host>, String, std::ops::Range<u64>, u64)> {
    let state = shared.borrow();
    let archive = state.index.archives.get(id.archive as usize)?;
    let span = archive.members.get(id.member as usize)?.span();
    Some((state.host.clone(), state.url(id.archive).to_owned(), span, archive.len))
}

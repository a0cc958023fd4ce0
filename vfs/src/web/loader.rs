//! Carries out what the scheduler decides: transfers, retries, and waking whoever waits.

use futures::future::{join, join_all};
use gloo_timers::future::TimeoutFuture;
use wasm_bindgen_futures::spawn_local;
use web_sys::RequestCache;

use std::ops::Range;

use super::blocking;
use super::error::{Cause, Failure};
use super::host::Host;
use super::pack;
use super::state::{Decoded, Filling, Shared, State};
use super::stats::report;
use super::transport::{self, Incoming, Manner};
use crate::packs::Whereabouts;
use crate::response::{Body, Received};
use crate::scheduler::{RequestId, Send, SupplyError};
use crate::tree::{FileId, MemberId};

/// What a warning says when the whole file came in the place of a range.
const NO_RANGES: &str = "its server has no byte ranges";
/// How long nothing has to happen until what nobody is known to want is asked for, milliseconds.
const QUIET_MS: u32 = 1000;

/// Brings a file: waits until it is decoded and in the cache. What only a pack has is `None` where that failed.
pub(crate) async fn obtain(shared: &Shared, id: FileId) -> Result<Option<Decoded>, Failure> {
    if let Some(decoded) = shared.borrow_mut().at_hand(id) {
        return Ok(Some(decoded));
    }
    wait_for_pack(shared, id).await;
    if let Some(decoded) = shared.borrow_mut().cached(id) {
        return Ok(Some(decoded));
    }
    let FileId::Member(member) = id else { return Ok(None) };
    if let Some(joined) = { shared.borrow_mut().joined(member) } {
        return Ok(Some(joined));
    }
    obtain_from_wheel(shared, member).await.map(Some)
}

/// Brings what is to be linked for the library that the member is.
pub(crate) async fn obtain_library(shared: &Shared, id: MemberId) -> Result<(), Failure> {
    let linked = shared.borrow().linked(id);
    if obtain(shared, linked).await?.is_none() {
        obtain(shared, FileId::Member(id)).await?;
    }
    Ok(())
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
        // Another reader may have decoded it meanwhile.
        let decoded = { shared.borrow_mut().at_hand(FileId::Member(id)) };
        if let Some(decoded) = decoded {
            return Ok(decoded);
        }
    }
    refetch(shared, id).await
}

/// What arrived does not decode: asks once more, past every cache; then for the whole archive, since some servers send
/// other bytes than those they name. Only then it is called an error.
async fn refetch(shared: &Shared, id: MemberId) -> Result<Decoded, Failure> {
    let at = address(shared, id)?;
    let manner = Manner { urgent: true, cache: RequestCache::Reload };
    let mut outcome = Err(Cause::Unreadable);
    for span in [Some(&at.span), None] {
        if span.is_none() && (transport::is_file(&at.url) || shared.borrow().scheduler.is_whole(id.archive)) {
            break;
        }
        outcome = insist(shared, &at.url, span, Some(at.len), manner).await;
        let Ok((received, _)) = &mut outcome else { break };
        let received = std::mem::replace(received, Received::Range(Vec::new()));
        match take(shared, id, received) {
            Err(Failure { cause, .. }) if cause.is_about_content() => {
                if span.is_some() {
                    warn_once(shared, &at.url, &cause);
                }
                outcome = Err(cause);
            }
            done => return done,
        }
    }
    let state = shared.borrow();
    outcome.map_or_else(|cause| Err(state.failure(id, cause)), |_| Err(state.failure(id, Cause::Unreadable)))
}

/// Brings a member that is not at hand without returning to the event loop. A request of it may be under way; that
/// cannot make progress while the event loop stands still.
pub(crate) fn obtain_blocking(shared: &Shared, id: MemberId) -> Result<Decoded, Failure> {
    if let Some(joined) = { shared.borrow_mut().joined(id) } {
        return Ok(joined);
    }
    let span = address(shared, id)?.span;
    let mut decoded = None;
    insist_blocking(shared, id, &span, &mut |received| {
        decoded = Some(take(shared, id, received)?);
        Ok(())
    })?;
    decoded.ok_or_else(|| shared.borrow().failure(id, Cause::Unreadable))
}

/// Hands `span` of the member's archive, or all of it, to `take`, without returning to the event loop.
pub(crate) fn insist_blocking(
    shared: &Shared,
    id: MemberId,
    span: &Range<u64>,
    take: &mut dyn FnMut(Received) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let at = address(shared, id)?;
    let mut attempt = |span: Option<&Range<u64>>| {
        shared.borrow_mut().stats.blocking_requests += 1;
        let received = blocking::read(at.host.as_ref(), &at.url, span, Some(at.len));
        take(received.map_err(|cause| shared.borrow().failure(id, cause))?)
    };
    // A second try answers what passes: a damaged transfer, a server that was busy.
    let mut outcome = attempt(Some(span));
    if let Err(Failure { cause, .. }) = &outcome
        && (cause.retries() > 0 || cause.is_about_content())
    {
        outcome = attempt(Some(span));
    }
    match outcome {
        Err(Failure { cause, .. })
            if (cause.is_about_ranges() || cause.is_about_content())
                && !transport::is_file(&at.url)
                && !shared.borrow().scheduler.is_whole(id.archive) =>
        {
            blame(shared, &at.url, &cause);
            attempt(None)
        }
        outcome => outcome,
    }
}

/// Decodes a member from bytes that were fetched outside the scheduler. A whole archive becomes the scheduler's, so that
/// no other member asks for it again.
pub(crate) fn take(shared: &Shared, id: MemberId, received: Received) -> Result<Decoded, Failure> {
    let mut state = shared.borrow_mut();
    match received {
        Received::Range(bytes) => {
            state.stats.bytes += bytes.len() as u64;
            state.decode_from(id, &bytes)
        }
        Received::Whole(bytes) => {
            let len = bytes.len() as u64;
            state.stats.bytes += len;
            let (whole, replaced) = state.scheduler.adopt_whole(id.archive, bytes);
            for request in replaced {
                state.move_waiters(request, whole);
            }
            state.wake(whole, len);
            let url = state.url(id.archive).to_owned();
            let decoded = state.decode_arrived(id);
            drop(state);
            warn_once(shared, &url, &NO_RANGES);
            decoded.unwrap_or_else(|| Err(shared.borrow().failure(id, Cause::Unreadable)))
        }
    }
}

/// One request outside the scheduler, repeated where that may help, and without its range where the server does not do
/// ranges. Also the length of the whole file, where the server tells it.
pub(crate) async fn insist(
    shared: &Shared,
    url: &str,
    span: Option<&Range<u64>>,
    archive_len: Option<u64>,
    manner: Manner,
) -> Result<(Received, Option<u64>), Cause> {
    let host = shared.borrow().host.clone();
    let (mut span, mut attempt) = (span, 0);
    loop {
        shared.borrow_mut().stats.requests += 1;
        let outcome = transport::read(host.as_ref(), url, span, archive_len, manner).await;
        match outcome {
            Ok((Received::Whole(bytes), total)) => {
                warn_once(shared, url, &NO_RANGES);
                return Ok((Received::Whole(bytes), total));
            }
            Err(cause) if attempt < cause.retries() => back_off(shared, &mut attempt).await,
            Err(cause) if span.is_some() && cause.is_about_ranges() && !transport::is_file(url) => {
                blame(shared, url, &cause);
                (span, attempt) = (None, cause.retries());
            }
            outcome => return outcome,
        }
    }
}

/// Waits before a request is repeated.
async fn back_off(shared: &Shared, attempt: &mut u32) {
    shared.borrow_mut().stats.retries += 1;
    transport::back_off(*attempt).await;
    *attempt += 1;
}

/// Warns of the cause for asking for a whole file. Not where no answer came: that may be no fault of the ranges, and
/// whether the whole file comes is to be seen.
fn blame(shared: &Shared, url: &str, cause: &Cause) {
    if !matches!(cause, Cause::Network) {
        warn_once(shared, url, cause);
    }
}

/// Says that a file is downloaded whole, unless that was said of it before. Whether it said so.
pub(crate) fn warn_once(shared: &Shared, url: &str, reason: &dyn std::fmt::Display) -> bool {
    let first = !shared.borrow().without_ranges.iter().any(|known| known == url);
    if first {
        shared.borrow_mut().without_ranges.push(url.to_owned());
    }
    if first {
        let warning = format!(
            "wheelfs: {url}: {reason}, so the whole file is downloaded; serve it with byte ranges as RFC 9110 has them"
        );
        web_sys::console::warn_1(&warning.into());
    }
    first
}

/// Starts these groups; resolves when all they read is here.
pub(crate) async fn prefetch(shared: &Shared, groups: &[u32]) -> Result<(), Failure> {
    shared.borrow_mut().start_again(groups);
    pump(shared);
    let (members, packed) = {
        let mut state = shared.borrow_mut();
        (state.outstanding_members(groups), state.outstanding_packed(groups))
    };
    let (members, packed) = join(join_all(members), join_all(packed)).await;
    let mut outcomes = members;
    if packed.into_iter().flatten().any(|outcome| outcome.is_err()) {
        // What a pack that failed was to bring comes by ranges.
        let members = { shared.borrow_mut().outstanding_members(groups) };
        outcomes.extend(join_all(members).await);
    }
    outcomes.into_iter().flatten().collect()
}

/// Brings every member that is not here whenever nothing else is to be done, from when nothing has arrived for a second; of
/// what is mounted later as well.
pub(crate) fn fill(shared: &Shared) {
    // Who waits already fills for what was mounted meanwhile.
    if std::mem::replace(&mut shared.borrow_mut().filling, Filling::Waits) == Filling::Waits {
        return;
    }
    let shared = shared.clone();
    spawn_local(async move {
        quiet(&shared, |state| state.stats.bytes).await;
        {
            let mut state = shared.borrow_mut();
            state.filling = Filling::Began;
            state.fill();
        }
        pump(&shared);
    });
}

/// Resolves once a count has stayed the same for a second.
pub(super) async fn quiet(shared: &Shared, count: fn(&State) -> u64) {
    let mut before = None;
    loop {
        let now = count(&shared.borrow());
        if before.replace(now) == Some(now) {
            return;
        }
        TimeoutFuture::new(QUIET_MS).await;
    }
}

/// Sends what may be sent.
pub(crate) fn pump(shared: &Shared) {
    let packs = { std::mem::take(&mut shared.borrow_mut().packs_to_open) };
    for pack in packs {
        spawn_local(pack::open(shared.clone(), pack));
    }
    loop {
        let Some(send) = ({ shared.borrow_mut().next_to_send() }) else { return };
        let shared = shared.clone();
        spawn_local(async move {
            run(&shared, &send).await;
            pump(&shared);
        });
    }
}

/// Why a transfer stopped early.
enum Stop {
    /// It was in the way.
    Paused,
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
    let (mut attempt, mut whole) = (0, false);
    let cause = loop {
        match transfer(shared, send, whole).await {
            Err(Stop::Failed(cause)) if attempt < cause.retries() => back_off(shared, &mut attempt).await,
            Err(Stop::Failed(cause)) => {
                let url = shared.borrow().url(send.archive).to_owned();
                if whole || transport::is_file(&url) || !cause.is_about_ranges() {
                    break cause;
                }
                blame(shared, &url, &cause);
                (attempt, whole) = (cause.retries(), true);
            }
            Ok(()) => return shared.borrow_mut().has_come(send),
            Err(Stop::Gone | Stop::Paused) => return,
        }
    };
    let mut state = shared.borrow_mut();
    let failure = Failure::new(state.url(send.archive), cause);
    state.scheduler.fail(send.id);
    if !state.failed.contains(&send.archive) {
        state.failed.push(send.archive);
    }
    state.wake_failed(send.id, &failure);
}

/// One attempt, from the first byte that has not arrived; or for the whole archive.
async fn transfer(shared: &Shared, send: &Send, whole: bool) -> Result<(), Stop> {
    let (host, url, len, remaining, is_background) = {
        let mut state = shared.borrow_mut();
        let remaining = state.scheduler.remaining(send.id).ok_or(SupplyError::Gone)?;
        let is_background = state.scheduler.is_background(send.id);
        state.stats.requests += 1;
        let len = state.index.archives.get(send.archive as usize).map(|archive| archive.len);
        (state.host.clone(), state.url(send.archive).to_owned(), len, remaining, is_background)
    };
    if remaining.is_empty() {
        return Ok(shared.borrow_mut().scheduler.finish(send.id)?);
    }
    let span = (!whole).then_some(&remaining);
    // Chromium's cache lets one request for a URL wait for the headers of another, a round trip each: many small ones go
    // round it.
    let cache = if is_background { RequestCache::NoStore } else { RequestCache::Default };
    let manner = Manner { urgent: send.urgent, cache };
    match transport::request(host.as_ref(), &url, span, len, manner).await? {
        Incoming::Bytes(bytes) => supply(shared, send.id, &transport::to_vec(&bytes)?)?,
        Incoming::Stream(reader, body, announced) => {
            if let (Body::Whole, Some(len)) = (body, len)
                && let Err(gone) = become_whole(shared, send, len)
            {
                let _ = reader.cancel();
                return Err(gone.into());
            }
            while let Some(chunk) = transport::next_chunk(&reader).await? {
                let stop = match supply(shared, send.id, &chunk.to_vec()) {
                    Err(error) => Cause::of_body(body, error, announced).into(),
                    Ok(()) if shared.borrow_mut().pause(send.id) => Stop::Paused,
                    Ok(()) => continue,
                };
                // Nobody wants the rest, or not now; not waiting for the cancellation.
                let _ = reader.cancel();
                return Err(stop);
            }
            let ended = shared.borrow_mut().scheduler.finish(send.id);
            return Ok(ended.map_err(|error| Cause::of_body(body, error, announced))?);
        }
    }
    Ok(shared.borrow_mut().scheduler.finish(send.id)?)
}

fn supply(shared: &Shared, id: RequestId, bytes: &[u8]) -> Result<(), SupplyError> {
    let mut state = shared.borrow_mut();
    state.stats.bytes += bytes.len() as u64;
    let arrived = state.scheduler.supply(id, bytes)?;
    state.wake(id, arrived);
    drop(state);
    report(shared);
    Ok(())
}

/// The answer is the whole archive: it serves every request of it.
fn become_whole(shared: &Shared, send: &Send, len: u64) -> Result<(), SupplyError> {
    let mut state = shared.borrow_mut();
    if state.scheduler.remaining(send.id).is_none() {
        return Err(SupplyError::Gone);
    }
    for replaced in state.scheduler.became_whole(send.id, len) {
        state.move_waiters(replaced, send.id);
    }
    let url = state.url(send.archive).to_owned();
    drop(state);
    warn_once(shared, &url, &NO_RANGES);
    Ok(())
}

fn name_member(shared: &Shared, id: MemberId, failure: Failure) -> Failure {
    match shared.borrow().member(id) {
        Some(member) => failure.of_member(&member.path),
        None => failure,
    }
}

/// Where a member's bytes are.
pub(crate) struct Address {
    host: Option<Host>,
    pub(crate) url: String,
    span: Range<u64>,
    /// Of the archive.
    pub(crate) len: u64,
}

pub(crate) fn address(shared: &Shared, id: MemberId) -> Result<Address, Failure> {
    let state = shared.borrow();
    let archive = state.index.archives.get(id.archive as usize);
    let Some((archive, span)) = archive.zip(state.member(id).map(|member| member.span())) else {
        return Err(state.failure(id, Cause::Unreadable));
    };
    Ok(Address { host: state.host.clone(), url: state.url(id.archive).to_owned(), span, len: archive.len })
}

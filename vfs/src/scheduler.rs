//! What is fetched, in which order, and which bytes of an archive are here already.
//!
//! The scheduler is told what Python waits for ([`Scheduler::demand`]) and what it will want ([`Scheduler::prefetch`]),
//! says which request to send next ([`Scheduler::next_to_send`]), and is handed the bytes as they arrive. It knows
//! neither clock nor network. What nobody is known to want ([`Scheduler::fill`]) comes when nothing else is to be done.
//! Its promises: a byte is asked for once however many readers want it; a read that Python waits for is sent at once, past
//! every queued prefetch; bytes are usable while their request is still running.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Range;

use prefetch_index::order::by_numbers;
use prefetch_index::plan;

/// Number of a request, never used twice.
pub type RequestId = u32;

/// Requests that [`Scheduler::fill`] has under way at once, and their bytes: enough to hide a round trip although what is
/// missing lies in many small pieces (pandas: 74 of 20 kB), few enough to stop.
const FILLING: usize = 16;
const FILLING_BYTES: u64 = 512 << 10;

/// A request to send now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Send {
    /// Its number.
    pub id: RequestId,
    /// Position of the archive.
    pub archive: u32,
    /// Bytes of the archive to ask for.
    pub span: Range<u64>,
    /// Whether Python is waiting for it.
    pub urgent: bool,
}

/// Where the bytes of a span are.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// Here.
    Bytes(&'a [u8]),
    /// Asked for, or queued to be.
    Coming(RequestId),
    /// Nobody asked for them.
    Nowhere,
}

/// A response that does not fit its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SupplyError {
    /// The request was given up, or its archive is arriving whole by another.
    #[error("the request is no longer wanted")]
    Gone,
    /// So many bytes cannot be allocated.
    #[error("no memory is left for its {0} bytes")]
    NoMemory(
        /// Length of the request's span.
        u64,
    ),
    /// More bytes than asked for.
    #[error("{got} bytes arrived where {wanted} were asked for")]
    TooLong {
        /// Length of the request's span.
        wanted: u64,
        /// Bytes received so far.
        got: u64,
    },
    /// Fewer bytes than asked for.
    #[error("the transfer ended after {got} of {wanted} bytes")]
    TooShort {
        /// Length of the request's span.
        wanted: u64,
        /// Bytes received.
        got: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Queued,
    Sent { urgent: bool },
    Complete,
}

#[derive(Debug)]
struct Request {
    archive: u32,
    span: Range<u64>,
    state: State,
    data: Vec<u8>,
    /// Starts of the spans in it that were planned or demanded and not released yet.
    unread: BTreeSet<u64>,
    /// Nobody is known to want it: it gives way to all others.
    background: bool,
    /// Keep the bytes after everything was read: the server has no ranges, so asking again means the whole archive.
    keep: bool,
}

impl Request {
    fn len(&self) -> u64 {
        self.span.end - self.span.start
    }

    fn arrived_to(&self) -> u64 {
        self.span.start + self.data.len() as u64
    }

    /// Bytes that have not arrived.
    fn to_come(&self) -> u64 {
        self.span.end - self.arrived_to()
    }

    fn is_done_with(&self) -> bool {
        self.state == State::Complete && self.unread.is_empty() && !self.keep
    }
}

/// See the module's description.
#[derive(Debug)]
pub struct Scheduler {
    requests: HashMap<RequestId, Request>,
    /// Per archive: the start of every request's span. The spans of one archive never overlap.
    archives: Vec<BTreeMap<u64, RequestId>>,
    queue: VecDeque<RequestId>,
    urgent: VecDeque<RequestId>,
    background: VecDeque<RequestId>,
    max_prefetches: usize,
    next_id: RequestId,
}

impl Scheduler {
    /// A scheduler that keeps at most `max_prefetches` prefetch requests under way. Demands are not limited.
    pub fn new(max_prefetches: usize) -> Self {
        Self {
            requests: HashMap::new(),
            archives: Vec::new(),
            queue: VecDeque::new(),
            urgent: VecDeque::new(),
            background: VecDeque::new(),
            max_prefetches: max_prefetches.max(1),
            next_id: 0,
        }
    }

    /// Bytes held: complete requests and what has arrived of the others.
    pub fn held(&self) -> u64 {
        self.requests.values().map(|request| request.data.len() as u64).sum()
    }

    /// Bytes of all requests that have not arrived, sent or queued.
    pub fn to_come(&self) -> u64 {
        let unfinished = self.requests.values().filter(|request| request.state != State::Complete);
        unfinished.map(Request::to_come).sum()
    }

    /// Where `span` of `archive` is.
    pub fn find(&self, archive: u32, span: &Range<u64>) -> Found<'_> {
        let Some((id, request)) = self.covering(archive, span) else { return Found::Nowhere };
        if span.end > request.arrived_to() {
            return Found::Coming(id);
        }
        let from = (span.start - request.span.start) as usize;
        Found::Bytes(&request.data[from..from + (span.end - span.start) as usize])
    }

    /// Python waits for `span`: the request that brings it, a new one if there is none.
    pub fn demand(&mut self, archive: u32, span: Range<u64>) -> RequestId {
        if let Some((id, request)) = self.covering(archive, &span) {
            if request.state == State::Queued && !self.urgent.contains(&id) {
                self.queue.retain(|queued| *queued != id);
                self.background.retain(|queued| *queued != id);
                self.urgent.push_back(id);
            }
            if let Some(request) = self.requests.get_mut(&id) {
                request.unread.insert(span.start);
                if let (true, State::Sent { urgent }) = (request.background, &mut request.state) {
                    *urgent = true;
                }
                request.background = false;
            }
            return id;
        }
        let unread = BTreeSet::from([span.start]);
        let id = self.insert(archive, span, unread);
        self.urgent.push_back(id);
        id
    }

    /// Takes over bytes from `start` on that were fetched for another reason. `members`: the spans in them that may be
    /// read; bytes before the first of them are not kept.
    pub fn adopt(
        &mut self,
        archive: u32,
        start: u64,
        bytes: &[u8],
        members: impl Iterator<Item = Range<u64>>,
    ) {
        let end = start + bytes.len() as u64;
        let inside: BTreeSet<u64> =
            members.filter(|span| span.start >= start && span.end <= end).map(|span| span.start).collect();
        let Some(&first) = inside.first() else { return };
        let id = self.insert(archive, first..end, inside);
        if let Some(request) = self.requests.get_mut(&id) {
            request.data = bytes[(first - start) as usize..].to_vec();
            request.state = State::Complete;
        }
    }

    /// `span` will be wanted: where it is here or on its way, it stays until it is released. Whether it is, and not only
    /// because nothing else was to be done.
    pub fn foresee(&mut self, archive: u32, span: &Range<u64>) -> bool {
        let Some(id) = self.covering(archive, span).map(|(id, _)| id) else { return false };
        let Some(request) = self.requests.get_mut(&id) else { return false };
        request.unread.insert(span.start);
        !request.background || span.end <= request.arrived_to()
    }

    /// Queues planned requests behind those already queued. What is here or under way is not asked for again; what comes
    /// because nothing else was to be done is foreseen now.
    pub fn prefetch(&mut self, planned: &[plan::Request], wants: &[plan::Want]) {
        for request in planned {
            let spans = request
                .wants
                .iter()
                .filter_map(|want| wants.get(*want as usize))
                .map(|want| want.span.clone());
            let spans: Vec<_> = spans.collect();
            for span in &spans {
                let Some((id, _)) = self.covering(request.archive, span) else { continue };
                let Some(covering) = self.requests.get_mut(&id) else { continue };
                if std::mem::take(&mut covering.background) && covering.state == State::Queued {
                    self.background.retain(|queued| *queued != id);
                    self.queue.push_back(id);
                }
            }
            for (span, unread) in self.uncovered(request.archive, spans) {
                let id = self.insert(request.archive, span, unread);
                self.queue.push_back(id);
            }
        }
    }

    /// Queues `spans` of `archive`, in ascending order, for when nothing else is to be done: in requests of at most
    /// `most` bytes where the spans allow it, which take the gaps of up to `gap` bytes with them.
    pub fn fill(&mut self, archive: u32, spans: Vec<Range<u64>>, gap: u64, most: u64) {
        // What lies in a request between the planned spans would go with the last of those.
        for span in &spans {
            self.foresee(archive, span);
        }
        let mut batch: Vec<Range<u64>> = Vec::new();
        for span in spans.into_iter().map(Some).chain([None]) {
            let joins = match (&span, batch.first(), batch.last()) {
                (Some(span), Some(first), Some(last)) => {
                    span.start.saturating_sub(last.end) <= gap && span.end - first.start <= most
                }
                (_, None, _) => true,
                _ => false,
            };
            if !joins {
                for (span, unread) in self.uncovered(archive, std::mem::take(&mut batch)) {
                    let id = self.insert(archive, span, unread);
                    if let Some(request) = self.requests.get_mut(&id) {
                        request.background = true;
                    }
                    self.background.push_back(id);
                }
            }
            batch.extend(span);
        }
    }

    /// The next of what [`fill`](Self::fill) queued; `None` while anything else is under way or to be sent.
    pub fn next_to_fill(&mut self) -> Option<Send> {
        let sent = || self.requests.values().filter(|request| matches!(request.state, State::Sent { .. }));
        let others =
            !self.queue.is_empty() || !self.urgent.is_empty() || sent().any(|request| !request.background);
        let to_come: u64 = sent().map(Request::to_come).sum();
        if others || sent().count() >= FILLING || to_come > FILLING_BYTES {
            return None;
        }
        let id = self.background.pop_front()?;
        let request = self.requests.get_mut(&id)?;
        request.state = State::Sent { urgent: false };
        Some(Send { id, archive: request.archive, span: request.span.clone(), urgent: false })
    }

    /// Whether nobody is known to want what `id` brings.
    pub fn is_background(&self, id: RequestId) -> bool {
        self.requests.get(&id).is_some_and(|request| request.background)
    }

    /// Whether `id` is in the way of something that Python waits for, or will soon read.
    pub fn is_in_the_way(&self, id: RequestId) -> bool {
        self.is_background(id) && self.requests.values().any(|r| !r.background && r.state != State::Complete)
    }

    /// The transfer of `id` was stopped: what it has brought stays, and it comes first when the line is free again.
    pub fn pause(&mut self, id: RequestId) {
        if let Some(request) = self.requests.get_mut(&id) {
            request.state = State::Queued;
            self.background.push_front(id);
        }
    }

    /// The next request to send; `None` when enough are under way.
    pub fn next_to_send(&mut self) -> Option<Send> {
        let (id, urgent) = match self.urgent.pop_front() {
            Some(id) => (id, true),
            None => {
                let under_way = self
                    .requests
                    .values()
                    .filter(|r| r.state == State::Sent { urgent: false } && !r.background)
                    .count();
                if under_way >= self.max_prefetches {
                    return None;
                }
                (self.queue.pop_front()?, false)
            }
        };
        let request = self.requests.get_mut(&id)?;
        request.state = State::Sent { urgent };
        Some(Send { id, archive: request.archive, span: request.span.clone(), urgent })
    }

    /// Bytes of `id` that have not arrived yet, for a request that is resumed after a failure.
    pub fn remaining(&self, id: RequestId) -> Option<Range<u64>> {
        self.requests.get(&id).map(|request| request.arrived_to()..request.span.end)
    }

    /// Adds the next bytes of `id`. Returns the offset in the archive up to which its bytes are here.
    pub fn supply(&mut self, id: RequestId, bytes: &[u8]) -> Result<u64, SupplyError> {
        let request = self.requests.get_mut(&id).ok_or(SupplyError::Gone)?;
        let got = request.data.len() as u64 + bytes.len() as u64;
        if got > request.len() {
            return Err(SupplyError::TooLong { wanted: request.len(), got });
        }
        if request.data.is_empty() {
            // One allocation of the exact size. The length was checked against the archive's when the span was made.
            let len = request.len();
            let room = usize::try_from(len).ok().and_then(|len| request.data.try_reserve_exact(len).ok());
            room.ok_or(SupplyError::NoMemory(len))?;
        }
        request.data.extend_from_slice(bytes);
        Ok(request.arrived_to())
    }

    /// The transfer of `id` has ended.
    pub fn finish(&mut self, id: RequestId) -> Result<(), SupplyError> {
        let request = self.requests.get_mut(&id).ok_or(SupplyError::Gone)?;
        let got = request.data.len() as u64;
        if got != request.len() {
            return Err(SupplyError::TooShort { wanted: request.len(), got });
        }
        request.state = State::Complete;
        if request.is_done_with() {
            self.remove(id);
        }
        Ok(())
    }

    /// Forgets `id` and what arrived of it; the next demand asks anew.
    pub fn fail(&mut self, id: RequestId) {
        self.remove(id);
    }

    /// The server answered `id` with the whole archive of `len` bytes: it becomes the archive's only request, from its
    /// first byte. Returns the requests it replaces, whose transfers are to be stopped.
    pub fn became_whole(&mut self, id: RequestId, len: u64) -> Vec<RequestId> {
        let Some(archive) = self.requests.get(&id).map(|request| request.archive) else { return Vec::new() };
        let mut replaced = self.replace_all(archive, id, len);
        replaced.retain(|other| *other != id);
        replaced
    }

    /// Takes over a whole archive that was fetched for another reason. Returns its request, and those it replaces, whose
    /// transfers are to be stopped.
    pub fn adopt_whole(&mut self, archive: u32, bytes: Vec<u8>) -> (RequestId, Vec<RequestId>) {
        let id = self.next_id;
        self.next_id += 1;
        let replaced = self.replace_all(archive, id, bytes.len() as u64);
        if let Some(request) = self.requests.get_mut(&id) {
            request.data = bytes;
            request.state = State::Complete;
        }
        (id, replaced)
    }

    /// Whether `archive` is here, or on its way, as a whole.
    pub fn is_whole(&self, archive: u32) -> bool {
        self.starts(archive).values().any(|id| self.requests.get(id).is_some_and(|request| request.keep))
    }

    /// The planned and demanded spans that begin in `span` have been read and need not be kept, or are not wanted any more
    /// where they are still to come.
    pub fn release(&mut self, archive: u32, span: &Range<u64>) {
        let Some((_, &id)) = self.starts(archive).range(..span.end).next_back() else { return };
        let Some(request) = self.requests.get_mut(&id) else { return };
        request.unread.retain(|start| !span.contains(start));
        if request.is_done_with() {
            self.remove(id);
        }
    }

    /// Puts a request for all `len` bytes in the place of every request of `archive`; returns those.
    fn replace_all(&mut self, archive: u32, id: RequestId, len: u64) -> Vec<RequestId> {
        let replaced: Vec<_> = self.starts(archive).values().copied().collect();
        let unread =
            replaced.iter().filter_map(|id| self.requests.get(id)).flat_map(|r| r.unread.clone()).collect();
        for id in &replaced {
            self.remove(*id);
        }
        self.insert_as(id, archive, 0..len, unread);
        if let Some(request) = self.requests.get_mut(&id) {
            request.state = State::Sent { urgent: true };
            request.keep = true;
        }
        replaced
    }

    fn starts(&self, archive: u32) -> &BTreeMap<u64, RequestId> {
        static NONE: BTreeMap<u64, RequestId> = BTreeMap::new();
        self.archives.get(archive as usize).unwrap_or(&NONE)
    }

    fn covering(&self, archive: u32, span: &Range<u64>) -> Option<(RequestId, &Request)> {
        let (_, id) = self.starts(archive).range(..=span.start).next_back()?;
        let request = self.requests.get(id)?;
        (request.span.end >= span.end).then_some((*id, request))
    }

    fn insert(&mut self, archive: u32, span: Range<u64>, unread: BTreeSet<u64>) -> RequestId {
        let id = self.next_id;
        self.next_id += 1;
        self.insert_as(id, archive, span, unread);
        id
    }

    fn insert_as(&mut self, id: RequestId, archive: u32, span: Range<u64>, unread: BTreeSet<u64>) {
        if self.archives.len() <= archive as usize {
            self.archives.resize_with(archive as usize + 1, BTreeMap::new);
        }
        self.archives[archive as usize].insert(span.start, id);
        self.requests.insert(
            id,
            Request {
                archive,
                span,
                state: State::Queued,
                data: Vec::new(),
                unread,
                background: false,
                keep: false,
            },
        );
    }

    fn remove(&mut self, id: RequestId) {
        let Some(request) = self.requests.remove(&id) else { return };
        if let Some(starts) = self.archives.get_mut(request.archive as usize) {
            starts.remove(&request.span.start);
        }
        if request.state == State::Queued {
            self.queue.retain(|queued| *queued != id);
            self.urgent.retain(|queued| *queued != id);
            self.background.retain(|queued| *queued != id);
        }
    }

    /// `spans` (of one planned request) joined into as few requests as possible without touching a byte that another
    /// request has; with each, the starts of the spans it carries.
    fn uncovered(&self, archive: u32, spans: Vec<Range<u64>>) -> Vec<(Range<u64>, BTreeSet<u64>)> {
        let mut joined: Vec<(Range<u64>, BTreeSet<u64>)> = Vec::new();
        for span in by_numbers(spans, |span| (span.start, span.end)) {
            if self.covering(archive, &span).is_some() {
                continue;
            }
            match joined.last_mut() {
                Some((last, unread)) if self.starts(archive).range(last.start..span.end).next().is_none() => {
                    last.end = last.end.max(span.end);
                    unread.insert(span.start);
                }
                _ => joined.push((span.clone(), BTreeSet::from([span.start]))),
            }
        }
        joined
    }
}

#[cfg(test)]
mod tests;

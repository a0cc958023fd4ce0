//! Packs: fetching and decoding them, in a worker where there is one.

use js_sys::{Function, Promise, Uint8Array};
use prefetch_index::index::PackedFile;
use prefetch_index::pack::{Decoder, Step};
use prefetch_index::split;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, future_to_promise};
use web_sys::{ReadableStream, RequestCache};

use super::error::{Cause, Failure};
use super::host::Host;
use super::loader;
use super::parts::{self, Part};
use super::state::{Shared, State};
use super::stats::report;
use super::transport::{self, Incoming, Manner};
use crate::response::Body;
use crate::tree::PackedId;

/// What is to be unpacked: a pack, or a part of one.
struct PackJob {
    /// Of the pack, absolute.
    url: String,
    /// Bytes of what is to be unpacked.
    len: f64,
    id: Vec<u8>,
    /// Decoded length of each of its files.
    lengths: Vec<f64>,
    /// What the first attempt reads: a `Uint8Array`, or a `ReadableStream` of what somebody else fetches. Of anything else
    /// `true` means that this thread is idle until it is here.
    here: JsValue,
}

/// Decoded bytes between two looks at the clock.
const STEP: usize = 256 << 10;
/// How long decoding may keep a thread that has other work, in milliseconds: half a frame.
const SLICE_MS: f64 = 8.0;

/// Brings a pack and hands out its files as they come.
pub(crate) async fn open(shared: Shared, pack: u32) {
    let outcome = bring(&shared, pack).await;
    if let Err(failure) = &outcome {
        let warning = format!("wheelfs: {failure}; the wheels are read instead");
        web_sys::console::warn_1(&warning.into());
    }
    shared.borrow_mut().pack_ended(pack, outcome.as_ref().err());
    if outcome.is_err() {
        // Those who waited for it run first: what they read now goes out before what will be read after it.
        let _ = JsFuture::from(Promise::resolve(&JsValue::UNDEFINED)).await;
    }
    loader::pump(&shared);
    report(&shared);
    // In Node, which a timer would keep from ending, a frozen thread is no frozen page.
    if shared.borrow().host.is_none() {
        parts::unpack_later(&shared).await;
    }
}

async fn bring(shared: &Shared, number: u32) -> Result<(), Failure> {
    let job = {
        let mut state = shared.borrow_mut();
        let Some(pack) = state.index.packs.get(number as usize) else {
            return Err(Failure::new("", Cause::Unreadable));
        };
        let boot = state.index.boot.and_then(|group| state.index.groups.get(group as usize));
        let early = boot.is_some_and(|group| group.packs.contains(&number));
        let job = state.job(number, pack.len as f64, &pack.files, early.into());
        state.stats.requests += 1;
        job
    };
    let emit = {
        let shared = shared.clone();
        Closure::<dyn FnMut(u32, Uint8Array, f64, u32)>::new(move |file, bytes, received: f64, files| {
            let mut state = shared.borrow_mut();
            state.stats.bytes += received as u64;
            state.packs.received(number, received as u64);
            let first = PackedId { pack: number, file };
            match files {
                0 => state.unpacked(first, bytes),
                _ => state.keep_part(Part { first, files, bytes }),
            }
            drop(state);
            report(&shared);
        })
    };
    unpack_anywhere(shared, job, emit.as_ref().unchecked_ref()).await
}

/// Unpacks a part. What cannot be unpacked is in the wheel.
pub(super) async fn unpack_part(shared: &Shared, part: &Part) {
    let first = part.first;
    let job = {
        let state = shared.borrow();
        state.job(first.pack, f64::from(part.bytes.length()), state.files_of(part), part.bytes.clone().into())
    };
    let emit = {
        let shared = shared.clone();
        Closure::<dyn FnMut(u32, Uint8Array)>::new(move |file, bytes| {
            let mut state = shared.borrow_mut();
            // Unless somebody could not wait.
            if state.parts.iter().any(|part| part.first == first) {
                state.unpacked(PackedId { file: first.file + file, ..first }, bytes);
            }
        })
    };
    let _ = unpack_anywhere(shared, job, emit.as_ref().unchecked_ref()).await;
}

impl State {
    fn job(&self, pack: u32, len: f64, files: &[PackedFile], here: JsValue) -> PackJob {
        let lengths = files.iter().map(|file| self.index.packed_len(file) as f64).collect();
        let id = self.index.packs.get(pack as usize).map_or(Vec::new(), |pack| pack.id.to_vec());
        PackJob {
            url: self.pack_urls.get(pack as usize).cloned().unwrap_or_default(),
            len,
            id,
            lengths,
            here,
        }
    }
}

/// In a worker, or here if there can be none.
async fn unpack_anywhere(shared: &Shared, mut job: PackJob, emit: &Function) -> Result<(), Failure> {
    let (host, unpacker) = {
        let state = shared.borrow();
        (state.host.clone(), state.unpacker.clone())
    };
    let url = job.url.clone();
    let failed = |cause| Failure::new(&url, cause);
    if let Some(unpacker) = unpacker {
        let promise = unpacker.unpack(&job.url, job.len, &job.id, &job.lengths, &job.here, emit);
        match JsFuture::from(promise).await {
            Ok(outcome) if outcome.is_undefined() => return Ok(()),
            // The worker's words: it read the file.
            Ok(outcome) => return Err(failed(Cause::Unpacking(outcome.as_string().unwrap_or_default()))),
            // There can be no worker here.
            Err(_) => {}
        }
    }
    unpack(host.as_ref(), &mut job, emit, SLICE_MS).await.map_err(failed)
}

/// Fetches a pack and decodes it: calls `emit` as [`Unpacker`](super::host::Unpacker) says. Gives the thread back after each
/// `slice_ms` of work.
async fn unpack(host: Option<&Host>, job: &mut PackJob, emit: &Function, slice_ms: f64) -> Result<(), Cause> {
    let lengths: Vec<u64> = job.lengths.iter().map(|len| *len as u64).collect();
    let id: [u8; 16] = job.id.as_slice().try_into().map_err(|_| Cause::Unreadable)?;
    let limit = lengths.iter().sum();
    let mut decoder = Decoder::new(id, lengths, limit);
    let mut given = Given { emit, supplied: 0, received: 0, began: now(), slice_ms };
    let mut attempt = 0;
    loop {
        // Whatever is wrong with what somebody else fetches, a request of one's own tells why.
        let forwarded = job.here.has_type::<ReadableStream>();
        let transferred = given.transfer(host, job, &mut decoder).await;
        match transferred.and_then(|()| Ok(decoder.finish()?)) {
            Err(_) if forwarded => {}
            Err(cause) if attempt < cause.retries() => {
                transport::back_off(attempt).await;
                attempt += 1;
            }
            outcome => return outcome,
        }
    }
}

/// What a decoder was given, over all attempts.
struct Given<'a> {
    emit: &'a Function,
    /// Bytes of the file that the decoder has.
    supplied: u64,
    /// Bytes received and not told yet.
    received: u64,
    /// When this slice of work began.
    began: f64,
    slice_ms: f64,
}

impl Given<'_> {
    /// One attempt, from the file's start: a server may compress it on the way, and then its bytes cannot be asked for by
    /// number. What the decoder has already is passed over.
    async fn transfer(
        &mut self,
        host: Option<&Host>,
        job: &mut PackJob,
        decoder: &mut Decoder,
    ) -> Result<(), Cause> {
        let incoming = match std::mem::take(&mut job.here).dyn_into::<ReadableStream>() {
            Ok(stream) => Incoming::Stream(stream.get_reader().unchecked_into(), Body::Whole, None),
            Err(here) => match here.dyn_into::<Uint8Array>() {
                Ok(bytes) => Incoming::Bytes(bytes),
                Err(_) => request(host, job).await?,
            },
        };
        let reader = match incoming {
            Incoming::Bytes(bytes) => {
                self.received += u64::from(bytes.length());
                decoder.supply(&transport::to_vec(&bytes)?);
                return self.decode(decoder).await;
            }
            Incoming::Stream(reader, ..) => reader,
        };
        let mut passed = 0;
        self.began = now();
        while let Some(chunk) = transport::next_chunk(&reader).await? {
            let chunk = chunk.to_vec();
            self.received += chunk.len() as u64;
            let known = (self.supplied.saturating_sub(passed) as usize).min(chunk.len());
            passed += chunk.len() as u64;
            if known < chunk.len() {
                decoder.supply(&chunk[known..]);
                self.supplied = passed;
                if let Err(cause) = self.decode(decoder).await {
                    let _ = reader.cancel();
                    return Err(cause);
                }
            }
        }
        Ok(())
    }

    /// Decodes what can be decoded.
    async fn decode(&mut self, decoder: &mut Decoder) -> Result<(), Cause> {
        loop {
            match decoder.step(STEP)? {
                Step::Member { number, bytes } => self.give(number, &bytes, 0),
                Step::Part { number, members, bytes } => self.give(number, &bytes, members),
                Step::Working => {}
                Step::Starved | Step::Done => return Ok(()),
            }
            if now() - self.began > self.slice_ms {
                gloo_timers::future::TimeoutFuture::new(0).await;
                self.began = now();
            }
        }
    }

    fn give(&mut self, number: u32, bytes: &[u8], files: u32) {
        let received = std::mem::take(&mut self.received) as f64;
        let bytes = Uint8Array::from(bytes);
        // What the receiver throws is its own affair.
        let _ =
            self.emit.call4(&JsValue::NULL, &number.into(), &bytes.into(), &received.into(), &files.into());
    }
}

async fn request(host: Option<&Host>, job: &PackJob) -> Result<Incoming, Cause> {
    let manner = Manner { urgent: false, cache: RequestCache::Default };
    // A file of Node's is read by a range; from a server without one, so that it may compress the file on the way.
    let span = 0..job.len as u64;
    let span = transport::is_file(&job.url).then_some(&span);
    transport::request(host, &job.url, span, None, manner).await
}

/// Milliseconds.
fn now() -> f64 {
    js_sys::Date::now()
}

/// A library's primary module with what compiles its functions; see [`split::with_warm_up`].
#[wasm_bindgen(js_name = withWarmUp)]
pub fn with_warm_up(library: &[u8]) -> Option<Uint8Array> {
    split::with_warm_up(library).map(|module| Uint8Array::from(module.as_slice()))
}

/// What a worker does (`vfs/js/unpacker.mjs`): all of a pack without giving the thread back. `here`: the file, or a stream of
/// it, if it need not be fetched. Resolves to nothing, or to what went wrong.
#[wasm_bindgen(js_name = unpackHere)]
pub fn unpack_here(
    url: String,
    len: f64,
    id: Vec<u8>,
    lengths: Vec<f64>,
    here: JsValue,
    emit: Function,
) -> Promise {
    future_to_promise(async move {
        let mut job = PackJob { url, len, id, lengths, here };
        match unpack(None, &mut job, &emit, f64::INFINITY).await {
            Ok(()) => Ok(JsValue::UNDEFINED),
            Err(cause) => Ok(cause.to_string().into()),
        }
    })
}

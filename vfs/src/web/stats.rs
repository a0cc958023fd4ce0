//! Counters, and who is told of them while bytes arrive.

use wasm_bindgen::prelude::*;

use super::object::object;
use super::state::{Shared, State};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** Counters since the page was loaded. */
export interface Stats {
  /** Requests sent for wheels and packs, the index excepted. */
  requests: number;
  /** Bytes of wheels and packs received. */
  bytes: number;
  /**
   * `bytes`, and what is to come: of all requests sent or queued, and of what the entry point reads until those are
   * queued. It grows when Python reads what was not foreseen.
   */
  expectedBytes: number;
  /** Requests sent again after a failure. */
  retries: number;
  /** Requests that froze the thread because nothing could suspend. */
  blockingRequests: number;
  /** Times Python had to wait for bytes. */
  waits: number;
  /** Members decoded. */
  members: number;
  /** Bytes they decoded to. */
  decodedBytes: number;
  /** Sources compiled, and libraries linked, before Python asked for them. */
  prepared: number;
  /** Decoded bytes held for another read. */
  cachedBytes: number;
  /** Bytes received and not decoded yet. */
  waitingBytes: number;
  /** Bytes of the memory of wheelfs's own WebAssembly module. */
  moduleBytes: number;
}
"#;

#[wasm_bindgen]
extern "C" {
    /// See the TypeScript interface above.
    #[wasm_bindgen(typescript_type = "Stats")]
    pub type StatsObject;
}

/// What is counted.
#[derive(Default)]
pub(crate) struct Stats {
    pub(crate) requests: u32,
    pub(crate) bytes: u64,
    pub(crate) retries: u32,
    pub(crate) blocking_requests: u32,
    pub(crate) waits: u32,
    pub(crate) members: u32,
    pub(crate) decoded_bytes: u64,
    pub(crate) prepared: u32,
}

impl State {
    /// The counters as JavaScript has them.
    pub(crate) fn stats_object(&self) -> StatsObject {
        let stats = &self.stats;
        object(&[
            ("requests", stats.requests.into()),
            ("bytes", (stats.bytes as f64).into()),
            ("expectedBytes", ((stats.bytes + self.to_come()) as f64).into()),
            ("retries", stats.retries.into()),
            ("blockingRequests", stats.blocking_requests.into()),
            ("waits", stats.waits.into()),
            ("members", stats.members.into()),
            ("decodedBytes", (stats.decoded_bytes as f64).into()),
            ("prepared", stats.prepared.into()),
            ("cachedBytes", (self.cached_bytes() as f64).into()),
            ("waitingBytes", ((self.scheduler.held() + self.packed_bytes()) as f64).into()),
            ("moduleBytes", module_bytes().into()),
        ])
        .unchecked_into()
    }
}

/// Tells who asked for it that bytes have come. It may call back: nothing is borrowed meanwhile. What it throws is its own
/// affair, and must not end a transfer.
pub(crate) fn report(shared: &Shared) {
    let (progress, stats) = {
        let state = shared.borrow();
        let Some(progress) = state.settings.progress.clone() else { return };
        (progress, state.stats_object())
    };
    if let Err(error) = progress.call1(&JsValue::UNDEFINED, &stats) {
        web_sys::console::error_1(&error);
    }
}

/// Bytes of this module's own memory, which never shrinks.
fn module_bytes() -> u32 {
    let memory: js_sys::WebAssembly::Memory = wasm_bindgen::memory().unchecked_into();
    let buffer: js_sys::ArrayBuffer = memory.buffer().unchecked_into();
    buffer.byte_length()
}

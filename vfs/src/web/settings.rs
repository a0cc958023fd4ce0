//! What the option `wheelfs` says to this module.

use js_sys::Function;
use prefetch_index::plan::Line;
use wasm_bindgen::prelude::*;

use super::host::WheelfsError;
use super::object::get;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** What `WheelfsOptions` says to the wasm module. */
export interface Settings {
  line?: { rtt?: number; down?: number };
  cacheBytes?: number;
  maxPrefetches?: number;
  progress?: (stats: Stats) => void;
  entry?: string;
}
"#;

#[wasm_bindgen]
extern "C" {
    /// See the TypeScript interface above.
    #[wasm_bindgen(typescript_type = "Settings")]
    pub type SettingsObject;
}

/// See [`SettingsObject`].
pub(crate) struct Settings {
    /// The line that requests are planned for.
    pub(crate) line: Line,
    /// Budget for decoded members that may be read again.
    pub(crate) cache_bytes: u64,
    /// Prefetch requests under way at once.
    pub(crate) max_prefetches: usize,
    /// Called with the counters when bytes have come.
    pub(crate) progress: Option<Function>,
    /// The entry point whose reads are fetched ahead. `None`: the index's only one; `""`: none.
    pub(crate) entry: Option<String>,
}

/// One Mbit/s.
const BYTES_PER_MS: f64 = 125.0;

impl Settings {
    /// Reads the option, with defaults for what it does not say.
    pub(crate) fn read(options: &JsValue) -> Result<Self, WheelfsError> {
        let (line, default) = (get(options, "line").unwrap_or_default(), Line::default());
        let progress = get(options, "progress")
            .map(|progress| progress.dyn_into::<Function>().map_err(|_| refusal("progress", "a function")));
        Ok(Self {
            line: Line {
                rtt_ms: number(&line, "rtt", default.rtt_ms)?,
                bytes_per_ms: number(&line, "down", default.bytes_per_ms / BYTES_PER_MS)? * BYTES_PER_MS,
            },
            cache_bytes: number(options, "cacheBytes", f64::from(64 << 20))? as u64,
            max_prefetches: number(options, "maxPrefetches", 16.0)? as usize,
            progress: progress.transpose()?,
            entry: get(options, "entry")
                .map(|entry| entry.as_string().ok_or_else(|| refusal("entry", "a string")))
                .transpose()?,
        })
    }
}

fn number(options: &JsValue, name: &str, default: f64) -> Result<f64, WheelfsError> {
    let Some(value) = get(options, name) else { return Ok(default) };
    value.as_f64().filter(|number| *number >= 0.0).ok_or_else(|| refusal(name, "a number, not negative"))
}

fn refusal(name: &str, wanted: &str) -> WheelfsError {
    let message = ["the option \"", name, "\" of wheelfs is to be ", wanted].concat();
    WheelfsError::new(&message, "option", "", None)
}

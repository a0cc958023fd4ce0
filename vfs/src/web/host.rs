//! What the surrounding JavaScript lends: its error class, and in Node reading `file:` URLs and synchronous requests.

use js_sys::{Function, Promise, Uint8Array};
use wasm_bindgen::prelude::*;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** What Node needs and a browser has: see `vfs/js/node.mjs`. */
export interface Host {
  /** Bytes `start..end` of a `file:` URL. */
  readFile(url: string, start: number, end: number): Promise<Uint8Array>;
  /** Length of a `file:` URL in bytes. */
  fileLength(url: string): Promise<number>;
  /** Bytes `start..end` of any URL, or all of them, without returning to the event loop. */
  readBlocking(url: string, start?: number, end?: number): HostResponse;
}

/** What `Host.readBlocking` was answered; a file is answered like a good server's. */
export interface HostResponse {
  status: number;
  contentRange?: string;
  body: Uint8Array;
}

/** Unpacks packs on another thread: see `vfs/js/unpacker.mjs`. */
export interface Unpacker {
  /**
   * Resolves to nothing, or to what went wrong; rejects when there is no other thread. `here`: the pack, if it need not be
   * fetched; `true`: this thread is idle until it is here. `emit` gets a file's number, its bytes, and how many bytes were
   * received since the last call; `files`: of so many files, these are packed, as a pack of their own; 0: of that file.
   */
  unpack(
    url: string, length: number, id: Uint8Array, lengths: Float64Array, here: boolean | Uint8Array,
    emit: (file: number, bytes: Uint8Array, received: number, files: number) => void,
  ): Promise<string | undefined>;
}
"#;

#[wasm_bindgen(raw_module = "./error.mjs")]
extern "C" {
    /// `vfs/js/error.mjs`: the one class of every error that wheelfs throws.
    #[wasm_bindgen(extends = js_sys::Error)]
    #[derive(Clone)]
    pub type WheelfsError;

    #[wasm_bindgen(constructor)]
    pub(crate) fn new(message: &str, code: &str, url: &str, member: Option<&str>) -> WheelfsError;
}

#[wasm_bindgen]
extern "C" {
    /// See the TypeScript interface above.
    #[wasm_bindgen(typescript_type = "Host")]
    #[derive(Clone)]
    pub type Host;

    #[wasm_bindgen(method, catch, js_name = readFile)]
    pub(crate) fn read_file(this: &Host, url: &str, start: f64, end: f64) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = fileLength)]
    pub(crate) fn file_length(this: &Host, url: &str) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = readBlocking)]
    pub(crate) fn read_blocking(
        this: &Host,
        url: &str,
        start: Option<f64>,
        end: Option<f64>,
    ) -> Result<HostResponse, JsValue>;

    /// See the TypeScript interface above.
    #[wasm_bindgen(typescript_type = "HostResponse")]
    pub type HostResponse;

    #[wasm_bindgen(method, getter)]
    pub(crate) fn status(this: &HostResponse) -> u16;

    #[wasm_bindgen(method, getter, js_name = contentRange)]
    pub(crate) fn content_range(this: &HostResponse) -> Option<String>;

    #[wasm_bindgen(method, getter)]
    pub(crate) fn body(this: &HostResponse) -> Uint8Array;

    /// See the TypeScript interface above.
    #[wasm_bindgen(typescript_type = "Unpacker")]
    #[derive(Clone)]
    pub type Unpacker;

    #[wasm_bindgen(method)]
    pub(crate) fn unpack(
        this: &Unpacker,
        url: &str,
        len: f64,
        id: &[u8],
        lengths: &[f64],
        here: &JsValue,
        emit: &Function,
    ) -> Promise;
}

use js_sys::{Array, Promise, Uint8Array};
use prefetch_index::split;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;

use super::{Filesystem, rows};
use crate::tree::{FileId, Ino};
use crate::web::error::Cause;
use crate::web::loader;

#[wasm_bindgen]
impl Filesystem {
    /// Whether this is a library whose primary module a pack brings in its place.
    #[wasm_bindgen(js_name = isSplit)]
    pub fn is_split(&self, ino: Ino) -> bool {
        let id = self.member(ino);
        id.is_some_and(|id| self.shared.borrow().linked(id) == FileId::Primary(id))
    }

    /// What is to be linked for a library, if it is at hand: the library, or its primary module.
    pub fn library(&self, ino: Ino) -> Option<Uint8Array> {
        let id = self.member(ino)?;
        let mut state = self.shared.borrow_mut();
        let linked = state.linked(id);
        state.at_hand(linked).map(|decoded| decoded.0)
    }

    /// The same as [`missing`](Self::missing), for what is to be linked.
    #[wasm_bindgen(js_name = missingLibrary)]
    pub fn missing_library(&self, ino: Ino) -> Option<Promise> {
        let id = self.member(ino)?;
        if self.library(ino).is_some() {
            return None;
        }
        let shared = self.shared.clone();
        Some(future_to_promise(async move {
            let outcome = loader::obtain_library(&shared, id).await;
            shared.borrow_mut().waited(id, outcome);
            Ok(JsValue::UNDEFINED)
        }))
    }

    /// The module with the functions that a library's primary module lacks: made of the whole library, brought without
    /// returning to the event loop, where no pack has brought it. Throws a `WheelfsError`.
    #[wasm_bindgen(js_name = secondaryBlocking)]
    pub fn secondary_blocking(&self, ino: Ino) -> Result<Uint8Array, JsValue> {
        let Some(id) = self.member(ino) else { return Ok(Uint8Array::new_with_length(0)) };
        let brought = {
            let mut state = self.shared.borrow_mut();
            state.unpack_secondary(id);
            state.cached(FileId::Secondary(id))
        };
        if let Some(secondary) = brought {
            return Ok(secondary.0);
        }
        let library = self.bytes_blocking(ino)?.to_vec();
        let secondary = split::secondary_of(&library);
        let made = secondary.map_err(|_| self.shared.borrow().failure(id, Cause::Unreadable))?;
        Ok(Uint8Array::from(made.as_slice()))
    }

    /// The libraries a library needs, two values each: inode of the root, path below it.
    pub fn needed(&self, ino: Ino) -> Array {
        rows(self.shared.borrow_mut().needed(ino))
    }
}

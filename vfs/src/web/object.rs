//! JavaScript objects, made and read.

use js_sys::{Object, Reflect};
use wasm_bindgen::prelude::*;

/// An object of these fields.
pub(crate) fn object(fields: &[(&str, JsValue)]) -> JsValue {
    let object = Object::new();
    for (key, value) in fields {
        set(&object, key, value);
    }
    object.into()
}

/// Sets a field.
pub(crate) fn set(object: &Object, key: &str, value: &JsValue) {
    // Setting a property of an extensible object cannot fail.
    let _ = Reflect::set(object, &key.into(), value);
}

/// A field; `None` where there is none, or no object.
pub(crate) fn get(object: &JsValue, key: &str) -> Option<JsValue> {
    Reflect::get(object, &key.into()).ok().filter(|value| !value.is_undefined() && !value.is_null())
}

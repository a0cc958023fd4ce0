//! JavaScript objects, made and read.

use js_sys::{Array, Object, Reflect};
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

/// A field that is a text; empty where there is none.
pub(crate) fn text(object: &JsValue, key: &str) -> String {
    get(object, key).and_then(|value| value.as_string()).unwrap_or_default()
}

/// A field that is an array of texts; empty where there is none.
pub(crate) fn texts(object: &JsValue, key: &str) -> Vec<String> {
    let array = get(object, key).map(|value| Array::from(&value)).unwrap_or_default();
    array.iter().filter_map(|value| value.as_string()).collect()
}

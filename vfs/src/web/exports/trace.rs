use js_sys::{Array, JSON, JsString, Object};
use prefetch_index::index::{Install, Member};
use wasm_bindgen::prelude::*;

use super::Filesystem;
use crate::trace::EventKind;
use crate::tree::{FileId, Ino, Node};
use crate::web::object::{object, set};

#[wasm_bindgen]
impl Filesystem {
    /// Notes a read of a file, for the trace: `len` bytes from `offset`.
    #[wasm_bindgen(js_name = noteRead)]
    pub fn note_read(&self, ino: Ino, offset: f64, len: f64) {
        let mut state = self.shared.borrow_mut();
        let is_source = match state.tree.node(ino) {
            Some(Node::File(FileId::Member(id))) => state.member(*id).is_some_and(Member::is_source),
            _ => false,
        };
        let t = state.age();
        state.trace.read(t, ino, is_source, offset as u64..(offset + len) as u64);
    }

    /// Notes the beginning of an outermost import, or its end.
    #[wasm_bindgen(js_name = noteImport)]
    pub fn note_import(&self, module: String, ended: bool) {
        let kind = if ended { EventKind::Imported(module) } else { EventKind::Import(module) };
        let mut state = self.shared.borrow_mut();
        let t = state.age();
        state.trace.note(t, kind);
    }

    /// What was read so far, as the text of a trace. `header`: its first line, to which the archives are added.
    pub fn trace(&self, header: &Object) -> JsString {
        let state = self.shared.borrow();
        let packages = state.index.archives.iter().filter(|a| a.install != Install::StandardLibrary);
        let packages = packages.map(|archive| {
            let file_name = archive.url.rsplit('/').next().unwrap_or_default();
            object(&[("name", archive.name.as_str().into()), ("file_name", file_name.into())])
        });
        set(header, "packages", &packages.collect::<Array>());
        let mut text = line(header);
        for event in state.trace.events() {
            let mut fields = vec![("t", JsValue::from(event.t))];
            match &event.kind {
                EventKind::Import(module) => fields.push(("import", module.into())),
                EventKind::Imported(module) => fields.push(("imported", module.into())),
                EventKind::Read { file, range } => {
                    let Some(path) = state.traced(*file) else { continue };
                    fields.push(("read", path.into()));
                    fields.push(("offset", (range.start as f64).into()));
                    fields.push(("len", ((range.end - range.start) as f64).into()));
                }
            }
            text += &line(object(&fields).unchecked_ref());
        }
        text.into()
    }
}

fn line(object: &Object) -> String {
    let json = JSON::stringify(object).ok().and_then(|json| json.as_string());
    json.unwrap_or_default() + "\n"
}

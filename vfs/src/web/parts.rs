//! Parts of packs: what nobody is known to call, here and still packed.

use js_sys::Uint8Array;
use prefetch_index::index::PackedFile;
use prefetch_index::pack;

use super::loader;
use super::pack::unpack_part;
use super::state::{Shared, State};
use crate::packs::file_id;
use crate::tree::{FileId, MemberId, PackedId};

/// A part of a pack that has come.
#[derive(Clone)]
pub(crate) struct Part {
    /// Its files are this one and those behind it.
    pub(super) first: PackedId,
    pub(super) files: u32,
    /// As they were in the pack.
    pub(super) bytes: Uint8Array,
}

impl State {
    /// A part has come: its files are here.
    pub(super) fn keep_part(&mut self, part: Part) {
        let PackedId { pack, file } = part.first;
        for file in file..file + part.files {
            self.has_arrived(PackedId { pack, file });
        }
        self.parts.push(part);
    }

    /// Bytes of the parts.
    pub(super) fn packed_bytes(&self) -> u64 {
        self.parts.iter().map(|part| u64::from(part.bytes.length())).sum()
    }

    /// The files of a part.
    pub(super) fn files_of(&self, part: &Part) -> &[PackedFile] {
        let files = self.index.packs.get(part.first.pack as usize).map_or(&[][..], |pack| &pack.files);
        files.get(part.first.file as usize..(part.first.file + part.files) as usize).unwrap_or_default()
    }

    /// Unpacks, at once, the part that has the functions which a library's primary module lacks, if one still has.
    pub(super) fn unpack_secondary(&mut self, id: MemberId) {
        let wanted = FileId::Secondary(id);
        let has = |part: &Part| self.files_of(part).iter().any(|file| file_id(file) == wanted);
        if !self.is_kept(wanted)
            && let Some(at) = self.parts.iter().position(has)
        {
            let part = self.parts.remove(at);
            self.unpack_at_once(&part);
        }
    }

    /// Its bytes were checked when they came. If they cannot be unpacked all the same, the wheel has the library.
    fn unpack_at_once(&mut self, part: &Part) {
        let Some(id) = self.index.packs.get(part.first.pack as usize).map(|pack| pack.id) else { return };
        let lengths: Vec<u64> = self.files_of(part).iter().map(|file| self.index.packed_len(file)).collect();
        let unpacked = pack::unpack(id, &lengths, &part.bytes.to_vec()).unwrap_or_default();
        for (bytes, file) in unpacked.iter().zip(part.first.file..) {
            self.unpacked(PackedId { file, ..part.first }, Uint8Array::from(bytes.as_slice()));
        }
    }
}

/// Unpacks what is still packed, once the page is quiet, so that who needs it later does not freeze the page for it.
pub(super) async fn unpack_later(shared: &Shared) {
    {
        let mut state = shared.borrow_mut();
        if state.parts.is_empty() || std::mem::replace(&mut state.unpacks_later, true) {
            return;
        }
    }
    // What is read is noted when it is read first.
    loader::quiet(shared, |state| state.stats.bytes + state.trace.events().len() as u64).await;
    while let Some(part) = { shared.borrow().parts.first().cloned() } {
        unpack_part(shared, &part).await;
        shared.borrow_mut().parts.retain(|other| other.first != part.first);
    }
    shared.borrow_mut().unpacks_later = false;
}

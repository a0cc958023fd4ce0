//! Which shared libraries there are, and where.

use js_sys::Uint8Array;
use prefetch_index::index::{Member, Method};
use prefetch_index::zip::decode_member;
use prefetch_index::{dylink, split};

use super::state::{Decoded, Kept, State};
use crate::tree::{FileId, Ino, MemberId, Node, SHARED_LIBRARIES, SITE_PACKAGES, root_of};

impl State {
    /// The libraries that these groups read, in access order, as (root, path below it).
    pub(crate) fn libraries(&self, groups: &[u32]) -> Vec<(Ino, String)> {
        let read = self.members_read(groups);
        let libraries = read.filter(|id| self.member(*id).is_some_and(Member::is_shared_library));
        libraries.filter_map(|id| self.place_of(id)).collect()
    }

    /// What is to be linked for the library that the member is: its primary module, if that is here or a pack can bring it;
    /// else all of it.
    pub(super) fn linked(&self, id: MemberId) -> FileId {
        let (whole, primary) = (FileId::Member(id), FileId::Primary(id));
        let is_split = self.is_kept(primary) || self.packs.place(primary).is_some();
        if is_split && !self.is_kept(whole) { primary } else { whole }
    }

    /// The library that the member is, put together from its two modules, if both are here.
    pub(super) fn joined(&mut self, id: MemberId) -> Option<Decoded> {
        let primary = self.held(FileId::Primary(id))?;
        self.unpack_secondary(id);
        let secondary = self.held(FileId::Secondary(id))?;
        let library = split::join(&primary.0.to_vec(), &secondary.0.to_vec()).ok()?;
        let member = self.member(id)?;
        let checked = decode_member(Method::Stored, &library, member.len, member.crc32).ok()?;
        let joined = Decoded(Uint8Array::from(checked.as_slice()));
        self.cache.insert(Kept::File(FileId::Member(id)), joined.clone());
        Some(joined)
    }

    /// Where a member is shown, as (root, path below it).
    pub(super) fn place_of(&self, id: MemberId) -> Option<(Ino, String)> {
        let archive = self.index.archives.get(id.archive as usize)?;
        let path = archive.install_path(archive.members.get(id.member as usize)?)?;
        Some((root_of(archive.install), path.to_owned()))
    }

    /// A file's name in a trace; the standard library's stand in the trace's header, without their reads.
    pub(crate) fn traced(&self, ino: Ino) -> Option<String> {
        let Some(Node::File(id)) = self.tree.node(ino) else { return None };
        let (FileId::Member(member)
        | FileId::Bytecode(member)
        | FileId::Primary(member)
        | FileId::Secondary(member)) = *id;
        self.index.archives.get(member.archive as usize)?.trace_path(self.member(member)?)
    }

    /// The libraries that the library `ino` needs, as (root, path below it). Those found nowhere are left out: the
    /// dynamic linker names them better than we could.
    pub(crate) fn needed(&mut self, ino: Ino) -> Vec<(Ino, String)> {
        let Some(Node::File(FileId::Member(id))) = self.tree.node(ino) else { return Vec::new() };
        let id = *id;
        let bytes = self.cached(FileId::Member(id));
        let Some((archive, member)) = self.index.archives.get(id.archive as usize).zip(self.member(id))
        else {
            return Vec::new();
        };
        let mut names = member.needed.clone();
        if names.is_empty()
            && let Some(Decoded(bytes)) = bytes
        {
            // Not recorded: the member is known from a central directory only. A broken section is the linker's to report.
            names = dylink::needed(&bytes.to_vec()).unwrap_or_default();
        }
        let folder = archive
            .install_path(member)
            .and_then(|path| path.rsplit_once('/'))
            .map_or("", |(folder, _)| folder);
        names.iter().filter_map(|name| self.find_library(root_of(archive.install), folder, name)).collect()
    }

    /// Where a library of that file name is: beside the one that needs it, in a wheel's `NAME.libs`, in the folder of
    /// shared libraries, or in site-packages itself.
    fn find_library(&self, root: Ino, folder: &str, name: &str) -> Option<(Ino, String)> {
        let top = self.tree.children(SITE_PACKAGES).filter(|(child, _)| child.ends_with(".libs"));
        let places = std::iter::once((root, folder))
            .chain(top.map(|(child, _)| (SITE_PACKAGES, child)))
            .chain([(SHARED_LIBRARIES, ""), (SITE_PACKAGES, "")]);
        places
            .map(|(root, folder)| (root, [folder, if folder.is_empty() { "" } else { "/" }, name].concat()))
            .find(|(root, path)| self.tree.lookup(*root, path).is_some())
    }
}

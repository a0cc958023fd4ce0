//! Which shared libraries there are, and where.

use prefetch_index::dylink;
use prefetch_index::index::Member;

use super::state::{Decoded, State};
use crate::tree::{FileId, Ino, MemberId, Node, SHARED_LIBRARIES, SITE_PACKAGES, root_of};

impl State {
    /// The libraries that these groups read, in access order, as (root, path below it).
    pub(crate) fn libraries(&self, groups: &[u32]) -> Vec<(Ino, String)> {
        let reads = self.index.access_order(groups).into_iter();
        let libraries = reads.filter(|read| self.index.member(read).is_some_and(Member::is_shared_library));
        libraries
            .filter_map(|read| self.place_of(MemberId { archive: read.archive, member: read.member }))
            .collect()
    }

    /// Where a member is shown, as (root, path below it).
    pub(super) fn place_of(&self, id: MemberId) -> Option<(Ino, String)> {
        let archive = self.index.archives.get(id.archive as usize)?;
        let path = archive.install_path(archive.members.get(id.member as usize)?)?;
        Some((root_of(archive.install), path.to_owned()))
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

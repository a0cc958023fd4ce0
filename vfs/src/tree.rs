//! The directory tree: what is mounted where, without a byte of content.
//!
//! Archives are added whole; a path that two archives share belongs to the later one, as when wheels are unpacked over
//! each other. What Python removes, moves or replaces goes from its folder, until an archive is added that has it; its
//! node stays, since the Emscripten side may show it elsewhere. Names are looked up here once: that side keeps its own
//! nodes after.

use prefetch_index::index::{Archive, Install};

/// Number of a node of the tree, stable for the life of the [`Tree`].
pub type Ino = u32;

/// The root that becomes Python's site-packages.
pub const SITE_PACKAGES: Ino = 0;
/// The root that becomes the folder of shared libraries, `/usr/lib`.
pub const SHARED_LIBRARIES: Ino = 1;
/// The root that becomes the folder of the standard library, `/lib/python3.12`.
pub const STANDARD_LIBRARY: Ino = 2;

/// A member by position: archive, and member within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberId {
    /// Position among the mounted archives.
    pub archive: u32,
    /// Position in the archive's members.
    pub member: u32,
}

/// A file of a pack by position: pack, and file within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PackedId {
    /// Position among the packs.
    pub pack: u32,
    /// Position in the pack's files.
    pub file: u32,
}

/// A file whose bytes come from elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FileId {
    /// A member of an archive.
    Member(MemberId),
    /// Bytecode of the source that the member is; only packs have it.
    Bytecode(MemberId),
    /// What is linked in place of the library that the member is; only packs have it, and no node is it.
    Primary(MemberId),
    /// The functions that the primary module lacks; the same.
    Secondary(MemberId),
}

/// What a node is.
#[derive(Debug, PartialEq, Eq)]
pub enum Node {
    /// A folder and its children, by name.
    Directory(Vec<Ino>),
    /// A file whose bytes come from elsewhere.
    File(FileId),
    /// A file made at mount time, such as `INSTALLER` in a `.dist-info`.
    Inline(Box<[u8]>),
    /// Bytecode whose source was replaced by another archive's.
    Gone,
}

/// All mounted archives, a tree for each root.
#[derive(Debug)]
pub struct Tree {
    /// With their names; the roots have none.
    nodes: Vec<(Box<str>, Node)>,
}

impl Default for Tree {
    fn default() -> Self {
        let root = || (Box::default(), Node::Directory(Vec::new()));
        Self { nodes: vec![root(), root(), root()] }
    }
}

impl Tree {
    /// The node `ino`, if there is one.
    pub fn node(&self, ino: Ino) -> Option<&Node> {
        self.nodes.get(ino as usize).map(|(_, node)| node)
    }

    fn name(&self, ino: Ino) -> &str {
        self.nodes.get(ino as usize).map_or("", |(name, _)| name)
    }

    /// Children of the folder `ino` in name order; nothing when it is not a folder.
    pub fn children(&self, ino: Ino) -> impl Iterator<Item = (&str, Ino)> {
        let children = match self.node(ino) {
            Some(Node::Directory(children)) => children.as_slice(),
            _ => &[],
        };
        children.iter().map(|child| (self.name(*child), *child))
    }

    /// `name` is no child of the folder `parent` any more, until an archive brings it (again).
    pub fn detach(&mut self, parent: Ino, name: &str) {
        let Some(child) = self.child(parent, name) else { return };
        if let Some((_, Node::Directory(children))) = self.nodes.get_mut(parent as usize) {
            children.retain(|ino| *ino != child);
        }
        self.drop_bytecode(parent, name);
    }

    /// The node at `path` (components joined by `/`) below `root`.
    pub fn lookup(&self, root: Ino, path: &str) -> Option<Ino> {
        path.split('/').filter(|name| !name.is_empty()).try_fold(root, |ino, name| self.child(ino, name))
    }

    /// Adds every installable member of `archive`, which is number `id` among the archives.
    pub fn add_archive(&mut self, id: u32, archive: &Archive) {
        let root = root_of(archive.install);
        self.nodes.reserve(archive.members.len());
        // What lies together is listed together, as a rule, and the folder in the archive decides where it is installed.
        let mut last = ("", Some(root));
        for (position, member) in (0u32..).zip(&archive.members) {
            let (folder, name) = split(&member.path);
            if folder != last.0 {
                let installed = archive.install_path(member).map(|path| split(path).0);
                last = (folder, installed.and_then(|folder| self.make_folders(root, folder)));
            }
            let member = MemberId { archive: id, member: position };
            if let Some(parent) = last.1 {
                self.add_child(parent, name, Node::File(FileId::Member(member)));
            }
        }
    }

    /// Puts a file of the given content at `path` below `root`, in the place of what is there.
    pub fn add_inline(&mut self, root: Ino, path: &str, content: &[u8]) {
        self.add_file(root, path, Node::Inline(content.into()));
    }

    /// Adds bytecode at `path` below `root`, unless there is a file already: a wheel may bring its own.
    pub fn add_bytecode(&mut self, root: Ino, path: &str, source: MemberId) {
        if self.lookup(root, path).is_none() {
            self.add_file(root, path, Node::File(FileId::Bytecode(source)));
        }
    }

    fn add_file(&mut self, root: Ino, path: &str, file: Node) {
        let (folder, name) = split(path);
        if let Some(parent) = self.make_folders(root, folder) {
            self.add_child(parent, name, file);
        }
    }

    fn add_child(&mut self, parent: Ino, name: &str, file: Node) {
        // An index is refused long before it names 2^32 files: its size is limited when it is decoded.
        let new = self.nodes.len() as Ino;
        let Some(Node::Directory(children)) = self.node(parent) else { return };
        match self.place(children, name).map(|place| children[place]) {
            Err(place) => {
                if let Node::Directory(children) = &mut self.nodes[parent as usize].1 {
                    children.insert(place, new);
                }
                self.nodes.push((name.into(), file));
            }
            Ok(present) => {
                let (_, node) = &mut self.nodes[present as usize];
                // A folder stays a folder: unpacking would fail there, and what is below it is still wanted.
                if !matches!(node, Node::Directory(_)) && *node != file {
                    *node = file;
                    self.drop_bytecode(parent, name);
                }
            }
        }
    }

    /// Where `name` is among these children, or (`Err`) belongs.
    fn place(&self, children: &[Ino], name: &str) -> Result<usize, usize> {
        match children.last() {
            // Archives are in the order of names, as a rule.
            Some(last) if self.name(*last) < name => Err(children.len()),
            _ => children.binary_search_by(|child| self.name(*child).cmp(name)),
        }
    }

    /// The source `name` in the folder `parent` is another one now, or gone: Python does not check bytecode from a pack against it.
    fn drop_bytecode(&mut self, parent: Ino, name: &str) {
        let Some(stem) = name.strip_suffix(".py") else { return };
        let Some(cache) = self.child(parent, "__pycache__") else { return };
        let of_source =
            |child: &str| child.strip_prefix(stem).is_some_and(|rest| rest.starts_with(".cpython-"));
        let stale: Vec<Ino> =
            self.children(cache).filter(|(child, _)| of_source(child)).map(|(_, ino)| ino).collect();
        for ino in stale {
            if let (_, node @ Node::File(FileId::Bytecode(_))) = &mut self.nodes[ino as usize] {
                *node = Node::Gone;
            }
        }
    }

    /// The folder at `path`, made if missing; `None` when a component is a file.
    fn make_folders(&mut self, root: Ino, path: &str) -> Option<Ino> {
        path.split('/').filter(|name| !name.is_empty()).try_fold(root, |parent, name| {
            match self.child(parent, name) {
                Some(ino) => matches!(self.node(ino), Some(Node::Directory(_))).then_some(ino),
                None => {
                    let ino = self.nodes.len() as Ino;
                    self.add_child(parent, name, Node::Directory(Vec::new()));
                    Some(ino)
                }
            }
        })
    }

    fn child(&self, parent: Ino, name: &str) -> Option<Ino> {
        let Some(Node::Directory(children)) = self.node(parent) else { return None };
        self.place(children, name).ok().map(|place| children[place])
    }
}

/// Folder and name. The folder of a path without one is empty.
fn split(path: &str) -> (&str, &str) {
    let slash = path.bytes().rposition(|byte| byte == b'/');
    slash.and_then(|slash| Some((path.get(..slash)?, path.get(slash + 1..)?))).unwrap_or(("", path))
}

/// The root below which an archive's members appear.
pub fn root_of(install: Install) -> Ino {
    match install {
        Install::SitePackages => SITE_PACKAGES,
        Install::SharedLibraries => SHARED_LIBRARIES,
        Install::StandardLibrary => STANDARD_LIBRARY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[&str]) -> Tree {
        let mut tree = Tree::default();
        for (i, path) in (0u32..).zip(files) {
            let member = MemberId { archive: 0, member: i };
            tree.add_file(SITE_PACKAGES, path, Node::File(FileId::Member(member)));
        }
        tree
    }

    fn member(tree: &Tree, path: &str) -> Option<u32> {
        match tree.node(tree.lookup(SITE_PACKAGES, path)?)? {
            Node::File(FileId::Member(id)) => Some(id.member),
            _ => None,
        }
    }

    #[test]
    fn folders_are_implied_and_children_sorted() {
        let tree = tree(&["b/x.py", "a/y/z.py", "b/a.py"]);
        let names = |ino| tree.children(ino).map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
        assert_eq!(names(SITE_PACKAGES), ["a", "b"]);
        assert_eq!(names(tree.lookup(SITE_PACKAGES, "b").unwrap()), ["a.py", "x.py"]);
        assert_eq!(names(SHARED_LIBRARIES), [""; 0]);
        assert_eq!(member(&tree, "a/y/z.py"), Some(1));
        assert_eq!(member(&tree, "a/y"), None);
        assert_eq!(tree.lookup(SITE_PACKAGES, "a/y/z.py/w"), None);
    }

    #[test]
    fn bytecode_goes_with_its_source() {
        let mut tree = tree(&["p/a.py", "p/b.py", "p/__pycache__/c.cpython-312.pyc"]);
        let paths = [
            "p/__pycache__/a.cpython-312.pyc",
            "p/__pycache__/b.cpython-312.pyc",
            "p/__pycache__/c.cpython-312.pyc",
        ];
        for (member, path) in (0u32..).zip(paths) {
            tree.add_bytecode(SITE_PACKAGES, path, MemberId { archive: 0, member });
        }
        let is_bytecode = |tree: &Tree, path: &str| {
            let ino = tree.lookup(SITE_PACKAGES, path).unwrap();
            matches!(tree.node(ino), Some(Node::File(FileId::Bytecode(_))))
        };
        assert_eq!(paths.map(|path| is_bytecode(&tree, path)), [true, true, false], "a wheel's own stays");

        tree.add_inline(SITE_PACKAGES, "p/a.py", b"other");
        assert_eq!(paths.map(|path| is_bytecode(&tree, path)), [false, true, false]);
        tree.detach(tree.lookup(SITE_PACKAGES, "p").unwrap(), "b.py");
        assert_eq!(paths.map(|path| is_bytecode(&tree, path)), [false, false, false]);
    }

    #[test]
    fn what_was_detached_is_another_node_when_it_is_added_again() {
        let mut tree = tree(&["p/q/a.py", "p/q/b.py", "p/c.py"]);
        let names =
            |tree: &Tree, ino| tree.children(ino).map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
        let [p, q, b] = ["p", "p/q", "p/q/b.py"].map(|path| tree.lookup(SITE_PACKAGES, path).unwrap());
        for name in ["a.py", "no such file"] {
            tree.detach(q, name);
        }
        tree.detach(p, "q");
        // It may be shown elsewhere, with what it had.
        assert_eq!((names(&tree, p), names(&tree, q)), (vec!["c.py".to_owned()], vec!["b.py".to_owned()]));
        tree.add_inline(SITE_PACKAGES, "p/q/b.py", b"another version's");
        let again = tree.lookup(SITE_PACKAGES, "p/q/b.py").unwrap();
        assert_eq!(names(&tree, p), ["c.py", "q"]);
        assert_eq!(names(&tree, tree.lookup(SITE_PACKAGES, "p/q").unwrap()), ["b.py"]);
        assert!(
            matches!(tree.node(b), Some(Node::File(_))) && matches!(tree.node(again), Some(Node::Inline(_)))
        );
    }

    #[test]
    fn the_later_archive_wins_and_folders_are_not_replaced() {
        let mut tree = tree(&["p/__init__.py", "p/__init__.py", "p", "p/__init__.py/x"]);
        assert_eq!(member(&tree, "p/__init__.py"), Some(1));
        tree.add_inline(SITE_PACKAGES, "p/__init__.py", b"!");
        assert!(matches!(
            tree.node(tree.lookup(SITE_PACKAGES, "p/__init__.py").unwrap()),
            Some(Node::Inline(_))
        ));
    }
}

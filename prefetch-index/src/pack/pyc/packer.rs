//! The packing side.

use std::collections::HashMap;

use super::super::model::{Side, Writer};
use super::coder::{Coder, Memory, Role};
use super::{Tape, Unfit, Walk};

/// Packs one file after the other.
#[derive(Clone)]
pub(in crate::pack) struct Packer {
    memory: Memory,
    role: Sorter,
}

/// What packing a file gave.
pub(in crate::pack) struct Sorted {
    /// How many bytes of what [`Packer::finish`] gives are for this file.
    pub(in crate::pack) model: usize,
    /// Letters of new names, one after the other.
    pub(in crate::pack) names: Vec<u8>,
    /// Letters of other strings.
    pub(in crate::pack) text: Vec<u8>,
}

impl Sorted {
    /// Bytes in all streams.
    fn len(&self) -> usize {
        self.model + self.names.len() + self.text.len()
    }
}

#[derive(Clone)]
struct Sorter {
    writer: Writer,
    numbers: HashMap<Vec<u8>, u32>,
    names: Vec<u8>,
    text: Vec<u8>,
}

impl Packer {
    pub(in crate::pack) fn new() -> Packer {
        let role =
            Sorter { writer: Writer::new(), numbers: HashMap::new(), names: Vec::new(), text: Vec::new() };
        Packer { memory: Memory::new(), role }
    }

    /// Packs a `.pyc`; `None`, and nothing changed, if the model does not fit it, or makes more of it than it is: a
    /// decoder refuses streams that are longer than the members.
    pub(in crate::pack) fn pack(&mut self, file: &[u8]) -> Option<Sorted> {
        let before = self.clone();
        let sorted = self.walk(file).ok().filter(|sorted| sorted.len() <= file.len());
        if sorted.is_none() {
            *self = before;
        }
        sorted
    }

    fn walk(&mut self, file: &[u8]) -> Result<Sorted, Unfit> {
        let first = self.memory.files == 0;
        let start = if first { 0 } else { self.role.writer.len() };
        let coder = &mut Coder { memory: &mut self.memory, role: &mut self.role };
        let mut walk = Walk::begin(Tape::File(file, 0), coder)?;
        while !walk.advance(coder, usize::MAX)? {}
        if !walk.finish()?.is_complete() {
            return Err(Unfit);
        }
        let model = self.role.writer.len() - start;
        let (names, text) = (std::mem::take(&mut self.role.names), std::mem::take(&mut self.role.text));
        Ok(Sorted { model, names, text })
    }

    /// What the model wrote for all files.
    pub(in crate::pack) fn finish(self) -> Vec<u8> {
        self.role.writer.finish()
    }
}

impl Side for Sorter {
    const ENCODES: bool = true;

    fn code(&mut self, p: u32, bit: bool) -> bool {
        self.writer.code(p, bit)
    }
}

impl Role for Sorter {
    fn find(&self, string: &[u8]) -> u32 {
        self.numbers.get(string).copied().unwrap_or(0)
    }

    fn learn(&mut self, string: &[u8], number: u32) {
        if number != 0 {
            self.numbers.insert(string.to_vec(), number);
        }
    }

    fn letters(&mut self, is_name: bool, _len: u32, letters: &[u8]) -> Result<Vec<u8>, Unfit> {
        if is_name { &mut self.names } else { &mut self.text }.extend(letters);
        Ok(letters.to_vec())
    }
}

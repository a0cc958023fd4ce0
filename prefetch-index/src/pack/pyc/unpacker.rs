//! The unpacking side.

use super::super::model::{Reader, Side};
use super::coder::{Coder, Memory, Role};
use super::{Tape, Unfit, Walk};

/// Unpacks one file after the other, in the order in which they were packed.
pub(in crate::pack) struct Unpacker {
    memory: Memory,
    role: Source,
    walk: Option<Walk<'static>>,
}

struct Source {
    reader: Reader,
    names: Letters,
    text: Letters,
}

#[derive(Default)]
struct Letters {
    bytes: Vec<u8>,
    at: usize,
}

impl Unpacker {
    pub(in crate::pack) fn new() -> Unpacker {
        let role = Source { reader: Reader::new(), names: Letters::default(), text: Letters::default() };
        Unpacker { memory: Memory::new(), role, walk: None }
    }

    /// Begins a file of `len` bytes with what each stream has of it.
    pub(in crate::pack) fn begin(
        &mut self,
        len: usize,
        model: Vec<u8>,
        names: Vec<u8>,
        text: Vec<u8>,
    ) -> Result<(), Unfit> {
        self.role.reader.supply(model);
        self.role.names = Letters { bytes: names, at: 0 };
        self.role.text = Letters { bytes: text, at: 0 };
        let coder = &mut Coder { memory: &mut self.memory, role: &mut self.role };
        self.walk = Some(Walk::begin(Tape::Output(Vec::new(), len), coder)?);
        Ok(())
    }

    /// Unpacks about `budget` bytes. The file, when it is complete; all that was given for it is used up then.
    pub(in crate::pack) fn advance(&mut self, budget: usize) -> Result<Option<Vec<u8>>, Unfit> {
        let mut walk = self.walk.take().ok_or(Unfit)?;
        let done = walk.advance(&mut Coder { memory: &mut self.memory, role: &mut self.role }, budget)?;
        if self.role.reader.overrun() {
            return Err(Unfit);
        }
        if !done {
            self.walk = Some(walk);
            return Ok(None);
        }
        let tape = walk.finish()?;
        let Source { reader, names, text } = &self.role;
        let used_up = names.is_used_up() && text.is_used_up() && reader.is_used_up();
        if used_up && tape.is_complete() { Ok(Some(tape.into_output())) } else { Err(Unfit) }
    }
}

impl Letters {
    fn take(&mut self, len: u32) -> Result<Vec<u8>, Unfit> {
        let end = self.at.checked_add(len as usize).ok_or(Unfit)?;
        let letters = self.bytes.get(self.at..end).ok_or(Unfit)?.to_vec();
        self.at = end;
        Ok(letters)
    }

    fn is_used_up(&self) -> bool {
        self.at == self.bytes.len()
    }
}

impl Side for Source {
    const ENCODES: bool = false;

    #[inline(always)]
    fn code(&mut self, p: u32, bit: bool) -> bool {
        self.reader.code(p, bit)
    }
}

impl Role for Source {
    fn letters(&mut self, is_name: bool, len: u32, _letters: &[u8]) -> Result<Vec<u8>, Unfit> {
        if is_name { self.names.take(len) } else { self.text.take(len) }
    }
}

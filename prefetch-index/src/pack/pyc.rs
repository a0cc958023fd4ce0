//! A `.pyc` as a model sees it: a header, then marshalled objects (`Python/marshal.c`), most of them code.
//!
//! One walk serves both directions. It goes through the objects in the order of the file; at each choice it asks the
//! [`Model`] for the next value, which is coded on the packing side and decoded on the other, and puts the bytes that
//! follow from it on the [`Tape`]. Packing, the tape is the file, and a byte that is not what the walk would write ends
//! it: such a file is packed as it is. So whatever is packed this way comes back exactly.
//!
//! Strings go elsewhere, new ones into a stream of names or one of text, both LZMA; those met before in any file of the
//! pack are named by number.

mod body;
mod coder;
mod lines;
mod opcodes;
#[cfg(feature = "cli")]
mod packer;
mod places;
mod references;
mod sequences;
mod spans;
mod strings;
mod tape;
mod unpacker;

#[cfg(test)]
#[cfg(feature = "cli")]
mod tests;

use body::Body;
use coder::{Coder, Role, symbol};
use opcodes::Instructions;
#[cfg(feature = "cli")]
pub(super) use packer::Packer;
use references::References;
use sequences::Sequence;
use tape::Tape;
pub(super) use unpacker::Unpacker;

/// The file cannot be packed this way; or, unpacking, was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unfit;

const HEADER_LEN: usize = 16;
/// In a type byte: the object gets a number, by which it may be referred to.
const FLAG_REF: u8 = 0x80;

/// Where an object stands. Numbers are contexts, and for a code object's fields their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Place {
    Code,
    Consts,
    Names,
    Locals,
    Kinds,
    FileName,
    Name,
    QualifiedName,
    Lines,
    Exceptions,
    Module,
    Const,
    NamesName,
    LocalsName,
    Nested,
}

const PLACES: usize = Place::Nested as usize + 1;

/// A code object's, in the order of the file.
const FIELDS: [Place; 10] = [
    Place::Code,
    Place::Consts,
    Place::Names,
    Place::Locals,
    Place::Kinds,
    Place::FileName,
    Place::Name,
    Place::QualifiedName,
    Place::Lines,
    Place::Exceptions,
];

/// Type bytes, the most frequent first.
const KINDS: [u8; 15] =
    [b'r', 0xda, b's', 0xfa, b'N', b')', 0xe9, 0xa9, b'z', b'i', 0xf3, b'c', 0xe3, b'T', b'F'];

/// What is remembered of an object: its width in source, and the number of a string (0: none).
#[derive(Clone, Copy, Debug, Default)]
struct Value {
    width: u32,
    string: u32,
}

/// An object whose parts are still to come.
enum Open {
    Sequence(Sequence),
    Code(Box<Code>),
}

struct Code {
    /// Index into [`FIELDS`].
    field: usize,
    head: [u32; 5],
    body: Body,
    names: Vec<u32>,
    locals: Vec<u32>,
    consts: Vec<u32>,
    /// Number of the string.
    name: u32,
    first_line: u32,
    reference: Option<usize>,
    /// What the qualified names of the code objects inside begin with, as far as one has shown it.
    prefix: Vec<u8>,
    /// The first line of the last code object inside.
    line: u32,
}

impl Open {
    fn code(&self) -> Option<&Code> {
        if let Open::Code(code) = self { Some(code) } else { None }
    }

    fn code_mut(&mut self) -> Option<&mut Code> {
        if let Open::Code(code) = self { Some(code) } else { None }
    }
}

/// A file being walked through.
struct Walk<'t> {
    tape: Tape<'t>,
    instructions: &'static Instructions,
    open: Vec<Open>,
    references: References,
    /// Number of the file, from 1.
    file: u32,
    done: bool,
}

impl<'t> Walk<'t> {
    /// Codes the header.
    fn begin<R: Role>(mut tape: Tape<'t>, coder: &mut Coder<'_, R>) -> Result<Walk<'t>, Unfit> {
        coder.memory.files += 1;
        let mut header = [0; HEADER_LEN];
        for (at, byte) in header.iter_mut().enumerate() {
            let coded = coder.bits(8, symbol::HEADER, at as u32, tape.peek(R::ENCODES)?.into());
            *byte = coded as u8;
            tape.put(&[*byte])?;
        }
        let magic = u16::from_le_bytes([header[0], header[1]]);
        let instructions = Instructions::of_magic(magic).ok_or(Unfit)?;
        let file = coder.memory.files;
        let references = References::new();
        let mut walk = Walk { tape, instructions, open: Vec::new(), references, file, done: false };
        walk.object(coder, Place::Module)?;
        Ok(walk)
    }

    /// Goes on to about `budget` bytes more. Whether the file is complete.
    fn advance<R: Role>(&mut self, coder: &mut Coder<'_, R>, budget: usize) -> Result<bool, Unfit> {
        let stop = self.tape.len().saturating_add(budget);
        while !self.done && self.tape.len() < stop {
            match self.open.pop() {
                None => self.done = true,
                Some(Open::Sequence(sequence)) if sequence.left == 0 => self.close_sequence(sequence),
                Some(Open::Sequence(mut sequence)) => {
                    sequence.left -= 1;
                    let place = sequence.place;
                    self.open.push(Open::Sequence(sequence));
                    self.object(coder, place)?;
                }
                Some(Open::Code(code)) if code.field == FIELDS.len() => self.close_code(*code),
                Some(Open::Code(mut code)) => {
                    let place = FIELDS[code.field];
                    if place == Place::Lines {
                        self.first_line(coder, &mut code)?;
                    }
                    self.open.push(Open::Code(code));
                    self.object(coder, place)?;
                }
            }
        }
        Ok(self.done)
    }

    /// The file, once it is complete.
    fn finish(self) -> Result<Tape<'t>, Unfit> {
        if self.done { Ok(self.tape) } else { Err(Unfit) }
    }

    fn object<R: Role>(&mut self, coder: &mut Coder<'_, R>, place: Place) -> Result<(), Unfit> {
        let kind = self.kind(coder, place)?;
        if kind & !FLAG_REF == b'r' {
            return self.reference(coder, place, kind);
        }
        let reference = (kind & FLAG_REF != 0).then(|| self.references.add());
        let value = match kind & !FLAG_REF {
            b'N' | b'T' => Value { width: 4, string: 0 },
            b'F' => Value { width: 5, string: 0 },
            b'.' => Value { width: 3, string: 0 },
            b'i' => {
                let int = self.word(coder, place as u32)?;
                Value { width: digits(int), string: 0 }
            }
            b'g' => self.raw(coder, 8)?,
            b'y' => self.raw(coder, 16)?,
            b'l' => {
                let len = self.word(coder, PLACES as u32)?;
                self.raw(coder, (len as i32).unsigned_abs().checked_mul(2).ok_or(Unfit)?)?
            }
            b'z' | b'Z' | b'a' | b'A' | b'u' | b't' => self.string(coder, place, kind, reference)?,
            b's' => match place {
                Place::Code => self.body(coder)?,
                Place::Lines => self.lines(coder)?,
                Place::Kinds | Place::Exceptions => self.short_bytes(coder, place)?,
                _ => self.bytes(coder)?,
            },
            b')' | b'(' | b'<' | b'>' => {
                let len = self.items(coder, place, kind)?;
                self.open_sequence(place, kind, reference, len);
                return Ok(());
            }
            // A slice, constant from 3.14 on: start, stop, step.
            b':' => {
                self.open_sequence(place, kind, reference, 3);
                return Ok(());
            }
            b'c' => return self.open_code(coder, reference),
            _ => return Err(Unfit),
        };
        self.close(reference, value);
        Ok(())
    }

    /// The type byte.
    fn kind<R: Role>(&mut self, coder: &mut Coder<'_, R>, place: Place) -> Result<u8, Unfit> {
        let at = place as u32;
        let before = match self.open.last() {
            Some(Open::Sequence(sequence)) => sequence.kinds,
            Some(Open::Code(code)) => [code.head[4] as u8, code.head[0] as u8],
            None => [0; 2],
        };
        let [a, b] = before.map(u32::from);
        let of = at | a << 8 | b << 16;
        let byte = self.tape.peek(R::ENCODES)?;
        let rank = KINDS.iter().position(|&kind| kind == byte).unwrap_or(KINDS.len() + usize::from(byte));
        let rank = coder.number(symbol::TYPE, of, rank as u32) as usize;
        let kind = match KINDS.get(rank) {
            Some(&kind) => kind,
            None => u8::try_from(rank - KINDS.len()).map_err(|_| Unfit)?,
        };
        self.tape.put(&[kind])?;
        if let Some(Open::Sequence(sequence)) = self.open.last_mut() {
            sequence.number += 1;
            sequence.kinds = [kind, sequence.kinds[0]];
        }
        Ok(kind)
    }

    /// The numbers that come before a code object's fields.
    fn open_code<R: Role>(
        &mut self,
        coder: &mut Coder<'_, R>,
        reference: Option<usize>,
    ) -> Result<(), Unfit> {
        let mut head = [0u32; 5];
        for at in 0..5 {
            let a = head[0];
            let field = at as u32;
            let word = self.tape.peek_word(R::ENCODES)?;
            head[at] = coder.number(symbol::HEAD, field | a << 8, word);
            self.tape.put(&head[at].to_le_bytes())?;
        }
        self.open.push(Open::Code(Box::new(Code {
            field: 0,
            head,
            body: Body::default(),
            names: Vec::new(),
            locals: Vec::new(),
            consts: Vec::new(),
            name: 0,
            first_line: 0,
            reference,
            prefix: Vec::new(),
            line: 0,
        })));
        Ok(())
    }

    fn first_line<R: Role>(&mut self, coder: &mut Coder<'_, R>, code: &mut Code) -> Result<(), Unfit> {
        let lines = self.open.iter().rev().filter_map(Open::code).map(|around| around.line);
        let before = lines.into_iter().find(|&line| line != 0).unwrap_or(0);
        let delta = self.tape.peek_word(R::ENCODES)?.wrapping_sub(before) as i32;
        let delta = coder.signed(symbol::FIRST_LINE, code.head[4], delta);
        code.first_line = before.wrapping_add(delta as u32);
        self.tape.put(&code.first_line.to_le_bytes())
    }

    fn close_code(&mut self, code: Code) {
        if let Some(around) = self.open.iter_mut().rev().find_map(Open::code_mut) {
            around.line = code.first_line;
        }
        self.close(code.reference, Value::default());
    }

    /// Hands a complete object to the one it is part of.
    fn close(&mut self, reference: Option<usize>, value: Value) {
        if let Some(index) = reference {
            self.references.set(index, value);
        }
        match self.open.last_mut() {
            None => {}
            Some(Open::Sequence(sequence)) => {
                // A name has no quotes.
                let is_name = matches!(sequence.place, Place::NamesName | Place::LocalsName);
                sequence.widths.push(value.width.saturating_sub(if is_name { 2 } else { 0 }));
                sequence.strings = [value.string, sequence.strings[0]];
            }
            Some(Open::Code(code)) => {
                if FIELDS.get(code.field) == Some(&Place::Name) {
                    code.name = value.string;
                }
                code.field += 1;
            }
        }
    }

    /// A 32-bit number.
    fn word<R: Role>(&mut self, coder: &mut Coder<'_, R>, part: u32) -> Result<u32, Unfit> {
        let word = coder.number(symbol::WORD + part, 0, self.tape.peek_word(R::ENCODES)?);
        self.tape.put(&word.to_le_bytes())?;
        Ok(word)
    }

    /// So many bytes, each after the one before it.
    fn raw<R: Role>(&mut self, coder: &mut Coder<'_, R>, len: u32) -> Result<Value, Unfit> {
        let mut before = 0u32;
        for _ in 0..len {
            let byte = self.tape.peek(R::ENCODES)?;
            let byte = coder.bits(8, symbol::BYTE, before & 0xff, byte.into());
            self.tape.put(&[byte as u8])?;
            before = before << 8 | byte;
        }
        Ok(Value { width: 3, string: 0 })
    }

    /// A bytes constant.
    fn bytes<R: Role>(&mut self, coder: &mut Coder<'_, R>) -> Result<Value, Unfit> {
        let len = self.word(coder, PLACES as u32 + 1)?;
        self.raw(coder, len)?;
        Ok(Value { width: len.min(lines::MAX as u32), string: 0 })
    }
}

/// How many digits a number has.
fn digits(number: u32) -> u32 {
    number.checked_ilog10().map_or(1, |log| log + 1)
}

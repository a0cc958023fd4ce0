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
mod lines;
mod opcodes;
#[cfg(feature = "cli")]
mod packer;
mod spans;
mod strings;
mod tape;
mod unpacker;

#[cfg(test)]
mod tests;

use super::model::{CONTEXTS, Contexts, Model};
use body::Body;
use opcodes::Instructions;
#[cfg(feature = "cli")]
pub(super) use packer::Packer;
use strings::{Role, Strings};
use tape::Tape;
pub(super) use unpacker::Unpacker;

/// The file cannot be packed this way; or, unpacking, was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unfit;

const HEADER_LEN: usize = 16;
/// In a type byte: the object gets a number, by which it may be referred to.
const FLAG_REF: u8 = 0x80;

/// What stays from file to file. The same on both sides after each file.
#[derive(Clone)]
struct Memory {
    model: Model,
    strings: Strings,
    files: u32,
    /// By what came before: which instruction, which string came then.
    expected_instructions: Vec<u8>,
    expected_strings: Vec<u32>,
}

const EXPECTED_BITS: u32 = 16;

impl Memory {
    fn new() -> Memory {
        Memory {
            model: Model::new(),
            strings: Strings::default(),
            files: 0,
            expected_instructions: vec![0; 1 << EXPECTED_BITS],
            expected_strings: vec![0; 1 << EXPECTED_BITS],
        }
    }
}

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

struct Sequence {
    /// Of its items.
    place: Place,
    left: u32,
    number: u32,
    widths: Vec<u32>,
    reference: Option<usize>,
    kinds: [u8; 2],
    before: [u32; 2],
}

struct Code {
    field: usize,
    head: [u32; 5],
    body: Body,
    names: Vec<u32>,
    locals: Vec<u32>,
    consts: Vec<u32>,
    name: u32,
    first_line: u32,
    reference: Option<usize>,
    /// What the qualified names of the code objects inside begin with, as far as one has shown it.
    prefix: Vec<u8>,
    /// The first line of the last code object inside.
    line: u32,
}

/// A file being walked through.
struct Walk<'t> {
    tape: Tape<'t>,
    instructions: &'static Instructions,
    open: Vec<Open>,
    references: Vec<Value>,
    /// By place and number of locals: the last reference to no string.
    expected: [usize; PLACES * 16],
    file: u32,
    done: bool,
}

impl<'t> Walk<'t> {
    /// Codes the header.
    fn begin<R: Role>(mut tape: Tape<'t>, memory: &mut Memory, role: &mut R) -> Result<Walk<'t>, Unfit> {
        memory.files += 1;
        let mut header = [0; HEADER_LEN];
        for (at, byte) in header.iter_mut().enumerate() {
            let contexts = Contexts { set: 1, of: [at as u32; CONTEXTS] };
            *byte = memory.model.symbol(role, 8, &contexts, tape.peek(R::ENCODES)?.into()) as u8;
            tape.put(&[*byte])?;
        }
        let magic = u16::from_le_bytes([header[0], header[1]]);
        let instructions = Instructions::of_magic(magic).ok_or(Unfit)?;
        let mut walk = Walk {
            tape,
            instructions,
            open: Vec::new(),
            references: Vec::new(),
            expected: [0; PLACES * 16],
            file: memory.files,
            done: false,
        };
        walk.object(memory, role, Place::Module)?;
        Ok(walk)
    }

    /// Goes on to about `budget` bytes more. Whether the file is complete.
    fn advance<R: Role>(&mut self, memory: &mut Memory, role: &mut R, budget: usize) -> Result<bool, Unfit> {
        let stop = self.tape.len().saturating_add(budget);
        while !self.done && self.tape.len() < stop {
            match self.open.pop() {
                None => self.done = true,
                Some(Open::Sequence(sequence)) if sequence.left == 0 => self.close_sequence(sequence),
                Some(Open::Sequence(mut sequence)) => {
                    sequence.left -= 1;
                    let place = sequence.place;
                    self.open.push(Open::Sequence(sequence));
                    self.object(memory, role, place)?;
                }
                Some(Open::Code(code)) if code.field == FIELDS.len() => self.close_code(*code),
                Some(Open::Code(mut code)) => {
                    let place = FIELDS[code.field];
                    if place == Place::Lines {
                        self.first_line(memory, role, &mut code)?;
                    }
                    self.open.push(Open::Code(code));
                    self.object(memory, role, place)?;
                }
            }
        }
        Ok(self.done)
    }

    /// The file, once it is complete.
    fn finish(self) -> Result<Tape<'t>, Unfit> {
        if self.done { Ok(self.tape) } else { Err(Unfit) }
    }

    fn object<R: Role>(&mut self, memory: &mut Memory, role: &mut R, place: Place) -> Result<(), Unfit> {
        let kind = self.kind(memory, role, place)?;
        if kind & !FLAG_REF == b'r' {
            return self.reference(memory, role, place, kind);
        }
        let reference = (kind & FLAG_REF != 0).then_some(self.references.len());
        if reference.is_some() {
            self.references.push(Value::default());
        }
        let value = match kind & !FLAG_REF {
            b'N' | b'T' => Value { width: 4, string: 0 },
            b'F' => Value { width: 5, string: 0 },
            b'.' => Value { width: 3, string: 0 },
            b'i' => {
                let int = self.word(memory, role, 2, place as u32)?;
                Value { width: digits(int), string: 0 }
            }
            b'g' => self.raw(memory, role, 8)?,
            b'y' => self.raw(memory, role, 16)?,
            b'l' => {
                let len = self.word(memory, role, 3, 0)?;
                self.raw(memory, role, (len as i32).unsigned_abs().checked_mul(2).ok_or(Unfit)?)?
            }
            b'z' | b'Z' | b'a' | b'A' | b'u' | b't' => self.string(memory, role, place, kind, reference)?,
            b's' => match place {
                Place::Code => self.body(memory, role)?,
                Place::Lines => self.lines(memory, role)?,
                Place::Kinds | Place::Exceptions => self.short_bytes(memory, role, place)?,
                _ => self.bytes(memory, role)?,
            },
            b')' | b'(' | b'<' | b'>' => return self.open_sequence(memory, role, place, kind, reference),
            b'c' => return self.open_code(memory, role, reference),
            _ => return Err(Unfit),
        };
        self.close(reference, value);
        Ok(())
    }

    /// The type byte.
    fn kind<R: Role>(&mut self, memory: &mut Memory, role: &mut R, place: Place) -> Result<u8, Unfit> {
        let at = place as u32;
        let (number, before, hint) = match self.open.last() {
            Some(Open::Sequence(sequence)) => {
                (sequence.number, sequence.kinds, self.hint(place, sequence.number))
            }
            Some(Open::Code(code)) => (0, [code.head[4] as u8, code.head[0] as u8], code.locals.len() as u32),
            None => (0, [0; 2], 0),
        };
        let [a, b] = before.map(u32::from);
        let of = [
            at | a << 8 | b << 16,
            at | hint << 8,
            at | hint << 8 | a << 20,
            at | number.min(15) << 8 | a << 12,
        ];
        let byte = self.tape.peek(R::ENCODES)?;
        let rank = KINDS.iter().position(|&kind| kind == byte).unwrap_or(KINDS.len() + usize::from(byte));
        let rank = memory.model.number(role, &Contexts { set: 4, of }, rank as u32) as usize;
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

    /// For an item of a code object's names or consts: the instructions that use it first.
    fn hint(&self, place: Place, number: u32) -> u32 {
        let code = match self.open.iter().rev().nth(1) {
            Some(Open::Code(code)) => code,
            _ => return 0,
        };
        match place {
            Place::NamesName => code.body.first_use(0, number),
            Place::Const => code.body.first_use(1, number),
            _ => 0,
        }
    }

    fn reference<R: Role>(
        &mut self,
        memory: &mut Memory,
        role: &mut R,
        place: Place,
        kind: u8,
    ) -> Result<(), Unfit> {
        if kind != b'r' {
            return Err(Unfit);
        }
        let index = self.tape.peek_word(R::ENCODES)? as usize;
        let string = self.references.get(index).map_or(0, |value| value.string);
        let named = string != 0 && memory.strings.reference(string, self.file) == Some(index);
        let contexts = Contexts { set: 5, of: [place as u32; CONTEXTS] };
        let index = if memory.model.symbol(role, 1, &contexts, named.into()) == 1 {
            self.near_string(memory, role, place, string)?
        } else {
            self.other_reference(memory, role, place, index)?
        };
        let value = *self.references.get(index).ok_or(Unfit)?;
        self.tape.put(&(index as u32).to_le_bytes())?;
        self.close(None, value);
        Ok(())
    }

    /// To what is no known string: a tuple, a long string, or bytes such as an empty exception table.
    fn other_reference<R: Role>(
        &mut self,
        memory: &mut Memory,
        role: &mut R,
        place: Place,
        index: usize,
    ) -> Result<usize, Unfit> {
        let at = place as u32;
        let locals = match self.open.last() {
            Some(Open::Code(code)) => code.locals.len() as u32,
            _ => 0,
        };
        let slot = at as usize + PLACES * locals.min(15) as usize;
        let expected = self.expected[slot];
        let of = [at, at | locals << 8, at | self.file << 8, 0];
        let is_expected =
            memory.model.symbol(role, 1, &Contexts { set: 16, of }, (index == expected).into()) == 1;
        if is_expected {
            return Ok(expected);
        }
        let count = self.references.len();
        let distance = count.wrapping_sub(index) as u32;
        let of = [at, at | locals << 8, at | self.file << 8, 0];
        let distance = memory.model.number(role, &Contexts { set: 6, of }, distance) as usize;
        self.expected[slot] = count.checked_sub(distance).ok_or(Unfit)?;
        Ok(self.expected[slot])
    }

    fn open_sequence<R: Role>(
        &mut self,
        memory: &mut Memory,
        role: &mut R,
        place: Place,
        kind: u8,
        reference: Option<usize>,
    ) -> Result<(), Unfit> {
        let short = kind & !FLAG_REF == b')';
        let len = if short { self.tape.peek(R::ENCODES)?.into() } else { self.tape.peek_word(R::ENCODES)? };
        let used = match (place, self.open.last()) {
            (Place::Names, Some(Open::Code(code))) => code.body.used(0),
            (Place::Consts, Some(Open::Code(code))) => code.body.used(1),
            (Place::Locals, Some(Open::Code(code))) => code.body.used(2) ^ code.head[0] << 8,
            _ => 0,
        };
        let at = place as u32 | u32::from(kind) << 8;
        let hint = self.open.len().checked_sub(2).map_or(0, |_| self.hint(place, 0));
        let of = [at, at | used << 16, at | hint << 16, 0];
        let len = memory.model.number(role, &Contexts { set: 7, of }, len);
        if short {
            self.tape.put(&[u8::try_from(len).map_err(|_| Unfit)?])?;
        } else {
            self.tape.put(&len.to_le_bytes())?;
        }
        let place = match place {
            Place::Consts => Place::Const,
            Place::Names => Place::NamesName,
            Place::Locals => Place::LocalsName,
            _ => Place::Nested,
        };
        self.open.push(Open::Sequence(Sequence {
            place,
            left: len,
            number: 0,
            widths: Vec::new(),
            reference,
            kinds: [kind, 0],
            before: [0; 2],
        }));
        Ok(())
    }

    fn close_sequence(&mut self, sequence: Sequence) {
        let width =
            sequence.widths.iter().fold(0u32, |sum, &width| sum.saturating_add(width).saturating_add(2));
        if let Some(Open::Code(code)) = self.open.last_mut() {
            match sequence.place {
                Place::Const => code.consts = sequence.widths,
                Place::NamesName => code.names = sequence.widths,
                Place::LocalsName => code.locals = sequence.widths,
                _ => {}
            }
        }
        self.close(sequence.reference, Value { width: width.clamp(2, lines::MAX as u32), string: 0 });
    }

    /// The numbers that come before a code object's fields.
    fn open_code<R: Role>(
        &mut self,
        memory: &mut Memory,
        role: &mut R,
        reference: Option<usize>,
    ) -> Result<(), Unfit> {
        let mut head = [0u32; 5];
        for at in 0..5 {
            let [a, b, c, d, _] = head;
            let field = at as u32;
            let word = self.tape.peek_word(R::ENCODES)?;
            let of = [
                field | a << 8,
                field | c << 8 | d << 16,
                field | a << 8 | d << 20,
                field | a << 8 | b << 16 | c << 24,
            ];
            head[at] = memory.model.number(role, &Contexts { set: 8, of }, word);
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

    fn first_line<R: Role>(
        &mut self,
        memory: &mut Memory,
        role: &mut R,
        code: &mut Code,
    ) -> Result<(), Unfit> {
        let lines = self.open.iter().rev().filter_map(|open| match open {
            Open::Code(code) => Some(code.line),
            Open::Sequence(_) => None,
        });
        let before = lines.into_iter().find(|&line| line != 0).unwrap_or(0);
        let delta = self.tape.peek_word(R::ENCODES)?.wrapping_sub(before) as i32;
        let of = [code.head[4], code.name, self.open.len() as u32, u32::from(before == 0)];
        let delta = memory.model.signed(role, &Contexts { set: 9, of }, delta);
        code.first_line = before.wrapping_add(delta as u32);
        self.tape.put(&code.first_line.to_le_bytes())
    }

    fn close_code(&mut self, code: Code) {
        for open in self.open.iter_mut().rev() {
            if let Open::Code(around) = open {
                around.line = code.first_line;
                break;
            }
        }
        self.close(code.reference, Value::default());
    }

    /// Hands a complete object to the one it is part of.
    fn close(&mut self, reference: Option<usize>, value: Value) {
        if let Some(index) = reference {
            self.references[index] = value;
        }
        match self.open.last_mut() {
            None => {}
            Some(Open::Sequence(sequence)) => {
                // A name has no quotes.
                let is_name = matches!(sequence.place, Place::NamesName | Place::LocalsName);
                sequence.widths.push(value.width.saturating_sub(if is_name { 2 } else { 0 }));
                sequence.before = [value.string, sequence.before[0]];
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
    fn word<R: Role>(
        &mut self,
        memory: &mut Memory,
        role: &mut R,
        set: u32,
        context: u32,
    ) -> Result<u32, Unfit> {
        let word = self.tape.peek_word(R::ENCODES)?;
        let contexts = Contexts { set, of: [context; CONTEXTS] };
        let word = memory.model.number(role, &contexts, word);
        self.tape.put(&word.to_le_bytes())?;
        Ok(word)
    }

    /// So many bytes, each after the one before it.
    fn raw<R: Role>(&mut self, memory: &mut Memory, role: &mut R, len: u32) -> Result<Value, Unfit> {
        let mut before = 0u32;
        for at in 0..len {
            let byte = self.tape.peek(R::ENCODES)?;
            let (one, two, three) = (before & 0xff, before & 0xffff, before & 0xff_ffff);
            let of = [one | 1 << 8, two | 1 << 16, three | 1 << 24, one | at.min(16) << 8];
            let byte = memory.model.symbol(role, 8, &Contexts { set: 10, of }, byte.into());
            self.tape.put(&[byte as u8])?;
            before = before << 8 | byte;
        }
        Ok(Value { width: 3, string: 0 })
    }

    /// A bytes constant.
    fn bytes<R: Role>(&mut self, memory: &mut Memory, role: &mut R) -> Result<Value, Unfit> {
        let len = self.word(memory, role, 11, 0)?;
        self.raw(memory, role, len)?;
        Ok(Value { width: len.min(lines::MAX as u32), string: 0 })
    }
}

/// How many digits a number has.
fn digits(number: u32) -> u32 {
    number.checked_ilog10().map_or(1, |log| log + 1)
}

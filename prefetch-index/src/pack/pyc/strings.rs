//! Strings: numbered over the whole pack, so that a name costs a number that is likely and not its letters.

use super::super::model::{CONTEXTS, Contexts, Side};
use super::{EXPECTED_BITS, FLAG_REF, Memory, Open, Place, Unfit, Value, Walk};

/// One side of the walk. Where letters go to or come from, and whether a string is known.
pub(super) trait Role: Side {
    /// The number of a string that has one. Only the packing side is asked.
    fn find(&self, _string: &[u8]) -> u32 {
        0
    }

    /// A string got a number.
    fn learn(&mut self, _string: &[u8], _number: u32) {}

    /// Moves `len` letters of a new string between its stream and `letters`, which holds them when packing.
    fn letters(&mut self, is_name: bool, len: u32, letters: &[u8]) -> Result<Vec<u8>, Unfit>;
}

/// Longer strings are text: most docstrings. They get no number.
const LONGEST_NAME: usize = 60;
const NUMBER_BITS: u32 = 18;
const MOST: usize = 1 << NUMBER_BITS;

/// The strings that have a number, which is their place plus one.
#[derive(Clone, Default)]
pub(super) struct Strings {
    letters: Vec<u8>,
    known: Vec<Known>,
    /// Those that the file can refer to.
    near: Vec<u32>,
    near_file: u32,
}

#[derive(Clone, Copy)]
struct Known {
    end: usize,
    /// The file that has a reference to it, and which.
    file: u32,
    reference: usize,
    near: u32,
}

impl Strings {
    fn get(&self, number: u32) -> Option<&[u8]> {
        let at = (number as usize).checked_sub(1)?;
        let start = at.checked_sub(1).map_or(0, |before| self.known[before].end);
        self.letters.get(start..self.known.get(at)?.end)
    }

    /// Gives a string a number; 0 when there is none left.
    fn add(&mut self, string: &[u8]) -> u32 {
        if self.known.len() + 1 >= MOST {
            return 0;
        }
        self.letters.extend_from_slice(string);
        self.known.push(Known { end: self.letters.len(), file: 0, reference: 0, near: 0 });
        self.known.len() as u32
    }

    /// By which reference `file` can refer to a string.
    pub(super) fn reference(&self, number: u32, file: u32) -> Option<usize> {
        let known = self.known.get((number as usize).checked_sub(1)?)?;
        (known.file == file).then_some(known.reference)
    }

    fn refer(&mut self, number: u32, file: u32, reference: usize) {
        if self.near_file != file {
            self.near.clear();
            self.near_file = file;
        }
        if let Some(known) = (number as usize).checked_sub(1).and_then(|at| self.known.get_mut(at)) {
            if known.file != file {
                known.near = self.near.len() as u32;
                self.near.push(number);
            }
            (known.file, known.reference) = (file, reference);
        }
    }
}

impl Walk<'_> {
    pub(super) fn near_string<R: Role>(
        &mut self,
        memory: &mut Memory,
        role: &mut R,
        place: Place,
        number: u32,
    ) -> Result<usize, Unfit> {
        let at = place as u32;
        let (before, hint) = match self.open.last() {
            Some(Open::Sequence(sequence)) => {
                (sequence.before, self.hint(place, sequence.number.saturating_sub(1)))
            }
            Some(Open::Code(code)) => ([code.name, 0], 0),
            None => ([0; 2], 0),
        };
        let file = self.file << 4;
        let two = before[0].wrapping_mul(0x9E37_79B1) ^ before[1] << 5 ^ at;
        let one = before[0].wrapping_mul(0x9E37_79B1) ^ hint << 8 ^ at;
        for (set, key) in [(15, two), (17, one)] {
            let slot = (key.wrapping_mul(0x85EB_CA6B) >> (32 - EXPECTED_BITS)) as usize;
            let expected = memory.expected_strings[slot];
            let reference = memory.strings.reference(expected, self.file);
            if let Some(reference) = reference {
                let of = [at | hint << 9, key, expected ^ at << 24, file ^ at];
                let is_expected = (number == expected).into();
                if memory.model.symbol(role, 1, &Contexts { set, of }, is_expected) == 1 {
                    let slot = (one.wrapping_mul(0x85EB_CA6B) >> (32 - EXPECTED_BITS)) as usize;
                    memory.expected_strings[slot] = expected;
                    return Ok(reference);
                }
            }
        }
        let strings = &memory.strings;
        let near = (number as usize).checked_sub(1).map_or(0, |at| strings.known[at].near);
        let count = if strings.near_file == self.file { strings.near.len() } else { 0 };
        let bits = 32 - (count as u32).leading_zeros();
        let file = file << 8 | bits;
        let of = [
            file ^ at,
            file ^ at ^ hint << 24,
            (file ^ at).wrapping_mul(0x9E37_79B1) ^ before[0],
            (file ^ at).wrapping_mul(0x9E37_79B1) ^ two,
        ];
        let near = memory.model.symbol(role, bits, &Contexts { set: 12, of }, near);
        let number = *memory.strings.near.get(near as usize).filter(|_| count > 0).ok_or(Unfit)?;
        for key in [two, one] {
            let slot = (key.wrapping_mul(0x85EB_CA6B) >> (32 - EXPECTED_BITS)) as usize;
            memory.expected_strings[slot] = number;
        }
        memory.strings.reference(number, self.file).ok_or(Unfit)
    }

    /// Which string, 0 for a new one.
    pub(super) fn string_number<R: Role>(
        &mut self,
        memory: &mut Memory,
        role: &mut R,
        place: Place,
        number: u32,
    ) -> u32 {
        let at = place as u32;
        let (before, hint) = match self.open.last() {
            Some(Open::Sequence(sequence)) => {
                (sequence.before, self.hint(place, sequence.number.saturating_sub(1)))
            }
            Some(Open::Code(code)) => ([code.name, 0], 0),
            None => ([0; 2], 0),
        };
        let file = self.file << 4;
        let two = before[0].wrapping_mul(0x9E37_79B1) ^ before[1] << 5 ^ at;
        let slot = (two.wrapping_mul(0x85EB_CA6B) >> (32 - EXPECTED_BITS)) as usize;
        let expected = memory.expected_strings[slot];
        if expected != 0 {
            let here = u32::from(memory.strings.reference(expected, self.file).is_some());
            let of = [at | here << 8 | hint << 9, two ^ here, expected ^ at << 24, (file ^ at) << 1 | here];
            let is_expected = (number == expected).into();
            if memory.model.symbol(role, 1, &Contexts { set: 15, of }, is_expected) == 1 {
                return expected;
            }
        }
        let of = [
            at | hint << 8,
            at ^ before[0] << 5,
            (file ^ at).wrapping_mul(0x9E37_79B1) ^ before[0],
            (hint ^ before[0] << 8).wrapping_mul(0x85EB_CA6B) ^ at,
        ];
        let number = memory.model.symbol(role, NUMBER_BITS, &Contexts { set: 12, of }, number);
        memory.expected_strings[slot] = number;
        number
    }

    pub(super) fn string<R: Role>(
        &mut self,
        memory: &mut Memory,
        role: &mut R,
        place: Place,
        kind: u8,
        reference: Option<usize>,
    ) -> Result<Value, Unfit> {
        let short = matches!(kind & !FLAG_REF, b'z' | b'Z');
        // Packing, the letters are known.
        let (head, len) = if short {
            (1, self.tape.peek(R::ENCODES)?.into())
        } else {
            (4, self.tape.peek_word(R::ENCODES)?)
        };
        let string = if R::ENCODES {
            let start = self.tape.rest().get(head..).ok_or(Unfit)?;
            start.get(..len as usize).ok_or(Unfit)?.to_vec()
        } else {
            Vec::new()
        };
        if place == Place::QualifiedName {
            let expected = self.expected_name(memory);
            let contexts = Contexts { set: 13, of: [short.into(); CONTEXTS] };
            let as_expected = expected.len() <= LONGEST_NAME && string == expected;
            if memory.model.symbol(role, 1, &contexts, as_expected.into()) == 1 {
                return self.put_string(memory, role, short, &expected, true, reference);
            }
        }
        let number = if short { role.find(&string) } else { 0 };
        let number = if short { self.string_number(memory, role, place, number) } else { 0 };
        if number != 0 {
            let known = memory.strings.get(number).ok_or(Unfit)?.to_vec();
            let value = self.put_string(memory, role, short, &known, false, None)?;
            if let Some(reference) = reference {
                memory.strings.refer(number, self.file, reference);
            }
            return Ok(Value { string: number, ..value });
        }
        let at = place as u32 | u32::from(kind) << 8;
        let of = [at, place as u32, 0, 0];
        let len = memory.model.number(role, &Contexts { set: 14, of }, len);
        let is_name = short && len as usize <= LONGEST_NAME;
        let letters = role.letters(is_name, len, &string)?;
        let value = self.put_string(memory, role, short, &letters, is_name, reference)?;
        if place == Place::QualifiedName {
            self.learn_prefix(memory, &letters);
        }
        Ok(value)
    }

    /// Puts a string's length and letters on the tape, and numbers it if it is new.
    fn put_string<R: Role>(
        &mut self,
        memory: &mut Memory,
        role: &mut R,
        short: bool,
        letters: &[u8],
        is_new: bool,
        reference: Option<usize>,
    ) -> Result<Value, Unfit> {
        if short {
            self.tape.put(&[u8::try_from(letters.len()).map_err(|_| Unfit)?])?;
        } else {
            self.tape.put(&(letters.len() as u32).to_le_bytes())?;
        }
        self.tape.put(letters)?;
        let mut string = 0;
        if is_new {
            string = memory.strings.add(letters);
            role.learn(letters, string);
            if let Some(reference) = reference {
                memory.strings.refer(string, self.file, reference);
            }
        }
        Ok(Value { width: letters.len() as u32 + 2, string })
    }

    /// What the qualified name of the code object at hand probably is.
    fn expected_name(&self, memory: &Memory) -> Vec<u8> {
        let mut around = self.open.iter().rev().filter_map(|open| match open {
            Open::Code(code) => Some(code),
            Open::Sequence(_) => None,
        });
        let name = around.next().and_then(|code| memory.strings.get(code.name)).unwrap_or_default();
        let prefix = around.next().map_or(&[][..], |code| &code.prefix);
        [prefix, name].concat()
    }

    /// The code objects in the one around share what comes before their names.
    fn learn_prefix(&mut self, memory: &Memory, qualified: &[u8]) {
        let mut around = self.open.iter_mut().rev().filter_map(|open| match open {
            Open::Code(code) => Some(code),
            Open::Sequence(_) => None,
        });
        let name = around.next().and_then(|code| memory.strings.get(code.name)).unwrap_or_default();
        let prefix = qualified.strip_suffix(name).unwrap_or_default();
        if let Some(code) = around.next() {
            code.prefix = prefix.to_vec();
        }
    }
}

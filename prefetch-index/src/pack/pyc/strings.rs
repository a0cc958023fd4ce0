//! Strings: numbered over the whole pack, so that a name costs a number that is likely and not its letters.

use super::coder::{Coder, Role, mix, symbol};
use super::{FLAG_REF, Open, Place, Unfit, Value, Walk};

/// Longer strings are text: most docstrings. They get no number.
const LONGEST_NAME: usize = 60;
const NUMBER_BITS: u32 = 18;
const MOST: usize = 1 << NUMBER_BITS;

/// The strings that have a number, which is their position plus one.
#[derive(Clone, Default)]
pub(super) struct Strings {
    letters: Vec<u8>,
    known: Vec<Known>,
    /// Those that the file at hand can refer to.
    near: Vec<u32>,
    near_file: u32,
}

#[derive(Clone, Copy)]
struct Known {
    end: usize,
    /// The last file that can refer to it, by which reference, and its position among those `near`.
    file: u32,
    reference: usize,
    near: u32,
}

impl Strings {
    fn get(&self, number: u32) -> Option<&[u8]> {
        let end = self.known(number)?.end;
        let start = self.known(number - 1).map_or(0, |before| before.end);
        self.letters.get(start..end)
    }

    fn known(&self, number: u32) -> Option<&Known> {
        self.known.get((number as usize).checked_sub(1)?)
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
        let known = self.known(number)?;
        (known.file == file).then_some(known.reference)
    }

    /// From now on `file` can refer to a string.
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

/// What a string may depend on.
struct Around {
    place: u32,
    /// The instruction that uses it first.
    hint: u32,
    /// Hashes of what is before it: two strings, or one and `hint`.
    keys: [u32; 2],
    file: u32,
}

impl Walk<'_> {
    fn around(&self, place: Place) -> Around {
        let ([one, two], hint) = match self.open.last() {
            Some(Open::Sequence(sequence)) => {
                (sequence.strings, self.hint(place, sequence.number.saturating_sub(1)))
            }
            Some(Open::Code(code)) => ([code.name, 0], 0),
            None => ([0; 2], 0),
        };
        let place = place as u32;
        let keys = [mix(mix(one, two), place), mix(one, hint << 8 | place)];
        Around { place, hint, keys, file: mix(self.file, place) }
    }

    /// A reference to a string: by position among those the file can refer to. `number`: the string's.
    pub(super) fn near_string<R: Role>(
        &self,
        coder: &mut Coder<'_, R>,
        place: Place,
        number: u32,
    ) -> Result<usize, Unfit> {
        let Around { place, hint, keys, file } = self.around(place);
        let mut found = None;
        for (part, key) in (0..).zip(keys) {
            let expected = *coder.memory.names.after(key);
            if coder.memory.strings.reference(expected, self.file).is_some() {
                let of = place | hint << 9;
                if coder.flag(symbol::IS_EXPECTED_NAME + part, of, number == expected) {
                    found = Some(expected);
                    break;
                }
            }
        }
        let number = match found {
            Some(expected) => expected,
            None => {
                let strings = &coder.memory.strings;
                let position = strings.known(number).map_or(0, |known| known.near);
                let count = if strings.near_file == self.file { strings.near.len() as u32 } else { 0 };
                let bits = 32 - count.leading_zeros();
                let file = mix(file, bits);
                let position = coder.bits(bits, symbol::NEAR_NAME, mix(file, hint), position);
                *coder.memory.strings.near.get(position as usize).filter(|_| count > 0).ok_or(Unfit)?
            }
        };
        for key in keys {
            *coder.memory.names.after(key) = number;
        }
        coder.memory.strings.reference(number, self.file).ok_or(Unfit)
    }

    /// Which string, 0 for a new one.
    fn string_number<R: Role>(&self, coder: &mut Coder<'_, R>, place: Place, number: u32) -> u32 {
        let Around { place, hint, keys: [key, _], .. } = self.around(place);
        let expected = *coder.memory.names.after(key);
        if expected != 0 {
            let is_near = u32::from(coder.memory.strings.reference(expected, self.file).is_some());
            let of = place | is_near << 8 | hint << 9;
            if coder.flag(symbol::IS_EXPECTED_NAME + 2, of, number == expected) {
                return expected;
            }
        }
        let number = coder.bits(NUMBER_BITS, symbol::NAME, place | hint << 8, number);
        *coder.memory.names.after(key) = number;
        number
    }

    /// A string that is not a reference.
    pub(super) fn string<R: Role>(
        &mut self,
        coder: &mut Coder<'_, R>,
        place: Place,
        kind: u8,
        reference: Option<usize>,
    ) -> Result<Value, Unfit> {
        let short = matches!(kind & !FLAG_REF, b'z' | b'Z');
        let (head, len) = if short {
            (1, self.tape.peek(R::ENCODES)?.into())
        } else {
            (4, self.tape.peek_word(R::ENCODES)?)
        };
        let mut string = Vec::new();
        if R::ENCODES {
            let letters = self.tape.rest().get(head..).and_then(|rest| rest.get(..len as usize));
            string = letters.ok_or(Unfit)?.to_vec();
        }
        if place == Place::QualifiedName {
            let expected = self.expected_name(&coder.memory.strings);
            let is_expected = expected.len() <= LONGEST_NAME && string == expected;
            if coder.flag(symbol::IS_QUALIFIED, short.into(), is_expected) {
                return self.put_string(coder, short, &expected, true, reference);
            }
        }
        let mut number = 0;
        if short {
            let known = coder.role.find(&string);
            number = self.string_number(coder, place, known);
        }
        if number != 0 {
            let known = coder.memory.strings.get(number).ok_or(Unfit)?.to_vec();
            let value = self.put_string(coder, short, &known, false, None)?;
            if let Some(reference) = reference {
                coder.memory.strings.refer(number, self.file, reference);
            }
            return Ok(Value { string: number, ..value });
        }
        let len = coder.number(symbol::LETTERS, place as u32 | u32::from(kind) << 8, len);
        let is_name = short && len as usize <= LONGEST_NAME;
        let letters = coder.role.letters(is_name, len, &string)?;
        let value = self.put_string(coder, short, &letters, is_name, reference)?;
        if place == Place::QualifiedName {
            self.learn_prefix(&coder.memory.strings, &letters);
        }
        Ok(value)
    }

    /// Puts a string's length and letters on the tape, and numbers it if it is new.
    fn put_string<R: Role>(
        &mut self,
        coder: &mut Coder<'_, R>,
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
            string = coder.memory.strings.add(letters);
            coder.role.learn(letters, string);
            if let Some(reference) = reference {
                coder.memory.strings.refer(string, self.file, reference);
            }
        }
        Ok(Value { width: letters.len() as u32 + 2, string })
    }

    /// What the qualified name of the code object at hand probably is. The objects inside one share what comes before
    /// their names.
    fn expected_name(&self, strings: &Strings) -> Vec<u8> {
        let mut codes = self.open.iter().rev().filter_map(Open::code);
        let name = codes.next().and_then(|code| strings.get(code.name)).unwrap_or_default();
        let prefix = codes.next().map_or(&[][..], |around| &around.prefix);
        [prefix, name].concat()
    }

    fn learn_prefix(&mut self, strings: &Strings, qualified: &[u8]) {
        let mut codes = self.open.iter_mut().rev().filter_map(Open::code_mut);
        let name = codes.next().and_then(|code| strings.get(code.name)).unwrap_or_default();
        if let Some(around) = codes.next() {
            around.prefix = qualified.strip_suffix(name).unwrap_or_default().to_vec();
        }
    }
}

//! References to objects that came before in the file.

use super::coder::{Coder, Role, symbol};
use super::{Open, PLACES, Place, Unfit, Value, Walk};

/// The objects that can be referred to, in the order of their references.
pub(super) struct References {
    values: Vec<Value>,
    /// By place and number of locals: the last reference there that was not to a name.
    last: [usize; PLACES * MOST_LOCALS],
}

const MOST_LOCALS: usize = 16;

impl References {
    pub(super) fn new() -> References {
        References { values: Vec::new(), last: [0; PLACES * MOST_LOCALS] }
    }

    /// The reference for an object that begins.
    pub(super) fn add(&mut self) -> usize {
        self.values.push(Value::default());
        self.values.len() - 1
    }

    pub(super) fn set(&mut self, reference: usize, value: Value) {
        self.values[reference] = value;
    }
}

impl Walk<'_> {
    pub(super) fn reference<R: Role>(
        &mut self,
        coder: &mut Coder<'_, R>,
        place: Place,
        kind: u8,
    ) -> Result<(), Unfit> {
        if kind != b'r' {
            return Err(Unfit);
        }
        let index = self.tape.peek_word(R::ENCODES)? as usize;
        let string = self.references.values.get(index).map_or(0, |value| value.string);
        let is_string = string != 0 && coder.memory.strings.reference(string, self.file) == Some(index);
        let index = if coder.flag(symbol::IS_STRING, place as u32, is_string) {
            self.near_string(coder, place, string)?
        } else {
            self.other_reference(coder, place, index)?
        };
        let value = *self.references.values.get(index).ok_or(Unfit)?;
        self.tape.put(&(index as u32).to_le_bytes())?;
        self.close(None, value);
        Ok(())
    }

    /// To what has no number: a tuple, a long string, or bytes such as an empty exception table.
    fn other_reference<R: Role>(
        &mut self,
        coder: &mut Coder<'_, R>,
        place: Place,
        index: usize,
    ) -> Result<usize, Unfit> {
        let locals = self.open.last().and_then(Open::code).map_or(0, |code| code.locals.len() as u32);
        let place = place as u32;
        let References { values, last } = &mut self.references;
        let last = &mut last[place as usize + PLACES * (locals as usize).min(MOST_LOCALS - 1)];
        if coder.flag(symbol::IS_EXPECTED_OBJECT, place, index == *last) {
            return Ok(*last);
        }
        let distance = values.len().wrapping_sub(index) as u32;
        let distance = coder.number(symbol::DISTANCE, place, distance) as usize;
        *last = values.len().checked_sub(distance).ok_or(Unfit)?;
        Ok(*last)
    }
}

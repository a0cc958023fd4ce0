//! Objects that hold others: tuples, frozen sets, slices.

use super::body::{CONSTS, LOCALS, NAMES};
use super::coder::{Coder, Role, symbol};
use super::{FLAG_REF, Open, Place, Unfit, Value, Walk, lines};

/// An object whose items are still to come.
pub(super) struct Sequence {
    /// Of its items.
    pub(super) place: Place,
    pub(super) left: u32,
    /// Items begun.
    pub(super) number: u32,
    pub(super) widths: Vec<u32>,
    /// The reference by which the whole is known.
    pub(super) reference: Option<usize>,
    /// The last two items' type bytes, and their strings' numbers.
    pub(super) kinds: [u8; 2],
    pub(super) strings: [u32; 2],
}

impl Walk<'_> {
    /// For an item of a code object's names or consts: the instructions that use it first.
    pub(super) fn hint(&self, place: Place, number: u32) -> u32 {
        let code = match self.open.iter().rev().nth(1) {
            Some(Open::Code(code)) => code,
            _ => return 0,
        };
        match place {
            Place::NamesName => code.body.first_use(NAMES, number),
            Place::Const => code.body.first_use(CONSTS, number),
            _ => 0,
        }
    }

    /// How many items a sequence has.
    pub(super) fn items<R: Role>(
        &mut self,
        coder: &mut Coder<'_, R>,
        place: Place,
        kind: u8,
    ) -> Result<u32, Unfit> {
        let short = kind & !FLAG_REF == b')';
        let len = if short { self.tape.peek(R::ENCODES)?.into() } else { self.tape.peek_word(R::ENCODES)? };
        let used = match (self.open.last(), place) {
            (Some(Open::Code(code)), Place::Names) => code.body.used(NAMES),
            (Some(Open::Code(code)), Place::Consts) => code.body.used(CONSTS),
            (Some(Open::Code(code)), Place::Locals) => code.body.used(LOCALS) ^ code.head[0] << 8,
            _ => 0,
        };
        let at = place as u32 | u32::from(kind) << 8;
        let len = coder.number(symbol::ITEMS, at | used << 16, len);
        if short {
            self.tape.put(&[u8::try_from(len).map_err(|_| Unfit)?])?;
        } else {
            self.tape.put(&len.to_le_bytes())?;
        }
        Ok(len)
    }

    pub(super) fn open_sequence(&mut self, place: Place, kind: u8, reference: Option<usize>, len: u32) {
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
            strings: [0; 2],
        }));
    }

    pub(super) fn close_sequence(&mut self, sequence: Sequence) {
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
}

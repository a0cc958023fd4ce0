//! One side of the walk, and what it has learnt.

use super::super::model::{Context, Model, Side};
use super::Unfit;
use super::strings::Strings;

/// Packing or unpacking. Where letters go to or come from, and whether a string is known.
pub(super) trait Role: Side {
    /// The number of a string that has one, else 0. Only asked when packing.
    fn find(&self, _string: &[u8]) -> u32 {
        0
    }

    /// A string got a number.
    fn learn(&mut self, _string: &[u8], _number: u32) {}

    /// Moves `len` letters of a new string to or from their stream. `letters`: when packing, those.
    fn letters(&mut self, is_name: bool, len: u32, letters: &[u8]) -> Result<Vec<u8>, Unfit>;
}

/// What stays from file to file. The same on both sides after each file.
#[derive(Clone)]
pub(super) struct Memory {
    pub(super) model: Model,
    pub(super) strings: Strings,
    pub(super) files: u32,
    /// What came last time after what comes before now.
    pub(super) instructions: Expected<u8>,
    pub(super) names: Expected<u32>,
}

impl Memory {
    pub(super) fn new() -> Memory {
        Memory {
            model: Model::new(),
            strings: Strings::default(),
            files: 0,
            instructions: Expected::new(),
            names: Expected::new(),
        }
    }
}

/// A table from a hash to the last value seen there; 0: none yet.
#[derive(Clone)]
pub(super) struct Expected<T>(Vec<T>);

impl<T: Copy + Default> Expected<T> {
    const BITS: u32 = 16;

    fn new() -> Expected<T> {
        Expected(vec![T::default(); 1 << Self::BITS])
    }

    /// The value after `before`.
    pub(super) fn after(&mut self, before: u32) -> &mut T {
        &mut self.0[(before.wrapping_mul(0x85EB_CA6B) >> (32 - Self::BITS)) as usize]
    }
}

/// Values into bits, or back. Every method takes the value to code, which is of no matter when decoding, and returns the
/// value coded or decoded. `symbol`: what kind of value it is; `of`: what it depends on.
pub(super) struct Coder<'a, R> {
    pub(super) memory: &'a mut Memory,
    pub(super) role: &'a mut R,
}

impl<R: Role> Coder<'_, R> {
    /// A value of so many bits.
    pub(super) fn bits(&mut self, bits: u32, symbol: u32, of: u32, value: u32) -> u32 {
        self.memory.model.symbol(self.role, bits, Context { kind: symbol, of }, value)
    }

    pub(super) fn flag(&mut self, symbol: u32, of: u32, value: bool) -> bool {
        self.bits(1, symbol, of, value.into()) == 1
    }

    /// Any value, small ones cheaply.
    pub(super) fn number(&mut self, symbol: u32, of: u32, value: u32) -> u32 {
        self.memory.model.number(self.role, Context { kind: symbol, of }, value)
    }

    /// Any value, those around zero cheaply.
    pub(super) fn signed(&mut self, symbol: u32, of: u32, value: i32) -> i32 {
        let folded = self.number(symbol, of, (value << 1 ^ value >> 31) as u32);
        (folded >> 1) as i32 ^ -((folded & 1) as i32)
    }
}

/// Two things as one.
pub(super) fn mix(one: u32, other: u32) -> u32 {
    (one.wrapping_mul(0x9E37_79B1) ^ other).wrapping_mul(0x6F4F_2A35).rotate_left(15)
}

/// Kinds of values. To some a small number is added, which makes them kinds of their own.
pub(super) mod symbol {
    pub(in super::super) const HEADER: u32 = 1 << 8;
    pub(in super::super) const TYPE: u32 = 2 << 8;
    pub(in super::super) const WORD: u32 = 3 << 8;
    pub(in super::super) const BYTE: u32 = 4 << 8;
    pub(in super::super) const ITEMS: u32 = 5 << 8;
    pub(in super::super) const HEAD: u32 = 6 << 8;
    pub(in super::super) const FIRST_LINE: u32 = 7 << 8;
    pub(in super::super) const IS_STRING: u32 = 8 << 8;
    pub(in super::super) const IS_EXPECTED_OBJECT: u32 = 9 << 8;
    pub(in super::super) const DISTANCE: u32 = 10 << 8;
    pub(in super::super) const IS_EXPECTED_NAME: u32 = 11 << 8;
    pub(in super::super) const NEAR_NAME: u32 = 12 << 8;
    pub(in super::super) const NAME: u32 = 13 << 8;
    pub(in super::super) const IS_QUALIFIED: u32 = 14 << 8;
    pub(in super::super) const LETTERS: u32 = 15 << 8;
    pub(in super::super) const IS_EXPECTED_INSTRUCTION: u32 = 16 << 8;
    pub(in super::super) const INSTRUCTION: u32 = 17 << 8;
    pub(in super::super) const ARGUMENT: u32 = 18 << 8;
    pub(in super::super) const SHORT_LEN: u32 = 19 << 8;
    pub(in super::super) const SHORT_BYTE: u32 = 20 << 8;
    pub(in super::super) const HAS_PLACES: u32 = 21 << 8;
    pub(in super::super) const PLACE: u32 = 22 << 8;
    pub(in super::super) const LINE: u32 = 23 << 8;
    pub(in super::super) const LINES: u32 = 24 << 8;
    pub(in super::super) const START: u32 = 25 << 8;
    pub(in super::super) const END: u32 = 26 << 8;
}

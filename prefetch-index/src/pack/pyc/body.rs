//! A code object's instructions, and the two other runs of few bytes: exception table and kinds of locals.

use super::coder::{Coder, Role, mix, symbol};
use super::opcodes::Operation;
use super::{Open, Place, Unfit, Value, Walk};

/// The instructions of a code object.
#[derive(Default)]
pub(super) struct Body {
    pub(super) instructions: Vec<Instruction>,
    /// How many names, consts and locals the instructions use.
    used: [u32; 3],
    /// What uses each name and const first.
    first: [Vec<u8>; 2],
}

#[derive(Clone, Copy)]
pub(super) struct Instruction {
    pub(super) number: u8,
    pub(super) operation: Operation,
    pub(super) argument: u32,
    /// Code units of two bytes, with prefixes and caches.
    pub(super) units: usize,
}

/// The tables that arguments are indices of.
pub(super) const NAMES: usize = 0;
pub(super) const CONSTS: usize = 1;
pub(super) const LOCALS: usize = 2;

impl Body {
    /// The instruction that first uses a name or const; 0 if none does.
    pub(super) fn first_use(&self, table: usize, index: u32) -> u32 {
        self.first[table].get(index as usize).map_or(0, |&number| number.into())
    }

    pub(super) fn used(&self, table: usize) -> u32 {
        self.used[table]
    }

    /// Notes that an index is used.
    fn uses(&mut self, table: usize, index: u32, number: u8) {
        /// A table of one code object has never so many.
        const MOST: u32 = 1 << 20;
        if !(self.used[table]..MOST).contains(&index) {
            return;
        }
        self.used[table] = index + 1;
        if let Some(first) = self.first.get_mut(table) {
            // Few are left out: a docstring is the first const, and no instruction loads it.
            let skipped = (index as usize).saturating_sub(first.len()).min(8);
            first.resize(first.len() + skipped, 0);
            first.push(number);
        }
    }
}

/// Which table an argument is an index of, and how far it is shifted.
fn table(operation: Operation) -> Option<(usize, u8)> {
    use Operation::*;
    match operation {
        LoadName(shift) | Attribute(shift) | SuperAttribute(shift) => Some((NAMES, shift)),
        StoreName | StoreAttribute | OtherName | Import => Some((NAMES, 0)),
        LoadConst | ReturnConst | KeywordNames => Some((CONSTS, 0)),
        LoadLocal | StoreLocal | OtherLocal => Some((LOCALS, 0)),
        _ => None,
    }
}

/// What came before in the body.
#[derive(Default)]
struct History {
    /// The last four instructions' numbers.
    numbers: u32,
    /// The last instruction with its argument.
    last: u32,
}

impl History {
    fn add(&mut self, number: u8, argument: u32) {
        self.numbers = self.numbers << 8 | u32::from(number);
        self.last = u32::from(number) << 8 | argument & 0xff | argument >> 8 << 16;
    }
}

impl Walk<'_> {
    /// The instructions. 0, which only marks a cache entry, ends them.
    pub(super) fn body<R: Role>(&mut self, coder: &mut Coder<'_, R>) -> Result<Value, Unfit> {
        let Some(Open::Code(code)) = self.open.last_mut() else { return Err(Unfit) };
        let operations = self.instructions.table();
        let extended = self.instructions.extended_argument;
        let (mut body, mut bytes, mut history) = (Body::default(), Vec::new(), History::default());
        let mut rest: &[u8] = &[];
        if R::ENCODES {
            let len = self.tape.peek_word(true)? as usize;
            rest = self.tape.rest().get(4..).and_then(|rest| rest.get(..len)).ok_or(Unfit)?;
        }
        let most = self.tape.room();
        let flags = code.head[4] & 0xff;
        loop {
            let mut argument = 0;
            while let [number, prefix, after @ ..] = rest
                && *number == extended
            {
                argument = (argument | u32::from(*prefix)) << 8;
                rest = after;
            }
            let number = match rest {
                [0, ..] | [_] => return Err(Unfit),
                [number, low, ..] => {
                    argument |= u32::from(*low);
                    *number
                }
                [] => 0,
            };
            let number = code_instruction(coder, &history, flags, number);
            if number == 0 {
                break;
            }
            let (caches, operation) = operations[usize::from(number)];
            let argument = code_argument(coder, &mut history, &mut body, number, operation, argument);
            let start = bytes.len();
            for shift in [24, 16, 8] {
                if argument >> shift != 0 {
                    bytes.extend([extended, (argument >> shift) as u8]);
                }
            }
            bytes.extend([number, argument as u8]);
            bytes.resize(bytes.len() + 2 * usize::from(caches), 0);
            rest = rest.get(2 + 2 * usize::from(caches)..).unwrap_or_default();
            let units = (bytes.len() - start) / 2;
            body.instructions.push(Instruction { number, operation, argument, units });
            if bytes.len() > most {
                return Err(Unfit);
            }
        }
        code.body = body;
        self.tape.put(&(bytes.len() as u32).to_le_bytes())?;
        self.tape.put(&bytes)?;
        Ok(Value::default())
    }

    /// The exception table and the kinds of locals.
    pub(super) fn short_bytes<R: Role>(
        &mut self,
        coder: &mut Coder<'_, R>,
        place: Place,
    ) -> Result<Value, Unfit> {
        let Some(Open::Code(code)) = self.open.last() else { return Err(Unfit) };
        let (place, locals) = (place as u32, code.locals.len() as u32);
        let len = self.tape.peek_word(R::ENCODES)?;
        let len = coder.number(symbol::SHORT_LEN, place | locals << 8, len);
        self.tape.put(&len.to_le_bytes())?;
        let mut before = 0u32;
        for _ in 0..len {
            let byte = self.tape.peek(R::ENCODES)?;
            let byte = coder.bits(8, symbol::SHORT_BYTE + place, before & 0xff, byte.into());
            self.tape.put(&[byte as u8])?;
            before = before << 8 | byte;
        }
        Ok(Value::default())
    }
}

/// First whether it is the one that came last time, which spares most of the decisions.
fn code_instruction<R: Role>(coder: &mut Coder<'_, R>, history: &History, flags: u32, number: u8) -> u8 {
    let History { numbers, last } = *history;
    let three = mix(numbers, last);
    let expected = *coder.memory.instructions.after(three);
    if expected != 0 {
        let likely = u32::from(expected);
        let of = likely | (numbers & 0xff) << 8;
        if coder.flag(symbol::IS_EXPECTED_INSTRUCTION, of, number == expected) {
            return expected;
        }
    }
    let of = numbers & 0xff | flags << 8;
    let number = coder.bits(8, symbol::INSTRUCTION, of, number.into()) as u8;
    *coder.memory.instructions.after(three) = number;
    number
}

/// An index is coded as 0 when it is the next one of its table that was not used yet, as most are.
fn code_argument<R: Role>(
    coder: &mut Coder<'_, R>,
    history: &mut History,
    body: &mut Body,
    number: u8,
    operation: Operation,
    argument: u32,
) -> u32 {
    if operation == Operation::Other {
        history.add(number, 0);
        return 0;
    }
    let op = u32::from(number);
    let of = op | (history.numbers & 0xff) << 8;
    let table = table(operation);
    let next = table.map_or(0, |(table, _)| body.used[table]);
    let mut value = argument;
    if let Some((_, shift)) = table {
        let index = argument >> shift;
        let moved = if index == next { 0 } else { index.wrapping_add(1) };
        value = moved << shift | argument & ((1 << shift) - 1);
    }
    let value = coder.number(symbol::ARGUMENT + op, of, value);
    history.add(number, value);
    let Some((table, shift)) = table else { return value };
    let index = (value >> shift).checked_sub(1).unwrap_or(next);
    body.uses(table, index, number);
    index << shift | value & ((1 << shift) - 1)
}

//! A code object's instructions, and the bytes that go with them: line table, exception table, kinds of locals.

use super::super::model::{CONTEXTS, Contexts};
use super::lines::{self, MAX, Run};
use super::opcodes::Operation;
use super::spans::{Guess, Operands, Span, Widths};
use super::strings::Role;
use super::{EXPECTED_BITS, Memory, Open, Place, Unfit, Value, Walk};

/// The instructions of a code object.
#[derive(Default)]
pub(super) struct Body {
    instructions: Vec<Instruction>,
    /// How many names, consts and locals the instructions use.
    used: [u32; 3],
    /// What uses each name and const first.
    first: [Vec<u8>; 2],
}

#[derive(Clone, Copy)]
struct Instruction {
    number: u8,
    operation: Operation,
    argument: u32,
    /// Code units of two bytes, with prefixes and caches.
    units: usize,
}

impl Body {
    /// The instruction that first uses a name (`table` 0) or const (1); 0 if none does.
    pub(super) fn first_use(&self, table: usize, index: u32) -> u32 {
        self.first[table].get(index as usize).map_or(0, |&number| number.into())
    }

    pub(super) fn used(&self, table: usize) -> u32 {
        self.used[table]
    }

    /// Notes that an index is used; whether it is the first that was not.
    fn uses(&mut self, table: usize, index: u32, number: u8) -> bool {
        let is_next = index == self.used[table];
        if index >= self.used[table] && index < MAX as u32 {
            self.used[table] = index + 1;
            if let Some(first) = self.first.get_mut(table) {
                if is_next {
                    first.push(number);
                } else {
                    // Constants may be used out of order, by one or two: docstrings come first and are not used.
                    first.resize((index as usize).min(first.len() + 64), 0);
                    first.push(number);
                }
            }
        }
        is_next
    }
}

/// Which table an argument is an index of, and how far it is shifted.
fn table(operation: Operation) -> Option<(usize, u8)> {
    use Operation::*;
    match operation {
        LoadName(shift) | Attribute(shift) | SuperAttribute(shift) => Some((0, shift)),
        StoreName | StoreAttribute | OtherName | Import => Some((0, 0)),
        LoadConst | ReturnConst | KeywordNames => Some((1, 0)),
        LoadLocal | StoreLocal | OtherLocal => Some((2, 0)),
        _ => None,
    }
}

/// An index as it is likely: 0 for the next one not used yet.
fn renumber(used: u32, index: u32) -> u32 {
    if index == used { 0 } else { index.wrapping_add(1) }
}

fn index_of(used: u32, renumbered: u32) -> u32 {
    if renumbered == 0 { used } else { renumbered - 1 }
}

/// What came before, hashed.
#[derive(Default)]
struct History {
    numbers: u32,
    last: u32,
    lasts: u32,
}

impl History {
    fn add(&mut self, number: u8, coded: u32) {
        self.numbers = self.numbers << 8 | u32::from(number);
        self.lasts = self.lasts.wrapping_mul(0x6F4F_2A35).rotate_left(9) ^ self.last;
        self.last = u32::from(number) << 8 | coded & 0xff | coded >> 8 << 16;
    }
}

impl Walk<'_> {
    /// The instructions. 0, which marks a cache entry and never begins an instruction, ends them.
    pub(super) fn body<R: Role>(&mut self, memory: &mut Memory, role: &mut R) -> Result<Value, Unfit> {
        let Some(Open::Code(code)) = self.open.last_mut() else { return Err(Unfit) };
        let operations = self.instructions.table();
        let extended = self.instructions.extended_argument;
        let (mut body, mut bytes, mut history) = (Body::default(), Vec::new(), History::default());
        let len = self.tape.peek_word(R::ENCODES)? as usize;
        let mut rest: &[u8] = &[];
        if R::ENCODES {
            rest = self.tape.rest().get(4..).and_then(|rest| rest.get(..len)).ok_or(Unfit)?;
        }
        let kind = code.head[4] & 0xff;
        loop {
            let mut prefix = 0;
            while let [number, argument, after @ ..] = rest
                && *number == extended
            {
                prefix = (prefix | u32::from(*argument)) << 8;
                rest = after;
            }
            let (number, low) = match rest {
                [0, ..] | [_] => return Err(Unfit),
                [number, argument, ..] => (*number, u32::from(*argument)),
                [] => (0, 0),
            };
            let number = instruction(memory, role, &history, kind, number) as u8;
            if number == 0 {
                break;
            }
            let (caches, operation) = operations[usize::from(number)];
            let (argument, coded) =
                argument(memory, role, &history, &mut body, number, operation, prefix | low);
            history.add(number, coded);
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
            if R::ENCODES && bytes.len() > len || bytes.len() > MAX as usize {
                return Err(Unfit);
            }
        }
        code.body = body;
        self.tape.put(&(bytes.len() as u32).to_le_bytes())?;
        self.tape.put(&bytes)?;
        Ok(Value::default())
    }

    /// The line table, as a place for each instruction.
    pub(super) fn lines<R: Role>(&mut self, memory: &mut Memory, role: &mut R) -> Result<Value, Unfit> {
        let len = self.tape.peek_word(R::ENCODES)? as usize;
        let Some(Open::Code(code)) = self.open.last() else { return Err(Unfit) };
        let mut runs = Vec::new();
        let mut parsed = false;
        if R::ENCODES {
            let table = self.tape.rest().get(4..).and_then(|rest| rest.get(..len)).ok_or(Unfit)?;
            runs = lines::parse(table).unwrap_or_default();
            parsed = lines::write(&runs) == table && align(&runs, &code.body.instructions);
        }
        let contexts = Contexts { set: 20, of: [0; CONTEXTS] };
        if memory.model.symbol(role, 1, &contexts, parsed.into()) == 0 {
            return self.bytes(memory, role);
        }
        let widths = Widths { names: &code.names, locals: &code.locals, consts: &code.consts };
        let runs = places(memory, role, &code.body.instructions, &widths, &runs)?;
        let table = lines::write(&runs);
        self.tape.put(&(table.len() as u32).to_le_bytes())?;
        self.tape.put(&table)?;
        Ok(Value::default())
    }

    /// The exception table and the kinds of locals: few bytes.
    pub(super) fn short_bytes<R: Role>(
        &mut self,
        memory: &mut Memory,
        role: &mut R,
        place: Place,
    ) -> Result<Value, Unfit> {
        let Some(Open::Code(code)) = self.open.last() else { return Err(Unfit) };
        let (place, locals) = (place as u32, code.locals.len() as u32);
        let len = self.tape.peek_word(R::ENCODES)?;
        let of = [place, place | locals << 8, 0, 0];
        let len = memory.model.number(role, &Contexts { set: 21, of }, len);
        self.tape.put(&len.to_le_bytes())?;
        let mut before = 0u32;
        for at in 0..len {
            let (one, two, three) = (before & 0xff, before & 0xffff, before & 0xff_ffff);
            let of = [
                place | one << 8,
                (place | two << 8) ^ 1 << 30,
                (place | three << 8) ^ 1 << 29,
                place | one << 8 | at << 16,
            ];
            let byte = self.tape.peek(R::ENCODES)?;
            let byte = memory.model.symbol(role, 8, &Contexts { set: 22 + place, of }, byte.into());
            self.tape.put(&[byte as u8])?;
            before = before << 8 | byte;
        }
        Ok(Value::default())
    }
}

fn instruction<R: Role>(memory: &mut Memory, role: &mut R, history: &History, kind: u32, number: u8) -> u32 {
    let History { numbers, last, lasts } = *history;
    let three = numbers.wrapping_mul(0x0100_0193) ^ last.wrapping_mul(31);
    let at = (three.wrapping_mul(0x9E37_79B1) >> (32 - EXPECTED_BITS)) as usize;
    let expected = memory.expected_instructions[at];
    let op = u32::from(expected);
    if expected != 0 {
        let of = [
            op | (numbers & 0xff) << 8,
            three ^ op,
            op | (numbers & 0xffff) << 8,
            lasts ^ last.wrapping_mul(0x6F4F_2A35),
        ];
        if memory.model.symbol(role, 1, &Contexts { set: 41, of }, (number == expected).into()) == 1 {
            return op;
        }
    }
    let of = [numbers & 0xff | kind << 8, numbers & 0xffff, numbers & 0xff_ffff | 1 << 24, three];
    let number = memory.model.symbol(role, 8, &Contexts { set: 40, of }, number.into());
    memory.expected_instructions[at] = number as u8;
    number
}

fn argument<R: Role>(
    memory: &mut Memory,
    role: &mut R,
    history: &History,
    body: &mut Body,
    number: u8,
    operation: Operation,
    argument: u32,
) -> (u32, u32) {
    if operation == Operation::Other {
        return (0, 0);
    }
    let (value, used) = match table(operation) {
        Some((table, shift)) => {
            let used = body.used[table];
            let low = argument & ((1 << shift) - 1);
            (renumber(used, argument >> shift) << shift | low, used)
        }
        None => (argument, 0),
    };
    let op = u32::from(number);
    let History { numbers, last, lasts } = *history;
    let of = [
        op | (numbers & 0xff) << 8,
        op | (numbers & 0xffff) << 8,
        op ^ last.wrapping_mul(0x9E37_79B1),
        op ^ lasts.wrapping_mul(0x85EB_CA6B) ^ last.wrapping_mul(0x9E37_79B1),
    ];
    let coded = memory.model.number(role, &Contexts { set: 64 + op, of }, value);
    let argument = match table(operation) {
        Some((table, shift)) => {
            let index = index_of(used, coded >> shift);
            body.uses(table, index, number);
            index << shift | coded & ((1 << shift) - 1)
        }
        None => coded,
    };
    (argument, coded)
}

/// Whether every run begins and ends with an instruction, and together they are as long.
fn align(runs: &[Run], instructions: &[Instruction]) -> bool {
    let mut instructions = instructions.iter();
    runs.iter().all(|run| {
        let mut left = run.units;
        while left > 0 {
            match instructions.next() {
                Some(instruction) if instruction.units <= left => left -= instruction.units,
                _ => return false,
            }
        }
        true
    }) && instructions.next().is_none()
}

/// Codes the place of each instruction.
fn places<R: Role>(
    memory: &mut Memory,
    role: &mut R,
    instructions: &[Instruction],
    widths: &Widths<'_>,
    known: &[Run],
) -> Result<Vec<Run>, Unfit> {
    let mut known = known.iter();
    let mut left = 0;
    let mut place = lines::Place::Nowhere;
    let mut runs: Vec<Run> = Vec::new();
    let mut coder = PlaceCoder::default();
    for instruction in instructions {
        let begins = left == 0;
        if R::ENCODES {
            if begins {
                let run = known.next().ok_or(Unfit)?;
                (left, place) = (run.units, run.place);
            }
            left -= instruction.units;
        }
        let coded = coder.code(memory, role, instruction, widths, begins.then_some(place))?;
        match (coded, runs.last_mut()) {
            (None, Some(run)) => run.units += instruction.units,
            (None, None) => return Err(Unfit),
            (Some(place), _) => runs.push(Run { units: instruction.units, place }),
        }
    }
    Ok(runs)
}

#[derive(Default)]
struct PlaceCoder {
    operands: Operands,
    line: i32,
    kinds: u32,
    before: u32,
    off: i32,
}

// How a place differs from the one before it.
const SAME: u32 = 0;
const IN_LINE: u32 = 1;
const OTHER_LINE: u32 = 2;
const NOWHERE: u32 = 3;
const NO_COLUMNS: u32 = 4;
const LINES: u32 = 5;

impl PlaceCoder {
    /// `place`: `None` if the run goes on. Only the packing side knows.
    fn code<R: Role>(
        &mut self,
        memory: &mut Memory,
        role: &mut R,
        instruction: &Instruction,
        widths: &Widths<'_>,
        place: Option<lines::Place>,
    ) -> Result<Option<lines::Place>, Unfit> {
        use lines::Place::{Columns, Line, Nowhere};
        let kind = match place {
            None => SAME,
            Some(Nowhere) => NOWHERE,
            Some(Line { .. }) => NO_COLUMNS,
            Some(Columns { lines: 1.., .. }) => LINES,
            Some(Columns { line, .. }) if line == self.line => IN_LINE,
            Some(Columns { .. }) => OTHER_LINE,
        };
        let guess = self.operands.guess(instruction.operation, instruction.argument, widths);
        let op = u32::from(instruction.number);
        let before = std::mem::replace(&mut self.before, op);
        let kinds = self.kinds;
        let at = match guess {
            Guess::Is(span) => span.start,
            Guess::Starts { at, .. } => at,
        };
        let of = [
            op | before << 8 | (kinds & 255) << 16,
            op | (kinds & 0xffff) << 8,
            op ^ (at as u32) << 8 ^ (self.operands.previous.end as u32) << 18,
            op ^ (kinds & 0xff) << 8 ^ instruction.argument << 16,
        ];
        let kind = memory.model.number(role, &Contexts { set: 320 + op, of }, kind);
        self.kinds = kinds << 8 | kind << 2;
        match kind {
            SAME => {
                self.operands.know(self.operands.previous);
                return Ok(None);
            }
            NOWHERE => {
                self.operands.know(self.operands.previous);
                return Ok(Some(Nowhere));
            }
            IN_LINE | OTHER_LINE | NO_COLUMNS | LINES => {}
            _ => return Err(Unfit),
        }
        let (line, lines, span) = match place {
            Some(Columns { line, lines, span }) => (line, lines, span),
            Some(Line { line }) => (line, 0, Span::default()),
            _ => (0, 0, Span::default()),
        };
        let mut delta = 0;
        if kind != IN_LINE {
            let of = [
                op | kind << 8,
                op | before << 8 | kind << 16,
                kind | (kinds & 255) << 8,
                op | (kinds & 0xffff) << 8,
            ];
            delta =
                memory.model.signed(role, &Contexts { set: 600 + kind, of }, line.wrapping_sub(self.line));
        }
        let line = self.line.wrapping_add(delta);
        let lines = if kind == LINES {
            let of = [op | before << 8, delta as u32, op | kinds << 8, 0];
            memory.model.number(role, &Contexts { set: 610, of }, lines)
        } else {
            0
        };
        if !(-MAX..MAX).contains(&line) || lines >= MAX as u32 {
            return Err(Unfit);
        }
        self.line = line;
        if kind == NO_COLUMNS {
            self.operands.know(self.operands.previous);
            return Ok(Some(Line { line }));
        }
        let span =
            self.span(memory, role, [op, before, kind, instruction.argument], delta > 0, guess, span)?;
        self.operands.know(span);
        if delta > 0 && kind == OTHER_LINE {
            self.operands.statement = span;
        }
        Ok(Some(Columns { line, lines, span }))
    }

    /// Start and end, as differences from the guess.
    fn span<R: Role>(
        &mut self,
        memory: &mut Memory,
        role: &mut R,
        [op, before, kind, argument]: [u32; 4],
        is_later: bool,
        guess: Guess,
        span: Span,
    ) -> Result<Span, Unfit> {
        let kinds = self.kinds >> 8;
        let at = match guess {
            Guess::Starts { .. } if is_later => self.operands.statement.start,
            Guess::Starts { at, .. } => at,
            Guess::Is(span) => span.start,
        };
        let of = [
            op | before << 8 | kind << 16,
            op | (kinds & 255) << 8 | kind << 16,
            (kind | (at as u32) << 8) ^ (self.operands.statement.start as u32) << 20,
            op | (kinds & 0xffff) << 8 | kind << 28,
        ];
        let off = memory.model.signed(role, &Contexts { set: 620 + kind, of }, span.start.wrapping_sub(at));
        let start = at.wrapping_add(off);
        let end = match guess {
            Guess::Starts { width, .. } => start.wrapping_add(width),
            Guess::Is(span) => span.end,
        };
        let of = [
            op | before << 8 | kind << 16,
            op | (off as u32 & 0xff) << 8 | kind << 16,
            op | (kinds & 255) << 8 | (off as u32 & 0xff) << 16,
            op ^ (self.off as u32) << 8 ^ argument << 16,
        ];
        self.off = memory.model.signed(role, &Contexts { set: 630 + kind, of }, span.end.wrapping_sub(end));
        let end = end.wrapping_add(self.off);
        self.kinds |= 1 + u32::from(off == 0) + 2 * u32::from(self.off == 0) - 1;
        if !(0..MAX).contains(&start) || !(0..MAX).contains(&end) {
            return Err(Unfit);
        }
        Ok(Span { start, end })
    }
}

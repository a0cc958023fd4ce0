//! The line table, as a place in the source for each instruction: coded as what it differs from a guess.

use super::body::Instruction;
use super::coder::{Coder, Role, symbol};
use super::lines::{self, MAX, Place, Run};
use super::spans::{Guess, Operands, Span, Widths};
use super::{Open, Unfit, Value, Walk};

impl Walk<'_> {
    /// The line table. One that CPython did not write is raw bytes.
    pub(super) fn lines<R: Role>(&mut self, coder: &mut Coder<'_, R>) -> Result<Value, Unfit> {
        let Some(Open::Code(code)) = self.open.last() else { return Err(Unfit) };
        let mut runs = Vec::new();
        let mut has_places = false;
        if R::ENCODES {
            let len = self.tape.peek_word(true)? as usize;
            let table = self.tape.rest().get(4..).and_then(|rest| rest.get(..len)).ok_or(Unfit)?;
            runs = lines::parse(table).unwrap_or_default();
            has_places = lines::write(&runs) == table && align(&runs, &code.body.instructions);
        }
        if !coder.flag(symbol::HAS_PLACES, 0, has_places) {
            return self.bytes(coder);
        }
        let widths = Widths { names: &code.names, locals: &code.locals, consts: &code.consts };
        let runs = code_places(coder, &code.body.instructions, &widths, &runs)?;
        let table = lines::write(&runs);
        self.tape.put(&(table.len() as u32).to_le_bytes())?;
        self.tape.put(&table)?;
        Ok(Value::default())
    }
}

/// Whether every run begins and ends with an instruction, and together they are as long.
fn align(runs: &[Run], instructions: &[Instruction]) -> bool {
    let mut instructions = instructions.iter();
    let fits = runs.iter().all(|run| {
        let mut left = run.units;
        while left > 0 {
            match instructions.next() {
                Some(instruction) if instruction.units <= left => left -= instruction.units,
                _ => return false,
            }
        }
        true
    });
    fits && instructions.next().is_none()
}

/// Codes the place of each instruction. `known`: when packing, the runs, which [`align`].
fn code_places<R: Role>(
    coder: &mut Coder<'_, R>,
    instructions: &[Instruction],
    widths: &Widths<'_>,
    known: &[Run],
) -> Result<Vec<Run>, Unfit> {
    let mut known = known.iter();
    let mut left = 0;
    let mut runs: Vec<Run> = Vec::new();
    let mut places = Places::default();
    for instruction in instructions {
        let mut place = None;
        if R::ENCODES {
            if left == 0 {
                let run = known.next().ok_or(Unfit)?;
                (left, place) = (run.units, Some(run.place));
            }
            left -= instruction.units;
        }
        let units = instruction.units;
        match (places.code(coder, instruction, widths, place)?, runs.last_mut()) {
            (None, Some(run)) => run.units += units,
            (None, None) => return Err(Unfit),
            (Some(place), _) => runs.push(Run { units, place }),
        }
    }
    Ok(runs)
}

// How a place is coded.
/// The run goes on.
const SAME: u32 = 0;
const IN_LINE: u32 = 1;
const OTHER_LINE: u32 = 2;
const NOWHERE: u32 = 3;
const NO_COLUMNS: u32 = 4;
const SEVERAL_LINES: u32 = 5;

#[derive(Default)]
struct Places {
    operands: Operands,
    line: i32,
    /// How the last was coded, and in the two low bits whether the guess was right.
    last: u32,
    /// The last instruction.
    before: u32,
}

impl Places {
    /// `place`: when packing, where the run begins that begins here.
    fn code<R: Role>(
        &mut self,
        coder: &mut Coder<'_, R>,
        instruction: &Instruction,
        widths: &Widths<'_>,
        place: Option<Place>,
    ) -> Result<Option<Place>, Unfit> {
        let (kind, line, lines, span) = match place {
            None => (SAME, 0, 0, Span::default()),
            Some(Place::Nowhere) => (NOWHERE, 0, 0, Span::default()),
            Some(Place::Line { line }) => (NO_COLUMNS, line, 0, Span::default()),
            Some(Place::Columns { line, lines, span }) => {
                let kind = match lines {
                    1.. => SEVERAL_LINES,
                    0 if line == self.line => IN_LINE,
                    0 => OTHER_LINE,
                };
                (kind, line, lines, span)
            }
        };
        let guess = self.operands.guess(instruction.operation, instruction.argument, widths);
        let op = u32::from(instruction.number);
        let before = std::mem::replace(&mut self.before, op);
        let of = op | before << 8 | self.last << 16;
        let kind = coder.number(symbol::PLACE + op, of, kind);
        self.last = kind << 2;
        let place = match kind {
            SAME => None,
            NOWHERE => Some(Place::Nowhere),
            IN_LINE => Some(Place::Columns { line: self.line, lines: 0, span }),
            OTHER_LINE | NO_COLUMNS | SEVERAL_LINES => {
                let of = op | before << 8 | kind << 16;
                let delta = coder.signed(symbol::LINE + kind, of, line.wrapping_sub(self.line));
                let line = self.line.wrapping_add(delta);
                let mut several = 0;
                if kind == SEVERAL_LINES {
                    several = coder.number(symbol::LINES, op | before << 8, lines);
                }
                if !(-MAX..MAX).contains(&line) || several >= MAX as u32 {
                    return Err(Unfit);
                }
                let is_later = line > self.line;
                self.line = line;
                if kind == NO_COLUMNS {
                    Some(Place::Line { line })
                } else {
                    let guess = if is_later { guess.on_a_later_line(self.operands.statement) } else { guess };
                    let span = self.span(coder, [op, before, kind], guess, span)?;
                    if is_later && kind == OTHER_LINE {
                        self.operands.statement = span;
                    }
                    self.operands.know(span);
                    return Ok(Some(Place::Columns { line, lines: several, span }));
                }
            }
            _ => return Err(Unfit),
        };
        if let (IN_LINE, Some(Place::Columns { line, lines, .. })) = (kind, place) {
            let span = self.span(coder, [op, before, kind], guess, span)?;
            self.operands.know(span);
            return Ok(Some(Place::Columns { line, lines, span }));
        }
        self.operands.know(self.operands.previous);
        Ok(place)
    }

    /// Start and end, as differences from the guess.
    fn span<R: Role>(
        &mut self,
        coder: &mut Coder<'_, R>,
        [op, before, kind]: [u32; 3],
        guess: Guess,
        span: Span,
    ) -> Result<Span, Unfit> {
        let at = guess.start();
        let of = op | before << 8 | kind << 16;
        let off = coder.signed(symbol::START + kind, of, span.start.wrapping_sub(at));
        let start = at.wrapping_add(off);
        let guessed_end = guess.end(start);
        let off_end = coder.signed(symbol::END + kind, of, span.end.wrapping_sub(guessed_end));
        let end = guessed_end.wrapping_add(off_end);
        self.last |= u32::from(off == 0) + 2 * u32::from(off_end == 0);
        if !(0..MAX).contains(&start) || !(0..MAX).contains(&end) {
            return Err(Unfit);
        }
        Ok(Span { start, end })
    }
}

//! Where in a source line an instruction's expression probably stands, from those of its operands.

use super::opcodes::Operation::{self, *};

/// Columns in bytes, the second exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: i32,
    pub(super) end: i32,
}

/// A likely span. Many operands are as wide as a name, so their end follows from where they really start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guess {
    Is(Span),
    Starts { at: i32, width: i32 },
}

impl Guess {
    pub(super) fn start(self) -> i32 {
        match self {
            Guess::Is(span) => span.start,
            Guess::Starts { at, .. } => at,
        }
    }

    /// The end, now that the start is known.
    pub(super) fn end(self, start: i32) -> i32 {
        match self {
            Guess::Is(span) => span.end,
            Guess::Starts { width, .. } => start.wrapping_add(width),
        }
    }

    /// What begins a line begins where the statement before it did.
    pub(super) fn on_a_later_line(self, statement: Span) -> Guess {
        match self {
            Guess::Is(_) => self,
            Guess::Starts { width, .. } => Guess::Starts { at: statement.start, width },
        }
    }
}

/// The operands on the interpreter's stack, as spans.
#[derive(Default)]
pub(super) struct Operands {
    stack: Vec<Span>,
    pushes: u8,
    pub(super) previous: Span,
    pub(super) statement: Span,
}

/// The lengths of what arguments name, in bytes of source.
pub(super) struct Widths<'a> {
    pub(super) names: &'a [u32],
    pub(super) locals: &'a [u32],
    pub(super) consts: &'a [u32],
}

/// No stack is deeper; a wrong guess of what an instruction pops must not let it grow.
const MAX_DEPTH: usize = 200;

impl Operands {
    /// Pops what the instruction pops, and guesses.
    pub(super) fn guess(&mut self, operation: Operation, argument: u32, widths: &Widths<'_>) -> Guess {
        let local = |index: u32| width(widths.locals, index);
        let name = |index: u32| width(widths.names, index);
        let after = self.previous.end;
        let Span { start, .. } = self.statement;
        self.pushes = 1;
        match operation {
            LoadLocal => Guess::Starts { at: after, width: local(argument) },
            LoadTwoLocals => {
                self.pushes = 2;
                Guess::Starts { at: after, width: local(argument >> 4) }
            }
            LoadName(shift) => {
                self.pushes += argument as u8 & shift;
                Guess::Starts { at: after, width: name(argument >> shift) }
            }
            LoadConst => Guess::Starts { at: after, width: width(widths.consts, argument) },
            LoadSmallInt => Guess::Starts { at: after, width: super::digits(argument) as i32 },
            StoreLocal => self.store(1, start, local(argument)),
            StoreName => self.store(1, start, name(argument)),
            ReturnConst => self.store(0, start, 7 + width(widths.consts, argument)),
            Attribute(shift) => {
                self.pushes += argument as u8 & 1;
                self.operator(0, 1, 1 + name(argument >> shift))
            }
            SuperAttribute(shift) => {
                self.pushes += argument as u8 & 1;
                let Span { end, .. } = self.pop();
                self.pop();
                let Span { start, .. } = self.pop();
                Guess::Is(Span { start, end: end + 2 + name(argument >> shift) })
            }
            StoreAttribute => {
                self.pushes = 0;
                let owner = self.pop();
                self.pop();
                Guess::Is(Span { start: owner.start, end: owner.end + 1 + name(argument) })
            }
            Call(besides) => self.operator(0, argument.saturating_add(besides.into()), 1),
            CallUnpacked => self.operator(0, 3 + (argument & 1), 1),
            Binary => self.operator(0, 2, 0),
            Subscript => self.operator(0, 2, 1),
            Slice => self.operator(0, 3, 1),
            StoreSubscript | StoreSlice => {
                self.pushes = 0;
                let guess = self.operator(0, if operation == StoreSlice { 3 } else { 2 }, 1);
                self.pop();
                guess
            }
            Build(times, plus) => {
                let items = argument.saturating_mul(times.into()).saturating_add(plus.into());
                self.operator(1, items, 1)
            }
            BuildSlice => self.operator(0, argument, 0),
            Append | Test => {
                self.pushes = 0;
                Guess::Is(self.pop())
            }
            Return => {
                self.pushes = 0;
                self.operator(7, 1, 0)
            }
            Unary(characters) => self.operator(characters.into(), 1, 0),
            Replace => self.operator(0, 1, 0),
            Push => Guess::Is(self.previous),
            Iterate => Guess::Is(self.top()),
            KeywordNames => {
                self.pushes = 0;
                Guess::Is(Span { start: self.previous.start, end: self.top().end + 1 })
            }
            MakeFunction => {
                self.drop_operands(1 + (argument & 15).count_ones());
                Guess::Is(self.previous)
            }
            Import => {
                self.pop();
                self.pop();
                Guess::Is(self.previous)
            }
            Other | WithArgument | Jump | OtherLocal | OtherName => {
                self.pushes = 0;
                Guess::Is(self.previous)
            }
        }
    }

    /// Pushes what the instruction pushes, now that its span is known.
    pub(super) fn know(&mut self, span: Span) {
        for _ in 0..self.pushes {
            if self.stack.len() < MAX_DEPTH {
                self.stack.push(span);
            }
        }
        self.previous = span;
    }

    fn store(&mut self, pops: u32, at: i32, width: i32) -> Guess {
        self.pushes = 0;
        self.drop_operands(pops);
        Guess::Starts { at, width }
    }

    /// From the first of `pops` operands to the end of the last, and so many characters before and after.
    fn operator(&mut self, before: i32, pops: u32, after: i32) -> Guess {
        if pops == 0 {
            let Span { end, .. } = self.previous;
            return Guess::Is(Span { start: end, end: end + before + after });
        }
        let Span { mut start, end } = self.pop();
        for _ in 1..pops.min(MAX_DEPTH as u32) {
            start = self.pop().start;
        }
        Guess::Is(Span { start: start - before, end: end + after })
    }

    fn drop_operands(&mut self, count: u32) {
        for _ in 0..count {
            self.pop();
        }
    }

    fn pop(&mut self) -> Span {
        self.stack.pop().unwrap_or(self.previous)
    }

    fn top(&self) -> Span {
        self.stack.last().copied().unwrap_or(self.previous)
    }
}

fn width(widths: &[u32], index: u32) -> i32 {
    widths.get(index as usize).map_or(0, |&width| width as i32)
}

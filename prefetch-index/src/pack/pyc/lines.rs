//! Line tables: CPython's `co_linetable` (PEP 626, PEP 657; `Objects/locations.md`) as one location for each run of code.
//!
//! CPython writes each location in the shortest of five ways, at most eight code units at a time. So the table follows
//! from the runs, unless something else wrote it; then it does not survive [`parse`] and [`write`] unchanged.

use super::spans::Span;

/// Columns and lines beyond are not worth a model.
pub(super) const MAX: i32 = 1 << 24;

/// Where a run of code comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// From no line.
    Nowhere,
    /// `line`: less the code object's first.
    Line { line: i32 },
    /// `lines`: how many more lines it has.
    Columns { line: i32, lines: u32, span: Span },
}

/// So many code units from one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) units: usize,
    pub(super) place: Place,
}

const MOST_UNITS: usize = 8;

/// Reads a table; `None` if it is broken. Only the packing side does.
pub(super) fn parse(table: &[u8]) -> Option<Vec<Run>> {
    let mut bytes = table.iter().copied();
    let mut runs: Vec<Run> = Vec::new();
    let (mut line, mut last) = (0i32, 0);
    while let Some(head) = bytes.next() {
        let units = usize::from(head & 7) + 1;
        let kind = head >> 3 & 15;
        let place = match kind {
            15 => Place::Nowhere,
            13 => {
                line = line.checked_add(signed(&mut bytes)?)?;
                Place::Line { line }
            }
            14 => {
                line = line.checked_add(signed(&mut bytes)?)?;
                let lines = varint(&mut bytes)?;
                let start = varint(&mut bytes)? as i32 - 1;
                let end = varint(&mut bytes)? as i32 - 1;
                Place::Columns { line, lines, span: Span { start, end } }
            }
            10..13 => {
                line = line.checked_add(i32::from(kind) - 10)?;
                let span = Span { start: bytes.next()?.into(), end: bytes.next()?.into() };
                Place::Columns { line, lines: 0, span }
            }
            _ => {
                let low = i32::from(bytes.next()?);
                let start = i32::from(kind) << 3 | low >> 4;
                Place::Columns { line, lines: 0, span: Span { start, end: start + (low & 15) } }
            }
        };
        match runs.last_mut() {
            Some(run) if run.place == place && last == MOST_UNITS => run.units += units,
            _ => runs.push(Run { units, place }),
        }
        last = units;
    }
    let fits = |value: i32| (-MAX..MAX).contains(&value);
    let all_fit = runs.iter().all(|run| match run.place {
        Place::Nowhere => true,
        Place::Line { line } => fits(line),
        Place::Columns { line, lines, span } => {
            fits(line)
                && lines < MAX as u32
                && span.start >= 0
                && span.end >= 0
                && fits(span.start)
                && fits(span.end)
        }
    });
    all_fit.then_some(runs)
}

/// The table of `runs`, as CPython writes it.
pub(super) fn write(runs: &[Run]) -> Vec<u8> {
    let mut table = Vec::new();
    let mut before = 0;
    for run in runs {
        let mut left = run.units;
        while left > 0 {
            let units = left.min(MOST_UNITS);
            left -= units;
            write_one(&mut table, &mut before, units, run.place);
        }
    }
    table
}

fn write_one(table: &mut Vec<u8>, before: &mut i32, units: usize, place: Place) {
    let head = |table: &mut Vec<u8>, kind: u8| table.push(0x80 | kind << 3 | (units - 1) as u8);
    match place {
        Place::Nowhere => head(table, 15),
        Place::Line { line } => {
            head(table, 13);
            write_signed(table, line - *before);
            *before = line;
        }
        Place::Columns { line, lines, span: Span { start, end } } => {
            let delta = line - *before;
            *before = line;
            if lines == 0 && delta == 0 && start < 80 && (0..16).contains(&(end - start)) {
                head(table, (start >> 3) as u8);
                table.push((start << 4 & 0x70 | (end - start)) as u8);
            } else if lines == 0 && (0..3).contains(&delta) && start < 128 && end < 128 {
                head(table, 10 + delta as u8);
                table.extend([start as u8, end as u8]);
            } else {
                head(table, 14);
                write_signed(table, delta);
                write_varint(table, lines);
                write_varint(table, start as u32 + 1);
                write_varint(table, end as u32 + 1);
            }
        }
    }
}

/// Six bits a byte, the lowest first, bit 6 says that more follow.
fn varint(bytes: &mut impl Iterator<Item = u8>) -> Option<u32> {
    let mut value = 0;
    for shift in (0..30).step_by(6) {
        let byte = bytes.next()?;
        value |= u32::from(byte & 63) << shift;
        if byte & 64 == 0 {
            return Some(value);
        }
    }
    None
}

/// The sign is the lowest bit.
fn signed(bytes: &mut impl Iterator<Item = u8>) -> Option<i32> {
    let value = varint(bytes)?;
    let magnitude = (value >> 1) as i32;
    Some(if value & 1 == 1 { -magnitude } else { magnitude })
}

fn write_varint(table: &mut Vec<u8>, mut value: u32) {
    while value >= 64 {
        table.push(64 | (value & 63) as u8);
        value >>= 6;
    }
    table.push(value as u8);
}

fn write_signed(table: &mut Vec<u8>, value: i32) {
    write_varint(table, value.unsigned_abs() << 1 | u32::from(value < 0));
}

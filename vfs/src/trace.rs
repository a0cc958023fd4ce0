//! What Python read and imported, in order, to become a trace (`prefetch_index::trace`).
//!
//! A page may run for days, so a file appears once, from the first byte to the last that anybody wanted, when it was wanted
//! first; a source that is opened again, then for its text, once more.

use std::ops::Range;

use crate::tree::Ino;

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Milliseconds since wheelfs was loaded.
    pub t: f64,
    /// What it was.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// The program began to import a module.
    Import(String),
    /// That import ended.
    Imported(String),
    /// A file was read.
    Read {
        /// Which.
        file: Ino,
        /// Its bytes that were wanted.
        range: Range<u64>,
    },
}

/// See the module's description.
#[derive(Debug, Default)]
pub struct Trace {
    events: Vec<Event>,
    /// Of each file: one more than the position of its read, 0 without one; and whether it was read again.
    reads: Vec<(u32, bool)>,
}

impl Trace {
    /// What happened, in order of time.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Notes an event that is no read.
    pub fn note(&mut self, t: f64, kind: EventKind) {
        self.events.push(Event { t, kind });
    }

    /// Notes that bytes of a file were read.
    pub fn read(&mut self, t: f64, file: Ino, is_source: bool, read: Range<u64>) {
        let at = file as usize;
        if self.reads.len() <= at {
            self.reads.resize(at + 1, (0, false));
        }
        let (known, again) = self.reads[at];
        if known == 0 || is_source && read.start == 0 && !again {
            self.note(t, EventKind::Read { file, range: read });
            self.reads[at] = if known == 0 { (self.events.len() as u32, false) } else { (known, true) };
        } else if let Some(Event { kind: EventKind::Read { range, .. }, .. }) =
            self.events.get_mut(known as usize - 1)
        {
            *range = range.start.min(read.start)..range.end.max(read.end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(trace: &Trace) -> Vec<(Ino, Range<u64>)> {
        let reads = trace.events().iter().filter_map(|event| match &event.kind {
            EventKind::Read { file, range } => Some((*file, range.clone())),
            _ => None,
        });
        reads.collect()
    }

    #[test]
    fn a_file_that_is_read_in_pieces_appears_once() {
        let mut trace = Trace::default();
        trace.note(0.5, EventKind::Import("a".to_owned()));
        trace.read(1.0, 7, false, 100..200);
        trace.read(2.0, 3, false, 0..5);
        trace.read(3.0, 7, false, 200..300);
        trace.read(4.0, 7, false, 0..50);
        assert_eq!(reads(&trace), [(7, 0..300), (3, 0..5)]);
        assert_eq!(trace.events()[0].kind, EventKind::Import("a".to_owned()));
        assert!((trace.events()[1].t - 1.0).abs() < f64::EPSILON, "when it was wanted first");
    }

    #[test]
    fn a_source_that_is_opened_again_is_read_for_its_text() {
        let mut trace = Trace::default();
        trace.read(1.0, 7, true, 0..100);
        trace.read(2.0, 7, true, 100..200);
        trace.read(3.0, 7, true, 0..200);
        trace.read(4.0, 7, true, 0..200);
        assert_eq!(reads(&trace), [(7, 0..200), (7, 0..200)]);
    }
}

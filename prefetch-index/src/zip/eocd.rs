use std::ops::Range;

use super::bytes::{u16_at, u32_at, u64_at};
use super::central::{CentralDirectory, parse_directory};
use super::error::ZipError;

/// APPNOTE 4.3.16: fixed part of the end of central directory record.
const END_LEN: usize = 22;
const END_SIGNATURE: u32 = 0x0605_4b50;
/// APPNOTE 4.3.15.
const ZIP64_LOCATOR_LEN: usize = 20;
const ZIP64_LOCATOR_SIGNATURE: u32 = 0x0706_4b50;
/// APPNOTE 4.3.14: fixed part of the zip64 end of central directory record.
const ZIP64_END_LEN: u64 = 56;
const ZIP64_END_SIGNATURE: u32 = 0x0606_4b50;
/// The longest reach of an end record with its comment and a zip64 locator before it. Of the 39 archives of the
/// Pyodide 0.27.7 distribution 38 also have their whole directory in it (largest but one: scipy, 59 KB), so this first
/// range is usually the only one.
const FIRST_GUESS: u64 = (END_LEN + u16::MAX as usize + ZIP64_LOCATOR_LEN) as u64;

/// Reads a central directory from ranges of an archive of known length.
///
/// Ask [`wants`](Self::wants), fetch, [`supply`](Self::supply), until nothing is wanted; then
/// [`finish`](Self::finish). Usually one range, the archive's end, is enough.
#[derive(Debug)]
pub struct CentralDirectoryReader {
    archive_len: u64,
    /// Bytes from `tail_start` to the end of the archive.
    tail: Vec<u8>,
    tail_start: u64,
    /// Bytes from `front_start` on, growing towards `tail_start`.
    front: Vec<u8>,
    front_start: u64,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// The tail must reach down to `from` before the end record can be looked for.
    Tail { from: u64 },
    /// The zip64 end record at `at` is wanted; `end` is where the ordinary record starts.
    Zip64 { at: u64, end: u64 },
    /// The directory is wanted.
    Directory(Directory),
}

#[derive(Clone, Copy, Debug)]
struct Directory {
    start: u64,
    end: u64,
    entries: u64,
}

impl CentralDirectoryReader {
    /// A reader for an archive of that many bytes.
    pub fn new(archive_len: u64) -> CentralDirectoryReader {
        let from = archive_len.saturating_sub(FIRST_GUESS);
        CentralDirectoryReader {
            archive_len,
            tail: Vec::new(),
            tail_start: archive_len,
            front: Vec::new(),
            front_start: from,
            state: State::Tail { from },
        }
    }

    /// The bytes still missing, or `None` when [`finish`](Self::finish) can be called.
    pub fn wants(&self) -> Option<Range<u64>> {
        let from = match self.state {
            State::Tail { from } => from,
            State::Zip64 { at, .. } => at,
            State::Directory(directory) => directory.start,
        };
        (from < self.tail_start).then(|| self.next_byte()..self.tail_start)
    }

    fn next_byte(&self) -> u64 {
        self.front_start + self.front.len() as u64
    }

    /// Takes bytes of the archive from `start` on. They may be any part of the wanted range from its beginning, and may
    /// start before it or reach past it.
    pub fn supply(&mut self, start: u64, bytes: &[u8]) -> Result<(), ZipError> {
        let end = start.saturating_add(bytes.len() as u64);
        if end > self.archive_len {
            return Err(ZipError::PastEnd { end, archive_len: self.archive_len });
        }
        let Some(wanted) = self.wants() else {
            return Ok(());
        };
        if self.front.is_empty() && start < wanted.start {
            // More than was asked for: keep it all, it saves a later range.
            self.front_start = start;
        }
        let next = self.next_byte();
        if start > next {
            return Err(ZipError::UnexpectedBytes { wanted: next, start });
        }
        // Both differences are at most `bytes.len()`: they fit usize.
        let fresh =
            (next - start).min(end - start) as usize..(end.min(self.tail_start).max(start) - start) as usize;
        self.front.extend_from_slice(bytes.get(fresh).unwrap_or_default());
        if self.next_byte() == self.tail_start {
            self.front.append(&mut self.tail);
            std::mem::swap(&mut self.front, &mut self.tail);
            self.tail_start = self.front_start;
            self.advance()?;
        }
        Ok(())
    }

    /// The directory, once nothing more is wanted.
    pub fn finish(self) -> Result<CentralDirectory, ZipError> {
        if let Some(Range { start, end }) = self.wants() {
            return Err(ZipError::Unfinished { start, end });
        }
        let State::Directory(directory) = self.state else {
            // Only an empty archive wants nothing before its end record was found.
            return Err(ZipError::NoEndRecord { archive_len: self.archive_len, searched: 0 });
        };
        let bytes = self.slice(directory.start..directory.end)?;
        parse_directory(bytes, directory.start, directory.entries, self.archive_len)
    }

    /// Moves on as far as the tail allows.
    fn advance(&mut self) -> Result<(), ZipError> {
        if let State::Tail { .. } = self.state {
            self.state = self.find_end()?;
        }
        if let State::Zip64 { at, end } = self.state
            && at >= self.tail_start
        {
            self.state = State::Directory(self.read_zip64_end(at, end)?);
        }
        if let State::Directory(directory) = self.state {
            // The range wanted next, if any.
            self.front_start = directory.start;
        } else if let State::Zip64 { at, .. } = self.state {
            self.front_start = at;
        }
        Ok(())
    }

    fn find_end(&self) -> Result<State, ZipError> {
        let tail = &self.tail;
        let no_end = ZipError::NoEndRecord { archive_len: self.archive_len, searched: tail.len() as u64 };
        // Backwards, so that a comment that quotes a record loses to the record it belongs to only if its length fits too.
        let at = (0..=tail.len().checked_sub(END_LEN).ok_or(no_end)?)
            .rev()
            .find(|&at| {
                u32_at(tail, at) == END_SIGNATURE
                    && at + END_LEN + usize::from(u16_at(tail, at + 20)) == tail.len()
            })
            .ok_or(no_end)?;
        let record = &tail[at..];
        let end = self.tail_start + at as u64;
        if let Some(locator_at) = at.checked_sub(ZIP64_LOCATOR_LEN)
            && u32_at(tail, locator_at) == ZIP64_LOCATOR_SIGNATURE
        {
            let disk = u32_at(tail, locator_at + 4);
            if disk != 0 {
                return Err(ZipError::Split { disk });
            }
            let record_at = u64_at(tail, locator_at + 8);
            check_end(record_at, ZIP64_END_LEN, self.tail_start + locator_at as u64)?;
            return Ok(State::Zip64 { at: record_at, end: self.tail_start + locator_at as u64 });
        }
        let disk = u32::from(u16_at(record, 4).max(u16_at(record, 6)));
        if disk != 0 {
            return Err(ZipError::Split { disk });
        }
        let entries = u64::from(u16_at(record, 10));
        Ok(State::Directory(directory(
            u64::from(u32_at(record, 16)),
            u64::from(u32_at(record, 12)),
            entries,
            end,
        )?))
    }

    fn read_zip64_end(&self, at: u64, end: u64) -> Result<Directory, ZipError> {
        let record = self.slice(at..end)?;
        let found = u32_at(record, 0);
        if found != ZIP64_END_SIGNATURE {
            return Err(ZipError::Signature { offset: at, wanted: ZIP64_END_SIGNATURE, found });
        }
        let disk = u32_at(record, 16).max(u32_at(record, 20));
        if disk != 0 {
            return Err(ZipError::Split { disk });
        }
        directory(u64_at(record, 48), u64_at(record, 40), u64_at(record, 32), at)
    }

    fn slice(&self, range: Range<u64>) -> Result<&[u8], ZipError> {
        let from_tail = |offset: u64| usize::try_from(offset.checked_sub(self.tail_start)?).ok();
        from_tail(range.start)
            .zip(from_tail(range.end))
            .and_then(|(start, end)| self.tail.get(start..end))
            .ok_or(ZipError::OutOfBounds { offset: range.start, end: range.end, limit: self.archive_len })
    }
}

fn directory(start: u64, len: u64, entries: u64, limit: u64) -> Result<Directory, ZipError> {
    let end = check_end(start, len, limit)?;
    Ok(Directory { start, end, entries })
}

/// `offset + len`, which must not pass `limit`.
pub(super) fn check_end(offset: u64, len: u64, limit: u64) -> Result<u64, ZipError> {
    match offset.checked_add(len) {
        Some(end) if end <= limit => Ok(end),
        end => Err(ZipError::OutOfBounds { offset, end: end.unwrap_or(u64::MAX), limit }),
    }
}

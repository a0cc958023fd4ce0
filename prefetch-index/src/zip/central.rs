use crate::order::by_numbers;
use bincode::{Decode, Encode};

use super::bytes::{extra_field, u16_at, u32_at, u64_at};
use super::decode::is_plausible;
use super::eocd::check_end;
use super::error::ZipError;
use super::local::LOCAL_LEN;
use super::name::{check_name, cp437, decode_name, name_conflicts};

/// APPNOTE 4.3.12: fixed part of a central directory header.
const HEADER_LEN: usize = 46;
const HEADER_SIGNATURE: u32 = 0x0201_4b50;
/// APPNOTE 4.5.3: zip64 extended information.
const ZIP64_EXTRA: u16 = 0x0001;
/// Info-ZIP's extended timestamp, "UT": the modification time is UTC seconds (APPNOTE 4.6.1 lists it).
const TIMESTAMP_EXTRA: u16 = 0x5455;

/// What an archive's central directory says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CentralDirectory {
    /// Usable members, sorted by `header_offset`.
    pub entries: Vec<Entry>,
    /// Members that were set aside, with the reason, in the directory's order.
    pub refused: Vec<(String, ZipError)>,
    /// Length of the archive in bytes.
    pub archive_len: u64,
    /// Where the directory starts, bytes from the start of the archive.
    pub directory_offset: u64,
}

/// One member, APPNOTE 4.3.12.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Relative path with `/` between components and none at the end.
    pub name: String,
    /// File, folder or symlink.
    pub kind: EntryKind,
    /// Unix permission and type bits, when the archive was made on such a system.
    pub mode: Option<u32>,
    /// Seconds since 1970; a DOS time without zone is taken as UTC.
    pub mtime: i64,
    /// Start of the local header, bytes from the start of the archive.
    pub header_offset: u64,
    /// The next local header, or the directory: the member's header and bytes lie before it.
    pub span_end: u64,
    /// Bytes in the archive.
    pub compressed_len: u64,
    /// Bytes after decoding.
    pub len: u64,
    /// How the bytes are compressed.
    pub method: Method,
    /// CRC-32 of the decoded bytes.
    pub crc32: u32,
}

/// What an [`Entry`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// An ordinary file.
    File,
    /// A folder.
    Directory,
    /// A symbolic link; the bytes are its target.
    Symlink,
}

/// How a member's bytes are compressed (APPNOTE 4.4.5; the two a wheel may use).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Decode, Encode)]
pub enum Method {
    /// 0: as they are.
    Stored,
    /// 8: RFC 1951.
    Deflate,
}

impl Method {
    pub(super) fn code(self) -> u16 {
        match self {
            Method::Stored => 0,
            Method::Deflate => 8,
        }
    }
}

/// APPNOTE 4.4.4: bits 0 (encrypted), 6 (strong) and 13 (masked header).
pub(super) fn is_encrypted(flags: u16) -> bool {
    flags & (1 | 1 << 6 | 1 << 13) != 0
}

/// `bytes`: the directory; `start`: its offset in the archive; `count`: entries according to the end record.
pub(super) fn parse_directory(
    bytes: &[u8],
    start: u64,
    count: u64,
    archive_len: u64,
) -> Result<CentralDirectory, ZipError> {
    let mut directory = CentralDirectory { archive_len, directory_offset: start, ..Default::default() };
    let end = start + bytes.len() as u64;
    let (mut at, mut found) = (0, 0);
    // A zip64 end record may be followed by its extensible data; the count, not the length, ends the list.
    while found < count && at < bytes.len() {
        let offset = start + at as u64;
        check_end(offset, HEADER_LEN as u64, end)?;
        let signature = u32_at(bytes, at);
        if signature != HEADER_SIGNATURE {
            return Err(ZipError::Signature { offset, wanted: HEADER_SIGNATURE, found: signature });
        }
        let header = &bytes[at..];
        let lens = [u16_at(header, 28), u16_at(header, 30), u16_at(header, 32)].map(usize::from);
        let len = HEADER_LEN + lens.iter().sum::<usize>();
        check_end(offset, len as u64, end)?;
        let (raw_name, rest) = header[HEADER_LEN..len].split_at(lens[0]);
        let extra = &rest[..lens[1]];
        match parse_entry(header, raw_name, extra, start) {
            Ok(entry) => directory.entries.push(entry),
            Err(error) => directory.refused.push((cp437_or_utf8(raw_name), error)),
        }
        at += len;
        found += 1;
    }
    if found != count || at != bytes.len() {
        return Err(ZipError::EntryCount { wanted: count, found: found + u64::from(at < bytes.len()) });
    }
    refuse_conflicting_names(&mut directory);
    refuse_overlaps(&mut directory);
    Ok(directory)
}

fn cp437_or_utf8(raw: &[u8]) -> String {
    std::str::from_utf8(raw).map_or_else(|_| cp437(raw), str::to_owned)
}

fn parse_entry(header: &[u8], raw_name: &[u8], extra: &[u8], limit: u64) -> Result<Entry, ZipError> {
    let flags = u16_at(header, 8);
    if is_encrypted(flags) {
        return Err(ZipError::Encrypted);
    }
    let name = decode_name(raw_name, flags, extra)?;
    check_name(&name).map_err(ZipError::Name)?;
    let method = match u16_at(header, 10) {
        0 => Method::Stored,
        8 => Method::Deflate,
        method => return Err(ZipError::UnsupportedMethod { method }),
    };
    let (len, compressed_len, header_offset) = sizes(header, extra)?;
    let disk = u32::from(u16_at(header, 34));
    if disk != 0 && disk != u32::from(u16::MAX) {
        return Err(ZipError::Split { disk });
    }
    if !is_plausible(method, compressed_len, len) {
        return Err(ZipError::ImplausibleLength { len, compressed_len });
    }
    let after_header = check_end(header_offset, LOCAL_LEN + raw_name.len() as u64, limit)?;
    check_end(after_header, compressed_len, limit)?;

    // APPNOTE 4.4.2: 3 is Unix, 19 OS X; their external attributes hold the mode in the upper half.
    let mode = matches!(header[5], 3 | 19).then(|| u32_at(header, 38) >> 16).filter(|&mode| mode != 0);
    let is_folder = name.ends_with('/');
    let kind = match mode.map_or(0, |mode| mode & 0o170_000) {
        _ if is_folder => EntryKind::Directory,
        0 | 0o100_000 => EntryKind::File,
        0o120_000 => EntryKind::Symlink,
        0o040_000 => EntryKind::Directory,
        _ => {
            return Err(ZipError::UnsupportedFileType { mode: mode.unwrap_or_default() });
        }
    };
    Ok(Entry {
        name: name.strip_suffix('/').unwrap_or(&name).to_owned(),
        kind,
        mode,
        mtime: modified(header, extra),
        header_offset,
        span_end: limit,
        compressed_len,
        len,
        method,
        crc32: u32_at(header, 16),
    })
}

/// Decoded length, compressed length and header offset, each from the zip64 field when the header's is saturated.
fn sizes(header: &[u8], extra: &[u8]) -> Result<(u64, u64, u64), ZipError> {
    let mut zip64 = extra_field(extra, ZIP64_EXTRA).unwrap_or_default();
    let mut wide = |at: usize| {
        let value = u32_at(header, at);
        if value != u32::MAX {
            return Ok(u64::from(value));
        }
        // APPNOTE 4.5.3: present in this order, and only for saturated values.
        let Some((field, rest)) = zip64.split_at_checked(8) else {
            return Err(ZipError::Zip64Field { wanted: 8, found: zip64.len() as u64 });
        };
        zip64 = rest;
        Ok(u64_at(field, 0))
    };
    let len = wide(24)?;
    Ok((len, wide(20)?, wide(42)?))
}

fn modified(header: &[u8], extra: &[u8]) -> i64 {
    match extra_field(extra, TIMESTAMP_EXTRA) {
        Some([flags, time @ ..]) if flags & 1 != 0 && time.len() >= 4 => i64::from(u32_at(time, 0) as i32),
        _ => dos_time(u16_at(header, 14), u16_at(header, 12)),
    }
}

/// APPNOTE 4.4.6. Out-of-range fields (month 0, day 0) are read as their smallest value.
fn dos_time(date: u16, time: u16) -> i64 {
    let year = i64::from(date >> 9) + 1980;
    let month = i64::from(date >> 5 & 15).clamp(1, 12);
    let day = i64::from(date & 31).max(1);
    // Days from civil, with years starting in March so that the leap day is the last.
    let shifted = year - i64::from(month <= 2);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + day_of_year - 719_468;
    days * 86_400 + i64::from(time >> 11) * 3600 + i64::from(time >> 5 & 63) * 60 + i64::from(time & 31) * 2
}

/// Sets aside members of which it cannot be known which one was meant.
fn refuse_conflicting_names(directory: &mut CentralDirectory) {
    let names =
        directory.entries.iter().map(|entry| (entry.name.as_str(), entry.kind == EntryKind::Directory));
    let conflicts = name_conflicts(&names.collect::<Vec<_>>());
    refuse(directory, conflicts.into_iter().map(|(i, problem)| (i, ZipError::Name(problem))).collect());
}

/// Sorts by offset, bounds every member by the next, and sets aside those that reach into it.
fn refuse_overlaps(directory: &mut CentralDirectory) {
    directory.entries = by_numbers(std::mem::take(&mut directory.entries), |entry| (entry.header_offset, 0));
    let entries = &mut directory.entries;
    let mut problems = Vec::new();
    let mut next = directory.directory_offset;
    for (i, entry) in entries.iter_mut().enumerate().rev() {
        entry.span_end = next;
        next = entry.header_offset;
        let smallest = LOCAL_LEN + entry.name.len().min(1) as u64 + entry.compressed_len;
        if let Err(error) = check_end(entry.header_offset, smallest, entry.span_end) {
            problems.push((i, error));
        }
    }
    problems.reverse();
    refuse(directory, problems);
}

/// Moves entries to the refused; `problems` ascend by position.
fn refuse(directory: &mut CentralDirectory, problems: Vec<(usize, ZipError)>) {
    if problems.is_empty() {
        return;
    }
    let mut problems = problems.into_iter().peekable();
    let mut kept = Vec::with_capacity(directory.entries.len());
    for (i, entry) in std::mem::take(&mut directory.entries).into_iter().enumerate() {
        match problems.next_if(|&(at, _)| at == i) {
            Some((_, error)) => directory.refused.push((entry.name, error)),
            None => kept.push(entry),
        }
    }
    directory.entries = kept;
}

#[cfg(test)]
mod tests {
    use super::dos_time;

    #[test]
    fn dos_times() {
        let date = |year: u16, month: u16, day: u16| (year - 1980) << 9 | month << 5 | day;
        // Expected values from `date -u -d … +%s`.
        let cases = [
            (date(1980, 1, 1), 0, 315_532_800),
            (date(1999, 12, 31), 23 << 11 | 59 << 5 | 29, 946_684_798),
            (date(2000, 2, 29), 0, 951_782_400),
            (date(2024, 2, 29), 23 << 11 | 59 << 5 | 29, 1_709_251_198),
            (date(2024, 3, 1), 0, 1_709_251_200),
            (date(2107, 12, 31), 0, 4_354_732_800),
            // No date at all reads as the first.
            (0, 0, 315_532_800),
        ];
        for (date, time, expected) in cases {
            assert_eq!(dos_time(date, time), expected, "{date:#x} {time:#x}");
        }
    }
}

use crate::crc32;
use crate::order::by_numbers;
use std::borrow::Cow;

use hashbrown::HashMap;

use super::bytes::{extra_field, u32_at};
use super::error::{NameProblem, ZipError};

/// APPNOTE 4.4.4, bit 11: the name is UTF-8.
pub(super) const UTF8_FLAG: u16 = 1 << 11;
/// APPNOTE 4.6.9: Info-ZIP Unicode Path Extra Field.
const UNICODE_PATH: u16 = 0x7075;

/// Of a path on Linux, and so of Emscripten's (`PATH_MAX` of musl's `limits.h`): bytes. A name of 64 KiB would also have so many
/// folders that looking at each takes seconds.
const MAX_LEN: usize = 4096;

/// A member's name: by Info-ZIP's extra field if it still belongs to the raw name, which may be a placeholder in ASCII; else
/// UTF-8 by flag, else code page 437 (APPNOTE D.1).
pub(super) fn decode_name<'a>(raw: &'a [u8], flags: u16, extra: &'a [u8]) -> Result<Cow<'a, str>, ZipError> {
    let utf8 = |bytes| {
        std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| ZipError::Name(NameProblem::NotUtf8))
    };
    if let Some([1, field @ ..]) = extra_field(extra, UNICODE_PATH)
        && let Some((_, name @ [_, ..])) = field.split_at_checked(4)
        && u32_at(field, 0) == crc32::hash(raw)
    {
        return utf8(name);
    }
    if flags & UTF8_FLAG != 0 || raw.is_ascii() {
        return utf8(raw);
    }
    Ok(Cow::Owned(cp437(raw)))
}

/// Refuses every name that is not a plain relative path with `/` between components. A trailing `/` marks a folder.
pub(crate) fn check_name(name: &str) -> Result<(), NameProblem> {
    let bytes = name.as_bytes();
    match bytes {
        _ if bytes.len() > MAX_LEN => return Err(NameProblem::TooLong { len: bytes.len() as u64 }),
        [] => return Err(NameProblem::Empty),
        [b'/', ..] => return Err(NameProblem::Absolute),
        [drive, b':', ..] if drive.is_ascii_alphabetic() => return Err(NameProblem::Drive),
        _ => {}
    }
    let mut start = 0;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            0 => return Err(NameProblem::Nul),
            b'\\' => return Err(NameProblem::Backslash),
            b'/' if is_no_name(&bytes[start..at]) => return Err(NameProblem::Component),
            b'/' => start = at + 1,
            _ => {}
        }
    }
    if start < bytes.len() && is_no_name(&bytes[start..]) {
        return Err(NameProblem::Component);
    }
    Ok(())
}

const fn is_no_name(component: &[u8]) -> bool {
    matches!(component, [] | [b'.'] | [b'.', b'.'])
}

/// The folder that a path lies in; `None` at the top.
fn folder(path: &str) -> Option<&str> {
    let slash = path.bytes().rposition(|byte| byte == b'/')?;
    path.get(..slash)
}

/// Names (and whether each is a folder) that cannot live in one tree: several members of one name, and files that others
/// use as folders. Positions ascend.
///
/// Mounting without an index waits for this: each name is looked up once, and each folder once.
pub(super) fn name_conflicts(names: &[(&str, bool)]) -> Vec<(usize, NameProblem)> {
    let mut first = HashMap::with_capacity(names.len());
    let mut conflicts = Vec::new();
    for (i, (name, is_folder)) in names.iter().enumerate() {
        let before = *first.entry(*name).or_insert(i);
        // A folder may be listed twice; nothing depends on which.
        if before != i && !(*is_folder && names[before].1) {
            conflicts.extend([(before, NameProblem::Duplicate), (i, NameProblem::Duplicate)]);
        }
    }
    let mut seen = HashMap::new();
    let mut last = None;
    for (i, (name, _)) in names.iter().enumerate() {
        let mut above = folder(name);
        // What lies together is listed together, as a rule.
        if above == last {
            continue;
        }
        last = above;
        // What lies above a folder that was looked at was looked at with it.
        while let Some(path) = above
            && *seen.entry(path).or_insert(i) == i
        {
            if let Some(&at) = first.get(path)
                && !names[at].1
            {
                conflicts.push((at, NameProblem::FileAndFolder));
            }
            above = folder(path);
        }
    }
    let mut conflicts = by_numbers(conflicts, |&(i, _)| (i as u64, 0));
    conflicts.dedup_by_key(|&mut (i, _)| i);
    conflicts
}

pub(super) fn cp437(raw: &[u8]) -> String {
    raw.iter()
        .map(|&byte| if byte < 0x80 { char::from(byte) } else { CP437_UPPER[usize::from(byte - 0x80)] })
        .collect()
}

/// Characters 0x80 to 0xFF of IBM code page 437.
#[rustfmt::skip]
const CP437_UPPER: [char; 128] = [
    'Ç', 'ü', 'é', 'â', 'ä', 'à', 'å', 'ç', 'ê', 'ë', 'è', 'ï', 'î', 'ì', 'Ä', 'Å',
    'É', 'æ', 'Æ', 'ô', 'ö', 'ò', 'û', 'ù', 'ÿ', 'Ö', 'Ü', '¢', '£', '¥', '₧', 'ƒ',
    'á', 'í', 'ó', 'ú', 'ñ', 'Ñ', 'ª', 'º', '¿', '⌐', '¬', '½', '¼', '¡', '«', '»',
    '░', '▒', '▓', '│', '┤', '╡', '╢', '╖', '╕', '╣', '║', '╗', '╝', '╜', '╛', '┐',
    '└', '┴', '┬', '├', '─', '┼', '╞', '╟', '╚', '╔', '╩', '╦', '╠', '═', '╬', '╧',
    '╨', '╤', '╥', '╙', '╘', '╒', '╓', '╫', '╪', '┘', '┌', '█', '▄', '▌', '▐', '▀',
    'α', 'ß', 'Γ', 'π', 'Σ', 'σ', 'µ', 'τ', 'Φ', 'Θ', 'Ω', 'δ', '∞', 'φ', 'ε', '∩',
    '≡', '±', '≥', '≤', '⌠', '⌡', '÷', '≈', '°', '∙', '·', '√', 'ⁿ', '²', '■', '\u{a0}',
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let cases: &[(&str, Result<(), NameProblem>)] = &[
            ("a", Ok(())),
            ("pandas/__init__.py", Ok(())),
            ("folder/", Ok(())),
            ("..a/b..", Ok(())),
            ("a:b", Err(NameProblem::Drive)),
            ("ab:c", Ok(())),
            ("", Err(NameProblem::Empty)),
            ("/", Err(NameProblem::Absolute)),
            ("/etc/passwd", Err(NameProblem::Absolute)),
            ("a\0b", Err(NameProblem::Nul)),
            ("a\\b", Err(NameProblem::Backslash)),
            ("c:/a", Err(NameProblem::Drive)),
            ("../a", Err(NameProblem::Component)),
            ("a/../b", Err(NameProblem::Component)),
            ("a/..", Err(NameProblem::Component)),
            ("a/../", Err(NameProblem::Component)),
            ("./a", Err(NameProblem::Component)),
            ("a//b", Err(NameProblem::Component)),
            ("a//", Err(NameProblem::Component)),
        ];
        for (name, expected) in cases {
            assert_eq!(check_name(name), *expected, "{name:?}");
        }
        assert_eq!(check_name(&"é".repeat(2048)), Ok(()));
        assert_eq!(check_name(&"a/".repeat(2049)), Err(NameProblem::TooLong { len: 4098 }));
    }

    #[test]
    fn encodings() {
        let raw: &[u8] = b"na\x8bve";
        assert_eq!(decode_name(raw, 0, &[]).unwrap(), "naïve");
        assert_eq!(decode_name(raw, UTF8_FLAG, &[]), Err(ZipError::Name(NameProblem::NotUtf8)));
        assert_eq!(decode_name("naïve".as_bytes(), UTF8_FLAG, &[]).unwrap(), "naïve");

        let field = |raw: &[u8], name: &str| {
            let mut extra = vec![0x75, 0x70, 5 + name.len() as u8, 0, 1];
            extra.extend(crc32fast::hash(raw).to_le_bytes());
            extra.extend(name.as_bytes());
            extra
        };
        let mut extra = field(raw, "日本");
        assert_eq!(decode_name(raw, 0, &extra).unwrap(), "日本");
        // As CPython's zipfile reads them, from 3.12 on.
        let placeholder: &[u8] = b"#U65e5.py";
        assert_eq!(decode_name(placeholder, 0, &field(placeholder, "日.py")).unwrap(), "日.py");
        assert_eq!(decode_name(placeholder, UTF8_FLAG, &field(placeholder, "日.py")).unwrap(), "日.py");
        assert_eq!(decode_name(placeholder, 0, &field(placeholder, "")).unwrap(), "#U65e5.py");
        extra[5] ^= 1; // The raw name was changed by a tool that did not know the field.
        assert_eq!(decode_name(raw, 0, &extra).unwrap(), "naïve");
    }
}

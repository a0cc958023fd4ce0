use crate::order::by_numbers;
use std::borrow::Cow;

use super::bytes::{extra_field, u32_at};
use super::error::{NameProblem, ZipError};

/// APPNOTE 4.4.4, bit 11: the name is UTF-8.
pub(super) const UTF8_FLAG: u16 = 1 << 11;
/// APPNOTE 4.6.9: Info-ZIP Unicode Path Extra Field.
const UNICODE_PATH: u16 = 0x7075;

/// A member's name: UTF-8 by flag, else by Info-ZIP's extra field if it still belongs to the raw name, else code page 437
/// (APPNOTE D.1).
pub(super) fn decode_name<'a>(raw: &'a [u8], flags: u16, extra: &'a [u8]) -> Result<Cow<'a, str>, ZipError> {
    let utf8 = |bytes| {
        std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| ZipError::Name(NameProblem::NotUtf8))
    };
    if flags & UTF8_FLAG != 0 || raw.is_ascii() {
        return utf8(raw);
    }
    if let Some([1, field @ ..]) = extra_field(extra, UNICODE_PATH)
        && field.len() >= 4
        && u32_at(field, 0) == crc32fast::hash(raw)
    {
        return utf8(&field[4..]);
    }
    Ok(Cow::Owned(cp437(raw)))
}

/// Refuses every name that is not a plain relative path with `/` between components. A trailing `/` marks a folder.
pub(crate) fn check_name(name: &str) -> Result<(), NameProblem> {
    let path = name.strip_suffix('/').unwrap_or(name);
    if name.is_empty() {
        Err(NameProblem::Empty)
    } else if name.starts_with('/') {
        Err(NameProblem::Absolute)
    } else if name.contains('\0') {
        Err(NameProblem::Nul)
    } else if name.contains('\\') {
        Err(NameProblem::Backslash)
    } else if matches!(name.as_bytes(), [drive, b':', ..] if drive.is_ascii_alphabetic()) {
        Err(NameProblem::Drive)
    } else if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        Err(NameProblem::Component)
    } else {
        Ok(())
    }
}

/// Names (and whether each is a folder) that cannot live in one tree: several members of one name, and files that others
/// use as folders. Positions ascend.
pub(super) fn name_conflicts(names: &[(&str, bool)]) -> Vec<(usize, NameProblem)> {
    let mut order: Vec<usize> = (0..names.len()).collect();
    // With '/' sorted first, a name is directly followed by what lies below it. Mounting without an index waits for
    // this sort, so it looks at each byte once: names share long beginnings.
    let rank = |byte: Option<&u8>| byte.map_or(0, |&byte| if byte == b'/' { 1 } else { u16::from(byte) + 2 });
    let compare = |a: &str, b: &str| {
        let (a, b) = (a.as_bytes(), b.as_bytes());
        let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
        rank(a.get(same)).cmp(&rank(b.get(same)))
    };
    order.sort_unstable_by(|&a, &b| compare(names[a].0, names[b].0).then(a.cmp(&b)));
    let mut conflicts = Vec::new();
    for same in order.chunk_by(|&a, &b| names[a].0 == names[b].0) {
        // A folder may be listed twice; nothing depends on which.
        if same.len() > 1 && same.iter().any(|&i| !names[i].1) {
            conflicts.extend(same.iter().map(|&i| (i, NameProblem::Duplicate)));
        }
    }
    for pair in order.windows(2) {
        let ((name, is_folder), (next, _)) = (names[pair[0]], names[pair[1]]);
        if !is_folder && next.strip_prefix(name).is_some_and(|below| below.starts_with('/')) {
            conflicts.push((pair[0], NameProblem::FileAndFolder));
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
    }

    #[test]
    fn encodings() {
        let raw: &[u8] = b"na\x8bve";
        assert_eq!(decode_name(raw, 0, &[]).unwrap(), "naïve");
        assert_eq!(decode_name(raw, UTF8_FLAG, &[]), Err(ZipError::Name(NameProblem::NotUtf8)));
        assert_eq!(decode_name("naïve".as_bytes(), UTF8_FLAG, &[]).unwrap(), "naïve");

        let mut extra = vec![0x75, 0x70, 0, 0, 1];
        extra.extend(crc32fast::hash(raw).to_le_bytes());
        extra.extend("日本".as_bytes());
        extra[2] = (extra.len() - 4) as u8;
        assert_eq!(decode_name(raw, 0, &extra).unwrap(), "日本");
        extra[5] ^= 1; // The raw name was changed by a tool that did not know the field.
        assert_eq!(decode_name(raw, 0, &extra).unwrap(), "naïve");
    }
}

//! The `Range` request header (RFC 9110, 14.2), the single-range part of it.

use std::ops::Range;

/// What a `Range` header asks of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The whole file: there is no header, or one a server may ignore (several ranges, a suffix, nonsense).
    Whole,
    /// These bytes, cut at the end of the file.
    Part(Range<u64>),
    /// Nothing: the range starts beyond the end.
    NotSatisfiable,
}

/// `header`: the value of `Range`, if there is one; `len`: of the file, in bytes.
pub(crate) fn asked(header: Option<&str>, len: u64) -> Asked {
    let Some((first, last)) = header.and_then(|value| value.strip_prefix("bytes=")?.split_once('-')) else {
        return Asked::Whole;
    };
    let (Some(first), Some(last)) =
        (number(first), if last.is_empty() { Some(u64::MAX) } else { number(last) })
    else {
        return Asked::Whole;
    };
    if last < first {
        Asked::Whole
    } else if first >= len {
        Asked::NotSatisfiable
    } else {
        Asked::Part(first..last.saturating_add(1).min(len))
    }
}

/// `u64::from_str` takes a leading `+`, which the header's grammar does not.
fn number(digits: &str) -> Option<u64> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_a_file_of_ten_bytes() {
        for (header, expected) in [
            (None, Asked::Whole),
            (Some("bytes=0-0"), Asked::Part(0..1)),
            (Some("bytes=2-5"), Asked::Part(2..6)),
            (Some("bytes=9-"), Asked::Part(9..10)),
            (Some("bytes=3-99"), Asked::Part(3..10)),
            (Some("bytes=0-18446744073709551615"), Asked::Part(0..10)),
            (Some("bytes=10-"), Asked::NotSatisfiable),
            (Some("bytes=10-20"), Asked::NotSatisfiable),
            (Some("bytes=5-2"), Asked::Whole),
            (Some("bytes=-5"), Asked::Whole),
            (Some("bytes=+1-2"), Asked::Whole),
            (Some("bytes=0-1,4-5"), Asked::Whole),
            (Some("bytes=99999999999999999999-"), Asked::Whole),
            (Some("lines=0-1"), Asked::Whole),
            (Some("bytes"), Asked::Whole),
        ] {
            assert_eq!(asked(header, 10), expected, "{header:?}");
        }
        assert_eq!(asked(Some("bytes=0-"), 0), Asked::NotSatisfiable);
    }
}

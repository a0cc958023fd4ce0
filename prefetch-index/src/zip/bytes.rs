//! Little-endian fields of a slice whose length the caller has checked; past the end they read as zero.

pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    field(bytes, at).map_or(0, u16::from_le_bytes)
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    field(bytes, at).map_or(0, u32::from_le_bytes)
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    field(bytes, at).map_or(0, u64::from_le_bytes)
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

/// The payload of the first extra field with that id (APPNOTE 4.5.1); a field that overruns ends the search.
pub(super) fn extra_field(mut extra: &[u8], id: u16) -> Option<&[u8]> {
    while extra.len() >= 4 {
        let len = usize::from(u16_at(extra, 2));
        let payload = extra.get(4..4 + len)?;
        if u16_at(extra, 0) == id {
            return Some(payload);
        }
        extra = &extra[4 + len..];
    }
    None
}

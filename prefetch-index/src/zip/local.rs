use super::bytes::{u16_at, u32_at};
use super::central::{Method, is_encrypted};
use super::eocd::check_end;
use super::error::ZipError;
use super::name::{UTF8_FLAG, decode_name};

/// APPNOTE 4.3.7: fixed part of a local file header.
pub(super) const LOCAL_LEN: u64 = 30;
const LOCAL_SIGNATURE: u32 = 0x0403_4b50;

/// Where a member's bytes start, from its local header (APPNOTE 4.3.7).
///
/// `local`: the archive's bytes from `header_offset` on, at least the whole header with name and extra field. `name` and
/// `method` are the central directory's and must agree; the data must end at or before `limit`, an offset in the archive.
/// `compressed_len` and `crc32` are compared only where the name cannot be: with a data descriptor the header has none.
pub fn data_offset(
    local: &[u8],
    header_offset: u64,
    name: &str,
    method: Method,
    compressed_len: u64,
    crc32: u32,
    limit: u64,
) -> Result<u64, ZipError> {
    let have = header_offset.saturating_add(local.len() as u64);
    check_end(header_offset, LOCAL_LEN, have)?;
    let found = u32_at(local, 0);
    if found != LOCAL_SIGNATURE {
        return Err(ZipError::Signature { offset: header_offset, wanted: LOCAL_SIGNATURE, found });
    }
    let flags = u16_at(local, 6);
    if is_encrypted(flags) {
        return Err(ZipError::Encrypted);
    }
    let (name_len, extra_len) = (u16_at(local, 26), u16_at(local, 28));
    let header_len = LOCAL_LEN + u64::from(name_len) + u64::from(extra_len);
    let start = check_end(header_offset, header_len, have)?;
    let (raw, extra) = local[LOCAL_LEN as usize..header_len as usize].split_at(usize::from(name_len));
    // A file's name is its path: names that would have to be cleaned are refused with the directory.
    let is_named = |extra| decode_name(raw, flags, extra).ok().as_deref() == Some(name);
    // The name in Unicode (Info-ZIP's extra field) may stand in either header alone. In the directory's alone, the raw name
    // says nothing, and what else the header has of the member tells.
    let is_it = || {
        let [found, len] = [14, 18].map(|at| u32_at(local, at));
        !name.is_ascii() && flags & UTF8_FLAG == 0 && found == crc32 && u64::from(len) == compressed_len
    };
    if u16_at(local, 8) != method.code() || !(is_named(&[]) || is_named(extra) || is_it()) {
        return Err(ZipError::LocalHeader { offset: header_offset });
    }
    check_end(start, compressed_len, limit)?;
    Ok(start)
}

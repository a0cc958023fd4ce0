//! The shared libraries a WebAssembly shared library needs, from its `dylink.0` section
//! (WebAssembly tool conventions, "Dynamic Linking"). That section comes first, so a prefix of the file is enough.

use thiserror::Error;

/// `WASM_DYLINK_NEEDED` of the tool conventions.
const NEEDED: u8 = 2;
const SECTION: &[u8] = b"dylink.0";

/// Why the needed libraries could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DylinkError {
    /// Not `\0asm` version 1.
    #[error("not a WebAssembly module")]
    NotWasm,
    /// A module whose first section is not `dylink.0`.
    #[error("not a shared library: the first section is not dylink.0")]
    NotShared,
    /// The prefix is too short.
    #[error("{found} bytes are too few, at least {wanted} are needed")]
    Truncated {
        /// Bytes known to be needed so far.
        wanted: u64,
        /// Bytes given.
        found: u64,
    },
    /// A length or name inside the section makes no sense.
    #[error("malformed dylink.0 section at byte {offset}")]
    Malformed {
        /// Bytes from the start of the file.
        offset: u64,
    },
}

/// The NEEDED list of a shared library, in its order. `bytes`: the file, or as much of its start as holds the list.
pub fn needed(bytes: &[u8]) -> Result<Vec<String>, DylinkError> {
    let magic = b"\0asm\x01\0\0\0";
    if !bytes.starts_with(&magic[..magic.len().min(bytes.len())]) {
        return Err(DylinkError::NotWasm);
    }
    let mut reader = Reader::new(bytes);
    reader.take(magic.len() as u32)?;
    if reader.byte()? != 0 {
        return Err(DylinkError::NotShared);
    }
    let section_end = reader.length_end()?;
    let name_len = reader.u32()?;
    if name_len as usize != SECTION.len() || reader.take(name_len)? != SECTION {
        return Err(DylinkError::NotShared);
    }
    while (reader.at as u64) < section_end {
        let kind = reader.byte()?;
        let end = reader.length_end()?;
        if end > section_end {
            return Err(reader.malformed());
        }
        if kind == NEEDED {
            return reader.names(end);
        }
        reader.skip_to(end)?;
    }
    Ok(Vec::new())
}

/// Reads the binary format of WebAssembly.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0 }
    }

    /// What has not been read.
    pub(crate) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    pub(crate) fn malformed(&self) -> DylinkError {
        DylinkError::Malformed { offset: self.at as u64 }
    }

    fn skip_to(&mut self, end: u64) -> Result<(), DylinkError> {
        let found = self.bytes.len() as u64;
        self.at = usize::try_from(end)
            .ok()
            .filter(|_| end <= found)
            .ok_or(DylinkError::Truncated { wanted: end, found })?;
        Ok(())
    }

    pub(crate) fn take(&mut self, len: u32) -> Result<&'a [u8], DylinkError> {
        let start = self.at;
        self.skip_to(start as u64 + u64::from(len))?;
        Ok(&self.bytes[start..self.at])
    }

    pub(crate) fn byte(&mut self) -> Result<u8, DylinkError> {
        Ok(self.take(1)?[0])
    }

    /// LEB128, at most 32 bits.
    pub(crate) fn u32(&mut self) -> Result<u32, DylinkError> {
        let mut value = 0u32;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            let low = u32::from(byte & 0x7f);
            if shift == 28 && low > 0x0f {
                return Err(self.malformed());
            }
            value |= low << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.malformed())
    }

    /// A length and as many bytes.
    pub(crate) fn name(&mut self) -> Result<&'a [u8], DylinkError> {
        let len = self.u32()?;
        self.take(len)
    }

    /// Reads a length and returns where what it measures ends.
    fn length_end(&mut self) -> Result<u64, DylinkError> {
        let len = self.u32()?;
        Ok(self.at as u64 + u64::from(len))
    }

    fn names(&mut self, end: u64) -> Result<Vec<String>, DylinkError> {
        let count = self.u32()?;
        let mut names = Vec::new();
        // Each name takes at least its length byte, so a false count runs into the end of the bytes, not into memory.
        for _ in 0..count {
            let name = std::str::from_utf8(self.name()?).map_err(|_| self.malformed())?;
            if self.at as u64 > end {
                return Err(self.malformed());
            }
            names.push(name.to_owned());
        }
        Ok(names)
    }
}

/// Appends an unsigned number in LEB128.
pub(crate) fn write_leb128(out: &mut Vec<u8>, value: impl Into<u64>) {
    let mut value = value.into();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library(subsections: &[(u8, &[u8])]) -> Vec<u8> {
        let mut section = vec![SECTION.len() as u8];
        section.extend(SECTION);
        for (kind, payload) in subsections {
            section.extend([*kind, payload.len() as u8]);
            section.extend(*payload);
        }
        let mut file = b"\0asm\x01\0\0\0\0".to_vec();
        file.push(section.len() as u8);
        file.extend(section);
        file
    }

    #[test]
    fn tables() {
        let both = library(&[(1, &[9, 9, 9, 9]), (2, b"\x02\x0elibopenblas.so\x04a.so"), (3, b"rest")]);
        let wanted = vec!["libopenblas.so".to_owned(), "a.so".to_owned()];
        assert_eq!(needed(&both), Ok(wanted.clone()));
        // Whatever follows the list need not be there.
        assert_eq!(needed(&both[..both.len() - 6]), Ok(wanted));
        for len in 0..both.len() - 6 {
            assert!(matches!(needed(&both[..len]), Err(DylinkError::Truncated { .. })), "{len}");
        }
        assert_eq!(needed(&library(&[(1, &[])])), Ok(vec![]));
        assert_eq!(needed(b"\x7fELF"), Err(DylinkError::NotWasm));
        assert_eq!(needed(b"\0asm\x01\0\0\0\x01\x04"), Err(DylinkError::NotShared));
        assert_eq!(needed(b"\0asm\x01\0\0\0\0\x05\x04name"), Err(DylinkError::NotShared));
        let overrun = library(&[(2, b"\x01\x01")]);
        assert!(matches!(needed(&overrun), Err(DylinkError::Truncated { .. })));
        assert!(matches!(needed(&library(&[(2, b"\x01\x01\xff")])), Err(DylinkError::Malformed { .. })));
        assert!(matches!(
            needed(&library(&[(2, b"\xff\xff\xff\xff\xff")])),
            Err(DylinkError::Malformed { .. })
        ));
        assert!(matches!(
            needed(&library(&[(2, b"\x01\x02a"), (3, b"zzzz")])),
            Err(DylinkError::Malformed { .. })
        ));
    }
}

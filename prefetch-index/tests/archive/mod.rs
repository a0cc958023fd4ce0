//! A zip written field by field (APPNOTE 4.3), for archives no writer would make.

/// One member.
#[derive(Clone)]
pub(crate) struct Piece {
    name: Vec<u8>,
    data: Vec<u8>,
    flags: u16,
    method: u16,
    mode: u32,
    len: Option<u64>,
    compressed_len: Option<u64>,
    descriptor: bool,
    zip64: bool,
    /// Extra fields of the local header and of the directory's.
    extra: [Vec<u8>; 2],
}

#[allow(dead_code, reason = "each test file uses its own part")]
impl Piece {
    pub(crate) fn raw(name: &[u8], data: &[u8]) -> Piece {
        Piece {
            name: name.to_vec(),
            data: data.to_vec(),
            flags: 0,
            method: 0,
            mode: 0o100_644,
            len: None,
            compressed_len: None,
            descriptor: false,
            zip64: false,
            extra: [const { Vec::new() }; 2],
        }
    }

    pub(crate) fn new(name: &str, data: &[u8]) -> Piece {
        Piece::raw(name.as_bytes(), data)
    }

    pub(crate) fn flags(self, flags: u16) -> Piece {
        Piece { flags, ..self }
    }

    pub(crate) fn method(self, method: u16) -> Piece {
        Piece { method, ..self }
    }

    pub(crate) fn mode(self, mode: u32) -> Piece {
        Piece { mode, ..self }
    }

    /// A false length of the decoded bytes.
    pub(crate) fn len(self, len: u64) -> Piece {
        Piece { len: Some(len), ..self }
    }

    /// A false length of the bytes in the archive.
    pub(crate) fn compressed_len(self, len: u64) -> Piece {
        Piece { compressed_len: Some(len), ..self }
    }

    /// Lengths and CRC after the data instead of in the local header (4.3.9).
    pub(crate) fn descriptor(self) -> Piece {
        Piece { descriptor: true, ..self }
    }

    /// The name in Unicode in an extra field (4.6.9) of the local header, or of the directory's, or of both.
    pub(crate) fn unicode(self, name: &str, local: bool, central: bool) -> Piece {
        let len = 5 + name.len() as u8;
        let crc = crc32(&self.name).to_le_bytes();
        let field = [&[0x75, 0x70, len, 0, 1], &crc[..], name.as_bytes()].concat();
        Piece { extra: [local, central].map(|is_there| field.repeat(is_there.into())), ..self }
    }

    /// Lengths and offset in a zip64 extra field.
    pub(crate) fn zip64(self) -> Piece {
        Piece { zip64: true, ..self }
    }
}

/// An archive.
#[derive(Clone)]
pub(crate) struct HandMade {
    pieces: Vec<Piece>,
    zip64: bool,
    entries: Option<u16>,
    disk: u16,
    directory_offset: Option<u32>,
}

#[allow(dead_code, reason = "each test file uses its own part")]
impl HandMade {
    pub(crate) fn of(pieces: Vec<Piece>) -> HandMade {
        HandMade { pieces, zip64: false, entries: None, disk: 0, directory_offset: None }
    }

    /// With a zip64 end record.
    pub(crate) fn zip64(self) -> HandMade {
        HandMade { zip64: true, ..self }
    }

    /// A false number of entries.
    pub(crate) fn entries(self, entries: u16) -> HandMade {
        HandMade { entries: Some(entries), ..self }
    }

    pub(crate) fn disk(self, disk: u16) -> HandMade {
        HandMade { disk, ..self }
    }

    /// A false place of the directory.
    pub(crate) fn directory_offset(self, offset: u32) -> HandMade {
        HandMade { directory_offset: Some(offset), ..self }
    }

    pub(crate) fn build(self) -> Vec<u8> {
        let mut file = Vec::new();
        let mut directory = Vec::new();
        for piece in &self.pieces {
            let offset = file.len() as u64;
            let flags = piece.flags | if piece.descriptor { 8 } else { 0 };
            let real = piece.data.len() as u64;
            let (len, compressed) = (piece.len.unwrap_or(real), piece.compressed_len.unwrap_or(real));
            let crc = crc32(&piece.data);
            let mut fields = [crc, compressed as u32, len as u32];

            file.extend(b"PK\x03\x04\x14\x00");
            file.extend([flags.to_le_bytes(), piece.method.to_le_bytes(), [0; 2], [0; 2]].concat());
            let local = if piece.descriptor { [0; 3] } else { fields };
            file.extend(local.map(u32::to_le_bytes).concat());
            file.extend((piece.name.len() as u16).to_le_bytes());
            let [local_extra, extra] = &piece.extra;
            file.extend((local_extra.len() as u16).to_le_bytes());
            file.extend(&piece.name);
            file.extend(local_extra);
            file.extend(&piece.data);
            if piece.descriptor {
                file.extend(b"PK\x07\x08");
                file.extend(fields.map(u32::to_le_bytes).concat());
            }

            let mut extra = extra.clone();
            let mut short_offset = offset as u32;
            if piece.zip64 {
                fields = [crc, u32::MAX, u32::MAX];
                short_offset = u32::MAX;
                extra.extend([1, 0, 24, 0]);
                extra.extend([len, compressed, offset].map(u64::to_le_bytes).concat());
            }
            directory.extend(b"PK\x01\x02\x14\x03\x14\x00");
            directory.extend([flags.to_le_bytes(), piece.method.to_le_bytes(), [0; 2], [0; 2]].concat());
            directory.extend(fields.map(u32::to_le_bytes).concat());
            directory.extend(
                [piece.name.len() as u16, extra.len() as u16, 0, 0, 0].map(u16::to_le_bytes).concat(),
            );
            directory.extend((piece.mode << 16).to_le_bytes());
            directory.extend(short_offset.to_le_bytes());
            directory.extend(&piece.name);
            directory.extend(extra);
        }
        let (start, len) = (file.len() as u64, directory.len() as u64);
        file.extend(directory);
        let count = self.pieces.len() as u64;
        let mut end = [len as u32, self.directory_offset.unwrap_or(start as u32)];
        let mut entries = [self.entries.unwrap_or(count as u16); 2];
        if self.zip64 {
            let record = file.len() as u64;
            file.extend(b"PK\x06\x06");
            file.extend(44u64.to_le_bytes());
            file.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            file.extend([count, count, len, start].map(u64::to_le_bytes).concat());
            file.extend(b"PK\x06\x07\0\0\0\0");
            file.extend(record.to_le_bytes());
            file.extend([1, 0, 0, 0]);
            end = [u32::MAX; 2];
            entries = [u16::MAX; 2];
        }
        file.extend(b"PK\x05\x06");
        file.extend([self.disk, self.disk, entries[0], entries[1]].map(u16::to_le_bytes).concat());
        file.extend(end.map(u32::to_le_bytes).concat());
        file.extend([0; 2]);
        file
    }
}

/// The reflected CRC-32 of zip, bit by bit: independent of the crate under test.
fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    })
}

//! What the bytes of a pack mean: header, frames, streams.

use super::lzma::Properties;
use super::{PackError, VERSION};
use crate::crc32;
#[cfg(feature = "cli")]
use crate::dylink::write_leb128;
use crate::zip::{u32_at, u64_at};

const MAGIC: &[u8; 8] = b"WHLPACK\0";
/// No decoder buffers more than a chunk, parts excepted: about what 20 Mbit/s bring in 25 ms.
pub(super) const MAX_CHUNK: u64 = 64 << 10;
pub(super) const MEMBER: u8 = 255;
pub(super) const PART: u8 = 254;
pub(super) const STORED: u8 = 255;

/// Where bytes of one nature go. The number in the file is the position in [`ALL`](Stream::ALL).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Plain,
    Library,
    /// Bytecode that has no model.
    Bytecode,
    /// Of bytecode that has: what the model's coder wrote; is stored.
    Model,
    /// Its strings.
    Names,
    Text,
}

pub(super) const STREAMS: usize = Stream::ALL.len();
pub(super) const HEADER_LEN: usize = 32 + 9 * STREAMS + 4;

impl Stream {
    pub(super) const ALL: [Stream; 6] =
        [Stream::Plain, Stream::Library, Stream::Bytecode, Stream::Model, Stream::Names, Stream::Text];

    /// How the stream is compressed. Measured on pandas' pack; see "Packs: codec" in ARCHITECTURE.md.
    #[cfg(feature = "cli")]
    pub(super) const fn codec(self) -> Codec {
        let lc = match self {
            Stream::Model => return Codec::Stored,
            Stream::Library | Stream::Names => 3,
            Stream::Plain | Stream::Bytecode | Stream::Text => 4,
        };
        Codec::Lzma(Properties { lc, lp: 0, pb: 0 })
    }
}

/// How a member was packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As it is, in one stream.
    Plain,
    Library,
    Bytecode,
    /// Bytecode as `pyc` has it.
    Modelled,
}

impl Form {
    pub(super) const ALL: [Form; 4] = [Form::Plain, Form::Library, Form::Bytecode, Form::Modelled];

    /// The streams that hold it, in the order of the lengths in a member's frame.
    pub(super) fn streams(self) -> &'static [Stream] {
        match self {
            Form::Plain => &[Stream::Plain],
            Form::Library => &[Stream::Library],
            Form::Bytecode => &[Stream::Bytecode],
            Form::Modelled => &[Stream::Model, Stream::Names, Stream::Text],
        }
    }
}

/// How a stream is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    Stored,
    Lzma(Properties),
}

impl Codec {
    fn from_byte(byte: u8) -> Option<Codec> {
        if byte == STORED { Some(Codec::Stored) } else { Properties::from_byte(byte).map(Codec::Lzma) }
    }

    #[cfg(feature = "cli")]
    fn byte(self) -> u8 {
        match self {
            Codec::Stored => STORED,
            Codec::Lzma(properties) => properties.byte(),
        }
    }
}

/// A pack's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) id: [u8; 16],
    pub(super) members: u32,
    pub(super) streams: [(Codec, u64); STREAMS],
}

impl Header {
    #[cfg(feature = "cli")]
    pub(super) fn write(&self, file: &mut Vec<u8>) {
        let start = file.len();
        file.extend(MAGIC);
        file.extend(VERSION.to_le_bytes());
        file.extend(self.id);
        file.extend(self.members.to_le_bytes());
        for (codec, len) in self.streams {
            file.push(codec.byte());
            file.extend(len.to_le_bytes());
        }
        file.extend(crc32::hash(&file[start..]).to_le_bytes());
    }

    /// `None`: more bytes are wanted. Refuses a wrong file as soon as a byte shows it.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<Header>, PackError> {
        let shown = bytes.len().min(MAGIC.len());
        if bytes[..shown] != MAGIC[..shown] {
            return Err(PackError::Magic);
        }
        if bytes.len() >= 12 {
            let found = u32_at(bytes, 8);
            if found != VERSION {
                return Err(PackError::Version { wanted: VERSION, found });
            }
        }
        if bytes.len() < HEADER_LEN {
            return Ok(None);
        }
        let end = HEADER_LEN - 4;
        let (wanted, found) = (u32_at(bytes, end), crc32::hash(&bytes[..end]));
        if wanted != found {
            return Err(PackError::Header { wanted, found });
        }
        let mut header =
            Header { id: [0; 16], members: u32_at(bytes, 28), streams: [(Codec::Stored, 0); STREAMS] };
        header.id.copy_from_slice(&bytes[12..28]);
        for (stream, at) in header.streams.iter_mut().zip((32..).step_by(9)) {
            let codec = Codec::from_byte(bytes[at]);
            let codec = codec.ok_or(PackError::Corrupt { offset: at as u64, member: 0 })?;
            *stream = (codec, u64_at(bytes, at + 1));
        }
        Ok(Some(header))
    }
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// `stream`: index into [`Stream::ALL`]; `compressed`: bytes that follow the frame; `decoded`: what they hold.
    Chunk { stream: usize, compressed: u64, decoded: u64 },
    /// `takes`: bytes from each of the form's streams, as many as it has.
    Member { form: Form, crc32: u32, takes: [u64; STREAMS] },
    /// `len`: bytes that follow the frame.
    Part { members: u64, len: u64, crc32: u32 },
}

/// The bytes are no frame.
pub(super) struct NoFrame;

impl Frame {
    #[cfg(feature = "cli")]
    pub(super) fn write(&self, file: &mut Vec<u8>) {
        match *self {
            Frame::Chunk { stream, compressed, decoded } => {
                file.push(stream as u8);
                write_leb128(file, compressed);
                write_leb128(file, decoded);
            }
            Frame::Member { form, crc32, takes } => {
                file.push(MEMBER);
                file.extend(Form::ALL.iter().position(|&known| known == form).map(|number| number as u8));
                file.extend(crc32.to_le_bytes());
                takes[..form.streams().len()].iter().for_each(|&take| write_leb128(file, take));
            }
            Frame::Part { members, len, crc32 } => {
                file.push(PART);
                write_leb128(file, members);
                write_leb128(file, len);
                file.extend(crc32.to_le_bytes());
            }
        }
    }

    /// The frame at the start of `bytes` and its length; `None`: more bytes are wanted.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<(Frame, usize)>, NoFrame> {
        let mut cursor = Cursor { bytes, at: 0 };
        let frame = cursor.frame()?;
        Ok(frame.map(|frame| (frame, cursor.at)))
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn frame(&mut self) -> Result<Option<Frame>, NoFrame> {
        let Some(number) = self.byte() else { return Ok(None) };
        if number == MEMBER {
            let Some(form) = self.byte() else { return Ok(None) };
            let form = *Form::ALL.get(usize::from(form)).ok_or(NoFrame)?;
            let Some(crc32) = self.crc32() else { return Ok(None) };
            let mut takes = [0; STREAMS];
            for take in takes.iter_mut().take(form.streams().len()) {
                let Some(len) = self.varint()? else { return Ok(None) };
                *take = len;
            }
            return Ok(Some(Frame::Member { form, crc32, takes }));
        }
        if number == PART {
            let Some(members) = self.varint()? else { return Ok(None) };
            let Some(len) = self.varint()? else { return Ok(None) };
            let Some(crc32) = self.crc32() else { return Ok(None) };
            return Ok(Some(Frame::Part { members, len, crc32 }));
        }
        let stream = usize::from(number);
        if stream >= STREAMS {
            return Err(NoFrame);
        }
        let Some(compressed) = self.varint()? else { return Ok(None) };
        let Some(decoded) = self.varint()? else { return Ok(None) };
        if compressed > MAX_CHUNK {
            return Err(NoFrame);
        }
        Ok(Some(Frame::Chunk { stream, compressed, decoded }))
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = self.bytes.get(self.at).copied()?;
        self.at += 1;
        Some(byte)
    }

    fn crc32(&mut self) -> Option<u32> {
        let bytes = self.bytes.get(self.at..self.at + 4)?;
        self.at += 4;
        Some(u32_at(bytes, 0))
    }

    /// At most nine bytes, so at most 63 bits.
    fn varint(&mut self) -> Result<Option<u64>, NoFrame> {
        let mut value = 0;
        for shift in (0..63).step_by(7) {
            let Some(byte) = self.byte() else { return Ok(None) };
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(Some(value));
            }
        }
        Err(NoFrame)
    }
}

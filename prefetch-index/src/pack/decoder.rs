//! Reading a pack while it arrives.

use super::PackError;
use super::frame::{Codec, Form, Frame, HEADER_LEN, Header, MAX_CHUNK, STREAMS, Stream};
use super::lzma::{Broken, Lzma};
use super::pyc::{Unfit, Unpacker};
use crate::crc32;

/// Reads a pack: takes its bytes as they come and gives out members as they are complete, parts as they are. Does no I/O.
///
/// Holds the bytes supplied and not yet given out, and the last 32 to 48 MiB of each stream.
pub struct Decoder {
    id: [u8; 16],
    lengths: Vec<u64>,
    limit: u64,
    input: Vec<u8>,
    /// Read bytes of `input`, and bytes of the file before it.
    at: usize,
    dropped: u64,
    streams: Option<[StreamDecoder; STREAMS]>,
    chunk: Option<Chunk>,
    /// Begun by the first member that needs it.
    unpacker: Option<Box<Unpacker>>,
    /// The CRC-32 of the member that `unpacker` is at.
    unpacking: Option<u32>,
    next: u32,
    failed: Option<PackError>,
}

/// What a [`Decoder::step`] came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A member is complete, and its CRC-32 was checked. Members come in order.
    Member {
        /// From 0, in the order of `lengths`.
        number: u32,
        /// All of it.
        bytes: Vec<u8>,
    },
    /// Some members more have come, packed: for [`unpack`]. The CRC-32 of the bytes was checked.
    Part {
        /// The first of them.
        number: u32,
        /// How many; at least one.
        members: u32,
        /// A pack of them.
        bytes: Vec<u8>,
    },
    /// The budget is spent; there is more to do without more bytes.
    Working,
    /// More bytes are wanted.
    Starved,
    /// Every member was given out.
    Done,
}

/// The chunk being decoded; all its compressed bytes are in `input`.
#[derive(Clone, Copy)]
struct Chunk {
    stream: usize,
    end: usize,
    /// Decoded length of the stream when the chunk is done.
    target: u64,
}

struct StreamDecoder {
    codec: StreamCodec,
    /// Decoded length of all of it.
    len: u64,
    /// How far the chunks so far say that they go.
    promised: u64,
    /// Bytes that members took.
    taken: u64,
}

enum StreamCodec {
    /// What no member took yet.
    Stored(Vec<u8>),
    Lzma(Box<Lzma>),
}

/// All members of a pack, or of a part of one, in order. `id` and `lengths` as for [`Decoder::new`].
pub fn unpack(id: [u8; 16], lengths: &[u64], file: &[u8]) -> Result<Vec<Vec<u8>>, PackError> {
    let mut decoder = Decoder::new(id, lengths.to_vec(), total(lengths));
    decoder.supply(file);
    let mut unpacked = Vec::new();
    loop {
        match decoder.step(usize::MAX)? {
            Step::Member { bytes, .. } => unpacked.push(bytes),
            // Not endlessly deep: it has fewer members.
            Step::Part { number, members, bytes } => {
                let lengths = lengths.get(number as usize..(number + members) as usize).unwrap_or_default();
                unpacked.extend(unpack(id, lengths, &bytes)?);
            }
            Step::Working => {}
            Step::Starved | Step::Done => break,
        }
    }
    decoder.finish()?;
    Ok(unpacked)
}

fn total(lengths: &[u64]) -> u64 {
    lengths.iter().fold(0, |sum, len| sum.saturating_add(*len))
}

impl Decoder {
    /// A decoder for the pack of the index `id` whose members have the decoded `lengths`, bytes. `limit`: the most bytes
    /// that members and streams may have in all.
    pub fn new(id: [u8; 16], lengths: Vec<u64>, limit: u64) -> Decoder {
        Decoder {
            id,
            lengths,
            limit,
            input: Vec::new(),
            at: 0,
            dropped: 0,
            streams: None,
            chunk: None,
            unpacker: None,
            unpacking: None,
            next: 0,
            failed: None,
        }
    }

    /// Takes the file's next bytes, however it was cut.
    pub fn supply(&mut self, bytes: &[u8]) {
        // What is read is dropped only when it is the larger part: so each byte is moved once at most, on average.
        if self.chunk.is_none() && self.at * 2 >= self.input.len() {
            self.input.drain(..self.at);
            self.dropped += self.at as u64;
            self.at = 0;
        }
        self.input.extend_from_slice(bytes);
    }

    /// Decodes about `budget` bytes, or up to the end of the next member. After an error, always that error.
    pub fn step(&mut self, budget: usize) -> Result<Step, PackError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let result = self.advance(budget);
        self.failed = result.as_ref().err().copied();
        result
    }

    /// To be asked when the transfer has ended and [`step`](Decoder::step) says [`Step::Starved`] or [`Step::Done`]: were
    /// all members complete?
    pub fn finish(&self) -> Result<(), PackError> {
        let members = self.lengths.len() as u32;
        match self.failed {
            Some(error) => Err(error),
            None if self.streams.is_none() || self.next < members => {
                Err(PackError::Truncated { complete: self.next, members })
            }
            None => Ok(()),
        }
    }

    fn advance(&mut self, budget: usize) -> Result<Step, PackError> {
        if self.streams.is_none() {
            let Some(header) = Header::read(&self.input[self.at..])? else { return Ok(Step::Starved) };
            self.streams = Some(self.start(&header)?);
            self.at += HEADER_LEN;
        }
        let mut left = budget.max(1);
        loop {
            if let Some(chunk) = self.chunk {
                if left == 0 {
                    return Ok(Step::Working);
                }
                left = left.saturating_sub(self.decode(chunk, left)?);
                continue;
            }
            let Some(&expected) = self.lengths.get(self.next as usize) else { return Ok(Step::Done) };
            if let Some(crc32) = self.unpacking {
                if left == 0 {
                    return Ok(Step::Working);
                }
                // The model is some ten times slower than LZMA.
                let unpacked =
                    self.unpacker.as_mut().map_or(Err(Unfit), |unpacker| unpacker.advance(left / 10 + 1));
                left = 0;
                let Some(bytes) = unpacked.map_err(|Unfit| self.corrupt())? else { continue };
                self.unpacking = None;
                return self.checked(bytes, crc32);
            }
            let frame = Frame::read(&self.input[self.at..]).map_err(|_| self.corrupt())?;
            let Some((frame, len)) = frame else { return Ok(Step::Starved) };
            match frame {
                Frame::Chunk { stream, compressed, decoded } => {
                    let start = self.at + len;
                    let end = start + compressed as usize;
                    if end > self.input.len() {
                        return Ok(Step::Starved);
                    }
                    let corrupt = self.corrupt();
                    let target = self.stream(stream)?.promise(decoded).ok_or(corrupt)?;
                    self.at = start;
                    self.chunk = Some(Chunk { stream, end, target });
                }
                Frame::Member { form, crc32, takes } => {
                    self.at += len;
                    if form == Form::Modelled {
                        self.begin(&takes, expected)?;
                        self.unpacking = Some(crc32);
                        continue;
                    }
                    let found = takes[0];
                    if found != expected {
                        return Err(PackError::Length { member: self.next, wanted: expected, found });
                    }
                    let bytes = self.take(form.streams()[0], found)?;
                    return self.checked(bytes, crc32);
                }
                Frame::Part { members, len: packed, crc32 } => {
                    let part = self.part(members, self.at + len, packed, crc32)?;
                    return Ok(part.unwrap_or(Step::Starved));
                }
            }
        }
    }

    /// Gives out the next member.
    fn checked(&mut self, bytes: Vec<u8>, crc32: u32) -> Result<Step, PackError> {
        let (number, found) = (self.next, crc32::hash(&bytes));
        if crc32 != found {
            return Err(PackError::Crc { member: number, wanted: crc32, found });
        }
        self.next += 1;
        Ok(Step::Member { number, bytes })
    }

    /// Gives out a part of `len` bytes that begins at `start` of the input; `None`: more bytes are wanted.
    fn part(&mut self, members: u64, start: usize, len: u64, wanted: u32) -> Result<Option<Step>, PackError> {
        // What cannot be compressed is a little longer for it.
        let limit = self.limit.saturating_add(self.limit / 8).saturating_add(MAX_CHUNK);
        if len > limit {
            return Err(PackError::TooLarge { len, limit });
        }
        let (all, number) = (self.lengths.len() as u64, self.next);
        if members == 0 || members >= all || members > all - u64::from(number) {
            return Err(self.corrupt());
        }
        let end = usize::try_from(len).ok().and_then(|len| start.checked_add(len));
        let Some((end, bytes)) = end.and_then(|end| Some((end, self.input.get(start..end)?))) else {
            return Ok(None);
        };
        let found = crc32::hash(bytes);
        if found != wanted {
            return Err(PackError::Crc { member: number, wanted, found });
        }
        let step = Step::Part { number, members: members as u32, bytes: bytes.to_vec() };
        self.at = end;
        self.next += members as u32;
        Ok(Some(step))
    }

    /// Checks the header against the index, and every length before anything is allocated for it.
    fn start(&self, header: &Header) -> Result<[StreamDecoder; STREAMS], PackError> {
        if header.id != self.id {
            return Err(PackError::Stale { wanted: self.id, found: header.id });
        }
        let wanted = self.lengths.len() as u32;
        if header.members != wanted {
            return Err(PackError::Members { wanted, found: header.members });
        }
        let streams = header.streams.iter().fold(0u64, |sum, (_, len)| sum.saturating_add(*len));
        let len = streams.max(total(&self.lengths));
        if len > self.limit {
            return Err(PackError::TooLarge { len, limit: self.limit });
        }
        Ok(header.streams.map(|(codec, len)| StreamDecoder {
            codec: match codec {
                Codec::Stored => StreamCodec::Stored(Vec::new()),
                Codec::Lzma(properties) => StreamCodec::Lzma(Box::new(Lzma::new(properties))),
            },
            len,
            promised: 0,
            taken: 0,
        }))
    }

    /// Works on the chunk; returns the bytes decoded.
    fn decode(&mut self, chunk: Chunk, budget: usize) -> Result<usize, PackError> {
        let corrupt = self.corrupt();
        let stream = self.streams.as_mut().map(|streams| &mut streams[chunk.stream]).ok_or(corrupt)?;
        let before = stream.decoded();
        stream.decode(&self.input[..chunk.end], &mut self.at, chunk.target, budget).map_err(|_| corrupt)?;
        let after = stream.decoded();
        if after >= chunk.target {
            if self.at != chunk.end {
                return Err(corrupt);
            }
            self.chunk = None;
        }
        Ok((after - before) as usize)
    }

    /// Begins to unpack a member of `len` bytes.
    fn begin(&mut self, takes: &[u64; STREAMS], len: u64) -> Result<(), PackError> {
        let corrupt = self.corrupt();
        let model = self.take(Stream::Model, takes[0])?;
        let names = self.take(Stream::Names, takes[1])?;
        let text = self.take(Stream::Text, takes[2])?;
        let unpacker = self.unpacker.get_or_insert_with(|| Box::new(Unpacker::new()));
        let len = usize::try_from(len).map_err(|_| corrupt)?;
        unpacker.begin(len, model, names, text).map_err(|Unfit| corrupt)
    }

    /// The next `len` bytes of a stream.
    fn take(&mut self, stream: Stream, len: u64) -> Result<Vec<u8>, PackError> {
        let corrupt = self.corrupt();
        let stream = self.stream(stream as usize)?;
        let bytes = stream.next(len).ok_or(corrupt)?.to_vec();
        stream.take(len);
        Ok(bytes)
    }

    fn stream(&mut self, number: usize) -> Result<&mut StreamDecoder, PackError> {
        let corrupt = self.corrupt();
        self.streams.as_mut().and_then(|streams| streams.get_mut(number)).ok_or(corrupt)
    }

    fn corrupt(&self) -> PackError {
        PackError::Corrupt { offset: self.dropped + self.at as u64, member: self.next }
    }
}

impl StreamDecoder {
    fn decoded(&self) -> u64 {
        match &self.codec {
            StreamCodec::Stored(bytes) => self.taken + bytes.len() as u64,
            StreamCodec::Lzma(lzma) => lzma.decoded(),
        }
    }

    /// Where the stream will be after a chunk that promises `decoded` more bytes. The last match of a chunk may go further
    /// than it promised.
    fn promise(&mut self, decoded: u64) -> Option<u64> {
        self.promised = self.promised.checked_add(decoded).filter(|&target| target <= self.len)?;
        Some(self.promised)
    }

    /// Makes progress, or fails.
    fn decode(&mut self, input: &[u8], at: &mut usize, target: u64, budget: usize) -> Result<(), Broken> {
        let before = self.decoded();
        match &mut self.codec {
            StreamCodec::Stored(bytes) => {
                let chunk = &input[*at..];
                if before + chunk.len() as u64 != target {
                    return Err(Broken);
                }
                bytes.extend_from_slice(chunk);
                *at = input.len();
                Ok(())
            }
            StreamCodec::Lzma(lzma) => lzma.decode(input, at, target, self.len, budget),
        }
    }

    /// The next `len` bytes, if they are here.
    fn next(&self, len: u64) -> Option<&[u8]> {
        let to = self.taken.checked_add(len)?;
        match &self.codec {
            StreamCodec::Stored(bytes) => bytes.get(..usize::try_from(len).ok()?),
            StreamCodec::Lzma(lzma) => lzma.get(self.taken, to),
        }
    }

    fn take(&mut self, len: u64) {
        self.taken += len;
        match &mut self.codec {
            StreamCodec::Stored(bytes) => drop(bytes.drain(..len as usize)),
            StreamCodec::Lzma(lzma) => lzma.forget(self.taken),
        }
    }
}

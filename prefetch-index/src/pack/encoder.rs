//! Writing a pack. Only the command does it: the compressor is liblzma.

use std::io::Write;
use std::sync::mpsc;
use std::thread;

use liblzma::stream::{Filters, LzmaOptions, MatchFinder, Mode, Stream as Compressor};
use liblzma::write::XzEncoder;

use super::frame::{Codec, Form, Frame, Header, MAX_CHUNK, STREAMS, Stream};
use super::lzma::{Lzma, WINDOW};
use super::pyc::Packer;
use super::{Kind, PackError, Packed, unpack};
use crate::crc32;

/// How much work compression may be. The decoder is equally fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Seconds; some 6 % larger than `Thorough`.
    Quick,
    /// The smallest file.
    Thorough,
}

/// A chunk is closed once it has this many bytes, so that decoding keeps up with the line. 7 ms at 20 Mbit/s.
const CHUNK: usize = 16 << 10;
/// Places where a stream may be cut, at least one in so many decoded bytes. Incompressible, two of these and a chunk are
/// less than [`MAX_CHUNK`].
const CUT: usize = 16 << 10;
/// Members share chunks until so many bytes are together: a frame for each of a dozen streams would cost more.
const BATCH: usize = 4 << 10;

const _: () = assert!(CHUNK + 2 * CUT < MAX_CHUNK as usize);

/// Packs `members` in this order for the index `id`, then each of `parts`, which stays packed where the others are unpacked
/// as they come; and checks that all of them come back. `progress` is told how many bytes were compressed since the last call.
pub fn encode(
    id: [u8; 16],
    members: &[Packed<'_>],
    parts: &[Vec<Packed<'_>>],
    effort: Effort,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<u8>, PackError> {
    let in_parts: usize = parts.iter().map(Vec::len).sum();
    let mut file = encode_members(id, members, members.len() + in_parts, effort, progress)?;
    for part in parts.iter().filter(|part| !part.is_empty()) {
        let bytes = encode_members(id, part, part.len(), effort, progress)?;
        let (members, len) = (part.len() as u64, bytes.len() as u64);
        Frame::Part { members, len, crc32: crc32::hash(&bytes) }.write(&mut file);
        file.extend(bytes);
    }
    // As a page will: its checksums would tell.
    let all = members.iter().chain(parts.iter().flatten());
    let lengths: Vec<u64> = all.map(|member| member.bytes.len() as u64).collect();
    unpack(id, &lengths, &file)?;
    Ok(file)
}

/// A pack, as far as these members go; `total`: how many it has.
fn encode_members(
    id: [u8; 16],
    members: &[Packed<'_>],
    total: usize,
    effort: Effort,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<u8>, PackError> {
    let mut streams: [Vec<u8>; STREAMS] = std::array::from_fn(|_| Vec::new());
    let mut ends: [Vec<u64>; STREAMS] = std::array::from_fn(|_| Vec::new());
    let mut frames = Vec::with_capacity(members.len());
    let mut packer = Packer::new();
    for member in members {
        let (form, takes) = split(member, &mut packer, &mut streams);
        for (take, &stream) in takes.iter().zip(form.streams()) {
            let ends = &mut ends[stream as usize];
            ends.push(ends.last().unwrap_or(&0) + take);
        }
        frames.push((form, crc32::hash(member.bytes), takes));
    }
    if !ends[Stream::Model as usize].is_empty() {
        streams[Stream::Model as usize] = packer.finish();
    }
    let compressed = compress(&streams, &ends, effort, progress)?;

    let mut file = Vec::new();
    let mut lens = streams.iter().map(|stream| stream.len() as u64);
    let codecs = Stream::ALL.map(|stream| (stream.codec(), lens.next().unwrap_or(0)));
    Header { id, members: total as u32, streams: codecs }.write(&mut file);
    let mut sent = [Cut::default(); STREAMS];
    let mut ends = [0; STREAMS];
    let mut waiting = Vec::new();
    for (number, &(form, crc32, takes)) in frames.iter().enumerate() {
        for (take, &stream) in takes.iter().zip(form.streams()) {
            ends[stream as usize] += take;
        }
        waiting.push(Frame::Member { form, crc32, takes });
        let due: usize =
            (0..STREAMS).map(|at| compressed[at].cut_at(ends[at]).compressed - sent[at].compressed).sum();
        if due < BATCH && number + 1 < frames.len() {
            continue;
        }
        for at in 0..STREAMS {
            compressed[at].write(at, &mut sent[at], ends[at], &mut file);
        }
        waiting.drain(..).for_each(|frame| frame.write(&mut file));
    }
    Ok(file)
}

/// Sorts a member's bytes into the streams. Returns how many each stream of the form got; those for the model come when
/// all is packed.
fn split(
    member: &Packed<'_>,
    packer: &mut Packer,
    streams: &mut [Vec<u8>; STREAMS],
) -> (Form, [u64; STREAMS]) {
    let mut takes = [0; STREAMS];
    if member.kind == Kind::Bytecode
        && let Some(strings) = packer.pack(member.bytes)
    {
        takes[..3].copy_from_slice(&[
            strings.model as u64,
            strings.names.len() as u64,
            strings.text.len() as u64,
        ]);
        streams[Stream::Names as usize].extend(strings.names);
        streams[Stream::Text as usize].extend(strings.text);
        return (Form::Modelled, takes);
    }
    let (form, stream) = match member.kind {
        Kind::Plain => (Form::Plain, Stream::Plain),
        Kind::Bytecode => (Form::Bytecode, Stream::Bytecode),
        Kind::Library => (Form::Library, Stream::Library),
    };
    streams[stream as usize].extend(member.bytes);
    takes[0] = member.bytes.len() as u64;
    (form, takes)
}

/// Where a stream may be cut: so many compressed bytes hold at least so many decoded ones.
#[derive(Clone, Copy, Default)]
struct Cut {
    decoded: u64,
    compressed: usize,
}

struct Compressed {
    bytes: Vec<u8>,
    /// Ascending.
    cuts: Vec<Cut>,
}

impl Compressed {
    /// The cut that brings `decoded` bytes.
    fn cut_at(&self, decoded: u64) -> Cut {
        let at = self.cuts.partition_point(|cut| cut.decoded < decoded);
        self.cuts.get(at).copied().unwrap_or_default()
    }

    /// Writes what lies between `sent` and the cut for `decoded`, in chunks.
    fn write(&self, stream: usize, sent: &mut Cut, decoded: u64, file: &mut Vec<u8>) {
        let end = self.cut_at(decoded);
        let start = self.cuts.partition_point(|cut| cut.decoded <= sent.decoded);
        for cut in self.cuts[start..].iter().take_while(|cut| cut.decoded <= end.decoded) {
            if cut.compressed - sent.compressed < CHUNK && cut.decoded < end.decoded {
                continue;
            }
            let bytes = &self.bytes[sent.compressed..cut.compressed];
            let frame =
                Frame::Chunk { stream, compressed: bytes.len() as u64, decoded: cut.decoded - sent.decoded };
            frame.write(file);
            file.extend(bytes);
            *sent = *cut;
        }
    }
}

/// Compresses every stream in a thread of its own.
fn compress(
    streams: &[Vec<u8>; STREAMS],
    ends: &[Vec<u64>; STREAMS],
    effort: Effort,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<Compressed>, PackError> {
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        let threads: Vec<_> = Stream::ALL
            .into_iter()
            .zip(streams.iter().zip(ends))
            .map(|(stream, (bytes, ends))| {
                let sender = sender.clone();
                scope.spawn(move || {
                    let compressed = lzma(bytes, stream.codec(), effort, &sender);
                    compressed.and_then(|compressed| cut(compressed, stream.codec(), bytes.len(), ends))
                })
            })
            .collect();
        drop(sender);
        receiver.iter().for_each(progress);
        let failed = PackError::Compress { len: 0 };
        threads.into_iter().map(|thread| thread.join().unwrap_or(Err(failed))).collect()
    })
}

/// The bytes as a raw LZMA stream.
fn lzma(
    bytes: &[u8],
    codec: Codec,
    effort: Effort,
    progress: &mpsc::Sender<u64>,
) -> Result<Vec<u8>, PackError> {
    let Codec::Lzma(properties) = codec else {
        // The receiver lives as long as its senders.
        let _ = progress.send(bytes.len() as u64);
        return Ok(bytes.to_vec());
    };
    let failed = PackError::Compress { len: bytes.len() as u64 };
    let preset = if effort == Effort::Quick { 2 } else { 9 };
    let mut options = LzmaOptions::new_preset(preset).map_err(|_| failed)?;
    options
        .dict_size(bytes.len().clamp(4 << 10, WINDOW) as u32)
        .literal_context_bits(properties.lc.into())
        .literal_position_bits(properties.lp.into())
        .position_bits(properties.pb.into());
    if effort == Effort::Thorough {
        options.mode(Mode::Normal).match_finder(MatchFinder::BinaryTree4).nice_len(273).depth(1000);
    }
    let compressor = Compressor::new_raw_encoder(Filters::new().lzma1(&options)).map_err(|_| failed)?;
    let mut writer = XzEncoder::new_stream(Vec::new(), compressor);
    for piece in bytes.chunks(256 << 10) {
        writer.write_all(piece).map_err(|_| failed)?;
        let _ = progress.send(piece.len() as u64);
    }
    writer.finish().map_err(|_| failed)
}

/// Finds where the stream can be cut by decoding it; the bytes no member needs (an end marker) fall off.
fn cut(mut bytes: Vec<u8>, codec: Codec, len: usize, ends: &[u64]) -> Result<Compressed, PackError> {
    let len = len as u64;
    let failed = PackError::Compress { len };
    let mut places: Vec<u64> = (0..len).step_by(CUT).chain(ends.iter().copied()).collect();
    places.sort_unstable();
    places.dedup();
    let mut cuts = vec![Cut::default()];
    if let Codec::Lzma(properties) = codec {
        let mut decoder = Lzma::new(properties);
        let mut at = 0;
        for decoded in places.into_iter().filter(|&place| place > 0) {
            decoder.decode(&bytes, &mut at, decoded, len, usize::MAX).map_err(|_| failed)?;
            decoder.forget(decoded);
            cuts.push(Cut { decoded, compressed: at });
        }
        bytes.truncate(at);
    } else {
        cuts.extend(places.into_iter().map(|decoded| Cut { decoded, compressed: decoded as usize }));
    }
    Ok(Compressed { bytes, cuts })
}

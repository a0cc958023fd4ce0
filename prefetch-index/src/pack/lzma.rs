//! LZMA, the decoding half, over input that comes in chunks which hold whole symbols.
//!
//! Written after the "LZMA specification" draft in Igor Pavlov's LZMA SDK. What differs from a stock decoder: there is no
//! end marker and no header, and a caller says how far to decode and how much work to do at once, so that a page can
//! stop between two symbols. The range coder takes a byte only when it needs one; with that, how many compressed bytes a
//! given decoded length needs is a property of the stream, and an encoder can cut it anywhere without a flush.

/// The stream is not what an encoder wrote: input ran out inside a symbol, or a match reaches before the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken;

/// Matches reach this far back at most; what lies further back is forgotten.
pub(crate) const WINDOW: usize = 32 << 20;

/// A symbol is at most 273 bytes long.
const MAX_MATCH: usize = 273;
const MIN_MATCH: usize = 2;

const STATES: usize = 12;
const POS_STATES: usize = 16;
const HALF: u16 = 1 << 10;
const MOVE_BITS: u32 = 5;
const TOP: u32 = 1 << 24;

// Where each set of probabilities begins in the one table.
const IS_MATCH: usize = 0;
const IS_REP: usize = IS_MATCH + STATES * POS_STATES;
const IS_REP0: usize = IS_REP + STATES;
const IS_REP1: usize = IS_REP0 + STATES;
const IS_REP2: usize = IS_REP1 + STATES;
const IS_LONG_REP0: usize = IS_REP2 + STATES;
const SLOT: usize = IS_LONG_REP0 + STATES * POS_STATES;
const DISTANCE: usize = SLOT + 4 * 64;
const ALIGN: usize = DISTANCE + 128;
const MATCH_LEN: usize = ALIGN + 16;
const REP_LEN: usize = MATCH_LEN + LEN_SIZE;
const LITERAL: usize = REP_LEN + LEN_SIZE;

// Inside a length coder.
const CHOICE: usize = 0;
const SHORT: usize = 2;
const MEDIUM: usize = SHORT + POS_STATES * 8;
const LONG: usize = MEDIUM + POS_STATES * 8;
const LEN_SIZE: usize = LONG + 256;

/// How a stream's literals and positions are modelled: `(pb * 5 + lp) * 9 + lc`, as in an LZMA header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Properties {
    pub lc: u8,
    pub lp: u8,
    pub pb: u8,
}

impl Properties {
    pub(crate) fn from_byte(byte: u8) -> Option<Properties> {
        let (lc, lp, pb) = (byte % 9, byte / 9 % 5, byte / 45);
        (pb <= 4 && lc + lp <= 4).then_some(Properties { lc, lp, pb })
    }

    #[cfg(feature = "cli")]
    pub(crate) const fn byte(self) -> u8 {
        (self.pb * 5 + self.lp) * 9 + self.lc
    }
}

/// One stream's decoder, with everything it decoded within [`WINDOW`].
pub(crate) struct Lzma {
    properties: Properties,
    coder: RangeCoder,
    probabilities: Vec<u16>,
    state: usize,
    reps: [usize; 4],
    output: Vec<u8>,
    /// Bytes decoded before `output[0]`.
    forgotten: u64,
}

struct RangeCoder {
    range: u32,
    code: u32,
    /// Bytes still to be shifted in before the first symbol.
    missing: u8,
}

/// The chunk being read.
struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Lzma {
    pub(crate) fn new(properties: Properties) -> Lzma {
        let literals = 0x300 << (properties.lc + properties.lp);
        Lzma {
            properties,
            coder: RangeCoder { range: u32::MAX, code: 0, missing: 5 },
            probabilities: vec![HALF; LITERAL + literals],
            state: 0,
            reps: [0; 4],
            output: Vec::new(),
            forgotten: 0,
        }
    }

    /// Decoded bytes so far.
    pub(crate) fn decoded(&self) -> u64 {
        self.forgotten + self.output.len() as u64
    }

    /// The decoded bytes `from..to`, unless they are not here (any more).
    pub(crate) fn get(&self, from: u64, to: u64) -> Option<&[u8]> {
        let start = usize::try_from(from.checked_sub(self.forgotten)?).ok()?;
        let end = usize::try_from(to.checked_sub(self.forgotten)?).ok()?;
        self.output.get(start..end)
    }

    /// Drops what no match can reach and no one will [`get`](Lzma::get): bytes before `keep`. Seldom moves anything.
    pub(crate) fn forget(&mut self, keep: u64) {
        let reach = self.decoded().saturating_sub(WINDOW as u64).min(keep);
        let excess = usize::try_from(reach.saturating_sub(self.forgotten)).unwrap_or(0);
        if excess >= WINDOW / 2 {
            self.output.drain(..excess);
            self.forgotten += excess as u64;
        }
    }

    /// Decodes symbols from `chunk[*at..]` until `target` bytes are decoded in all, or `budget` of them by this call. At
    /// most `len`, the stream's length, is ever decoded.
    pub(crate) fn decode(
        &mut self,
        chunk: &[u8],
        at: &mut usize,
        target: u64,
        len: u64,
        budget: usize,
    ) -> Result<(), Broken> {
        let target = usize::try_from(target - self.forgotten).map_err(|_| Broken)?;
        let len = usize::try_from(len - self.forgotten).map_err(|_| Broken)?;
        let stop = target.min(self.output.len().saturating_add(budget));
        let mut input = Input { bytes: chunk, at: *at };
        while self.coder.missing > 0 {
            self.coder.code = self.coder.code << 8 | input.next();
            self.coder.missing -= 1;
        }
        while self.output.len() < stop {
            self.symbol(&mut input, len)?;
            if input.at > chunk.len() {
                return Err(Broken);
            }
        }
        *at = input.at;
        if input.at > chunk.len() { Err(Broken) } else { Ok(()) }
    }

    fn symbol(&mut self, input: &mut Input<'_>, len: usize) -> Result<(), Broken> {
        let Lzma { coder, probabilities, properties, state, reps, output, forgotten } = self;
        // The low bits of a position are all that the models look at.
        let position = output.len() + *forgotten as usize;
        let pos_state = position & ((1 << properties.pb) - 1);
        let p: &mut [u16] = probabilities;
        if coder.bit(input, &mut p[IS_MATCH + *state * POS_STATES + pos_state]) == 0 {
            let before = output.last().copied().unwrap_or(0);
            let context = ((position & ((1 << properties.lp) - 1)) << properties.lc)
                + (usize::from(before) >> (8 - properties.lc));
            let start = LITERAL + 0x300 * context;
            let literals = p.get_mut(start..start + 0x300).ok_or(Broken)?;
            let byte = if *state < 7 {
                coder.tree(input, literals, 8)
            } else {
                let matched = at_distance(output, reps[0]).ok_or(Broken)?;
                coder.matched_literal(input, literals, matched)
            };
            *state = match *state {
                0..4 => 0,
                4..10 => *state - 3,
                _ => *state - 6,
            };
            output.push(byte as u8);
            return Ok(());
        }
        let match_len;
        if coder.bit(input, &mut p[IS_REP + *state]) == 0 {
            match_len = coder.len(input, &mut p[MATCH_LEN..MATCH_LEN + LEN_SIZE], pos_state);
            let slot = SLOT + 64 * (match_len - MIN_MATCH).min(3);
            let distance = coder.distance(input, p, slot);
            *reps = [distance, reps[0], reps[1], reps[2]];
            *state = if *state < 7 { 7 } else { 10 };
        } else {
            if coder.bit(input, &mut p[IS_REP0 + *state]) == 0 {
                if coder.bit(input, &mut p[IS_LONG_REP0 + *state * POS_STATES + pos_state]) == 0 {
                    *state = if *state < 7 { 9 } else { 11 };
                    let byte = at_distance(output, reps[0]).ok_or(Broken)?;
                    output.push(byte);
                    return Ok(());
                }
            } else if coder.bit(input, &mut p[IS_REP1 + *state]) == 0 {
                *reps = [reps[1], reps[0], reps[2], reps[3]];
            } else if coder.bit(input, &mut p[IS_REP2 + *state]) == 0 {
                *reps = [reps[2], reps[0], reps[1], reps[3]];
            } else {
                *reps = [reps[3], reps[0], reps[1], reps[2]];
            }
            match_len = coder.len(input, &mut p[REP_LEN..REP_LEN + LEN_SIZE], pos_state);
            *state = if *state < 7 { 8 } else { 11 };
        }
        let start = output.len().checked_sub(reps[0].saturating_add(1)).ok_or(Broken)?;
        if match_len > len - output.len() || match_len > MAX_MATCH {
            return Err(Broken);
        }
        copy(output, start, match_len);
        Ok(())
    }
}

/// The byte that lies `rep + 1` bytes back.
fn at_distance(output: &[u8], rep: usize) -> Option<u8> {
    output.get(output.len().checked_sub(rep.checked_add(1)?)?).copied()
}

/// Appends `len` bytes from `start`, which may reach into what is being appended.
fn copy(output: &mut Vec<u8>, start: usize, len: usize) {
    let distance = output.len() - start;
    let mut left = len;
    // Each round doubles what can be copied at once: the bytes repeat with the distance as their period.
    let mut period = distance;
    while left > period {
        output.extend_from_within(start..start + period);
        left -= period;
        period *= 2;
    }
    output.extend_from_within(start..start + left);
}

impl Input<'_> {
    /// The next byte. Past the end zeros come, and the caller sees it by `at`.
    #[inline]
    fn next(&mut self) -> u32 {
        let byte = self.bytes.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        u32::from(byte)
    }
}

impl RangeCoder {
    #[inline]
    fn refill(&mut self, input: &mut Input<'_>) {
        if self.range < TOP {
            self.range <<= 8;
            self.code = self.code << 8 | input.next();
        }
    }

    #[inline]
    fn bit(&mut self, input: &mut Input<'_>, probability: &mut u16) -> usize {
        self.refill(input);
        let p = u32::from(*probability);
        let bound = (self.range >> 11) * p;
        if self.code < bound {
            self.range = bound;
            *probability = (p + ((2048 - p) >> MOVE_BITS)) as u16;
            0
        } else {
            self.range -= bound;
            self.code -= bound;
            *probability = (p - (p >> MOVE_BITS)) as u16;
            1
        }
    }

    /// `bits` bits, the highest first, each modelled by those before it.
    #[inline]
    fn tree(&mut self, input: &mut Input<'_>, probabilities: &mut [u16], bits: u32) -> usize {
        let mut node = 1;
        for _ in 0..bits {
            node = node << 1 | self.bit(input, &mut probabilities[node]);
        }
        node - (1 << bits)
    }

    /// The same, the lowest bit first.
    fn reverse_tree(&mut self, input: &mut Input<'_>, probabilities: &mut [u16], bits: u32) -> usize {
        let (mut node, mut value) = (1, 0);
        for shift in 0..bits {
            let bit = self.bit(input, &mut probabilities[node]);
            node = node << 1 | bit;
            value |= bit << shift;
        }
        value
    }

    /// A literal that follows a match: the byte that would have continued the match is part of its model.
    fn matched_literal(&mut self, input: &mut Input<'_>, literals: &mut [u16], matched: u8) -> usize {
        let mut matched = usize::from(matched);
        let (mut node, mut offset) = (1, 0x100);
        while node < 0x100 {
            matched <<= 1;
            let expected = matched & offset;
            let bit = self.bit(input, &mut literals[offset + expected + node]);
            node = node << 1 | bit;
            offset &= if bit == 0 { !matched } else { matched };
        }
        node - 0x100
    }

    fn len(&mut self, input: &mut Input<'_>, probabilities: &mut [u16], pos_state: usize) -> usize {
        MIN_MATCH
            + if self.bit(input, &mut probabilities[CHOICE]) == 0 {
                self.tree(input, &mut probabilities[SHORT + 8 * pos_state..], 3)
            } else if self.bit(input, &mut probabilities[CHOICE + 1]) == 0 {
                8 + self.tree(input, &mut probabilities[MEDIUM + 8 * pos_state..], 3)
            } else {
                16 + self.tree(input, &mut probabilities[LONG..], 8)
            }
    }

    /// How far back the match begins, less one.
    fn distance(&mut self, input: &mut Input<'_>, probabilities: &mut [u16], slot: usize) -> usize {
        let slot = self.tree(input, &mut probabilities[slot..slot + 64], 6);
        if slot < 4 {
            return slot;
        }
        let bits = (slot >> 1) as u32 - 1;
        let high = (2 | slot & 1) << bits;
        if slot < 14 {
            let start = DISTANCE + high - slot;
            return high + self.reverse_tree(input, &mut probabilities[start..], bits);
        }
        let middle = self.direct(input, bits - 4) << 4;
        high + middle + self.reverse_tree(input, &mut probabilities[ALIGN..ALIGN + 16], 4)
    }

    /// Bits without a model.
    fn direct(&mut self, input: &mut Input<'_>, bits: u32) -> usize {
        let mut value = 0;
        for _ in 0..bits {
            self.refill(input);
            self.range >>= 1;
            let bit = u32::from(self.code >= self.range);
            self.code -= self.range & bit.wrapping_neg();
            value = value << 1 | bit as usize;
        }
        value
    }
}

#[cfg(test)]
#[cfg(feature = "cli")]
mod tests;

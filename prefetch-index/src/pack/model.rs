//! Adaptive binary coding: a bit's probability is what its context has seen so far, and drives an arithmetic coder. For
//! the parts of a `.pyc` whose structure is known, where it takes a third less than LZMA.
//!
//! One context for a bit. Weighing three as context mixers do made pandas' bytecode 6 % smaller and its decoding three
//! times as long, in a worker that the page waits for. All arithmetic is on integers: the command that packs and the page
//! that unpacks must agree to the last bit.

/// Slots of statistics that lie together: two bytes each, so half a cache line.
const GROUP: usize = 16;
/// 2 MiB. Half of that makes pandas' bytecode 2 % larger, twice that 1 % smaller and slower to decode.
const GROUPS: usize = 1 << GROUP_BITS;
const GROUP_BITS: u32 = 16;
/// Bits of a slot that are its probability; the others count, and the more it has seen the slower it adapts.
const PROBABILITY_BITS: u32 = 12;
const COUNT_BITS: u32 = 4;
/// Bits of a probability as it is coded: the middle of what a slot can tell apart, so never certain.
const SCALE: u32 = PROBABILITY_BITS + 1;
const MAX_COUNT: u16 = (1 << COUNT_BITS) - 1;
/// A slot with a probability of one half that has seen nothing.
const FRESH: u16 = 1 << 15;

/// Which way bits go: out of a value into the coder or back.
pub(super) trait Side {
    /// Whether values are known and bits are written.
    const ENCODES: bool;

    /// Codes one bit whose probability of being 1 is `p` in 1 << [`SCALE`], neither 0 nor that. Returns the bit: `bit`, or when
    /// decoding the one read.
    fn code(&mut self, p: u32, bit: bool) -> bool;
}

/// The statistics. The same calls in the same order leave encoder and decoder with the same state.
#[derive(Clone)]
pub(super) struct Model {
    groups: Box<[Group; GROUPS]>,
    rates: [i32; 1 << COUNT_BITS],
}

/// The first slot marks the context.
#[derive(Clone, Copy)]
#[repr(align(32))]
struct Group([u16; GROUP]);

/// What a symbol depends on: what kind of symbol it is, and what came before it.
#[derive(Clone, Copy)]
pub(super) struct Context {
    pub(super) kind: u32,
    pub(super) of: u32,
}

impl Model {
    pub(super) fn new() -> Model {
        // After n bits an average moves by a share of 1 in n; never by less than one of 16, since contexts change.
        let rates = std::array::from_fn(|count| 655_360 / (10 * count as i32 + 16));
        Model { groups: boxed(Group([FRESH; GROUP])), rates }
    }

    /// A value of `bits` bits, fewer than 32, the highest first.
    pub(super) fn symbol<S: Side>(&mut self, side: &mut S, bits: u32, context: Context, value: u32) -> u32 {
        let mut decoded = 1;
        let mut left = bits;
        while left > 0 {
            let group = if left.is_multiple_of(4) { 4 } else { left % 4 };
            left -= group;
            let part = value >> left & ((1 << group) - 1);
            decoded = decoded << group | self.group(side, context, decoded, group, part);
        }
        decoded - (1 << bits)
    }

    /// Any value, small ones in few decisions: how many bits it has in unary, then those bits. One group holds all that
    /// concerns values below 8.
    pub(super) fn number<S: Side>(&mut self, side: &mut S, context: Context, value: u32) -> u32 {
        const UNARY: u32 = 11;
        let len = 32 - value.leading_zeros();
        let first = self.place(context, 0);
        let (mut bits, mut place, mut node) = (0, first, 1);
        while bits < 32 && self.bit(side, place, node, len > bits) {
            bits += 1;
            node += 1;
            if node > UNARY {
                node = 1;
                place = self.place(context, bits << 8);
            }
        }
        let mut decoded = bits.min(1);
        if bits == 2 || bits == 3 {
            for shift in (0..bits - 1).rev() {
                let node = 11 + decoded + (bits & 1);
                decoded = decoded << 1 | u32::from(self.bit(side, first, node, value >> shift & 1 == 1));
            }
            return decoded;
        }
        let mut left = bits.saturating_sub(1);
        while left > 0 {
            let group = left.min(4);
            left -= group;
            let part = value >> left & ((1 << group) - 1);
            decoded = decoded << group | self.group(side, context, bits << 24 ^ decoded, group, part);
        }
        decoded
    }

    /// Up to four bits, which share half a cache line. `node`: what of the symbol came before.
    fn group<S: Side>(&mut self, side: &mut S, context: Context, node: u32, bits: u32, value: u32) -> u32 {
        let place = self.place(context, node);
        let mut decoded = 1;
        for shift in (0..bits).rev() {
            decoded = decoded << 1 | u32::from(self.bit(side, place, decoded, value >> shift & 1 == 1));
        }
        decoded - (1 << bits)
    }

    /// The group where up to 15 decisions find their statistics.
    #[inline(always)]
    fn place(&mut self, context: Context, node: u32) -> usize {
        let salt = (node ^ context.kind.wrapping_mul(0x85EB_CA6B)).wrapping_mul(0x9E37_79B1);
        let hash = (context.of ^ salt).wrapping_mul(0x85EB_CA6B);
        let hash = (hash ^ hash >> 15).wrapping_mul(0xC2B2_AE35);
        let place = (hash >> (32 - GROUP_BITS)) as usize;
        let group = &mut self.groups[place];
        // Another context's statistics are worse than none.
        if group.0[0] != hash as u16 {
            *group = Group([FRESH; GROUP]);
            group.0[0] = hash as u16;
        }
        place
    }

    #[inline(always)]
    fn bit<S: Side>(&mut self, side: &mut S, place: usize, node: u32, bit: bool) -> bool {
        let slot = &mut self.groups[place % GROUPS].0[node as usize % GROUP];
        let p = i32::from(*slot >> COUNT_BITS);
        let bit = side.code((p << 1 | 1) as u32, bit);
        let count = *slot & MAX_COUNT;
        let target = if bit { (1 << PROBABILITY_BITS) - 1 } else { 0 };
        let p = p + (((target - p) * self.rates[count as usize] + (1 << 15)) >> 16);
        *slot = (p as u16) << COUNT_BITS | (count + 1).min(MAX_COUNT);
        bit
    }
}

/// `N` times the same, made where it will lie.
fn boxed<T: Clone, const N: usize>(value: T) -> Box<[T; N]> {
    match vec![value; N].into_boxed_slice().try_into() {
        Ok(all) => all,
        Err(_) => unreachable!("a vector of another length than it was made with"),
    }
}

/// What the range is kept above, so that a probability divides it finely.
const LEAST_RANGE: u32 = 1 << 24;

/// A range decoder, LZMA's. Bytes past the end read as zeros; [`overrun`](Reader::overrun) tells.
pub(super) struct Reader {
    range: u32,
    /// How far into the range.
    code: u32,
    input: Vec<u8>,
    at: usize,
    started: bool,
}

impl Reader {
    pub(super) fn new() -> Reader {
        Reader { range: u32::MAX, code: 0, input: Vec::new(), at: 0, started: false }
    }

    /// The next bytes; those before must be used up.
    pub(super) fn supply(&mut self, input: Vec<u8>) {
        self.input = input;
        self.at = 0;
        if !self.started {
            self.started = true;
            (0..4).for_each(|_| self.shift());
        }
    }

    /// Whether exactly the bytes supplied were read.
    pub(super) fn is_used_up(&self) -> bool {
        self.at == self.input.len()
    }

    pub(super) fn overrun(&self) -> bool {
        self.at > self.input.len()
    }

    fn shift(&mut self) {
        self.code = self.code << 8 | u32::from(self.input.get(self.at).copied().unwrap_or(0));
        self.at += 1;
    }
}

impl Side for Reader {
    const ENCODES: bool = false;

    #[inline(always)]
    fn code(&mut self, p: u32, _bit: bool) -> bool {
        let bound = (self.range >> SCALE) * p;
        let bit = self.code < bound;
        if bit {
            self.range = bound;
        } else {
            self.code -= bound;
            self.range -= bound;
        }
        while self.range < LEAST_RANGE {
            self.range <<= 8;
            self.shift();
        }
        bit
    }
}

/// A range encoder. What has left `low` waits in `output`, where a carry still reaches it.
#[cfg(feature = "cli")]
#[derive(Clone)]
pub(super) struct Writer {
    low: u32,
    range: u32,
    output: Vec<u8>,
}

#[cfg(feature = "cli")]
impl Writer {
    pub(super) fn new() -> Writer {
        Writer { low: 0, range: u32::MAX, output: Vec::new() }
    }

    /// How many bytes the reader will have taken by now: it is four ahead.
    pub(super) fn len(&self) -> usize {
        self.output.len() + 4
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.output.extend(self.low.to_be_bytes());
        self.output
    }

    fn carry(&mut self) {
        for byte in self.output.iter_mut().rev() {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                return;
            }
        }
    }
}

#[cfg(feature = "cli")]
impl Side for Writer {
    const ENCODES: bool = true;

    fn code(&mut self, p: u32, bit: bool) -> bool {
        let bound = (self.range >> SCALE) * p;
        if bit {
            self.range = bound;
        } else {
            let (low, carries) = self.low.overflowing_add(bound);
            if carries {
                self.carry();
            }
            self.low = low;
            self.range -= bound;
        }
        while self.range < LEAST_RANGE {
            self.output.push((self.low >> 24) as u8);
            self.low <<= 8;
            self.range <<= 8;
        }
        bit
    }
}

#[cfg(test)]
#[cfg(feature = "cli")]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn context(kind: u32, before: u32) -> Context {
        Context { kind, of: before }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]

        #[test]
        fn values_come_back(values in vec((any::<bool>(), 0u32..32, any::<u32>()), 1..200)) {
            let values: Vec<_> = values.iter().map(|&(is_number, shift, value)| (is_number, value >> shift)).collect();
            let (mut model, mut writer, mut before) = (Model::new(), Writer::new(), 0);
            for &(is_number, value) in &values {
                if is_number {
                    model.number(&mut writer, context(1, before), value);
                } else {
                    model.symbol(&mut writer, 18, context(2, before), value % (1 << 18));
                }
                before = value;
            }
            let len = writer.len();
            let bytes = writer.finish();
            prop_assert_eq!(bytes.len(), len);
            let (mut model, mut reader, mut before) = (Model::new(), Reader::new(), 0);
            reader.supply(bytes);
            for (is_number, value) in values {
                let found = if is_number {
                    model.number(&mut reader, context(1, before), 0)
                } else {
                    model.symbol(&mut reader, 18, context(2, before), 0)
                };
                prop_assert_eq!(found, if is_number { value } else { value % (1 << 18) });
                before = value;
            }
            prop_assert!(reader.is_used_up());
        }
    }

    #[test]
    fn what_repeats_is_learnt() {
        let (mut model, mut writer) = (Model::new(), Writer::new());
        for at in 0..1_000 {
            model.symbol(&mut writer, 8, context(1, at % 10), at % 10 * 7);
        }
        assert!(writer.len() < 150, "{} bytes", writer.len());
    }

    /// However often a bit was the same, the other one can be coded.
    #[test]
    fn nothing_is_certain() {
        let bits = |at| at == 9_999 || at == 19_999;
        let (mut model, mut writer) = (Model::new(), Writer::new());
        for at in 0..20_000 {
            model.symbol(&mut writer, 1, context(1, 0), bits(at).into());
        }
        let (mut model, mut reader) = (Model::new(), Reader::new());
        reader.supply(writer.finish());
        for at in 0..20_000 {
            assert_eq!(model.symbol(&mut reader, 1, context(1, 0), 0) == 1, bits(at), "bit {at}");
        }
    }
}

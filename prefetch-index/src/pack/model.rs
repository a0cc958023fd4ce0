//! Binary context mixing: what several contexts have seen is weighed into one probability per bit, which drives an
//! arithmetic coder. For the parts of a `.pyc` whose structure is known, where it takes a third less than LZMA.
//!
//! After Matt Mahoney's description of logistic mixing ("Data Compression Explained", 4.3). All arithmetic is on
//! integers: the command that packs and the page that unpacks must agree to the last bit.

/// Contexts of a decision. More would save little, and decoding takes as long as there are contexts.
pub(super) const CONTEXTS: usize = 3;

/// Slots of statistics that lie together: two bytes each, so half a cache line.
const GROUP: usize = 16;
/// 8 MiB. Half of that makes pandas' bytecode 2 % larger.
const GROUPS: usize = 1 << GROUP_BITS;
const GROUP_BITS: u32 = 18;
/// Bits of a slot that are its probability; the others count, and the more it has seen the slower it adapts.
const PROBABILITY_BITS: u32 = 12;
const COUNT_BITS: u32 = 4;
const MAX_COUNT: u16 = (1 << COUNT_BITS) - 1;
/// A slot with a probability of one half that has seen nothing.
const FRESH: u16 = 1 << 15;
/// Times 2^11, the most an input can be, an `i32`.
const MOST_WEIGHT: i32 = (1 << 20) - 1;
const INITIAL_WEIGHT: i32 = (1 << 16) * 13 / 10 / CONTEXTS as i32;
const WEIGHT_BITS: u32 = 11;
const WEIGHTS: usize = GROUP << WEIGHT_BITS;

/// The logistic function from -8 to 8 in steps of one half, times 2^16.
const LOGISTIC: [u16; 33] = [
    22, 36, 60, 98, 162, 267, 439, 720, 1179, 1921, 3108, 4971, 7812, 11955, 17625, 24743, 32768, 40793,
    47911, 53581, 57724, 60565, 62428, 63615, 64357, 64816, 65097, 65269, 65374, 65438, 65476, 65500, 65514,
];
/// One, in the logistic domain.
const UNIT: i32 = 256;

/// Which way bits go: out of a value into the coder or back.
pub(super) trait Side {
    /// Whether values are known and bits are written.
    const ENCODES: bool;

    /// Codes one bit whose probability of being 1 is `p` in 65536. Returns the bit: `bit`, or when decoding the one read.
    fn code(&mut self, p: u32, bit: bool) -> bool;
}

/// The statistics. The same calls in the same order leave encoder and decoder with the same state.
#[derive(Clone)]
pub(super) struct Model {
    groups: Box<[Group; GROUPS]>,
    weights: Box<[[i32; CONTEXTS]; WEIGHTS]>,
    stretch: Box<[i16; 1 << PROBABILITY_BITS]>,
    rates: [i32; 1 << COUNT_BITS],
}

/// The first slot marks the context.
#[derive(Clone, Copy)]
#[repr(align(32))]
struct Group([u16; GROUP]);

/// What a symbol depends on. `set` says what kind of symbol it is and chooses the weights.
#[derive(Clone, Copy)]
pub(super) struct Contexts {
    pub(super) set: u32,
    pub(super) of: [u32; CONTEXTS],
}

#[derive(Clone, Copy)]
/// Where a group of up to 15 decisions finds its statistics.
struct Place {
    groups: [u32; CONTEXTS],
    set: u32,
}

impl Model {
    pub(super) fn new() -> Model {
        let mut stretch = [0; 1 << PROBABILITY_BITS];
        let mut from = 0;
        for x in 1 - 8 * UNIT..8 * UNIT {
            let to = squash(x) as usize >> 4;
            stretch[from..=to].fill(x as i16);
            from = from.max(to + 1);
        }
        stretch[from..].fill(8 * UNIT as i16 - 1);
        let rates = std::array::from_fn(|count| 655_360 / (10 * count as i32 + 16));
        Model {
            groups: boxed(Group([FRESH; GROUP])),
            weights: boxed([INITIAL_WEIGHT; CONTEXTS]),
            stretch: Box::new(stretch),
            rates,
        }
    }

    /// A value of `bits` bits, fewer than 32, the highest first.
    pub(super) fn symbol<S: Side>(
        &mut self,
        side: &mut S,
        bits: u32,
        contexts: &Contexts,
        value: u32,
    ) -> u32 {
        let mut decoded = 1;
        let mut left = bits;
        while left > 0 {
            let group = if left.is_multiple_of(4) { 4 } else { left % 4 };
            left -= group;
            let part = value >> left & ((1 << group) - 1);
            decoded = decoded << group | self.group(side, contexts, decoded, group, part);
        }
        decoded - (1 << bits)
    }

    /// Any value, small ones in few decisions: how many bits it has in unary, then those bits. One group holds all that
    /// concerns values below 8.
    pub(super) fn number<S: Side>(&mut self, side: &mut S, contexts: &Contexts, value: u32) -> u32 {
        const UNARY: u32 = 11;
        let len = 32 - value.leading_zeros();
        let first = self.place(contexts, 0);
        let (mut bits, mut place) = (0, first);
        while bits < 32 && self.bit(side, &place, bits % UNARY + 1, len > bits) {
            bits += 1;
            if bits % UNARY == 0 {
                place = self.place(contexts, bits << 8);
            }
        }
        let mut decoded = bits.min(1);
        if bits == 2 || bits == 3 {
            for shift in (0..bits - 1).rev() {
                let node = 11 + decoded + (bits & 1);
                decoded = decoded << 1 | u32::from(self.bit(side, &first, node, value >> shift & 1 == 1));
            }
            return decoded;
        }
        let mut left = bits.saturating_sub(1);
        while left > 0 {
            let group = left.min(4);
            left -= group;
            let part = value >> left & ((1 << group) - 1);
            decoded = decoded << group | self.group(side, contexts, bits << 24 ^ decoded, group, part);
        }
        decoded
    }

    /// Up to four bits, which share a cache line in each context. `node`: what of the symbol came before.
    fn group<S: Side>(&mut self, side: &mut S, contexts: &Contexts, node: u32, bits: u32, value: u32) -> u32 {
        let place = self.place(contexts, node);
        let mut decoded = 1;
        for shift in (0..bits).rev() {
            decoded = decoded << 1 | u32::from(self.bit(side, &place, decoded, value >> shift & 1 == 1));
        }
        decoded - (1 << bits)
    }

    fn place(&mut self, contexts: &Contexts, node: u32) -> Place {
        let salt = (node ^ contexts.set.wrapping_mul(0x85EB_CA6B)).wrapping_mul(0x9E37_79B1);
        let mut number = 0;
        let hashes = contexts.of.map(|context| {
            number += 1;
            let hash = (context ^ salt).wrapping_add(number).wrapping_mul(0x85EB_CA6B);
            (hash ^ hash >> 15).wrapping_mul(0xC2B2_AE35)
        });
        let groups = hashes.map(|hash| hash >> (32 - GROUP_BITS));
        // All are read before any is looked at: they come from memory side by side.
        let marks = groups.map(|group| self.groups[group as usize].0[0]);
        for ((hash, group), mark) in hashes.into_iter().zip(groups).zip(marks) {
            // Another context's statistics are worse than none.
            if mark != hash as u16 {
                self.groups[group as usize] = Group([FRESH; GROUP]);
                self.groups[group as usize].0[0] = hash as u16;
            }
        }
        let set = (contexts.set ^ node << 16).wrapping_mul(0x9E37_79B1) >> (32 - WEIGHT_BITS) << 4;
        Place { groups, set }
    }

    fn bit<S: Side>(&mut self, side: &mut S, place: &Place, node: u32, bit: bool) -> bool {
        let node = node as usize % GROUP;
        let seen = place.groups.map(|group| self.groups[group as usize % GROUPS].0[node]);
        let inputs = seen.map(|slot| i32::from(self.stretch[(slot >> COUNT_BITS) as usize]));
        let weights = &mut self.weights[(place.set as usize | node) % WEIGHTS];
        let products = weights.iter().zip(inputs).map(|(weight, input)| (*weight * input) >> 8);
        let sum = products.sum::<i32>() >> 8;
        let p = squash(sum.clamp(1 - 8 * UNIT, 8 * UNIT - 1));

        let bit = side.code(p, bit);

        let error = (if bit { 65_535 } else { 0 }) - p as i32;
        for (weight, input) in weights.iter_mut().zip(inputs) {
            *weight = (*weight + ((input * error + (1 << 13)) >> 14)).clamp(-MOST_WEIGHT, MOST_WEIGHT);
        }
        let target = if bit { (1 << PROBABILITY_BITS) - 1 } else { 0 };
        for (group, slot) in place.groups.into_iter().zip(seen) {
            let count = slot & MAX_COUNT;
            let p = i32::from(slot >> COUNT_BITS);
            let p = p + (((target - p) * self.rates[count as usize] + (1 << 15)) >> 16);
            let slot = (p as u16) << COUNT_BITS | (count + 1).min(MAX_COUNT);
            self.groups[group as usize % GROUPS].0[node] = slot;
        }
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

/// The logistic function: a probability in 65536 for `x / UNIT`, which lies between -8 and 8.
fn squash(x: i32) -> u32 {
    let x = x + 8 * UNIT;
    let (at, part) = ((x / (UNIT / 2)) as usize, x % (UNIT / 2));
    let (low, high) = (i32::from(LOGISTIC[at]), i32::from(LOGISTIC[at + 1]));
    (low + (high - low) * part / (UNIT / 2)) as u32
}

/// An arithmetic decoder. Bytes past the end read as zeros; [`overrun`](Reader::overrun) tells.
pub(super) struct Reader {
    low: u32,
    high: u32,
    code: u32,
    input: Vec<u8>,
    at: usize,
    started: bool,
}

impl Reader {
    pub(super) fn new() -> Reader {
        Reader { low: 0, high: u32::MAX, code: 0, input: Vec::new(), at: 0, started: false }
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

    fn code(&mut self, p: u32, _bit: bool) -> bool {
        let middle = split(self.low, self.high, p);
        let bit = self.code <= middle;
        if bit {
            self.high = middle
        } else {
            self.low = middle + 1
        }
        while (self.low ^ self.high) >> 24 == 0 {
            self.low <<= 8;
            self.high = self.high << 8 | 0xff;
            self.shift();
        }
        bit
    }
}

/// An arithmetic encoder.
#[cfg(feature = "cli")]
#[derive(Clone)]
pub(super) struct Writer {
    low: u32,
    high: u32,
    output: Vec<u8>,
}

#[cfg(feature = "cli")]
impl Writer {
    pub(super) fn new() -> Writer {
        Writer { low: 0, high: u32::MAX, output: Vec::new() }
    }

    /// How many bytes the reader will have taken by now: it is four ahead.
    pub(super) fn len(&self) -> usize {
        self.output.len() + 4
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.output.extend(self.low.to_be_bytes());
        self.output
    }
}

#[cfg(feature = "cli")]
impl Side for Writer {
    const ENCODES: bool = true;

    fn code(&mut self, p: u32, bit: bool) -> bool {
        let middle = split(self.low, self.high, p);
        if bit {
            self.high = middle
        } else {
            self.low = middle + 1
        }
        while (self.low ^ self.high) >> 24 == 0 {
            self.output.push((self.high >> 24) as u8);
            self.low <<= 8;
            self.high = self.high << 8 | 0xff;
        }
        bit
    }
}

/// The last code that means 1. `p` is between 1 and 65535, so both sides have room.
fn split(low: u32, high: u32, p: u32) -> u32 {
    let range = high - low;
    low + (range >> 16) * p + (((range & 0xffff) * p) >> 16)
}

#[cfg(test)]
#[cfg(feature = "cli")]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn contexts(symbol: u32, before: u32) -> Contexts {
        Contexts { set: symbol, of: [before, before & 3, 0] }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]

        #[test]
        fn values_come_back(values in vec((any::<bool>(), 0u32..32, any::<u32>()), 1..200)) {
            let values: Vec<_> = values.iter().map(|&(is_number, shift, value)| (is_number, value >> shift)).collect();
            let (mut model, mut writer, mut before) = (Model::new(), Writer::new(), 0);
            for &(is_number, value) in &values {
                if is_number {
                    model.number(&mut writer, &contexts(1, before), value);
                } else {
                    model.symbol(&mut writer, 18, &contexts(2, before), value % (1 << 18));
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
                    model.number(&mut reader, &contexts(1, before), 0)
                } else {
                    model.symbol(&mut reader, 18, &contexts(2, before), 0)
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
            model.symbol(&mut writer, 8, &contexts(1, at % 10), at % 10 * 7);
        }
        assert!(writer.len() < 150, "{} bytes", writer.len());
    }

    #[test]
    fn probabilities_are_never_certain() {
        let mut before = 0;
        for x in 1 - 8 * UNIT..8 * UNIT {
            let p = squash(x);
            assert!(p >= before && (1..65_536).contains(&p), "{x}: {p}");
            before = p;
        }
    }
}

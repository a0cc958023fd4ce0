//! Random access to a large stored member: which blocks of it to ask for when a part is read.
//!
//! A stored member lies in the archive as it is, so a part of it can be had alone. It is cut into blocks of [`BLOCK`]
//! bytes, counted from its first byte; neighbours that are missing are asked for together. Whoever reads on where the last
//! request of a member ended is taken to go on: the next request is twice as long. That is told from the block's number
//! alone, so any number of readers of one member may do it at once.

use std::ops::Range;

use crate::tree::MemberId;

/// Bytes of a block. At 20 Mbit/s half a round trip of 200 ms brings as much.
pub const BLOCK: u64 = 256 << 10;
/// Members from this length on are read by blocks. The longest of pandas, scipy and matplotlib that are not libraries are
/// shorter.
pub const LARGE: u64 = 4 << 20;
/// Longest run that reading ahead makes, in blocks: 2 MiB.
const MAX_AHEAD: u64 = 8;
/// Places at which a reader may go on that are remembered.
const MAX_PLACES: usize = 16;

/// Numbers of the blocks that hold the bytes `range` of a member of `len` bytes: none where all of them lie past its end.
pub fn holding(range: &Range<u64>, len: u64) -> Range<u64> {
    let end = range.end.min(len);
    if range.start < end { range.start / BLOCK..end.div_ceil(BLOCK) } else { 0..0 }
}

/// The bytes of the blocks `run` of a member of `len` bytes.
pub fn bytes_of(run: &Range<u64>, len: u64) -> Range<u64> {
    run.start * BLOCK..(run.end * BLOCK).min(len)
}

/// Blocks that are asked for, and who waits for them as `W`.
#[derive(Debug)]
pub struct Blocks<W> {
    under_way: Vec<Run<W>>,
    /// Member, the block after a request's last, and how many that request had.
    places: Vec<(MemberId, u64, u64)>,
}

#[derive(Debug)]
struct Run<W> {
    member: MemberId,
    blocks: Range<u64>,
    waiting: Vec<W>,
}

impl<W> Default for Blocks<W> {
    fn default() -> Self {
        Self { under_way: Vec::new(), places: Vec::new() }
    }
}

impl<W> Blocks<W> {
    /// The blocks to ask for together where `first` is missing and all before `end` are wanted: they end before the first
    /// that `is_here`. `count`: blocks of the member.
    pub fn run(
        &mut self,
        member: MemberId,
        first: u64,
        end: u64,
        count: u64,
        is_here: impl Fn(u64) -> bool,
    ) -> Range<u64> {
        let known = self.places.iter().rposition(|(of, next, _)| (*of, *next) == (member, first));
        let before = known.map_or(0, |at| self.places.remove(at).2);
        let limit = end.max(first + (2 * before).min(MAX_AHEAD)).min(count);
        let end = (first + 1..limit).find(|block| is_here(*block)).unwrap_or(limit);
        if self.places.len() == MAX_PLACES {
            self.places.remove(0);
        }
        self.places.push((member, end, end - first));
        first..end
    }

    /// The runs to ask for so that the blocks `wanted` will be here, beside those under way. They are under way from now
    /// until [`ended`](Self::ended) is told.
    pub fn ask(
        &mut self,
        member: MemberId,
        wanted: Range<u64>,
        count: u64,
        is_here: impl Fn(u64) -> bool,
    ) -> Vec<Range<u64>> {
        let coming: Vec<_> = self.of(member).map(|run| run.blocks.clone()).collect();
        let is_here = |block: u64| is_here(block) || coming.iter().any(|run| run.contains(&block));
        let (mut runs, mut at) = (Vec::new(), wanted.start);
        while let Some(first) = (at..wanted.end).find(|block| !is_here(*block)) {
            let blocks = self.run(member, first, wanted.end, count, is_here);
            at = blocks.end;
            self.under_way.push(Run { member, blocks: blocks.clone(), waiting: Vec::new() });
            runs.push(blocks);
        }
        runs
    }

    /// Lets somebody wait for each run under way that brings some of the blocks `wanted`.
    pub fn wait(&mut self, member: MemberId, wanted: &Range<u64>, mut waiter: impl FnMut() -> W) {
        for run in self.of(member) {
            if run.blocks.start < wanted.end && wanted.start < run.blocks.end {
                run.waiting.push(waiter());
            }
        }
    }

    /// Whether somebody waits for any run.
    pub fn are_awaited(&self) -> bool {
        self.under_way.iter().any(|run| !run.waiting.is_empty())
    }

    /// The run that begins with block `first` has come, or failed. Returns who waits for it.
    pub fn ended(&mut self, member: MemberId, first: u64) -> Vec<W> {
        let at = self.under_way.iter().position(|run| (run.member, run.blocks.start) == (member, first));
        at.map_or_else(Vec::new, |at| self.under_way.swap_remove(at).waiting)
    }

    fn of(&mut self, member: MemberId) -> impl Iterator<Item = &mut Run<W>> {
        self.under_way.iter_mut().filter(move |run| run.member == member)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::slice::from_ref;

    use proptest::prelude::*;

    use super::*;

    const MEMBER: MemberId = MemberId { archive: 0, member: 0 };
    const OTHER: MemberId = MemberId { archive: 0, member: 1 };

    #[test]
    fn bytes_and_blocks() {
        let len = 2 * BLOCK + 7;
        let cases = [
            (0..1, 0..1),
            (0..BLOCK, 0..1),
            (BLOCK - 1..BLOCK + 1, 0..2),
            (BLOCK..BLOCK, 0..0),
            (len - 1..u64::MAX, 2..3),
            (len..len + 1, 0..0),
            (len + BLOCK..len + 2 * BLOCK, 0..0),
        ];
        for (bytes, blocks) in cases {
            assert_eq!(holding(&bytes, len), blocks, "{bytes:?}");
        }
        assert_eq!(bytes_of(&(1..3), 10 * BLOCK), BLOCK..3 * BLOCK);
        assert_eq!(bytes_of(&(1..3), 2 * BLOCK + 7), BLOCK..2 * BLOCK + 7, "the last block is shorter");
    }

    #[test]
    fn runs_leave_out_what_is_here_or_under_way() {
        let mut blocks = Blocks::<()>::default();
        assert_eq!(blocks.ask(MEMBER, 2..8, 100, |block| block == 4), [2..4, 5..8]);
        assert_eq!(blocks.ask(MEMBER, 0..9, 100, |block| block == 4), [0..2, 8..14]);
        assert_eq!(blocks.ask(OTHER, 2..4, 100, |_| false), from_ref(&(2..4)), "another member");
        blocks.ended(MEMBER, 2);
        assert_eq!(
            blocks.ask(MEMBER, 2..4, 100, |_| false),
            from_ref(&(2..5)),
            "it failed; whoever reads on asks for more"
        );
    }

    #[test]
    fn reading_on_doubles_the_run_and_another_place_starts_again() {
        let mut blocks = Blocks::<()>::default();
        let mut read = |first| blocks.run(MEMBER, first, first + 1, 40, |_| false);
        assert_eq!([read(0), read(1), read(3), read(7), read(15)], [0..1, 1..3, 3..7, 7..15, 15..23]);
        assert_eq!(read(30), 30..31, "another place");
        assert_eq!(read(23), 23..31, "the first reader goes on");
        assert_eq!(read(31), 31..39);
        assert_eq!(read(39), 39..40, "the member ends");
        assert_eq!(read(0), 0..1, "back to the start");
    }

    #[test]
    fn all_who_wait_for_a_run_are_told_at_its_end() {
        let mut blocks = Blocks::default();
        blocks.ask(MEMBER, 0..4, 100, |_| false);
        blocks.ask(MEMBER, 6..8, 100, |_| false);
        for (name, wanted) in [('a', 3..7), ('b', 0..1), ('c', 4..6)] {
            blocks.wait(MEMBER, &wanted, || name);
        }
        blocks.wait(OTHER, &(0..9), || 'd');
        assert!(blocks.are_awaited());
        assert_eq!((blocks.ended(MEMBER, 0), blocks.ended(MEMBER, 6)), (vec!['a', 'b'], vec!['a']));
        assert_eq!(blocks.ended(MEMBER, 0), []);
        assert!(!blocks.are_awaited());
    }

    proptest! {
        /// After any reads every block wanted was asked for, exactly once, and none beyond the member's end.
        #[test]
        fn a_block_is_asked_for_once(reads in prop::collection::vec((0u64..60, 1u64..9), 1..40)) {
            let mut blocks = Blocks::<()>::default();
            let mut here = BTreeSet::new();
            for (first, len) in reads {
                let wanted = first..(first + len).min(60);
                let runs = blocks.ask(MEMBER, wanted.clone(), 60, |block| here.contains(&block));
                for run in runs {
                    prop_assert!(!run.is_empty() && run.end <= 60);
                    prop_assert!(run.clone().all(|block| here.insert(block)), "{:?} again", run);
                    blocks.ended(MEMBER, run.start);
                }
                prop_assert!(wanted.clone().all(|block| here.contains(&block)), "{:?}", wanted);
            }
        }
    }
}

//! From access order to requests.
//!
//! A plan has to choose, for every gap between wanted bytes of one archive, whether to fetch through it (waste) or
//! around it (one more request). A gap is worth a request when it takes longer on the line than the request costs; that
//! cost is a share of a round trip, since the requests of a plan travel together. The gaps are independent of each
//! other, so closing the smallest first wastes the least for any number of requests.
//!
//! Order within a request is the archive's own, and there sources may lie behind libraries: the processor, which has
//! much to do with sources before Python asks for them and little with libraries, is idle until they come, and busy after
//! the line. Such a request is cut in two, if that is worth the bytes of a gap closed elsewhere. With pandas, whose 1.7
//! MB of libraries in one request come before 1.6 MB of sources, the cut made the program end 8 % sooner.
//!
//! Order of need matters less than it seems. Simulated on a recorded `import pandas` (a 200 ms, 20 Mbit/s line that the
//! responses share equally, Python consuming members as recorded while they arrive), twelve requests placed to bring
//! first-needed bytes early finished 1.3 % sooner than twelve placed to save bytes, and wasted a fifth more.

use crate::order::by_numbers;
use std::ops::Range;

/// The line between server and reader.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Round trip, milliseconds.
    pub rtt_ms: f64,
    /// Bytes per millisecond of the whole line (20 Mbit/s are 2500).
    pub bytes_per_ms: f64,
}

impl Default for Line {
    /// 200 ms and 20 Mbit/s: the line the project is measured on, slow enough that both requests and bytes count.
    fn default() -> Line {
        Line { rtt_ms: 200.0, bytes_per_ms: 2500.0 }
    }
}

/// Requests that share a round trip: the parallel downloads a page can count on (HTTP/1.1 allows six a host, HTTP/2 some
/// hundred).
const REQUESTS_PER_ROUND_TRIP: f64 = 10.0;

/// Requests that a plan may have for each archive: with one, all gaps of a program of many small wheels would be closed.
/// JupyterLite's kernel reads 1.5 MB of 13 wheels, which lie in stretches of 3.9.
const REQUESTS_PER_ARCHIVE: usize = 2;

impl Line {
    /// The gap, in bytes, that takes as long to fetch as one more request costs: 50 kB at 200 ms and 20 Mbit/s.
    pub fn break_even(&self) -> u64 {
        // `as` saturates: a line that makes no sense (negative, NaN) yields 0, an endless one u64::MAX.
        (self.rtt_ms * self.bytes_per_ms / REQUESTS_PER_ROUND_TRIP) as u64
    }
}

/// Bytes of an archive that will be needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// Position of the archive in the index.
    pub archive: u32,
    /// Bytes of the archive.
    pub span: Range<u64>,
    /// What the processor can do with it as soon as it is here, microseconds.
    pub work_us: u64,
}

/// One range request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Position of the archive in the index.
    pub archive: u32,
    /// Bytes of the archive.
    pub span: Range<u64>,
    /// Positions of the wants it brings, ascending.
    pub wants: Vec<u32>,
}

/// What a plan may cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// Most requests, unless there are so many archives that two for each are more, or so many bytes that
    /// [`bytes_per_request`](Self::bytes_per_request) allows more.
    pub max_requests: usize,
    /// One request for this many wanted bytes is never too many.
    pub bytes_per_request: u64,
    /// Most bytes fetched that no want asks for, as a share of the wanted ones. Gives way to the number of requests, and
    /// to [`Line::break_even`], which may be wasted once even in a small plan.
    pub max_waste: f64,
}

impl Default for Budget {
    /// 12 requests bring `import pandas` (five wheels, 7.7 MB) with 5.2 % of waste; scikit-learn's 14 MB would take 16 %
    /// with so few, and 5 % with one for each 512 KiB.
    fn default() -> Budget {
        Budget { max_requests: 12, bytes_per_request: 512 << 10, max_waste: 0.058 }
    }
}

/// The requests that bring every want: each want lies wholly in exactly one of them, those of one archive are disjoint,
/// and they are ordered by the want they bring first.
///
/// `wants`: in access order, without what is already present. `archive_lens`: lengths in bytes by archive; a want is
/// cut where its archive ends, and left out if nothing remains, so that no request can be out of range.
pub fn plan(wants: &[Want], archive_lens: &[u64], line: &Line, budget: &Budget) -> Vec<Request> {
    let runs = runs(wants, archive_lens);
    let wanted = runs.iter().fold(0u64, |sum, run| sum.saturating_add(run.span.end - run.span.start));
    let by_size = usize::try_from(wanted / budget.bytes_per_request.max(1)).unwrap_or(usize::MAX);
    let by_archives = REQUESTS_PER_ARCHIVE * runs.chunk_by(|a, b| a.archive == b.archive).count();
    let max_waste = ((wanted as f64 * budget.max_waste) as u64).max(line.break_even());
    let max_requests = budget.max_requests.max(by_size).max(by_archives);
    let mut cuts = Vec::new();
    let mut joined = close_gaps(&runs, line, max_requests, max_waste, &cuts);
    let max_requests = joined.len().max(by_archives);
    while let Some((after, saved_ms)) = best_cut(&joined, &runs, wants, line) {
        cuts.push(after);
        let cut = close_gaps(&runs, line, max_requests, max_waste, &cuts);
        let fetched = bytes(&cut, &runs);
        let cost = fetched.saturating_sub(bytes(&joined, &runs)).max(line.break_even());
        let is_worth_it = saved_ms * line.bytes_per_ms > cost as f64;
        if !is_worth_it || cut.len() > max_requests || fetched - wanted > max_waste {
            break;
        }
        joined = cut;
    }
    let requests = joined.into_iter().filter_map(|part| {
        let (first, others) = runs.get(part)?.split_first()?;
        let mut request = first.clone();
        for run in others {
            absorb(&mut request, run);
        }
        request.wants = by_numbers(request.wants, |want| (u64::from(*want), 0));
        Some(request)
    });
    by_numbers(requests.collect(), |request| (request.wants.first().copied().map_or(0, u64::from), 0))
}

/// Wants that overlap or touch as one request each, sorted by archive and offset.
fn runs(wants: &[Want], archive_lens: &[u64]) -> Vec<Request> {
    let cut = |(i, want): (u32, &Want)| {
        let len = archive_lens.get(want.archive as usize).copied().unwrap_or(u64::MAX);
        let span = want.span.start..want.span.end.min(len);
        (!span.is_empty()).then(|| Request { archive: want.archive, span, wants: vec![i] })
    };
    let pieces: Vec<Request> = (0..).zip(wants).filter_map(cut).collect();
    let pieces = by_numbers(pieces, |piece| (u64::from(piece.archive), piece.span.start));
    let mut runs: Vec<Request> = Vec::new();
    for piece in pieces {
        match runs.last_mut() {
            Some(run) if run.archive == piece.archive && piece.span.start <= run.span.end => {
                absorb(run, &piece)
            }
            _ => runs.push(piece),
        }
    }
    runs
}

fn absorb(run: &mut Request, next: &Request) {
    run.span.end = run.span.end.max(next.span.end);
    run.wants.extend(&next.wants);
}

/// Closes gaps, smallest first: those that must be for the number of requests, and those cheaper than a request. The gaps
/// before the runs `cuts` stay open. Returns which runs go together.
fn close_gaps(
    runs: &[Request],
    line: &Line,
    max_requests: usize,
    max_waste: u64,
    cuts: &[usize],
) -> Vec<Range<usize>> {
    let neighbours = runs.windows(2).zip(1..).filter(|(pair, _)| pair[0].archive == pair[1].archive);
    let gaps = neighbours.map(|(pair, after)| (pair[1].span.start - pair[0].span.end, after));
    let gaps: Vec<(u64, usize)> = gaps.filter(|(_, after)| !cuts.contains(after)).collect();
    let gaps = by_numbers(gaps, |gap| (gap.0, gap.1 as u64));

    let mut closed = vec![false; runs.len()];
    let (mut requests, mut waste) = (runs.len(), 0u64);
    for (gap, after) in gaps {
        let cheaper = gap <= line.break_even() && waste.saturating_add(gap) <= max_waste;
        if requests <= max_requests && !cheaper {
            break;
        }
        closed[after] = true;
        requests -= 1;
        waste = waste.saturating_add(gap);
    }

    let mut joined: Vec<Range<usize>> = Vec::new();
    for (run, closed) in closed.into_iter().enumerate() {
        match joined.last_mut() {
            Some(part) if closed => part.end = run + 1,
            _ => joined.push(run..run + 1),
        }
    }
    joined
}

/// Bytes of the requests that `joined` runs make.
fn bytes(joined: &[Range<usize>], runs: &[Request]) -> u64 {
    joined
        .iter()
        .fold(0, |sum, part| sum.saturating_add(runs[part.end - 1].span.end - runs[part.start].span.start))
}

/// The gap, before which run, where a cut makes line and processor end soonest if what is behind it comes first; and by
/// how many milliseconds. Both do one want after the other, the processor what the line has brought.
fn best_cut(joined: &[Range<usize>], runs: &[Request], wants: &[Want], line: &Line) -> Option<(usize, f64)> {
    let part = |run: &Request| {
        let work_us: u64 = run.wants.iter().map(|want| wants[*want as usize].work_us).sum();
        let (line, work) =
            ((run.span.end - run.span.start) as f64 / line.bytes_per_ms, work_us as f64 / 1000.0);
        Stretch { line, work, end: line + work }
    };
    let mut best = None;
    for request in joined {
        let parts: Vec<Stretch> = runs[request.clone()].iter().map(part).collect();
        // What follows each part.
        let mut behind = vec![Stretch::default()];
        for part in parts.iter().rev() {
            behind.push(part.then(behind.last()?));
        }
        let all = behind.pop()?;
        let mut before = Stretch::default();
        for (part, run) in parts.iter().zip(request.start + 1..) {
            before = before.then(part);
            let saved = all.end - behind.pop()?.then(&before).end;
            if saved > best.map_or(0.0, |(_, most)| most) {
                best = Some((run, saved));
            }
        }
    }
    best
}

/// How long wants that come one after the other take, milliseconds.
#[derive(Clone, Copy, Default)]
struct Stretch {
    line: f64,
    work: f64,
    /// From the first byte until the processor has done with the last.
    end: f64,
}

impl Stretch {
    fn then(&self, next: &Stretch) -> Stretch {
        Stretch {
            line: self.line + next.line,
            work: self.work + next.work,
            end: (self.end + next.work).max(self.line + next.end),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn want(archive: u32, span: Range<u64>) -> Want {
        Want { archive, span, work_us: 0 }
    }

    fn spans(requests: &[Request]) -> Vec<(u32, Range<u64>)> {
        requests.iter().map(|request| (request.archive, request.span.clone())).collect()
    }

    fn source(span: Range<u64>, work_us: u64) -> Want {
        Want { work_us, ..want(1, span) }
    }

    const FREE: Budget = Budget { max_requests: 100, bytes_per_request: u64::MAX, max_waste: 10.0 };
    const TEN_BYTES: Line = Line { rtt_ms: 1.0, bytes_per_ms: 100.0 };

    #[test]
    fn tables() {
        let few = Budget { max_requests: 1, ..FREE };
        let thrifty = Budget { max_waste: 0.1, ..FREE };
        let by_size = Budget { bytes_per_request: 20, ..few };
        type Case<'a> = (&'a str, Vec<Want>, Budget, Vec<(u32, Range<u64>)>);
        let cases: Vec<Case> = vec![
            ("nothing", vec![], FREE, vec![]),
            ("touching", vec![want(0, 10..20), want(0, 0..10)], thrifty, vec![(0, 0..20)]),
            ("the same twice", vec![want(0, 0..9), want(0, 0..9), want(0, 3..5)], thrifty, vec![(0, 0..9)]),
            ("a gap as long as a request", vec![want(0, 0..10), want(0, 20..30)], FREE, vec![(0, 0..30)]),
            ("a longer gap", vec![want(0, 0..10), want(0, 21..30)], FREE, vec![(0, 0..10), (0, 21..30)]),
            (
                "longer gaps, few requests",
                vec![want(0, 0..10), want(0, 21..30), want(0, 60..70)],
                few,
                vec![(0, 0..30), (0, 60..70)],
            ),
            (
                "too much waste",
                vec![want(0, 0..10), want(0, 16..30), want(0, 36..40)],
                thrifty,
                vec![(0, 0..30), (0, 36..40)],
            ),
            (
                "archives stay apart",
                vec![want(0, 0..10), want(1, 10..20)],
                few,
                vec![(0, 0..10), (1, 10..20)],
            ),
            (
                "first needed first",
                vec![want(0, 50..60), want(1, 0..9), want(0, 0..9)],
                FREE,
                vec![(0, 50..60), (1, 0..9), (0, 0..9)],
            ),
            (
                "more bytes, more requests",
                vec![want(0, 0..30), want(0, 45..55), want(0, 70..90)],
                by_size,
                vec![(0, 0..30), (0, 45..55), (0, 70..90)],
            ),
            (
                "work behind bytes that are none",
                vec![want(1, 0..1000), source(1005..1505, 8000)],
                FREE,
                vec![(1, 0..1000), (1, 1005..1505)],
            ),
            ("hardly any work", vec![want(1, 0..1000), source(1005..1505, 50)], FREE, vec![(1, 0..1505)]),
            (
                "work that comes first",
                vec![want(1, 505..1505), source(0..500, 8000)],
                FREE,
                vec![(1, 0..1505)],
            ),
            (
                "needed first, sent first",
                vec![source(1005..1505, 8000), want(1, 0..1000)],
                FREE,
                vec![(1, 1005..1505), (1, 0..1000)],
            ),
            (
                "a cut for a gap",
                vec![want(1, 0..1000), source(1005..1505, 8000), want(1, 1600..1700)],
                Budget { max_waste: 1.0, ..few },
                vec![(1, 0..1000), (1, 1005..1700)],
            ),
            (
                "a cut for a gap that is too long",
                vec![want(1, 0..1000), source(1005..1505, 8000), want(1, 9600..9700)],
                Budget { max_waste: 1.0, ..few },
                vec![(1, 0..1505), (1, 9600..9700)],
            ),
            ("past the archive", vec![want(0, 90..110), want(0, 100..101)], FREE, vec![(0, 90..100)]),
            ("u64 offsets", vec![want(1, 5 << 40..6 << 40)], FREE, vec![(1, 5 << 40..6 << 40)]),
        ];
        for (name, wants, budget, expected) in cases {
            assert_eq!(spans(&plan(&wants, &[100, u64::MAX], &TEN_BYTES, &budget)), expected, "{name}");
        }
    }

    #[test]
    fn senseless_lines_still_plan() {
        let wants = [want(0, 0..10), want(0, 20..30)];
        for (rtt_ms, bytes_per_ms, requests) in
            [(f64::NAN, 1.0, 2), (-5.0, 1.0, 2), (0.0, 0.0, 2), (f64::INFINITY, 1.0, 1)]
        {
            let planned = plan(&wants, &[30], &Line { rtt_ms, bytes_per_ms }, &FREE);
            assert_eq!(planned.len(), requests, "{rtt_ms} ms");
        }
    }

    const LENS: [u64; 3] = [4000, 5000, 6000];

    fn wants() -> impl Strategy<Value = Vec<Want>> {
        let want = (0..3u32, 0..3900u64, 1..100u64)
            .prop_map(|(archive, start, len)| want(archive, start..start + len));
        proptest::collection::vec(want, 0..60)
    }

    fn work() -> impl Strategy<Value = Vec<u64>> {
        proptest::collection::vec(prop_oneof![Just(0), 1..100_000u64], 60)
    }

    /// When line and processor have done with wants that come in this order, milliseconds: the naive way.
    fn end(wants: &[&Want], line: &Line) -> f64 {
        let (mut arrived, mut done) = (0.0f64, 0.0f64);
        for want in wants {
            arrived += (want.span.end - want.span.start) as f64 / line.bytes_per_ms;
            done = done.max(arrived) + want.work_us as f64 / 1000.0;
        }
        done
    }

    fn budget() -> impl Strategy<Value = Budget> {
        (1..20usize, 1..5000u64, 0.0..1.0).prop_map(|(max_requests, bytes_per_request, max_waste)| Budget {
            max_requests,
            bytes_per_request,
            max_waste,
        })
    }

    /// Wanted bytes, and for `archive` which are wanted, one flag a byte.
    fn wanted(wants: &[Want], archive: u32) -> Vec<bool> {
        let mut bytes = vec![false; LENS[archive as usize] as usize];
        for want in wants.iter().filter(|want| want.archive == archive) {
            bytes[want.span.start as usize..want.span.end as usize].fill(true);
        }
        bytes
    }

    fn gaps_of(wants: &[Want]) -> Vec<u64> {
        let mut gaps = Vec::new();
        for archive in 0..3 {
            let bytes = wanted(wants, archive);
            let (Some(first), Some(last)) = (bytes.iter().position(|&b| b), bytes.iter().rposition(|&b| b))
            else {
                continue;
            };
            gaps.extend(bytes[first..last].split(|&b| b).map(|gap| gap.len() as u64).filter(|&len| len > 0));
        }
        gaps.sort_unstable();
        gaps
    }

    proptest! {
        #[test]
        fn every_want_is_in_one_request(
            wants in wants(), work in work(), budget in budget(), rtt_ms in 0.0..50.0,
        ) {
            let wants: Vec<Want> =
                wants.into_iter().zip(work).map(|(want, work_us)| Want { work_us, ..want }).collect();
            let requests = plan(&wants, &LENS, &Line { rtt_ms, bytes_per_ms: 100.0 }, &budget);
            let mut holders = vec![0; wants.len()];
            for request in &requests {
                prop_assert!(request.wants.is_sorted());
                for &i in &request.wants {
                    let Want { archive, span, .. } = &wants[i as usize];
                    prop_assert_eq!(request.archive, *archive);
                    prop_assert!(request.span.start <= span.start && span.end <= request.span.end);
                    holders[i as usize] += 1;
                }
                // No byte before the first or after the last want is fetched.
                let spans = request.wants.iter().map(|&i| &wants[i as usize].span);
                prop_assert_eq!(spans.clone().map(|span| span.start).min(), Some(request.span.start));
                prop_assert_eq!(spans.map(|span| span.end).max(), Some(request.span.end));
            }
            prop_assert!(holders.iter().all(|&count| count == 1));
            prop_assert!(requests.iter().is_sorted_by_key(|request| request.wants[0]));
            for (i, a) in requests.iter().enumerate() {
                for b in &requests[i + 1..] {
                    let apart = a.span.end <= b.span.start || b.span.end <= a.span.start;
                    prop_assert!(a.archive != b.archive || apart);
                }
            }
        }

        #[test]
        fn the_best_cut_is_the_best(lens in proptest::collection::vec(1..200u64, 2..20), work in work()) {
            let line = Line { rtt_ms: 1.0, bytes_per_ms: 100.0 };
            let mut start = 0;
            let wants: Vec<Want> = lens.iter().zip(work).map(|(len, work_us)| {
                start += len + 1;
                Want { work_us, ..want(0, start - len..start) }
            }).collect();
            let runs = runs(&wants, &[u64::MAX]);
            let all: Vec<&Want> = wants.iter().collect();
            let saved = |at: usize| end(&all, &line) - end(&[&all[at..], &all[..at]].concat(), &line);
            let best = (1..wants.len()).map(saved).fold(0.0, f64::max);
            let found = best_cut(std::slice::from_ref(&(0..runs.len())), &runs, &wants, &line);
            prop_assert!((found.map_or(0.0, |(_, saved)| saved) - best).abs() < 1e-6, "{found:?} {best}");
            if let Some((at, claimed)) = found {
                prop_assert!((saved(at) - claimed).abs() < 1e-6);
            }
        }

        #[test]
        fn cuts_cost_no_request_and_little_waste(wants in wants(), work in work(), budget in budget()) {
            let line = Line { rtt_ms: 2.0, bytes_per_ms: 100.0 };
            let without = plan(&wants, &LENS, &line, &budget);
            let archives = (0..3).filter(|&a| wanted(&wants, a).contains(&true)).count();
            let needed = (0..3).map(|a| wanted(&wants, a).iter().filter(|&&b| b).count() as u64).sum::<u64>();
            let wants: Vec<Want> =
                wants.into_iter().zip(work).map(|(want, work_us)| Want { work_us, ..want }).collect();
            let with = plan(&wants, &LENS, &line, &budget);
            prop_assert!(with.len() <= without.len().max(2 * archives));
            let bytes = |requests: &[Request]| -> u64 { requests.iter().map(|r| r.span.end - r.span.start).sum() };
            let allowed = ((needed as f64 * budget.max_waste) as u64).max(line.break_even());
            prop_assert!(bytes(&with) <= bytes(&without).max(needed + allowed));
        }

        #[test]
        fn no_other_choice_of_gaps_wastes_less(wants in wants(), budget in budget(), rtt_ms in 0.0..50.0) {
            let line = Line { rtt_ms, bytes_per_ms: 100.0 };
            let requests = plan(&wants, &LENS, &line, &budget);
            let bytes: u64 = requests.iter().map(|request| request.span.end - request.span.start).sum();
            let needed = (0..3).map(|a| wanted(&wants, a).iter().filter(|&&b| b).count() as u64).sum::<u64>();
            let gaps = gaps_of(&wants);
            let archives = (0..3).filter(|&a| wanted(&wants, a).contains(&true)).count();
            // Closing n gaps leaves archives + gaps - n requests and wastes at least the n smallest.
            let closed = archives + gaps.len() - requests.len();
            prop_assert_eq!(bytes - needed, gaps[..closed].iter().sum::<u64>());
            let limit = budget.max_requests.max((needed / budget.bytes_per_request) as usize);
            prop_assert!(requests.len() <= limit.max(2 * archives));
            // A gap is open only if closing it costs more than a request, or more waste than allowed.
            if let Some(&next) = gaps.get(closed) {
                let waste = (bytes - needed + next) as f64;
                let allowed = (needed as f64 * budget.max_waste).floor().max(line.break_even() as f64);
                prop_assert!(next > line.break_even() || waste > allowed);
            }
        }
    }
}

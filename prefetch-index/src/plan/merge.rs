use super::{Budget, Line, Request, Want};

/// The requests that bring every want: each want lies wholly in exactly one of them, those of one archive are disjoint, and
/// they are ordered by the want they bring first. `wants`: in access order, without what is already present.
/// `archive_lens`: lengths in bytes by archive; a request never reaches past its archive.
pub fn plan(wants: &[Want], archive_lens: &[u64], line: &Line, budget: &Budget) -> Vec<Request> {
    let _ = archive_lens;
    let mut runs = runs(wants);
    let gaps = gaps(&runs);
    merge_smallest_gaps(&mut runs, gaps, line, budget);
    runs.sort_by_key(|run| run.wants.first().copied());
    runs
}

/// Wants that overlap or touch, as one request each, sorted by archive and offset.
fn runs(wants: &[Want]) -> Vec<Request> {
    let mut order: Vec<u32> = (0..).take(wants.len()).collect();
    let at = |i: u32| &wants[i as usize];
    order.sort_by_key(|&i| (at(i).archive, at(i).span.start, at(i).span.end));
    let mut runs: Vec<Request> = Vec::new();
    for i in order {
        let Want { archive, span } = at(i).clone();
        match runs.last_mut() {
            Some(last) if last.archive == archive && span.start <= last.span.end => {
                last.span.end = last.span.end.max(span.end);
                last.wants.push(i);
            }
            _ => runs.push(Request { archive, span, wants: vec![i] }),
        }
    }
    for run in &mut runs {
        run.wants.sort_unstable();
    }
    runs
}

/// Bytes between neighbouring runs of one archive, with the position of the run before the gap.
fn gaps(runs: &[Request]) -> Vec<(u64, usize)> {
    let pairs = runs.windows(2).enumerate();
    let same = pairs.filter(|(_, pair)| pair[0].archive == pair[1].archive);
    same.map(|(i, pair)| (pair[1].span.start - pair[0].span.end, i)).collect()
}

fn merge_smallest_gaps(runs: &mut Vec<Request>, mut gaps: Vec<(u64, usize)>, line: &Line, budget: &Budget) {
    let _ = line;
    gaps.sort_unstable();
    let mut merge = vec![false; runs.len()];
    for &(_, i) in gaps.iter().take(runs.len().saturating_sub(budget.max_requests)) {
        merge[i] = true;
    }
    let mut merged: Vec<Request> = Vec::new();
    for (i, run) in std::mem::take(runs).into_iter().enumerate() {
        match merged.last_mut() {
            Some(last) if i > 0 && merge[i - 1] => {
                last.span.end = run.span.end;
                last.wants.extend(run.wants);
                last.wants.sort_unstable();
            }
            _ => merged.push(run),
        }
    }
    *runs = merged;
}

// `[0..10]` below is a list of spans that happens to have one.
#![allow(clippy::single_range_in_vec_init)]

use std::collections::BTreeMap;

use prefetch_index::plan::{Request as Planned, Want};
use proptest::prelude::*;

use super::*;

/// One planned request of archive 0 that carries `spans`.
fn planned(spans: &[Range<u64>]) -> (Vec<Planned>, Vec<Want>) {
    let wants: Vec<_> =
        spans.iter().map(|span| Want { archive: 0, span: span.clone(), work_us: 0 }).collect();
    let hull = spans.iter().map(|s| s.start).min().unwrap()..spans.iter().map(|s| s.end).max().unwrap();
    (vec![Planned { archive: 0, span: hull, wants: (0..spans.len() as u32).collect() }], wants)
}

fn prefetch(scheduler: &mut Scheduler, spans: &[Range<u64>]) {
    let (requests, wants) = planned(spans);
    scheduler.prefetch(&requests, &wants);
}

fn sent(scheduler: &mut Scheduler) -> Vec<(Range<u64>, bool)> {
    std::iter::from_fn(|| scheduler.next_to_send()).map(|send| (send.span, send.urgent)).collect()
}

#[test]
fn a_demand_overtakes_queued_prefetches() {
    let mut scheduler = Scheduler::new(1);
    prefetch(&mut scheduler, &[0..10]);
    prefetch(&mut scheduler, &[20..30]);
    prefetch(&mut scheduler, &[40..50]);
    assert_eq!(sent(&mut scheduler), [(0..10, false)]);
    scheduler.demand(0, 42..44);
    scheduler.demand(0, 60..70);
    assert_eq!(sent(&mut scheduler), [(40..50, true), (60..70, true)]);
    scheduler.supply(0, &[0; 10]).unwrap();
    scheduler.finish(0).unwrap();
    assert_eq!(sent(&mut scheduler), [(20..30, false)]);
}

#[test]
fn bytes_are_usable_while_the_rest_arrives_and_dropped_once_read() {
    let mut scheduler = Scheduler::new(4);
    prefetch(&mut scheduler, &[10..12, 14..18]);
    let id = scheduler.next_to_send().unwrap().id;
    assert_eq!(scheduler.find(0, &(10..12)), Found::Coming(id));
    assert_eq!(scheduler.to_come(), 8, "all of the request, the gap as well");
    assert_eq!(scheduler.supply(id, b"abc"), Ok(13));
    assert_eq!(scheduler.to_come(), 5);
    assert_eq!(scheduler.find(0, &(10..12)), Found::Bytes(b"ab"));
    assert_eq!(scheduler.find(0, &(14..18)), Found::Coming(id));
    assert_eq!(scheduler.find(0, &(14..19)), Found::Nowhere);
    scheduler.supply(id, b"defgh").unwrap();
    scheduler.finish(id).unwrap();
    assert_eq!(scheduler.to_come(), 0);
    assert_eq!(scheduler.find(0, &(14..18)), Found::Bytes(b"efgh"));
    scheduler.release(0, &(10..12));
    assert_eq!(scheduler.held(), 8);
    scheduler.release(0, &(14..18));
    assert_eq!((scheduler.held(), scheduler.find(0, &(14..18))), (0, Found::Nowhere));
}

#[test]
fn what_comes_for_others_stays_for_who_foresees_it() {
    let mut scheduler = Scheduler::new(4);
    prefetch(&mut scheduler, &[10..12, 16..18]);
    // A third member lies between the two.
    assert!(scheduler.foresee(0, &(12..15)) && !scheduler.foresee(0, &(20..22)));
    let id = scheduler.next_to_send().unwrap().id;
    scheduler.supply(id, b"abcdefgh").unwrap();
    scheduler.finish(id).unwrap();
    scheduler.release(0, &(10..12));
    scheduler.release(0, &(16..18));
    assert_eq!(scheduler.find(0, &(12..15)), Found::Bytes(b"cde"));
    scheduler.release(0, &(12..15));
    assert_eq!(scheduler.held(), 0);

    scheduler.fill(0, vec![30..40], 0, 100);
    assert!(!scheduler.foresee(0, &(30..40)), "it comes when nothing else is to be done");
    let id = scheduler.next_to_fill().unwrap().id;
    scheduler.supply(id, b"01234").unwrap();
    assert!(scheduler.foresee(0, &(30..35)) && !scheduler.foresee(0, &(34..36)));
}

#[test]
fn a_span_that_no_memory_can_hold_is_refused() {
    let mut scheduler = Scheduler::new(4);
    let id = scheduler.demand(0, 0..1 << 63);
    assert_eq!(scheduler.supply(id, b"a"), Err(SupplyError::NoMemory(1 << 63)));
    scheduler.fail(id);
    assert_eq!(scheduler.find(0, &(0..1)), Found::Nowhere);
}

#[test]
fn what_was_read_otherwise_is_dropped_once_its_request_is_through() {
    let mut scheduler = Scheduler::new(4);
    prefetch(&mut scheduler, &[10..12, 14..18]);
    let id = scheduler.next_to_send().unwrap().id;
    scheduler.supply(id, b"abc").unwrap();
    scheduler.release(0, &(14..18));
    assert_eq!(scheduler.find(0, &(14..18)), Found::Coming(id));
    scheduler.release(0, &(10..12));
    assert_eq!(scheduler.held(), 3, "more is to come");
    scheduler.supply(id, b"defgh").unwrap();
    scheduler.finish(id).unwrap();
    assert_eq!((scheduler.held(), scheduler.find(0, &(10..12))), (0, Found::Nowhere));
}

#[test]
fn a_span_is_released_by_all_of_its_member() {
    // Wanted with the local header, or without it where that was read before.
    for wanted in [10..20, 14..20] {
        let mut scheduler = Scheduler::new(4);
        let id = scheduler.demand(0, wanted.clone());
        scheduler.demand(0, 30..40);
        scheduler.supply(id, &vec![0; (wanted.end - wanted.start) as usize]).unwrap();
        scheduler.finish(id).unwrap();
        scheduler.release(0, &(0..10));
        assert_ne!(scheduler.held(), 0, "{wanted:?}: another member");
        scheduler.release(0, &(10..18));
        assert_eq!(scheduler.held(), 0, "{wanted:?}");
    }
}

#[test]
fn the_rest_comes_when_nothing_else_is_to_be_done() {
    let mut scheduler = Scheduler::new(4);
    prefetch(&mut scheduler, &[20..30]);
    scheduler.fill(0, vec![0..10, 12..15, 20..30, 40..60, 61..70, 90..95], 2, 30);
    assert_eq!(scheduler.next_to_fill(), None, "a prefetch is queued");
    let foreseen = scheduler.next_to_send().unwrap().id;
    assert_eq!(scheduler.next_to_fill(), None, "a prefetch is under way");
    scheduler.supply(foreseen, &[0; 10]).unwrap();
    scheduler.finish(foreseen).unwrap();
    let filling: Vec<_> = std::iter::from_fn(|| scheduler.next_to_fill()).collect();
    let spans: Vec<_> = filling.iter().map(|send| send.span.clone()).collect();
    assert_eq!(spans, [0..15, 40..70, 90..95], "near ones together, nothing twice");
}

#[test]
fn what_came_along_with_a_prefetch_stays_for_the_rest() {
    let mut scheduler = Scheduler::new(4);
    prefetch(&mut scheduler, &[10..12, 14..18]);
    let id = scheduler.next_to_send().unwrap().id;
    scheduler.supply(id, b"abcdefgh").unwrap();
    scheduler.finish(id).unwrap();
    scheduler.fill(0, vec![12..14], 0, 1000);
    assert_eq!(scheduler.next_to_fill(), None, "it is here");
    scheduler.release(0, &(10..12));
    scheduler.release(0, &(14..18));
    assert_eq!(scheduler.find(0, &(12..14)), Found::Bytes(b"cd"));
    scheduler.release(0, &(12..14));
    assert_eq!(scheduler.held(), 0);
}

#[test]
fn the_rest_has_so_many_bytes_under_way_at_once() {
    let mut scheduler = Scheduler::new(4);
    let apart = |len: u64| (0..40).map(|n| n * 2 * len..n * 2 * len + len).collect();
    scheduler.fill(0, apart(10), 0, 1000);
    assert_eq!(std::iter::from_fn(|| scheduler.next_to_fill()).count(), FILLING);
    let mut scheduler = Scheduler::new(4);
    scheduler.fill(0, apart(FILLING_BYTES / 2), 0, FILLING_BYTES);
    assert_eq!(std::iter::from_fn(|| scheduler.next_to_fill()).count(), 3);
}

#[test]
fn the_rest_gives_way_and_goes_on_where_it_was() {
    let mut scheduler = Scheduler::new(4);
    scheduler.fill(0, vec![0..10, 100..120], 0, 1000);
    let [first, second] = [scheduler.next_to_fill().unwrap().id, scheduler.next_to_fill().unwrap().id];
    scheduler.supply(first, &[0; 4]).unwrap();
    assert!(!scheduler.is_in_the_way(first));
    let wanted = scheduler.demand(0, 50..60);
    assert!(scheduler.is_in_the_way(first) && scheduler.is_in_the_way(second));
    assert_eq!(scheduler.demand(0, 100..120), second, "Python waits for what is under way");
    assert!(!scheduler.is_in_the_way(second));
    scheduler.pause(first);
    assert_eq!(sent(&mut scheduler), [(50..60, true)]);
    for (id, len) in [(wanted, 10), (second, 20)] {
        assert_eq!(scheduler.next_to_fill(), None);
        scheduler.supply(id, &vec![0; len]).unwrap();
        scheduler.finish(id).unwrap();
    }
    assert_eq!(scheduler.next_to_fill().map(|send| send.id), Some(first));
    assert_eq!(scheduler.remaining(first), Some(4..10));
}

#[test]
fn what_is_queued_for_the_rest_can_be_demanded() {
    let mut scheduler = Scheduler::new(4);
    scheduler.fill(0, vec![0..10, 100..120], 0, 1000);
    scheduler.demand(0, 100..120);
    assert_eq!(sent(&mut scheduler), [(100..120, true)]);
    assert_eq!(scheduler.next_to_fill(), None);
}

#[test]
fn what_is_queued_for_the_rest_can_be_foreseen_later() {
    let mut scheduler = Scheduler::new(4);
    scheduler.fill(0, vec![0..10, 100..120, 200..230, 300..340], 0, 1000);
    let under_way = scheduler.next_to_fill().unwrap().id;
    let paused = scheduler.next_to_fill().unwrap().id;
    scheduler.supply(paused, &[0; 5]).unwrap();
    scheduler.pause(paused);
    prefetch(&mut scheduler, &[300..340, 250..260, 0..10]);
    prefetch(&mut scheduler, &[100..120]);
    assert!(!scheduler.is_background(under_way));
    assert_eq!(sent(&mut scheduler), [(300..340, false), (250..260, false), (100..120, false)]);
    assert_eq!(scheduler.remaining(paused), Some(105..120), "what has come stays");
    assert_eq!(scheduler.next_to_fill(), None, "the rest waits for what is foreseen");
}

#[test]
fn a_second_reader_joins_the_first() {
    let mut scheduler = Scheduler::new(4);
    let first = scheduler.demand(3, 5..9);
    assert_eq!(scheduler.demand(3, 5..9), first);
    assert_eq!(sent(&mut scheduler), [(5..9, true)]);
    assert_eq!(scheduler.demand(3, 5..9), first);
    assert_eq!(sent(&mut scheduler), []);
}

#[test]
fn a_response_of_the_wrong_length_is_refused() {
    let mut scheduler = Scheduler::new(4);
    let id = scheduler.demand(0, 0..4);
    scheduler.next_to_send();
    assert_eq!(scheduler.supply(id, b"abcde"), Err(SupplyError::TooLong { wanted: 4, got: 5 }));
    scheduler.supply(id, b"abc").unwrap();
    assert_eq!(scheduler.finish(id), Err(SupplyError::TooShort { wanted: 4, got: 3 }));
    assert_eq!(scheduler.remaining(id), Some(3..4));
    scheduler.fail(id);
    assert_eq!(scheduler.find(0, &(0..2)), Found::Nowhere);
    assert_eq!(scheduler.supply(id, b"d"), Err(SupplyError::Gone));
}

#[test]
fn a_whole_archive_replaces_its_other_requests() {
    let mut scheduler = Scheduler::new(4);
    prefetch(&mut scheduler, &[10..20]);
    prefetch(&mut scheduler, &[30..40]);
    let asked = scheduler.next_to_send().unwrap().id;
    let other = scheduler.next_to_send().unwrap().id;
    assert_eq!(scheduler.became_whole(asked, 50), [other]);
    assert_eq!(scheduler.supply(other, b"x"), Err(SupplyError::Gone));
    scheduler.supply(asked, &[7; 50]).unwrap();
    scheduler.finish(asked).unwrap();
    assert_eq!(scheduler.find(0, &(30..40)), Found::Bytes(&[7; 10]));
    assert_eq!(scheduler.demand(0, 45..50), asked);
    scheduler.release(0, &(10..20));
    scheduler.release(0, &(30..40));
    assert_eq!(scheduler.held(), 50, "asking again would cost the whole archive");
}

#[test]
fn a_whole_archive_fetched_elsewhere_replaces_all_requests() {
    let mut scheduler = Scheduler::new(4);
    let replaced: Vec<_> = [0..10, 20..30].into_iter().map(|span| scheduler.demand(0, span)).collect();
    assert!(!scheduler.is_whole(0));
    let (whole, stopped) = scheduler.adopt_whole(0, vec![7; 40]);
    assert_eq!((stopped, scheduler.next_to_send(), scheduler.is_whole(0)), (replaced, None, true));
    assert_eq!(scheduler.find(0, &(25..40)), Found::Bytes(&[7; 15]));
    assert_eq!(scheduler.demand(0, 0..40), whole);
    scheduler.release(0, &(0..10));
    assert_eq!(scheduler.held(), 40);
}

#[test]
fn what_came_with_the_directory_is_not_fetched_again() {
    let mut scheduler = Scheduler::new(4);
    // Bytes 5 to 20; the first member began before them.
    scheduler.adopt(0, 5, b"56789abcdefghij", [0..8, 8..10, 10..14].into_iter());
    assert_eq!(scheduler.find(0, &(0..8)), Found::Nowhere);
    assert_eq!(scheduler.find(0, &(8..10)), Found::Bytes(b"89"));
    assert_eq!(scheduler.find(0, &(10..14)), Found::Bytes(b"abcd"));
    scheduler.release(0, &(10..14));
    scheduler.release(0, &(8..10));
    assert_eq!(scheduler.held(), 0);
    scheduler.adopt(1, 0, b"directory", std::iter::empty());
    assert_eq!(scheduler.held(), 0);
}

#[test]
fn reading_a_gap_does_not_drop_what_was_planned() {
    let mut scheduler = Scheduler::new(4);
    prefetch(&mut scheduler, &[0..2, 8..10]);
    let id = scheduler.next_to_send().unwrap().id;
    scheduler.supply(id, &[0; 10]).unwrap();
    scheduler.finish(id).unwrap();
    for gap in [2..4, 4..6, 6..8] {
        assert!(matches!(scheduler.find(0, &gap), Found::Bytes(_)));
        scheduler.release(0, &gap);
    }
    assert_eq!(scheduler.held(), 10);
}

proptest! {
    /// Whatever is demanded and prefetched, in whatever order: no byte is asked for twice, and all that is wanted comes.
    #[test]
    fn no_byte_twice_and_none_forgotten(
        steps in prop::collection::vec((any::<bool>(), prop::collection::btree_set(0u64..40, 1..6)), 1..12),
    ) {
        let mut scheduler = Scheduler::new(100);
        let mut asked: BTreeMap<u64, u32> = BTreeMap::new();
        for (urgent, members) in steps {
            // Member n is the ten bytes from 10 n on.
            let spans: Vec<_> = members.iter().map(|n| n * 10..n * 10 + 10).collect();
            if urgent {
                for span in &spans {
                    scheduler.demand(0, span.clone());
                }
            } else {
                prefetch(&mut scheduler, &spans);
            }
            while let Some(send) = scheduler.next_to_send() {
                for byte in send.span {
                    *asked.entry(byte).or_default() += 1;
                }
            }
            for span in spans {
                prop_assert!(!matches!(scheduler.find(0, &span), Found::Nowhere));
            }
        }
        prop_assert!(asked.values().all(|times| *times == 1));
    }
}

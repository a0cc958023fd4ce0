//! What is asked for before Python does: groups, their packs and plans, and the rest when nothing else is to be done.

use std::ops::Range;

use futures::channel::oneshot;
use prefetch_index::index::{Content, Group, Member, Pack};
use prefetch_index::order::by_numbers;
use prefetch_index::plan::{Budget, Want, plan};

use super::state::{Outcome, State, Waiter};
use crate::scheduler::{Found, RequestId, Send};
use crate::tree::{FileId, Ino, MemberId, PackedId};

/// Bytes between two missing members that are fetched with them: a local header and a small member that is here.
const FILL_GAP: u64 = 4 << 10;
/// Most bytes of a request for what nobody is known to want: 0.2 s at 20 Mbit/s.
const FILL_BATCH: u64 = 512 << 10;

impl State {
    /// Waits for a file of a pack; `None`: it is not on its way.
    pub(crate) fn await_packed(&mut self, id: PackedId) -> Option<oneshot::Receiver<Outcome>> {
        let (wake, woken) = oneshot::channel();
        self.packs.wait(id, wake).is_none().then_some(woken)
    }

    /// Starts the groups that a pack serves.
    pub(crate) fn start_groups_of_pack(&mut self, pack: u32) {
        let groups = self.groups_with(pack);
        self.start(&groups);
    }

    pub(super) fn groups_with(&self, pack: u32) -> Vec<u32> {
        self.groups_where(|group| group.packs.contains(&pack))
    }

    fn groups_where(&self, holds: impl Fn(&Group) -> bool) -> Vec<u32> {
        let groups = (0..).zip(&self.index.groups);
        groups.filter(|(_, group)| holds(group)).map(|(number, _)| number).collect()
    }

    /// Asks for a member that Python waits for, and for what its groups will read after it.
    pub(crate) fn demand(&mut self, id: MemberId, span: Range<u64>) -> oneshot::Receiver<Outcome> {
        let (wake, woken) = oneshot::channel();
        let until = span.end;
        let request = self.scheduler.demand(id.archive, span);
        self.waiters.push(Waiter { request, until, wake });
        self.start_groups_reading(id);
        woken
    }

    /// Starts the groups that read this member: what they read will be read next.
    pub(crate) fn start_groups_reading(&mut self, id: MemberId) {
        let reads = |group: &Group| {
            group.reads.iter().any(|read| (read.archive, read.member) == (id.archive, id.member))
        };
        self.start(&self.groups_where(reads));
    }

    /// Queues what the groups and their parents read and nobody has asked for yet.
    pub(crate) fn start(&mut self, groups: &[u32]) {
        let mut fresh = groups.to_vec();
        fresh.retain(|group| !self.started.contains(group));
        self.started.extend(&fresh);
        if fresh.is_empty() {
            return;
        }
        self.open_packs(&fresh);
        let missing = self
            .members_read(&fresh)
            .filter(|id| !self.packs.serves(*id) && !self.is_large(*id) && !self.has_been_here(*id));
        let missing: Vec<MemberId> = missing.collect();
        let missing = missing.into_iter().filter_map(|id| {
            // Nobody reads the bytes of an empty file.
            let want = self.member(id).filter(|member| member.len > 0)?.want(id.archive);
            // What comes for others is not asked for again, and stays until it was read.
            (!self.scheduler.foresee(id.archive, &want.span)).then_some((id, want))
        });
        let (ids, wants): (Vec<MemberId>, Vec<Want>) = missing.unzip();
        let lens: Vec<u64> = self.index.archives.iter().map(|archive| archive.len).collect();
        let planned = plan(&wants, &lens, &self.settings.line, &Budget::default());
        self.scheduler.prefetch(&planned, &wants);
        let can_be_prepared = |id: &MemberId| {
            self.member(*id).is_some_and(|member| member.is_source() || member.is_shared_library())
        };
        let ids: Vec<MemberId> = ids.into_iter().filter(can_be_prepared).collect();
        self.unprepared.extend(ids);
    }

    /// The same for one who waits for them: what failed is asked for again.
    pub(crate) fn start_again(&mut self, groups: &[u32]) {
        let failed = std::mem::take(&mut self.failed);
        for (group, number) in self.index.groups.iter().zip(0..) {
            if group.reads.iter().any(|read| failed.contains(&read.archive)) {
                self.started.retain(|started| *started != number);
            }
        }
        self.start(groups);
    }

    /// What Python waited for has come. If its archive has failed before, the server is there again, and so what failed is
    /// asked for: else each member that Python reads would cost a round trip. Not sooner: nobody gains by asking a server
    /// that is not there.
    pub(crate) fn has_come(&mut self, send: &Send) {
        if !send.urgent || !self.failed.contains(&send.archive) {
            return;
        }
        let reads = |group: &Group| group.reads.iter().any(|read| read.archive == send.archive);
        let mut groups = self.groups_where(reads);
        groups.retain(|group| self.started.contains(group));
        self.start_again(&groups);
    }

    /// The first source or library that groups have brought by ranges and Python has not read, as (root, path below it).
    /// Each is named once. `only_sources`: libraries are passed over, and stay to be named.
    pub(crate) fn next_to_prepare(&mut self, only_sources: bool) -> Option<(Ino, String)> {
        let mut next = None;
        let mut unprepared = std::mem::take(&mut self.unprepared);
        unprepared.retain(|id| {
            if next.is_some() {
                return true;
            }
            let Some(member) = self.member(*id).filter(|_| !self.is_kept(FileId::Member(*id))) else {
                return false;
            };
            if only_sources && !member.is_source() {
                return true;
            }
            match self.scheduler.find(id.archive, &member.span()) {
                Found::Coming(_) => true,
                Found::Bytes(_) => {
                    next = self.place_of(*id);
                    false
                }
                Found::Nowhere => false,
            }
        });
        self.unprepared = unprepared;
        self.stats.prepared += u32::from(next.is_some());
        next
    }

    /// Queues every member that is not here, to come when nothing else is to be done. Not those that are read by blocks.
    pub(crate) fn fill(&mut self) {
        for (archive, number) in self.index.archives.iter().zip(0..) {
            let ids = (0..archive.members.len() as u32).map(|member| MemberId { archive: number, member });
            let is_here = |id: &MemberId| self.packs.brings(*id) || self.has_been_here(*id);
            let missing =
                ids.filter(|id| !is_here(id) && !self.is_large(*id)).filter_map(|id| self.member(id));
            let spans = missing.filter(|member| member.len > 0).map(Member::span).collect();
            self.scheduler.fill(
                number,
                by_numbers(spans, |span| (span.start, span.end)),
                FILL_GAP,
                FILL_BATCH,
            );
        }
    }

    /// The next request to send.
    pub(crate) fn next_to_send(&mut self) -> Option<Send> {
        let next = self.scheduler.next_to_send();
        next.or_else(|| if self.is_awaited_otherwise() { None } else { self.scheduler.next_to_fill() })
    }

    /// Whether this transfer is to stop, since Python waits for another.
    pub(crate) fn pause(&mut self, id: RequestId) -> bool {
        let in_the_way = self.scheduler.is_in_the_way(id)
            || self.scheduler.is_background(id) && self.is_awaited_otherwise();
        if in_the_way {
            self.scheduler.pause(id);
        }
        in_the_way
    }

    /// Whether Python waits for something that the scheduler does not bring.
    fn is_awaited_otherwise(&self) -> bool {
        self.packs.are_awaited() || self.blocks.are_awaited()
    }

    /// Opens the packs of the groups and of their parents.
    fn open_packs(&mut self, groups: &[u32]) {
        for pack in self.packs_of(groups) {
            if self.packs.open(pack) {
                self.packs_to_open.push(pack);
            }
        }
    }

    /// Bytes that are to come: of what is under way or queued, and of what the entry point reads until that is queued.
    pub(crate) fn to_come(&self) -> u64 {
        let packs: Vec<&Pack> = self
            .packs_of(&self.entry)
            .iter()
            .filter_map(|pack| self.index.packs.get(*pack as usize))
            .collect();
        let entry: u64 = if packs.is_empty() {
            let spans = self.members_read(&self.entry).filter_map(|id| self.member(id)).map(Member::span);
            spans.map(|span| span.end - span.start).sum()
        } else {
            packs.iter().map(|pack| pack.len).sum()
        };
        entry + self.packs.to_come() + self.scheduler.to_come()
    }

    /// What the groups and their parents read, in access order.
    pub(super) fn members_read(&self, groups: &[u32]) -> impl Iterator<Item = MemberId> {
        let reads = self.index.access_order(groups).into_iter();
        reads.map(|read| MemberId { archive: read.archive, member: read.member })
    }

    /// Packs of the groups and of their parents, in the order of what they hold first.
    fn packs_of(&self, groups: &[u32]) -> Vec<u32> {
        let mut pending = groups.to_vec();
        let mut visited = vec![false; self.index.groups.len()];
        while let Some(id) = pending.pop() {
            if let Some(group) = self.index.groups.get(id as usize)
                && !std::mem::replace(&mut visited[id as usize], true)
            {
                pending.extend(&group.parents);
            }
        }
        let groups = visited.iter().zip(&self.index.groups).filter(|(visited, _)| **visited);
        let packs = groups.flat_map(|(_, group)| group.packs.iter().copied()).collect();
        let mut packs = by_numbers(packs, |pack| (u64::from(*pack), 0));
        packs.dedup();
        packs
    }

    /// Groups that code which imports these top-level modules will read, and those already started: empty when none is foreseen.
    pub(crate) fn foreseen(&self, imports: &[String]) -> Vec<u32> {
        let mut groups = Vec::new();
        for (group, number) in self.index.groups.iter().zip(0..) {
            let top = group.name.split('.').next().unwrap_or_default();
            if imports.iter().any(|import| import == top) {
                groups.push(number);
            }
        }
        if !groups.is_empty() {
            groups.extend(&self.started);
        }
        groups
    }

    /// What of these groups is under way by ranges: to be waited for, so that they can run without the network.
    pub(crate) fn outstanding_members(&mut self, groups: &[u32]) -> Vec<oneshot::Receiver<Outcome>> {
        let members: Vec<MemberId> = self.members_read(groups).collect();
        let mut woken = Vec::new();
        for id in members {
            let Some(span) = self.member(id).map(Member::span) else { continue };
            if let Found::Coming(request) = self.scheduler.find(id.archive, &span) {
                let (wake, receiver) = oneshot::channel();
                self.waiters.push(Waiter { request, until: span.end, wake });
                woken.push(receiver);
            }
        }
        woken
    }

    /// The same, what is under way in packs.
    pub(crate) fn outstanding_packed(&mut self, groups: &[u32]) -> Vec<oneshot::Receiver<Outcome>> {
        let mut woken = Vec::new();
        for pack in self.packs_of(groups) {
            let files = self.index.packs.get(pack as usize).map_or(&[][..], |pack| &pack.files);
            // What was not called is not waited for. It comes last.
            let files =
                files.iter().take_while(|file| !matches!(file.content, Content::Secondary(_))).count();
            woken.extend((0..files as u32).filter_map(|file| self.await_packed(PackedId { pack, file })));
        }
        woken
    }
}

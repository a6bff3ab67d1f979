//! Whose turn it is: places for inspections that take long, shared out so that nobody's documents delay everybody's.
//!
//! Who finds no place free waits in a lane: each tenant has one for callers that are known and one for strangers. A place that comes
//! free goes to each lane in turn, so that a flood waits behind itself. Lanes, what waits in all of them, and the time are bounded:
//! whoever is over is told at once to come again.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cedargate_model::TenantName;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long a request waits for a place: many times what an ordinary document takes, and soon enough to say so.
const WAIT_MAX: Duration = Duration::from_secs(1);
/// How many requests wait in one lane.
const LANE_MAX: usize = 128;
/// How many of those are one stranger's, by address (IPv6: its /64).
const STRANGER_MAX: usize = 16;
/// How many octets wait in all lanes together.
const OCTETS_MAX: usize = 64 << 20;
/// How many of those wait in one lane: whoever fills theirs leaves room for the others.
const LANE_OCTETS_MAX: usize = OCTETS_MAX / 2;

/// Who waits.
#[derive(Clone, Debug)]
pub(crate) struct Claimant {
    pub(crate) tenant: TenantName,
    pub(crate) client: IpAddr,
    pub(crate) is_known: bool,
}

/// Places, and who waits for one.
#[derive(Debug)]
pub(crate) struct Turns {
    state: Mutex<State>,
    /// How many strangers may have a place at a time: half of them, so that one is always for those who are known.
    strangers_max: usize,
}

#[derive(Debug)]
struct State {
    free: usize,
    strangers: usize,
    octets: usize,
    /// Those in which somebody waits, in the order of their turns.
    lanes: VecDeque<Lane>,
}

#[derive(Debug)]
struct Lane {
    tenant: TenantName,
    is_known: bool,
    waiting: VecDeque<Waiting>,
}

impl Lane {
    fn octets(&self) -> usize {
        self.waiting.iter().map(|waiting| waiting.octets).sum()
    }
}

#[derive(Debug)]
struct Waiting {
    network: IpAddr,
    octets: usize,
    go: oneshot::Sender<Place>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    /// None once it is another's.
    turns: Option<Arc<Turns>>,
    is_known: bool,
}

/// Too many wait, or it took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Busy;

impl Turns {
    /// So many places.
    pub(crate) fn new(places: usize) -> Arc<Self> {
        let state = State { free: places.max(1), strangers: 0, octets: 0, lanes: VecDeque::new() };
        Arc::new(Self { state: Mutex::new(state), strangers_max: (places / 2).max(1) })
    }

    /// Waits for a place, with so many octets to be kept meanwhile.
    ///
    /// # Errors
    /// Where the lane or the waiting room is full, or after a second.
    pub(crate) async fn place(self: &Arc<Self>, who: &Claimant, octets: usize) -> Result<Place, Busy> {
        let coming = {
            let mut state = self.state();
            if state.take(who.is_known, self.strangers_max) {
                return Ok(Place { turns: Some(Arc::clone(self)), is_known: who.is_known });
            }
            state.wait(who, octets)?
        };
        let place = timeout(WAIT_MAX, coming).await;
        place.map_err(|_| Busy)?.map_err(|_| Busy)
    }

    /// Gives a place back, and to whoever is next.
    fn release(self: &Arc<Self>, is_known: bool) {
        self.state().give_back(is_known);
        loop {
            let Some((waiting, is_known)) = self.state().next(self.strangers_max) else { return };
            let place = Place { turns: Some(Arc::clone(self)), is_known };
            match waiting.go.send(place) {
                Ok(()) => return,
                // Who waited has gone: the next one.
                Err(mut place) => {
                    place.turns = None;
                    self.state().give_back(is_known);
                }
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(turns) = self.turns.take() {
            turns.release(self.is_known);
        }
    }
}

impl State {
    /// Takes a place, if there is one for such a caller.
    fn take(&mut self, is_known: bool, strangers_max: usize) -> bool {
        let is_free = self.free > 0 && (is_known || self.strangers < strangers_max);
        if is_free {
            self.free -= 1;
            self.strangers += usize::from(!is_known);
        }
        is_free
    }

    fn give_back(&mut self, is_known: bool) {
        self.free += 1;
        self.strangers = self.strangers.saturating_sub(usize::from(!is_known));
    }

    fn wait(&mut self, who: &Claimant, octets: usize) -> Result<oneshot::Receiver<Place>, Busy> {
        self.forget_those_who_left();
        if self.octets.saturating_add(octets) > OCTETS_MAX {
            return Err(Busy);
        }
        let is_theirs = |lane: &Lane| lane.tenant == who.tenant && lane.is_known == who.is_known;
        let theirs = self.lanes.iter().find(|lane| is_theirs(lane)).map_or(0, Lane::octets);
        if theirs.saturating_add(octets) > LANE_OCTETS_MAX {
            return Err(Busy);
        }
        let at = match self.lanes.iter().position(is_theirs) {
            Some(at) => at,
            None => {
                let (tenant, is_known) = (who.tenant.clone(), who.is_known);
                self.lanes.push_back(Lane { tenant, is_known, waiting: VecDeque::new() });
                self.lanes.len() - 1
            }
        };
        let Some(lane) = self.lanes.get_mut(at) else { return Err(Busy) };
        let network = network(who.client);
        let theirs = || lane.waiting.iter().filter(|waiting| waiting.network == network).count();
        if lane.waiting.len() >= LANE_MAX || (!who.is_known && theirs() >= STRANGER_MAX) {
            return Err(Busy);
        }
        let (go, coming) = oneshot::channel();
        lane.waiting.push_back(Waiting { network, octets, go });
        self.octets += octets;
        Ok(coming)
    }

    /// Who is next, with a place taken for them: of the first lane that may have one, which then goes to the end of the line.
    fn next(&mut self, strangers_max: usize) -> Option<(Waiting, bool)> {
        let may_go = |lane: &Lane| lane.is_known || self.strangers < strangers_max;
        let at = self.lanes.iter().position(may_go)?;
        if self.free == 0 {
            return None;
        }
        let mut lane = self.lanes.remove(at)?;
        let waiting = lane.waiting.pop_front()?;
        let is_known = lane.is_known;
        if !lane.waiting.is_empty() {
            self.lanes.push_back(lane);
        }
        self.octets = self.octets.saturating_sub(waiting.octets);
        self.take(is_known, strangers_max).then_some((waiting, is_known))
    }

    fn forget_those_who_left(&mut self) {
        for lane in &mut self.lanes {
            lane.waiting.retain(|waiting| {
                let has_left = waiting.go.is_closed();
                self.octets = self.octets.saturating_sub(if has_left { waiting.octets } else { 0 });
                !has_left
            });
        }
        self.lanes.retain(|lane| !lane.waiting.is_empty());
    }
}

/// Who one stranger is: an address, and of IPv6 the network that one is given whole.
fn network(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V4(_) => client,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn claimant(tenant: &str, last: u8, is_known: bool) -> Claimant {
        let tenant = TenantName::parse(tenant).unwrap_or_else(|_| unreachable!("a name of this test"));
        Claimant { tenant, client: IpAddr::from([192, 0, 2, last]), is_known }
    }

    fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test]
    async fn a_flood_of_one_tenant_waits_behind_itself() {
        let turns = Turns::new(1);
        let (acme, globex) = (claimant("acme", 1, true), claimant("globex", 2, true));
        let first = turns.place(&acme, 10).await.unwrap();
        let mut second = pin!(turns.place(&acme, 10));
        let mut third = pin!(turns.place(&acme, 10));
        let mut other = pin!(turns.place(&globex, 10));
        assert!(poll(second.as_mut()).is_pending() && poll(third.as_mut()).is_pending());
        assert!(poll(other.as_mut()).is_pending());
        drop(first);
        let Poll::Ready(Ok(place)) = poll(second.as_mut()) else { panic!("the first of its lane") };
        drop(place);
        assert!(poll(third.as_mut()).is_pending(), "the other lane's turn comes first");
        let Poll::Ready(Ok(place)) = poll(other.as_mut()) else { panic!("the other tenant") };
        drop(place);
        assert!(matches!(poll(third.as_mut()), Poll::Ready(Ok(_))));
        let state = turns.state();
        assert_eq!((state.octets, state.free), (0, 1));
    }

    #[tokio::test]
    async fn strangers_leave_a_place_to_those_who_are_known() {
        let turns = Turns::new(2);
        let stranger = claimant("acme", 1, false);
        let place = turns.place(&stranger, 1).await.unwrap();
        let mut next = pin!(turns.place(&stranger, 1));
        assert!(poll(next.as_mut()).is_pending());
        let known = turns.place(&claimant("acme", 1, true), 1).await.unwrap();
        drop(known);
        assert!(poll(next.as_mut()).is_pending(), "a place of those who are known is no stranger's");
        drop(place);
        assert!(matches!(poll(next.as_mut()), Poll::Ready(Ok(_))));
    }

    #[tokio::test]
    async fn who_is_over_a_bound_is_told_at_once_and_who_leaves_makes_room() {
        let turns = Turns::new(1);
        let held = turns.place(&claimant("acme", 1, true), 1).await.unwrap();
        let stranger = claimant("acme", 2, false);
        let mut waiting: Vec<_> = (0..STRANGER_MAX).map(|_| Box::pin(turns.place(&stranger, 1))).collect();
        assert!(waiting.iter_mut().all(|one| poll(one.as_mut()).is_pending()));
        assert_eq!(turns.place(&stranger, 1).await.unwrap_err(), Busy);
        let other = claimant("acme", 3, false);
        let mut neighbour = Box::pin(turns.place(&other, 1));
        assert!(poll(neighbour.as_mut()).is_pending());

        assert_eq!(turns.place(&claimant("globex", 4, true), OCTETS_MAX).await.unwrap_err(), Busy);
        waiting.clear();
        let mut again = Box::pin(turns.place(&stranger, 1));
        assert!(poll(again.as_mut()).is_pending(), "those who left have made room");
        drop(again);
        drop(held);
        assert!(matches!(poll(neighbour.as_mut()), Poll::Ready(Ok(_))), "those who left are passed over");
        assert_eq!(turns.state().octets, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_longer_than_a_second() {
        let turns = Turns::new(1);
        let _held = turns.place(&claimant("acme", 1, true), 1).await.unwrap();
        assert_eq!(turns.place(&claimant("acme", 1, true), 1).await.unwrap_err(), Busy);
    }
}

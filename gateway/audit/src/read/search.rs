//! Looking for a few entries without reading all of them: from about a moment on, by what stands in their text.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use cedargate_model::Micros;

use super::lines::{Lines, NextLine};
use super::opening::Opening;
use crate::broken::{Break, Broken};
use crate::format::directory::{SegmentName, segments};
use crate::format::entry::{LINE_BYTES_MAX, Line};

/// How much earlier than asked reading begins, in microseconds. Entries stand in the order in which they were handed in,
/// which is their times' order but for threads that overtook each other and a clock that was set back a little.
const SLACK_MICROS: i64 = 5_000_000;

/// Below this distance it is cheaper to read than to look further for where to begin.
const NEAR_BYTES: u64 = 64 << 10;

/// What one look at the middle of a segment reads: room for a line's rest and the next one's beginning.
const PROBE_BYTES: usize = 16 << 10;

/// How many lines are read between two looks at the time.
const LINES_A_LOOK: u64 = 64;

/// Gives the events of the record in `dir` that happened from `since` to `until` and whose line is `wanted`, oldest first,
/// as the octets that their leaf hash covers; also while the record is being written.
///
/// Events from shortly before and after may be given, too. A line is given only with the right leaf hash, and only where it
/// is part of the record: not if its segment was given up before it. Chain and heads are [`crate::verify`]'s. What was
/// written a moment ago may not be durable yet; whatever is recorded after it is durable only with it.
///
/// # Errors
/// A file cannot be read. Damage is passed over: it is [`crate::verify`]'s to tell.
pub fn search(
    dir: &Path,
    (since, until): (Micros, Micros),
    wanted: impl Fn(&[u8]) -> bool,
    mut visit: impl FnMut(&[u8]) -> ControlFlow<()>,
) -> Result<(), Broken> {
    let (since, until) = (since.0.saturating_sub(SLACK_MICROS), until.0.saturating_add(SLACK_MICROS));
    for Part { name, last_sequence, holds_beginning } in parts(dir, since)? {
        let unreadable = |error| Broken::unreadable(name, &error);
        let file = File::open(dir.join(name.to_string())).map_err(unreadable)?;
        let begin = if holds_beginning { beginning(&file, since).map_err(unreadable)? } else { 0 };
        let mut lines = Lines::new(file, u64::MAX, LINE_BYTES_MAX);
        lines.rewind(begin, 1).map_err(unreadable)?;
        loop {
            let is_a_look = lines.number.is_multiple_of(LINES_A_LOOK);
            let line = match lines.next().map_err(unreadable)? {
                NextLine::Whole([]) | NextLine::End => break,
                NextLine::Whole(line) if is_a_look && event_time(line).is_some_and(|at| at > until) => return Ok(()),
                NextLine::Whole(line) if wanted(line) => line,
                NextLine::Whole(_) | NextLine::Fragment => continue,
            };
            let Ok(Line { sequence, event, .. }) = Line::parse(line) else { continue };
            if last_sequence.is_none_or(|last| sequence <= last) && visit(event).is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// A segment to be read.
struct Part {
    name: SegmentName,
    /// Where the record goes on in the next segment: what follows here is no part of it.
    last_sequence: Option<u64>,
    /// Whether it was opened before the moment that is asked for, so that reading begins somewhere inside.
    holds_beginning: bool,
}

/// The segments from the one that was open at `since` on, oldest first; given up ones left out.
fn parts(dir: &Path, since: i64) -> Result<Vec<Part>, Broken> {
    let names = segments(dir).map_err(|error| Broken::unreadable(dir.display(), &error))?;
    let (mut parts, mut abandoned, mut following) = (Vec::new(), HashSet::new(), None::<Opening>);
    // From the last to the first: only a later segment says that one was given up, and a search is mostly for what is new.
    for name in names.into_iter().rev() {
        if abandoned.contains(&name) {
            continue;
        }
        let opening = match Opening::read(dir, name) {
            Ok(opening) => Some(opening),
            Err(broken) if matches!(broken.what, Break::Exhausted | Break::Unreadable) => return Err(broken),
            Err(_) => None,
        };
        let continued = following.as_ref().filter(|following| following.previous_name() == Some(name));
        let last_sequence = continued.map(|following| following.follows().sequence);
        let holds_beginning = opening.as_ref().is_some_and(|opening| opening.opened.at.0 <= since);
        parts.push(Part { name, last_sequence, holds_beginning });
        if holds_beginning {
            break;
        }
        if let Some(Opening { opened, .. }) = &opening {
            let given_up = |segment: &u64| SegmentName { boot: opened.boot, segment: *segment };
            abandoned.extend(opened.abandoned.iter().map(given_up));
        }
        following = opening;
    }
    parts.reverse();
    Ok(parts)
}

/// Where a line begins before which nothing is as late as `since`: the place is halved until it is near enough.
fn beginning(file: &File, since: i64) -> io::Result<u64> {
    let (mut before, mut after) = (0, file.metadata()?.len());
    while after.saturating_sub(before) > NEAR_BYTES {
        let middle = before + (after - before) / 2;
        match line_after(file, middle)? {
            Some((line, at)) if at < since => before = line,
            // Later, or padding, or nothing that can be read: what is looked for begins before.
            Some(_) | None => after = middle,
        }
    }
    Ok(before)
}

/// The first line that begins after this place, and its event's time.
fn line_after(file: &File, place: u64) -> io::Result<Option<(u64, i64)>> {
    let mut probe = vec![0; PROBE_BYTES];
    let read = file.read_at(&mut probe, place)?;
    probe.truncate(read);
    let Some(end) = memchr::memchr(b'\n', &probe) else { return Ok(None) };
    let Some(line) = probe.get(end + 1..) else { return Ok(None) };
    let line = memchr::memchr(b'\n', line).map_or(line, |end| line.get(..end).unwrap_or_default());
    let place = place + u64::try_from(end).unwrap_or(0) + 1;
    Ok(event_time(line).map(|at| (place, at)))
}

/// An event's time, from its line's beginning: the events of the gateway and of the log itself both say it early.
fn event_time(line: &[u8]) -> Option<i64> {
    const EVENT: &[u8] = b"\"event\":{";
    const AT: &[u8] = b"\"at\":";
    let event = line.get(memchr::memmem::find(line, EVENT)? + EVENT.len()..)?;
    let at = event.get(memchr::memmem::find(event, AT)? + AT.len()..)?;
    let digits = at.iter().position(|octet| !octet.is_ascii_digit())?;
    std::str::from_utf8(at.get(..digits)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use cedargate_model::{Clock, Event, EventBody};
    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::testing::allowed;
    use crate::{Priority, Spool, SpoolSettings};

    struct SetClock(AtomicI64);

    impl Clock for SetClock {
        fn now(&self) -> Micros {
            Micros(self.0.load(Ordering::SeqCst))
        }
    }

    const SECOND: i64 = 1_000_000;

    /// A record of one event a second, over several segments and two boots.
    fn record(dir: &Path, seconds: u64) {
        let clock = Arc::new(SetClock(AtomicI64::new(0)));
        for boot in 0..2 {
            let settings = SpoolSettings { segment_bytes: 96 << 10, ..SpoolSettings::new(dir, "gw-1") };
            let (spool, _) = Spool::open(settings, SigningKey::from_bytes(&[7; 32]), clock.clone()).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            for number in boot * seconds / 2..(boot + 1) * seconds / 2 {
                let at = Micros(i64::try_from(number).unwrap() * SECOND);
                clock.0.store(at.0, Ordering::SeqCst);
                let event = Event { at, ..allowed(number) };
                let ticket = spool.record(&event, Priority::Known).unwrap();
                if number % 50 == 0 {
                    runtime.block_on(ticket.durable()).unwrap();
                }
            }
            spool.close().unwrap();
        }
    }

    fn found(dir: &Path, since: Micros, wanted: impl Fn(&[u8]) -> bool) -> Vec<Event> {
        between(dir, (since, Micros(i64::MAX)), wanted)
    }

    fn between(dir: &Path, times: (Micros, Micros), wanted: impl Fn(&[u8]) -> bool) -> Vec<Event> {
        let mut events = Vec::new();
        let each = |event: &[u8]| {
            events.push(serde_json::from_slice(event).unwrap());
            ControlFlow::Continue(())
        };
        search(dir, times, wanted, each).unwrap();
        events
    }

    fn decision_of(number: u64) -> impl Fn(&[u8]) -> bool {
        let EventBody::Decision(decision) = allowed(number).body else { panic!("a decision") };
        let text = decision.decision.to_string();
        move |line| memchr::memmem::find(line, text.as_bytes()).is_some()
    }

    #[test]
    fn an_event_is_found_from_its_own_moment_on_and_from_any_before() {
        let dir = tempfile::tempdir().unwrap();
        record(dir.path(), 1_000);
        assert!(segments(dir.path()).unwrap().len() > 4);
        for number in [0, 1, 7, 200, 499, 500, 501, 777, 999] {
            let at = i64::try_from(number).unwrap() * SECOND;
            for since in [0, at / 2, at] {
                let found = found(dir.path(), Micros(since), decision_of(number));
                assert_eq!(found.len(), 1, "{number} from {since}");
                assert_eq!(found[0].at, Micros(at));
            }
        }
    }

    #[test]
    fn what_is_much_older_or_later_than_asked_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        record(dir.path(), 1_000);
        let read = std::cell::Cell::new(0);
        let count = |_: &[u8]| {
            read.set(read.get() + 1);
            false
        };
        assert_eq!(found(dir.path(), Micros(990 * SECOND), count), []);
        // Some sixty-four KiB of lines at the most, and what follows.
        assert!((10..300).contains(&read.get()), "{}", read.get());
        assert_eq!(found(dir.path(), Micros(900 * SECOND), decision_of(300)), []);
        let around = |number: i64| (Micros(number * SECOND), Micros(number * SECOND));
        assert_eq!(between(dir.path(), around(100), decision_of(300)), []);
        assert_eq!(between(dir.path(), around(300), decision_of(300)).len(), 1);
    }

    #[test]
    fn a_changed_event_is_not_found() {
        let dir = tempfile::tempdir().unwrap();
        record(dir.path(), 100);
        for name in segments(dir.path()).unwrap() {
            let path = dir.path().join(name.to_string());
            let text = fs::read_to_string(&path).unwrap();
            fs::write(&path, text.replace("/inventory/items/42\"", "/inventory/items/43\"")).unwrap();
        }
        assert_eq!(found(dir.path(), Micros(0), decision_of(42)), []);
        assert_eq!(found(dir.path(), Micros(0), decision_of(43)).len(), 1);
    }
}

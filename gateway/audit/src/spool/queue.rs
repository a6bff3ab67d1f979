//! The one buffer that all callers share.
//!
//! A short mutex is the accepted design here: a caller holds it for a copy of some 500 octets, well under a
//! microsecond, never across IO, and the writer only to swap the buffer. Channels with a oneshot per request were
//! measured to cost 1.5 to 2 microseconds more per request, most of it in waking threads.

use cedargate_model::Micros;

use super::fold::{FoldKey, Folds};
use super::{Priority, RecordError};

/// What one commit writes.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    octets: Vec<u8>,
    ends: Vec<usize>,
    pub(crate) folds: Folds,
    /// Notes among the events, for counting what a failed commit drops.
    pub(crate) notes: u64,
    /// Callers that may wait for this batch: events recorded, folded ones included.
    pub(crate) records: u64,
}

impl Batch {
    /// The events, in the order in which they came.
    pub(crate) fn events(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).filter_map(|(start, end)| self.octets.get(start..*end))
    }

    /// How many events stand whole.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.octets.len()
    }

    /// Whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    fn push(&mut self, event: &[u8]) {
        self.octets.extend_from_slice(event);
        self.ends.push(self.octets.len());
    }

    /// Empties it, keeping its memory for the next commit.
    pub(crate) fn clear(&mut self) {
        self.octets.clear();
        self.ends.clear();
        self.folds.drain();
        self.notes = 0;
        self.records = 0;
    }
}

/// How deeply the writer sleeps: who has to wake it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriterSleep {
    /// It works, or will look at the queue by itself.
    Awake,
    /// It looks soon: a record wakes it, a note rides along.
    Dozing,
    /// It looks when woken.
    Asleep,
}

/// How the spool stands to new events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Intake {
    Open,
    /// The disk refuses; the writer tries again.
    Unwritable,
    Closed,
}

/// The filling batch and what surrounds it.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) batch: Batch,
    /// The number of the filling batch, from 1. It is complete once the writer says so.
    pub(crate) epoch: u64,
    pub(crate) intake: Intake,
    pub(crate) sleep: WriterSleep,
    /// Octets of the batch that the writer holds.
    pub(crate) in_flight_bytes: usize,
    bytes_max: usize,
    fold_after: u32,
}

/// What became of an event handed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Accepted {
    pub(crate) epoch: u64,
    pub(crate) wake_writer: bool,
}

impl Queue {
    pub(crate) fn new(bytes_max: usize, fold_after: u32) -> Self {
        Self {
            batch: Batch::default(),
            epoch: 1,
            intake: Intake::Open,
            sleep: WriterSleep::Awake,
            in_flight_bytes: 0,
            bytes_max,
            fold_after,
        }
    }

    /// Counts a refusal that need not be written whole; none where it must be.
    pub(crate) fn fold(&mut self, key: &FoldKey, at: Micros) -> Option<Result<Accepted, RecordError>> {
        if let Err(error) = self.accepting() {
            return Some(Err(error));
        }
        if !self.batch.folds.count(key, at, self.fold_after) {
            return None;
        }
        self.batch.records += 1;
        // A batch with a folded refusal holds whole ones too, so the writer has been woken for it.
        Some(Ok(Accepted { epoch: self.epoch, wake_writer: false }))
    }

    /// Takes an event that somebody may wait for.
    pub(crate) fn record(
        &mut self,
        event: &[u8],
        priority: Priority,
        key: Option<FoldKey>,
    ) -> Result<Accepted, RecordError> {
        self.accepting()?;
        let room = match priority {
            Priority::Known => self.bytes_max,
            Priority::Unknown => self.bytes_max / 2,
            Priority::Reported => self.bytes_max / 8,
        };
        self.push(event, room)?;
        if let Some(key) = key {
            self.batch.folds.wrote(key);
        }
        self.batch.records += 1;
        Ok(self.accepted(WriterSleep::Dozing))
    }

    /// Takes an event that nobody waits for.
    pub(crate) fn note(&mut self, event: &[u8]) -> Result<Accepted, RecordError> {
        self.accepting()?;
        self.push(event, self.bytes_max / 4)?;
        self.batch.notes += 1;
        Ok(self.accepted(WriterSleep::Asleep))
    }

    /// Swaps an empty batch in and gives the filled one with its number.
    pub(crate) fn take(&mut self, empty: Batch) -> (u64, Batch) {
        let epoch = self.epoch;
        self.epoch += 1;
        let batch = std::mem::replace(&mut self.batch, empty);
        self.in_flight_bytes = batch.bytes();
        (epoch, batch)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.batch.bytes() + self.in_flight_bytes
    }

    fn accepting(&self) -> Result<(), RecordError> {
        match self.intake {
            Intake::Open => Ok(()),
            Intake::Unwritable => Err(RecordError::Unwritable),
            Intake::Closed => Err(RecordError::Closed),
        }
    }

    fn push(&mut self, event: &[u8], room: usize) -> Result<(), RecordError> {
        if self.bytes() + event.len() > room {
            return Err(RecordError::QueueFull);
        }
        self.batch.push(event);
        Ok(())
    }

    fn accepted(&mut self, wakes_from: WriterSleep) -> Accepted {
        let wake_writer = match (self.sleep, wakes_from) {
            (WriterSleep::Awake, _) | (WriterSleep::Dozing, WriterSleep::Asleep) => false,
            (WriterSleep::Asleep, _) | (WriterSleep::Dozing, _) => true,
        };
        if wake_writer {
            self.sleep = WriterSleep::Awake;
        }
        Accepted { epoch: self.epoch, wake_writer }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_and_notes_leave_room_for_people_who_are_signed_in() {
        let mut queue = Queue::new(1000, 16);
        let event = [b'x'; 100];
        let notes = std::iter::repeat_with(|| queue.note(&event)).take_while(Result::is_ok).count();
        assert_eq!(notes, 2);
        assert_eq!(queue.record(&event, Priority::Reported, None), Err(RecordError::QueueFull));
        let unknown =
            std::iter::repeat_with(|| queue.record(&event, Priority::Unknown, None)).take_while(Result::is_ok);
        assert_eq!(unknown.count(), 3);
        assert_eq!(queue.note(&event), Err(RecordError::QueueFull));
        let known = std::iter::repeat_with(|| queue.record(&event, Priority::Known, None)).take_while(Result::is_ok);
        assert_eq!(known.count(), 5);
        assert_eq!(queue.bytes(), 1000);
    }

    #[test]
    fn what_the_writer_holds_still_takes_room() {
        let mut queue = Queue::new(200, 16);
        queue.record(&[0; 150], Priority::Known, None).unwrap();
        let (epoch, batch) = queue.take(Batch::default());
        assert_eq!((epoch, batch.len(), batch.records), (1, 1, 1));
        assert_eq!(queue.record(&[0; 100], Priority::Known, None), Err(RecordError::QueueFull));
        queue.in_flight_bytes = 0;
        assert_eq!(queue.record(&[0; 100], Priority::Known, None).unwrap().epoch, 2);
    }

    #[test]
    fn a_note_wakes_only_a_writer_that_would_not_look_by_itself() {
        let mut queue = Queue::new(200, 16);
        for (sleep, note, record) in
            [(WriterSleep::Awake, false, false), (WriterSleep::Dozing, false, true), (WriterSleep::Asleep, true, true)]
        {
            queue.sleep = sleep;
            assert_eq!(queue.note(b"x").unwrap().wake_writer, note);
            queue.sleep = sleep;
            assert_eq!(queue.record(b"x", Priority::Known, None).unwrap().wake_writer, record);
        }
    }
}

use proptest::prelude::*;

use super::*;

const LIMITS: StreamLimits = StreamLimits { streams_max: 10, control_frames_max: 100, resets_max: 10 };
const HEAD_BYTES_MAX: usize = 1_000;

fn frame(length: usize, kind: u8, flags: u8) -> Vec<u8> {
    let [.., a, b, c] = u32::try_from(length).unwrap().to_be_bytes();
    let mut frame = vec![a, b, c, kind, flags, 0, 0, 0, 1];
    frame.resize(9 + length, 0);
    frame
}

/// What a client's frames come to when they arrive in pieces of this size, all at one moment.
fn verdict(frames: &[Vec<u8>], piece: usize) -> Result<(), Abuse> {
    let now = Instant::now();
    let mut incoming = Incoming::new(LIMITS, HEAD_BYTES_MAX, now);
    let octets = [PREFACE.to_vec(), frames.concat()].concat();
    octets.chunks(piece).try_for_each(|piece| incoming.feed(piece, now))
}

#[test]
fn floods_are_told_however_they_arrive() {
    const PING: u8 = 6;
    const SETTINGS: u8 = 4;
    for (name, frames, abuse) in [
        ("PING", vec![frame(8, PING, 0); 201], Abuse::Frames),
        ("SETTINGS", vec![frame(0, SETTINGS, 0); 201], Abuse::Frames),
        ("PRIORITY", vec![frame(5, 2, 0); 201], Abuse::Frames),
        ("unknown frames", vec![frame(0, 0xee, 0); 201], Abuse::Frames),
        ("empty DATA", vec![frame(0, kind::DATA, 0); 201], Abuse::Frames),
        ("WINDOW_UPDATE", vec![frame(4, kind::WINDOW_UPDATE, 0); 201 * 64], Abuse::Frames),
        ("RST_STREAM", vec![frame(4, kind::RST_STREAM, 0); 21], Abuse::Resets),
        (
            "empty CONTINUATION",
            [vec![frame(1, kind::HEADERS, 0)], vec![frame(0, kind::CONTINUATION, 0); 17]].concat(),
            Abuse::Head,
        ),
        (
            "large CONTINUATION",
            vec![frame(600, kind::HEADERS, 0), frame(401, kind::CONTINUATION, END_HEADERS)],
            Abuse::Head,
        ),
        ("a large head", vec![frame(1_001, kind::HEADERS, END_HEADERS)], Abuse::Head),
    ] {
        for piece in [1, 7, 4096] {
            assert_eq!(verdict(&frames, piece), Err(abuse), "{name} in pieces of {piece}");
        }
        let fewer = frames.get(..frames.len() - 1).unwrap();
        assert_eq!(verdict(fewer, 4096), Ok(()), "{name}, one fewer");
    }
}

#[test]
fn a_head_is_as_old_as_its_first_frame() {
    let begun = Instant::now();
    let later = begun + Duration::from_secs(5);
    let mut incoming = Incoming::new(LIMITS, HEAD_BYTES_MAX, begun);
    incoming.feed(PREFACE, begun).unwrap();
    incoming.feed(&frame(1, kind::HEADERS, 0), begun).unwrap();
    incoming.feed(&frame(1, kind::CONTINUATION, 0), later).unwrap();
    assert!(incoming.is_in_a_head());
    assert_eq!(incoming.head_began, begun);
    incoming.feed(&frame(1, kind::CONTINUATION, END_HEADERS), later).unwrap();
    assert!(!incoming.is_in_a_head());
    incoming.feed(&frame(1, kind::HEADERS, 0), later).unwrap();
    assert_eq!(incoming.head_began, later);

    let signals = Signals::new();
    assert_eq!(signals.head_age(), None);
    signals.set_head(Some(signals.opened));
    assert!(signals.head_age().is_some());
    signals.set_head(None);
    assert_eq!(signals.head_age(), None);
}

#[test]
fn something_still_leaves_while_some_was_written_or_waits() {
    let signals = Signals::new();
    assert!(!signals.take_progress());
    signals.wrote(&Poll::Ready(Ok(1)));
    assert!(signals.take_progress());
    assert!(!signals.take_progress(), "nothing since");
    signals.wrote::<usize>(&Poll::Pending);
    assert!(signals.take_progress() && signals.take_progress(), "the client does not read");
}

#[test]
fn what_clients_do_is_no_flood() {
    let request = [frame(100, kind::HEADERS, END_HEADERS), frame(900, kind::DATA, 0), frame(0, kind::DATA, END_STREAM)];
    assert_eq!(verdict(&vec![request.concat(); 10_000], 4096), Ok(()));
}

#[test]
fn an_allowance_is_regained_in_time() {
    let now = Instant::now();
    let mut allowance = Allowance::new(10, now);
    for _ in 0..20 {
        assert!(allowance.spend(now).is_some());
    }
    assert!(allowance.spend(now).is_none());
    let later = now + Duration::from_secs(1);
    for _ in 0..10 {
        assert!(allowance.spend(later).is_some());
    }
    assert!(allowance.spend(later).is_none());
    let much_later = later + Duration::from_secs(1_000);
    assert_eq!((0..1_000).filter(|_| allowance.spend(much_later).is_some()).count(), 20);
}

#[test]
fn a_head_is_under_way_until_its_last_octet() {
    let now = Instant::now();
    let mut incoming = Incoming::new(LIMITS, HEAD_BYTES_MAX, now);
    incoming.feed(PREFACE, now).unwrap();
    let head = frame(20, kind::HEADERS, END_HEADERS);
    incoming.feed(head.get(..28).unwrap(), now).unwrap();
    assert!(incoming.is_in_a_head());
    incoming.feed(head.get(28..).unwrap(), now).unwrap();
    assert!(!incoming.is_in_a_head());
    incoming.feed(&frame(20, kind::HEADERS, 0), now).unwrap();
    assert!(incoming.is_in_a_head());
    incoming.feed(&frame(0, kind::CONTINUATION, END_HEADERS), now).unwrap();
    assert!(!incoming.is_in_a_head());
}

#[test]
fn resets_for_malformed_streams_are_counted_and_no_others() {
    let mut reset = frame(4, kind::RST_STREAM, 0);
    let mut octets = frame(40, kind::DATA, 0);
    for (reason, count) in [(PROTOCOL_ERROR, 1), (0, 0), (8, 0), (0x100, 0)] {
        reset.splice(9.., reason.to_be_bytes());
        octets.extend(&reset);
        for piece in [1, 5, 4096] {
            let mut outgoing = Outgoing::default();
            let counted: u32 = reset.chunks(piece).map(|piece| outgoing.feed(piece)).sum();
            assert_eq!(counted, count, "{reason}");
        }
    }
    assert_eq!(Outgoing::default().feed(&octets), 1);
}

proptest! {
    #[test]
    fn arbitrary_octets_never_panic(octets: Vec<u8>, piece in 1_usize..64) {
        let now = Instant::now();
        let mut incoming = Incoming::new(LIMITS, HEAD_BYTES_MAX, now);
        let mut outgoing = Outgoing::default();
        for piece in octets.chunks(piece) {
            outgoing.feed(piece);
            if incoming.feed(piece, now).is_err() {
                break;
            }
        }
    }
}

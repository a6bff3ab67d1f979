//! Floods are counted exactly, and nobody is answered before the count is durable.

use std::sync::Arc;

use cedargate_model::{EventBody, RefusalCode};

use super::super::{Priority, SpoolSettings, Ticket};
use super::faulty_disk::{Faults, FaultyDisk};
use super::{is_decided, open, proved, settings, wait};
use crate::read;
use crate::testing::{allowed, refused};

#[test]
fn alike_refusals_of_one_prefix_fold_into_an_exact_count() {
    let dir = tempfile::tempdir().unwrap();
    let faults = Arc::new(Faults::default());
    let settings = SpoolSettings { fold_after: 4, ..settings(dir.path()) };
    let (spool, _) = open(settings, Arc::new(FaultyDisk(Arc::clone(&faults)))).unwrap();
    faults.shut();
    let first = spool.record(&allowed(1), Priority::Known).unwrap();
    faults.halted();

    let flood = [
        (100, "192.0.2.1", RefusalCode::AddressRateLimited),
        (10, "192.0.2.1", RefusalCode::HostInvalid),
        (3, "192.0.2.2", RefusalCode::AddressRateLimited),
        (7, "2001:db8::1", RefusalCode::AddressRateLimited),
        (5, "2001:db8::ffff", RefusalCode::AddressRateLimited),
        (9, "192.0.2.1", RefusalCode::SigninRequired),
    ];
    let mut sent = 1;
    let mut tickets: Vec<Ticket> = Vec::new();
    for (count, client, code) in flood {
        for _ in 0..count {
            sent += 1;
            tickets.push(spool.record(&refused(sent, client, code), Priority::Unknown).unwrap());
        }
    }
    assert!(!tickets.iter().any(is_decided));
    assert_eq!(spool.stats().folded, 96 + 6 + 8);
    faults.let_pass();
    wait(first).unwrap();
    for ticket in tickets {
        wait(ticket).unwrap();
    }

    let (mut whole, mut counted) = (0, Vec::new());
    for entry in read(dir.path()) {
        match entry.unwrap().event().map(|event| event.body.clone()) {
            Some(EventBody::Decision(_)) => whole += 1,
            Some(EventBody::Folded(folded)) => counted.push(folded),
            Some(_) | None => {}
        }
    }
    let told: Vec<_> = counted.iter().map(|fold| (fold.prefix.as_str(), fold.code, fold.count)).collect();
    assert_eq!(
        told,
        [
            ("192.0.2.1", RefusalCode::AddressRateLimited, 96),
            ("192.0.2.1", RefusalCode::HostInvalid, 6),
            ("2001:db8::/64", RefusalCode::AddressRateLimited, 8),
        ]
    );
    assert!(counted.iter().all(|fold| fold.stage == fold.code.stage() && fold.first_at < fold.last_at));
    assert_eq!(whole + counted.iter().map(|fold| fold.count).sum::<u32>(), u32::try_from(sent).unwrap());
    proved(dir.path()).unwrap();
}

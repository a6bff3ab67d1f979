//! A soak of forty seconds, so that caches are full well before its middle; `make soak` has it run for ten minutes.

use std::time::Duration;

use cedargate_e2e::soak;

#[test]
fn under_load_and_faults_nothing_is_lost_and_nothing_grows() {
    let seconds = std::env::var("CEDARGATE_SOAK_SECONDS").ok().map_or(40, |text| text.parse().unwrap());
    let report = soak::run(Duration::from_secs(seconds)).unwrap();
    println!("{report}");
    assert!(report.failures().is_empty(), "{}", report.failures().join("\n"));
}

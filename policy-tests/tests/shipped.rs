//! The shipped policies pass their cases, and the cases leave nothing out.

const POLICIES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../policies");
const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/cases");

#[test]
fn the_shipped_policies_pass_their_cases() {
    let report = cedargate_policy_tests::run(POLICIES, CASES);
    assert!(report.passed(), "{report}");
    assert!(report.decisions > 100 && report.policies_covered > 50, "{report}");
}

//! The gateways of a run: how each differs from the gateway as it comes.

/// One gateway, and what it is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Variant {
    pub(crate) name: &'static str,
    pub(crate) access_log: bool,
    /// The rule set that inspects; none for the built-in rules.
    pub(crate) rules: Option<&'static str>,
    pub(crate) danger: &'static [&'static str],
    pub(crate) traffic: Traffic,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Traffic {
    /// Two people of each tenant, from one address.
    People,
    /// The same from so many addresses, as a trusted proxy tells them.
    Addresses(u32),
    /// The same people in so many sessions.
    Sessions(usize),
}

const INSPECTION_OFF: &[&str] = &["inspection_off = true"];

impl Variant {
    const fn of(name: &'static str, danger: &'static [&'static str]) -> Self {
        Self { name, access_log: false, rules: None, danger, traffic: Traffic::People }
    }
}

pub(crate) const VARIANTS: &[Variant] = &[
    Variant::of("everything but inspection", INSPECTION_OFF),
    Variant::of("everything on", &[]),
    Variant { rules: Some("crs"), ..Variant::of("the Core Rule Set", &[]) },
    Variant { access_log: true, ..Variant::of("a line per request", INSPECTION_OFF) },
    Variant::of("recording off", &["inspection_off = true", "recording_off = true"]),
    Variant::of("5 ms slower syncs", &["inspection_off = true", "sync_delay_ms = 5"]),
    Variant { traffic: Traffic::Addresses(1_000_000), ..Variant::of("a million addresses", INSPECTION_OFF) },
    Variant { traffic: Traffic::Sessions(100_000), ..Variant::of("100,000 sessions", INSPECTION_OFF) },
];

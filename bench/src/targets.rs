//! What the gateway is held to, and how far a run says it is from that.

use serde::Serialize;

use crate::{Row, SteadyRow};

/// A figure of one row that a target bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Processor time of a request to bare Pingora's.
    ToBare,
    /// The same to the gateway's with everything but inspection.
    ToPlain,
    /// How much of throughput is lost to the row of the same name with recording off.
    RecordingCost,
    /// Half of the answers took at most so many milliseconds.
    P50Milliseconds,
    /// Mebibytes in memory.
    Mebibytes,
    /// At half load: by how many milliseconds the slowest of a hundred answers got slower.
    AddedP99Milliseconds,
}

/// A bound on a figure.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    variant: &'static str,
    connections: usize,
    figure: Figure,
    at_most: f64,
}

const PLAIN: &str = "everything but inspection";

const fn bound(variant: &'static str, connections: usize, figure: Figure, at_most: f64) -> Bound {
    Bound { variant, connections, figure, at_most }
}

/// What a run is compared with.
pub const TARGETS: &[Bound] = &[
    bound(PLAIN, 64, Figure::ToBare, 1.3),
    bound(PLAIN, 8, Figure::ToBare, 1.7),
    bound("everything on", 64, Figure::ToBare, 1.9),
    bound("the Core Rule Set", 64, Figure::ToBare, 3.5),
    bound("5 ms slower syncs", 64, Figure::ToBare, 1.5),
    // Two syncs of 5 ms, and what the disk itself takes.
    bound("5 ms slower syncs", 64, Figure::P50Milliseconds, 11.0),
    bound(PLAIN, 64, Figure::RecordingCost, 0.1),
    bound(PLAIN, 64, Figure::Mebibytes, 60.0),
    bound("a million addresses", 64, Figure::ToPlain, 1.2),
    bound("100,000 sessions", 64, Figure::ToPlain, 1.2),
    bound(PLAIN, 64, Figure::AddedP99Milliseconds, 1.0),
];

/// One bound, and what was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Target {
    /// Which row.
    pub variant: String,
    /// At how many connections.
    pub connections: usize,
    /// Which figure of it.
    pub figure: &'static str,
    /// The bound.
    pub at_most: f64,
    /// The median of the run.
    pub measured: f64,
    /// Whether the one keeps to the other.
    pub met: bool,
}

impl Target {
    /// Holds a run to a bound; none where the run has no such row.
    pub fn held_to(bound: &Bound, rows: &[Row], steady: &[SteadyRow]) -> Option<Self> {
        let Bound { variant, connections, figure, at_most } = *bound;
        let row = |name: &str| rows.iter().find(|row| row.variant == name && row.connections == connections);
        let (told, measured) = match figure {
            Figure::ToBare => ("CPU to bare", row(variant)?.cpu_ratio_to_bare.median),
            Figure::ToPlain => ("CPU to everything but inspection", row(variant)?.cpu_ratio_to_plain.median),
            Figure::RecordingCost => {
                let (on, off) = (row(variant)?.throughput.median, row("recording off")?.throughput.median);
                ("part of throughput that recording costs", 1.0 - on / off)
            }
            Figure::P50Milliseconds => ("p50 ms", row(variant)?.p50_us.median / 1000.0),
            Figure::Mebibytes => ("MiB in memory", row(variant)?.mebibytes.median),
            Figure::AddedP99Milliseconds => {
                let row = steady.iter().find(|row| row.variant == variant)?;
                ("p99 ms added at half load", row.p99_us_added.median / 1000.0)
            }
        };
        let met = measured <= at_most;
        Some(Self { variant: variant.to_owned(), connections, figure: told, at_most, measured, met })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Spread;

    fn row(variant: &str, cpu: f64, throughput: f64) -> Row {
        let spread = |median| Spread { median, min: median, max: median };
        Row {
            variant: variant.to_owned(),
            connections: 64,
            throughput: spread(throughput),
            p50_us: spread(1.0),
            p99_us: spread(1.0),
            cpu_us_per_request: spread(cpu),
            cpu_ratio_to_bare: spread(cpu),
            cpu_ratio_to_plain: spread(1.0),
            throughput_ratio_to_bare: spread(1.0),
            mebibytes: spread(50.0),
        }
    }

    #[test]
    fn a_bound_that_is_broken_is_not_met() {
        let rows = [row(PLAIN, 1.31, 80.0), row("recording off", 1.1, 100.0)];
        let held: Vec<_> = TARGETS.iter().filter_map(|bound| Target::held_to(bound, &rows, &[])).collect();
        let told: Vec<_> = held.iter().map(|target| (target.figure, target.met)).collect();
        let cost = ("part of throughput that recording costs", false);
        assert_eq!(told, [("CPU to bare", false), cost, ("MiB in memory", true)]);
    }
}

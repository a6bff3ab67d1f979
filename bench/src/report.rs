//! The figures of a run, as a table for people and as JSON for programs.

use std::fmt::{self, Write as _};

use serde::Serialize;

use crate::Target;

/// Median, least and most of one figure over all rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The middle one; with an even number of rounds, the mean of the two in the middle.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

impl Spread {
    /// Over these values; none without values.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (&min, &max) = (values.first()?, values.last()?);
        let low = values.get((values.len() - 1) / 2)?;
        let high = values.get(values.len() / 2)?;
        Some(Self { median: f64::midpoint(*low, *high), min, max })
    }
}

/// One proxy at one number of connections.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Which proxy, and with what.
    pub variant: String,
    /// Connections that were kept busy.
    pub connections: usize,
    /// Requests answered in a second.
    pub throughput: Spread,
    /// Half of the answers took at most this long, in microseconds.
    pub p50_us: Spread,
    /// 99 of 100 answers took at most this long, in microseconds.
    pub p99_us: Spread,
    /// Processor time of the proxy for one request, in microseconds.
    pub cpu_us_per_request: Spread,
    /// The same divided by bare Pingora's in the same round.
    pub cpu_ratio_to_bare: Spread,
    /// The same divided by that of the gateway with everything but inspection, in the same round.
    pub cpu_ratio_to_plain: Spread,
    /// Throughput divided by bare Pingora's in the same round.
    pub throughput_ratio_to_bare: Spread,
    /// What of the proxy was in memory after each round.
    pub mebibytes: Spread,
}

/// One proxy at a fixed rate.
#[derive(Clone, Debug, Serialize)]
pub struct SteadyRow {
    /// Which proxy, and with what.
    pub variant: String,
    /// Requests a second.
    pub rate: u32,
    /// Half of the answers took at most this long from the time at which they were due, in microseconds.
    pub p50_us: Spread,
    /// 99 of 100 answers took at most this long.
    pub p99_us: Spread,
    /// The same less bare Pingora's in the same round.
    pub p99_us_added: Spread,
}

/// Bare Pingora at the rate that a slower row came to.
///
/// A proxy that waits sleeps, and waking costs: what a row costs more than a busy bare Pingora is in part the price of its rate.
#[derive(Clone, Debug, Serialize)]
pub struct PacedRow {
    /// Which row's rate.
    pub variant: String,
    /// At how many connections.
    pub connections: usize,
    /// Requests a second.
    pub rate: u32,
    /// Processor time of bare Pingora for one request at that rate, in microseconds.
    pub cpu_us_per_request: f64,
    /// The row's median divided by that.
    pub cpu_ratio_to_bare: f64,
}

/// A whole run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What it ran on.
    pub machine: String,
    /// The commit that was measured, as `git describe` names it.
    pub version: String,
    /// The cargo profile of every binary.
    pub profile: String,
    /// Rounds of each row.
    pub rounds: usize,
    /// Length of a round.
    pub seconds_per_round: u64,
    /// Whether proxy and load each had a core of their own.
    pub pinned: bool,
    /// The figures.
    pub rows: Vec<Row>,
    /// Bare Pingora at the rates of the rows that wait.
    pub paced: Vec<PacedRow>,
    /// The figures at half of what the gateway can do.
    pub steady: Vec<SteadyRow>,
    /// What they come to.
    pub targets: Vec<Target>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.machine)?;
        writeln!(
            f,
            "{}, profile {}; {} rounds of {} s each, interleaved; {}",
            self.version,
            self.profile,
            self.rounds,
            self.seconds_per_round,
            if self.pinned { "one core for the proxy, one for load and upstream" } else { "nothing pinned" }
        )?;
        writeln!(f, "medians; in brackets the least and the most of all rounds")?;
        for connections in self.connection_counts() {
            writeln!(f, "\n{connections} connections")?;
            writeln!(
                f,
                "  {:<26} {:>10} {:>8} {:>8}  {:>19}  {:>17} {:>5}",
                "", "requests/s", "p50 ms", "p99 ms", "CPU us/request", "CPU to bare", "MiB"
            )?;
            for row in self.rows.iter().filter(|row| row.connections == connections) {
                writeln!(f, "  {row}")?;
            }
        }
        if !self.paced.is_empty() {
            writeln!(f, "\nbare Pingora at no more than the rate of a row, evenly spread")?;
            let [rate, cpu, ratio] = ["requests/s", "CPU us/request", "CPU of the row to it"];
            writeln!(f, "  {:<42} {rate:>10} {cpu:>15} {ratio:>21}", "")?;
            self.paced.iter().try_for_each(|row| writeln!(f, "  {row}"))?;
        }
        if !self.steady.is_empty() {
            writeln!(f, "\nat half load, from when each request was due")?;
            let heads = ["requests/s", "p50 ms", "p99 ms", "p99 ms added"];
            let [rate, p50, p99, added] = heads;
            writeln!(f, "  {:<26} {rate:>10} {p50:>8} {p99:>8}  {added:>19}", "")?;
            self.steady.iter().try_for_each(|row| writeln!(f, "  {row}"))?;
        }
        writeln!(f, "\ntargets")?;
        for Target { variant, connections, figure, at_most, measured, met } in &self.targets {
            let met = if *met { "met" } else { "MISSED" };
            writeln!(f, "  {met:<6}  {variant}, {connections} connections: {figure} {measured:.2}, at most {at_most}")?;
        }
        Ok(())
    }
}

impl Report {
    fn connection_counts(&self) -> Vec<usize> {
        let mut counts: Vec<usize> = self.rows.iter().map(|row| row.connections).collect();
        counts.dedup();
        counts
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cpu = String::new();
        let mut ratio = String::new();
        let Spread { median, min, max } = self.cpu_us_per_request;
        write!(cpu, "{median:.1} [{min:.1} {max:.1}]")?;
        let Spread { median, min, max } = self.cpu_ratio_to_bare;
        write!(ratio, "{median:.2} [{min:.2} {max:.2}]")?;
        write!(
            f,
            "{:<26} {:>10.0} {:>8.2} {:>8.2}  {cpu:>19}  {ratio:>17} {:>5.0}",
            self.variant,
            self.throughput.median,
            self.p50_us.median / 1000.0,
            self.p99_us.median / 1000.0,
            self.mebibytes.median,
        )
    }
}

impl fmt::Display for PacedRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { variant, connections, rate, cpu_us_per_request, cpu_ratio_to_bare } = self;
        let of = format!("{variant}, {connections} connections");
        write!(f, "{of:<42} {rate:>10} {cpu_us_per_request:>15.1} {cpu_ratio_to_bare:>21.2}")
    }
}

impl fmt::Display for SteadyRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = |spread: Spread| spread.median / 1000.0;
        let Self { variant, rate, p50_us, p99_us, p99_us_added } = self;
        let [p50, p99, added] = [p50_us, p99_us, p99_us_added].map(|spread| milliseconds(*spread));
        write!(f, "{variant:<26} {rate:>10} {p50:>8.2} {p99:>8.2}  {added:>19.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_rounds_have_no_spread() {
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn an_even_number_of_rounds_has_its_median_between_two() {
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0]), Some(Spread { median: 2.5, min: 1.0, max: 4.0 }));
    }

    #[test]
    fn rows_fit_under_their_headings() {
        let spread = Spread { median: 12345.6, min: 1.0, max: 99999.9 };
        let row = Row {
            variant: "gateway, everything on".into(),
            connections: 64,
            throughput: spread,
            p50_us: spread,
            p99_us: spread,
            cpu_us_per_request: Spread { median: 26.7, min: 26.1, max: 31.2 },
            cpu_ratio_to_bare: Spread { median: 1.17, min: 1.1, max: 1.3 },
            cpu_ratio_to_plain: spread,
            mebibytes: Spread { median: 41.2, min: 40.0, max: 42.0 },
            throughput_ratio_to_bare: spread,
        };
        let report = Report {
            machine: "machine".into(),
            version: "version".into(),
            profile: "release".into(),
            rounds: 3,
            seconds_per_round: 5,
            pinned: true,
            rows: vec![row],
            paced: Vec::new(),
            steady: Vec::new(),
            targets: Vec::new(),
        };
        let table = report.to_string();
        let widths: Vec<usize> = table.lines().skip(5).take(2).map(|line| line.chars().count()).collect();
        assert!(widths.windows(2).all(|pair| pair[0] == pair[1]), "{table}");
    }
}

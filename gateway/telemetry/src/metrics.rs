//! Prometheus' counters as OTLP has them, so that there is one source of truth.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, Sum, number_data_point,
};
use prometheus::proto::{self, MetricFamily, MetricType};

use crate::span::attribute;

/// All of them, counted since `start` and read at `now`, in nanoseconds since 1970.
pub(crate) fn metrics(families: &[MetricFamily], start: u64, now: u64) -> Vec<Metric> {
    families.iter().filter_map(|family| metric(family, start, now)).collect()
}

/// None for the two kinds that nobody here registers: summaries and untyped ones.
fn metric(family: &MetricFamily, start: u64, now: u64) -> Option<Metric> {
    let points = |value: fn(&proto::Metric) -> f64, start| {
        family.get_metric().iter().map(move |metric| number(metric, value(metric), start, now)).collect()
    };
    let temporality = AggregationTemporality::Cumulative.into();
    let data = match family.get_field_type() {
        MetricType::COUNTER => Data::Sum(Sum {
            data_points: points(|metric| metric.get_counter().get_value(), start),
            aggregation_temporality: temporality,
            is_monotonic: true,
        }),
        MetricType::GAUGE => Data::Gauge(Gauge { data_points: points(|metric| metric.get_gauge().get_value(), 0) }),
        MetricType::HISTOGRAM => Data::Histogram(Histogram {
            data_points: family.get_metric().iter().map(|metric| histogram(metric, start, now)).collect(),
            aggregation_temporality: temporality,
        }),
        MetricType::SUMMARY | MetricType::UNTYPED => return None,
    };
    let name = family.get_name();
    Some(Metric {
        name: name.to_owned(),
        description: family.get_help().to_owned(),
        unit: unit(name).to_owned(),
        data: Some(data),
        ..Metric::default()
    })
}

/// The unit that the name ends with, as UCUM writes it.
fn unit(name: &str) -> &'static str {
    let name = name.strip_suffix("_total").unwrap_or(name);
    if name.ends_with("_seconds") {
        "s"
    } else if name.ends_with("_bytes") {
        "By"
    } else {
        "1"
    }
}

fn number(metric: &proto::Metric, value: f64, start: u64, now: u64) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(metric),
        start_time_unix_nano: start,
        time_unix_nano: now,
        value: Some(number_data_point::Value::AsDouble(value)),
        ..NumberDataPoint::default()
    }
}

fn histogram(metric: &proto::Metric, start: u64, now: u64) -> HistogramDataPoint {
    let histogram = metric.get_histogram();
    // Prometheus' buckets hold all below their bound, OTLP's what lies between two; there is one more, without a bound.
    let (mut explicit_bounds, mut bucket_counts, mut below) = (Vec::new(), Vec::new(), 0);
    for bucket in histogram.get_bucket().iter().filter(|bucket| bucket.get_upper_bound().is_finite()) {
        explicit_bounds.push(bucket.get_upper_bound());
        bucket_counts.push(bucket.get_cumulative_count().saturating_sub(below));
        below = bucket.get_cumulative_count();
    }
    let count = histogram.get_sample_count();
    bucket_counts.push(count.saturating_sub(below));
    HistogramDataPoint {
        attributes: attributes(metric),
        start_time_unix_nano: start,
        time_unix_nano: now,
        count,
        sum: Some(histogram.get_sample_sum()),
        bucket_counts,
        explicit_bounds,
        ..HistogramDataPoint::default()
    }
}

fn attributes(metric: &proto::Metric) -> Vec<KeyValue> {
    let labels = metric.get_label().iter();
    labels.map(|label| attribute(label.get_name(), Value::StringValue(label.get_value().to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use prometheus::{HistogramOpts, HistogramVec, IntCounter, Registry};

    use super::*;

    #[test]
    fn a_histogram_keeps_every_observation_in_its_bucket() {
        let registry = Registry::new();
        let opts = HistogramOpts::new("a_seconds", "A.").buckets(vec![0.1, 1.0]);
        let histogram = HistogramVec::new(opts, &["route"]).unwrap();
        registry.register(Box::new(histogram.clone())).unwrap();
        for seconds in [0.05, 0.5, 0.6, 7.0] {
            histogram.with_label_values(&["r"]).observe(seconds);
        }
        let metrics = metrics(&registry.gather(), 1, 2);
        let [Metric { unit, data: Some(Data::Histogram(Histogram { data_points, .. })), .. }] = &metrics[..] else {
            panic!("{metrics:?}")
        };
        assert_eq!((unit.as_str(), &*data_points[0].bucket_counts), ("s", &[1, 2, 1][..]));
        assert_eq!((data_points[0].count, data_points[0].sum), (4, Some(8.15)));
        assert_eq!(data_points[0].attributes[0].key, "route");
    }

    #[test]
    fn a_counter_is_a_sum_that_only_rises() {
        let registry = Registry::new();
        let counter = IntCounter::new("a_total", "A.").unwrap();
        registry.register(Box::new(counter.clone())).unwrap();
        counter.inc_by(3);
        let metrics = metrics(&registry.gather(), 1, 2);
        let [Metric { data: Some(Data::Sum(sum)), .. }] = &metrics[..] else { panic!("{metrics:?}") };
        assert!(sum.is_monotonic && sum.data_points[0].start_time_unix_nano == 1);
        assert_eq!(sum.data_points[0].value, Some(number_data_point::Value::AsDouble(3.0)));
    }
}

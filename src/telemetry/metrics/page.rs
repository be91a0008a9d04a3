//! The text that Prometheus reads (its exposition format 0.0.4): for each metric its help and type once, and then its
//! samples. Names of labels and metrics are our own and valid; values of labels are escaped, whatever they hold.

use super::catalogue::{Kind, Metric};
use super::histogram::Snapshot;
use std::fmt::Write;

/// The media type of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page that is being written.
#[derive(Debug, Default)]
pub struct Page(String);

/// The samples of one metric.
#[derive(Debug)]
pub struct Samples<'p> {
    page: &'p mut String,
    metric: &'static Metric,
}

impl Page {
    /// An empty page.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a metric, each one once; its samples follow.
    pub fn metric(&mut self, metric: &'static Metric) -> Samples<'_> {
        let Metric { name, kind, help, .. } = metric;
        // Writing to a text never fails.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {}\n", kind.as_str());
        Samples { page: &mut self.0, metric }
    }

    /// The text.
    #[must_use]
    pub fn into_text(self) -> String {
        self.0
    }
}

impl Samples<'_> {
    /// A number, with a value for each label of the metric in their order.
    pub fn sample(&mut self, labels: &[&str], value: impl Number) {
        self.line("", labels, None, &value.text());
    }

    /// A histogram, with a value for each label of the metric in their order.
    pub fn histogram(&mut self, labels: &[&str], snapshot: &Snapshot) {
        debug_assert_eq!(self.metric.kind, Kind::Histogram);
        for (bound, count) in &snapshot.buckets {
            self.line("_bucket", labels, Some(&bound.to_string()), &count.to_string());
        }
        self.line("_bucket", labels, Some("+Inf"), &snapshot.count.to_string());
        self.line("_sum", labels, None, &snapshot.sum.to_string());
        self.line("_count", labels, None, &snapshot.count.to_string());
    }

    fn line(&mut self, suffix: &str, labels: &[&str], bound: Option<&str>, value: &str) {
        debug_assert_eq!(labels.len(), self.metric.labels.len(), "{}", self.metric.name);
        self.page.push_str(self.metric.name);
        self.page.push_str(suffix);
        let named = self.metric.labels.iter().copied().zip(labels.iter().copied());
        let mut before = '{';
        for (name, value) in named.chain(bound.map(|bound| ("le", bound))) {
            self.page.push(before);
            self.page.push_str(name);
            self.page.push_str("=\"");
            escape(value, self.page);
            self.page.push('"');
            before = ',';
        }
        if before == ',' {
            self.page.push('}');
        }
        self.page.push(' ');
        self.page.push_str(value);
        self.page.push('\n');
    }
}

fn escape(value: &str, page: &mut String) {
    for character in value.chars() {
        match character {
            '\\' => page.push_str("\\\\"),
            '"' => page.push_str("\\\""),
            '\n' => page.push_str("\\n"),
            other => page.push(other),
        }
    }
}

/// What a sample's value may be.
pub trait Number {
    /// As Prometheus reads it.
    fn text(&self) -> String;
}

impl Number for u64 {
    fn text(&self) -> String {
        self.to_string()
    }
}

impl Number for usize {
    fn text(&self) -> String {
        self.to_string()
    }
}

impl Number for i64 {
    fn text(&self) -> String {
        self.to_string()
    }
}

impl Number for f64 {
    fn text(&self) -> String {
        self.to_string()
    }
}

impl Number for bool {
    fn text(&self) -> String {
        u8::from(*self).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::super::histogram::Histogram;
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    static PLAIN: Metric = Metric { name: "a_total", kind: Kind::Counter, help: "Things.", labels: &[] };
    static LABELLED: Metric = Metric { name: "b", kind: Kind::Gauge, help: "Others.", labels: &["x", "y"] };
    static TIMED: Metric = Metric { name: "c_seconds", kind: Kind::Histogram, help: "Times.", labels: &["x"] };

    #[test]
    fn a_page_is_what_prometheus_reads() {
        let mut page = Page::new();
        page.metric(&PLAIN).sample(&[], 7_u64);
        let mut samples = page.metric(&LABELLED);
        samples.sample(&["1", "a \"b\" \\ c\nd"], -5_i64);
        samples.sample(&["2", ""], true);
        let histogram = Histogram::new(&[1000, 1_500_000]);
        histogram.observe(Duration::from_millis(250));
        page.metric(&TIMED).histogram(&["1"], &histogram.snapshot());
        let expected = "\
# HELP a_total Things.
# TYPE a_total counter
a_total 7
# HELP b Others.
# TYPE b gauge
b{x=\"1\",y=\"a \\\"b\\\" \\\\ c\\nd\"} -5
b{x=\"2\",y=\"\"} 1
# HELP c_seconds Times.
# TYPE c_seconds histogram
c_seconds_bucket{x=\"1\",le=\"0.001\"} 0
c_seconds_bucket{x=\"1\",le=\"1.5\"} 1
c_seconds_bucket{x=\"1\",le=\"+Inf\"} 1
c_seconds_sum{x=\"1\"} 0.25
c_seconds_count{x=\"1\"} 1
";
        assert_eq!(page.into_text(), expected);
    }

    proptest! {
        #[test]
        fn no_value_of_a_label_ends_its_line_or_its_quotes(value in any::<String>()) {
            let mut page = Page::new();
            page.metric(&LABELLED).sample(&[&value, "end"], 1_u64);
            let text = page.into_text();
            let line = text.strip_prefix("# HELP b Others.\n# TYPE b gauge\n").unwrap();
            prop_assert_eq!(line.matches('\n').count(), 1);
            let quoted = line.strip_prefix("b{x=\"").unwrap().strip_suffix("\",y=\"end\"} 1\n").unwrap();
            let mut read = String::new();
            let mut characters = quoted.chars();
            while let Some(character) = characters.next() {
                match character {
                    '\\' => read.push(match characters.next() { Some('n') => '\n', Some(other) => other, None => unreachable!() }),
                    '"' => prop_assert!(false, "a bare quote"),
                    other => read.push(other),
                }
            }
            prop_assert_eq!(read, value);
        }
    }
}

//! Numbers as floating-point ones, for rates, estimates and metrics.

/// The nearest floating-point number: the number itself up to 2^53, and beyond that off by less than one part in 10^15,
/// which nothing that is counted, timed or estimated here can tell.
#[must_use]
#[allow(clippy::cast_precision_loss, reason = "what is lost is said above")]
pub const fn float(number: u64) -> f64 {
    number as f64
}

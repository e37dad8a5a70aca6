//! The only source of randomness that is no secret.

/// Uniform in [0, 1). Without a source of randomness, 0: a delay without spread is still a delay.
#[must_use]
pub fn jitter() -> f64 {
    f64::from(getrandom::u32().unwrap_or(0)) / (f64::from(u32::MAX) + 1.0)
}

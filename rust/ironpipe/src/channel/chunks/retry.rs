//! How long to wait before a request is made again.

use std::time::Duration;

use super::Retry;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);

/// Doubles with each failure; each wait is drawn from the upper half of what it may be, so that
/// those who failed together do not come back together.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// How long to wait after one more failure.
    pub(super) fn next(&mut self, retry: Retry) -> Duration {
        let steps = match retry {
            Retry::Soon => self.failures,
            Retry::Slower => self.failures + 3,
            Retry::Mended | Retry::Denied | Retry::Never => self.failures + 4,
        };
        self.failures += 1;
        let longest = FIRST.saturating_mul(1 << steps.min(10)).min(LONGEST);
        longest.mul_f64(0.5 + 0.5 * fraction())
    }
}

/// A random number from 0 up to 1.
pub(super) fn fraction() -> f64 {
    f64::from(getrandom::u32().unwrap_or(u32::MAX / 2)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end_at_the_longest() {
        let mut backoff = Backoff::default();
        let waits: Vec<Duration> = (0..20).map(|_| backoff.next(Retry::Soon)).collect();
        assert!(waits[0] >= FIRST / 2 && waits[0] <= FIRST);
        assert!(waits[19] >= LONGEST / 2 && waits[19] <= LONGEST);
        assert!(Backoff::default().next(Retry::Slower) >= FIRST * 4);
    }
}

//! When to upload a chunk, and when to look for the next one.

use std::time::{Duration, Instant};

use super::retry::fraction;

/// The first wait of those that grow, at both ends.
const SHORTEST: Duration = Duration::from_millis(50);

/// How much longer each wait is than the one before: what is reported after a silence arrives late
/// by a fraction of that silence.
const GROWTH: f64 = 1.25;

/// A writer that is busy uploads at intervals, so a chunk is left alone for this part of the time
/// between the two before it. A little less than all of it: who has come late does not stay late.
const LEFT_ALONE: f64 = 0.95;

/// The longest that a chunk is left alone; our writers upload as often when they are busy.
const LONGEST_ALONE: Duration = Duration::from_millis(500);

/// A chunk below this is small: it pays to wait for more.
const SMALL: usize = 256 << 10;

/// When the next chunk may go: at once after a quiet time, then at an interval that grows while
/// chunks are small.
pub(super) struct UploadPace {
    longest: Duration,
    interval: Duration,
    last: Option<Instant>,
}

impl UploadPace {
    pub(super) fn new(longest: Duration) -> UploadPace {
        UploadPace {
            longest,
            interval: SHORTEST.min(longest),
            last: None,
        }
    }

    /// How long to wait still.
    pub(super) fn wait(&mut self) -> Duration {
        let Some(last) = self.last else {
            return Duration::ZERO;
        };
        let since = last.elapsed();
        if since > 2 * self.longest {
            self.interval = SHORTEST.min(self.longest);
        }
        self.interval.saturating_sub(since)
    }

    pub(super) fn uploaded(&mut self, size: usize) {
        self.last = Some(Instant::now());
        self.interval = match size < SMALL {
            true => (self.interval * 2).min(self.longest),
            false => self.interval,
        };
    }
}

/// The waits between looks.
#[derive(Debug)]
pub(super) struct LookPace {
    /// When a chunk was found last.
    found: Option<Instant>,
    /// How long the next one is left alone.
    alone: Option<Duration>,
    wait: Duration,
}

impl Default for LookPace {
    fn default() -> Self {
        LookPace {
            found: None,
            alone: None,
            wait: SHORTEST,
        }
    }
}

impl LookPace {
    /// Takes note that a chunk was found.
    pub(super) fn found(&mut self, now: Instant) {
        let gap = self.found.replace(now).map(|before| now - before);
        self.alone = gap.map(|gap| gap.mul_f64(LEFT_ALONE).clamp(SHORTEST, LONGEST_ALONE));
        self.wait = SHORTEST;
    }

    /// How long to wait before the next look, `longest` at most.
    pub(super) fn wait(&mut self, longest: Duration) -> Duration {
        if let Some(alone) = self.alone.take() {
            return alone.min(longest);
        }
        let wait = self.wait.min(longest);
        self.wait = wait.mul_f64(GROWTH);
        // Drawn, so that those who began together do not stay together.
        wait.mul_f64(0.8 + 0.2 * fraction())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(2);

    /// The looks until `chunks` chunks are found that come at intervals, and how late the latest is
    /// found. Behind one that is there at the first look, the next look is made at once.
    fn looks(interval: Duration, chunks: u32) -> (u32, Duration) {
        let begin = Instant::now();
        let (mut pace, mut now) = (LookPace::default(), begin);
        let (mut looks, mut latest) = (0, Duration::ZERO);
        let mut newest = true;
        for n in 1..=chunks {
            let there = begin + interval * n;
            let mut misses = 0;
            loop {
                if newest || misses > 0 {
                    now += pace.wait(LONGEST);
                }
                looks += 1;
                if now >= there {
                    break;
                }
                misses += 1;
            }
            newest = misses > 0;
            latest = latest.max(now - there);
            pace.found(now);
        }
        (looks, latest)
    }

    #[test]
    fn a_busy_writer_is_asked_about_as_often_as_it_uploads() {
        for millis in [100, 200, 400, 500, 520] {
            let interval = Duration::from_millis(millis);
            let (looks, latest) = looks(interval, 1000);
            assert!(looks < 2500, "{millis} ms: {looks} looks");
            assert!(
                latest < Duration::from_millis(300),
                "{millis} ms: {latest:?} late"
            );
        }
    }

    #[test]
    fn waits_grow_through_a_silence() {
        let mut pace = LookPace::default();
        let waits: Vec<Duration> = (0..40).map(|_| pace.wait(LONGEST)).collect();
        assert!(waits[0] <= SHORTEST && waits[39] >= LONGEST.mul_f64(0.8));
        assert!(waits.iter().all(|&wait| wait <= LONGEST));
    }
}

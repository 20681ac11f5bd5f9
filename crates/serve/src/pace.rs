//! How much of prompts is read in a step, so that no stream stands still.

use std::time::Duration;

/// How long a stream is to wait at most, in its own steps.
const LONGEST: f64 = 3.0;
/// How long a step that reads may take beside one in which no prompt is read: what [`LONGEST`] leaves where the machine
/// makes steps uneven by itself, within these bounds.
const STRETCH: (f64, f64) = (1.25, 1.5);
/// What is left of how uneven steps were after one more that was even.
const CALMING: f64 = 0.9995;
/// Tokens that are read before it is known how long one takes.
const AT_FIRST: usize = 16;
/// Most tokens that are read in a step.
const MOST: usize = 512;
/// Every so many-th step reads nothing, to see how long a step takes without a prompt. A single token of it would not tell:
/// it is computed beside all that was read before.
const LOOK: u32 = 16;
/// How much the last step counts in a mean of those that read, and of those that do not, of which there are few.
const NEW: (f64, f64) = (0.25, 0.5);

/// How long steps take, and what prompts add to that.
#[derive(Debug, Default)]
pub(crate) struct StepPace {
    /// Seconds of a step in which no prompt is read.
    plain: Option<f64>,
    /// Seconds that each token of a prompt adds.
    token: Option<f64>,
    /// How many times longer than thought some step took of late, less one.
    uneven: f64,
    steps: u32,
    chunk: usize,
}

/// Of what was and what is new; a step in which the machine did something else as well says little.
fn mean(before: Option<f64>, new: f64, share: f64) -> f64 {
    before.map_or(new, |before| before + share * (new.min(2.0 * before) - before))
}

impl StepPace {
    /// Most tokens of prompts that are to be read in the next step while streams run and so many texts `wait` to begin.
    ///
    /// A stream's own step is what a step will take when all of them run. One text alone takes what the others leave: a
    /// long prompt is in no hurry.
    pub(crate) fn next(&mut self, wait: usize) -> usize {
        self.steps = self.steps.wrapping_add(1);
        self.chunk = match (self.plain, self.token) {
            (None, _) => 0,
            _ if self.steps.is_multiple_of(LOOK) => 0,
            (Some(plain), Some(token)) => {
                let when_all_run = plain + token * wait.saturating_sub(1) as f64;
                (((self.stretch() * when_all_run - plain) / token) as usize).clamp(1, MOST)
            }
            (Some(_), None) => AT_FIRST,
        };
        self.chunk
    }

    /// How long a step that reads may take beside one that does not.
    fn stretch(&self) -> f64 {
        (LONGEST / (1.0 + self.uneven)).clamp(STRETCH.0, STRETCH.1)
    }

    /// The step took so long, in which so many tokens of prompts were read.
    pub(crate) fn observe(&mut self, took: Duration, read: usize) {
        let took = took.as_secs_f64();
        if let (Some(plain), Some(token)) = (self.plain, self.token)
            && read <= 2 * self.chunk.max(AT_FIRST)
        {
            let thought = plain + token * read as f64;
            self.uneven = (CALMING * self.uneven).max(took / thought - 1.0);
        }
        match (read, self.plain) {
            (0, _) => self.plain = Some(mean(self.plain, took, NEW.1)),
            // Where nobody streams, more is read at once, and each token costs less. Short prompts have room of their own.
            (1.., Some(plain)) if read <= 2 * self.chunk.max(AT_FIRST) => {
                self.token = Some(mean(self.token, ((took - plain) / read as f64).max(1e-7), NEW.0));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What 80 steps read that take `plain` and a millisecond a token, while so many texts `wait`.
    fn steps(pace: &mut StepPace, plain: f64, wait: usize) -> Vec<usize> {
        let step = |_| {
            let chunk = pace.next(wait);
            pace.observe(Duration::from_secs_f64(plain + 0.001 * chunk as f64), chunk);
            chunk
        };
        (0..80).map(step).collect()
    }

    fn assert_reads(read: &[usize], expected: std::ops::RangeInclusive<usize>) {
        assert!(read.iter().all(|chunk| *chunk == 0 || expected.contains(chunk)), "{read:?}");
    }

    #[test]
    fn a_step_that_reads_takes_less_than_twice_as_long_as_one_that_does_not() {
        let mut pace = StepPace::default();
        assert_reads(&steps(&mut pace, 0.03, 1)[40..], 12..=16);
        // More streams: a step takes longer by itself, and may read more.
        assert_reads(&steps(&mut pace, 0.06, 1)[70..], 24..=32);
    }

    #[test]
    fn where_many_wait_to_begin_a_step_may_take_what_it_takes_when_all_of_them_run() {
        // With 60 more a step takes 90 ms, and with a prompt half as much again.
        assert_reads(&steps(&mut StepPace::default(), 0.03, 61)[40..], 100..=106);
    }

    #[test]
    fn where_the_machine_makes_steps_uneven_less_is_read() {
        let (plain, token) = (0.03, 0.001);
        let read = |slowest: f64| {
            let mut pace = StepPace::default();
            let mut last = 0;
            for step in 0..200 {
                last = pace.next(1).max(last / 2);
                let took = plain + token * pace.chunk as f64;
                let took = if step == 150 { slowest * took } else { took };
                pace.observe(Duration::from_secs_f64(took), pace.chunk);
            }
            last
        };
        let [even, uneven] = [1.0, 2.2].map(read);
        assert!(even >= 14 && (8..13).contains(&uneven), "{even} {uneven}");
        // A step is at most as long as three at such times.
        assert!((plain + token * uneven as f64) * 2.2 <= 3.1 * plain);
    }

    #[test]
    fn what_is_read_while_nobody_streams_says_nothing_about_a_token() {
        let mut pace = StepPace::default();
        assert_eq!(pace.next(1), 0, "first it is seen how long a step takes by itself");
        pace.observe(Duration::from_millis(10), 0);
        pace.next(1);
        pace.observe(Duration::from_secs(1), 2048);
        assert_eq!((pace.token, pace.next(1)), (None, AT_FIRST));
    }

    #[test]
    fn one_slow_step_changes_little() {
        let mut pace = StepPace::default();
        for took in [10, 10, 10_000, 10] {
            pace.observe(Duration::from_millis(took), 0);
        }
        assert!(pace.plain.is_some_and(|plain| (0.010..0.013).contains(&plain)), "{:?}", pace.plain);
    }
}

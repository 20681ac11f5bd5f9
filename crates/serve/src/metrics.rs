//! What happened, as Prometheus reads it.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use gac_ensemble::{Generation, Load};

/// Upper bounds of the histograms' buckets, in seconds.
const BUCKETS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];
/// Between two looks at the scheduler's load.
const OFTEN: Duration = Duration::from_millis(50);

/// A distribution of durations.
#[derive(Debug, Default)]
struct Histogram {
    /// By bucket, and one for what is longer than all of them.
    counts: [AtomicU64; BUCKETS.len() + 1],
    micros: AtomicU64,
}

impl Histogram {
    fn observe(&self, duration: Duration) {
        let bucket = BUCKETS.partition_point(|bound| *bound < duration.as_secs_f64());
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(duration.as_micros() as u64, Ordering::Relaxed);
    }

    fn write(&self, text: &mut String, name: &str, help: &str) {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} histogram");
        let mut total = 0;
        for (at, count) in self.counts.iter().enumerate() {
            total += count.load(Ordering::Relaxed);
            let bound = BUCKETS.get(at).map_or_else(|| "+Inf".to_owned(), f64::to_string);
            let _ = writeln!(text, "{name}_bucket{{le=\"{bound}\"}} {total}");
        }
        let seconds = self.micros.load(Ordering::Relaxed) as f64 / 1e6;
        let _ = writeln!(text, "{name}_sum {seconds}\n{name}_count {total}");
    }
}

/// All that is counted.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// Requests by status, ascending.
    requests: Mutex<Vec<(u16, u64)>>,
    generated: AtomicU64,
    scored: AtomicU64,
    failed: AtomicU64,
    cancelled: AtomicU64,
    prompt_tokens: AtomicU64,
    tokens: AtomicU64,
    ensembled: AtomicU64,
    scored_tokens: AtomicU64,
    first_token: Histogram,
    next_token: Histogram,
    load: Mutex<(Option<Instant>, Load)>,
}

fn add(counter: &AtomicU64, count: usize) {
    counter.fetch_add(count as u64, Ordering::Relaxed);
}

impl Metrics {
    /// A request was answered.
    pub(crate) fn request(&self, status: u16) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        match requests.binary_search_by_key(&status, |(status, _)| *status) {
            Ok(at) => requests[at].1 += 1,
            Err(at) => requests.insert(at, (status, 1)),
        }
    }

    /// A token was emitted.
    pub(crate) fn token(&self, submitted: Instant, before: Option<Instant>, now: Instant) {
        match before {
            None => self.first_token.observe(now.duration_since(submitted)),
            Some(before) => self.next_token.observe(now.duration_since(before)),
        }
    }

    pub(crate) fn generated(&self, generation: &Generation) {
        add(&self.generated, 1);
        add(&self.prompt_tokens, generation.prompt_tokens.iter().sum());
        add(&self.tokens, generation.tokens);
        add(&self.ensembled, generation.ensembled);
    }

    pub(crate) fn scored(&self, tokens: usize) {
        add(&self.scored, 1);
        add(&self.scored_tokens, tokens);
    }

    pub(crate) fn failed(&self) {
        add(&self.failed, 1);
    }

    pub(crate) fn cancelled(&self) {
        add(&self.cancelled, 1);
    }

    pub(crate) fn observe_load(&self, load: Load) {
        *self.load.lock().unwrap_or_else(PoisonError::into_inner) = (Some(Instant::now()), load);
    }

    /// Looks at the load, unless it did a moment ago.
    pub(crate) fn observe_load_sometimes(&self, load: impl FnOnce() -> Load) {
        let mut known = self.load.lock().unwrap_or_else(PoisonError::into_inner);
        if known.0.is_none_or(|seen| seen.elapsed() > OFTEN) {
            *known = (Some(Instant::now()), load());
        }
    }

    /// Everything in Prometheus' text format; `queued` texts are in flight or waiting, over `connections` connections.
    pub(crate) fn text(&self, queued: usize, connections: usize) -> String {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "# HELP gac_requests_total Requests answered, by status.\n# TYPE gac_requests_total counter"
        );
        for (status, count) in self.requests.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let _ = writeln!(text, "gac_requests_total{{status=\"{status}\"}} {count}");
        }
        for (name, help, counter) in [
            ("generated", "Texts continued to their end.", &self.generated),
            ("scored", "Texts scored.", &self.scored),
            ("failed", "Texts that could not be served.", &self.failed),
            ("cancelled", "Texts whose client went away.", &self.cancelled),
            ("prompt_tokens", "Tokens of prompts, of all members.", &self.prompt_tokens),
            ("tokens", "Tokens emitted.", &self.tokens),
            ("ensembled_tokens", "Tokens emitted that members voted on.", &self.ensembled),
            ("scored_tokens", "Tokens scored.", &self.scored_tokens),
        ] {
            let count = counter.load(Ordering::Relaxed);
            let _ = writeln!(text, "# HELP gac_{name}_total {help}\n# TYPE gac_{name}_total counter");
            let _ = writeln!(text, "gac_{name}_total {count}");
        }
        let load = self.load.lock().unwrap_or_else(PoisonError::into_inner).1.clone();
        for (name, help, value) in [
            ("queue", "Texts in flight and waiting.", queued),
            ("running", "Texts that are computed.", load.running),
            ("waiting", "Texts that wait for room.", load.waiting),
            ("connections", "Open connections.", connections),
        ] {
            let _ = writeln!(text, "# HELP gac_{name} {help}\n# TYPE gac_{name} gauge\ngac_{name} {value}");
        }
        let _ =
            writeln!(text, "# HELP gac_cache_use Share of a model's cache that is in use.\n# TYPE gac_cache_use gauge");
        for model in &load.models {
            let name = model.name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let share = model.held as f64 / model.cache.max(1) as f64;
            let _ = writeln!(text, "gac_cache_use{{model=\"{name}\"}} {share}");
        }
        self.first_token.write(&mut text, "gac_time_to_first_token_seconds", "From a request to its first token.");
        self.next_token.write(&mut text, "gac_time_per_token_seconds", "From a token to the next.");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative_and_hold_what_is_as_long_as_their_bound() {
        let histogram = Histogram::default();
        for millis in [1, 2, 70_000] {
            histogram.observe(Duration::from_millis(millis));
        }
        let mut text = String::new();
        histogram.write(&mut text, "h", "Help.");
        for line in ["h_bucket{le=\"0.001\"} 1", "h_bucket{le=\"0.0025\"} 2", "h_bucket{le=\"+Inf\"} 3", "h_sum 70.003"]
        {
            assert!(text.contains(line), "{text}");
        }
    }
}

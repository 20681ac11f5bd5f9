//! Long prompts beside streams.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::io::{BufRead, BufReader};
use std::net::Shutdown;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gac_ensemble::{Member, Scheduler};
use gac_inference::testkit::Before;
use gac_inference::{Extension, LanguageModel};
use gac_serve::{Catalog, ServerOptions};
use serde_json::json;
use support::{Fixture, Manner, endless, system, write};

/// Milliseconds of a forward, and of each token in it.
const FORWARD: u64 = 20;
const TOKEN: u64 = 2;

#[test]
fn no_stream_stands_still_for_three_of_its_steps_while_a_long_prompt_is_read() {
    // How many tokens each forward reads.
    let sizes: Arc<Mutex<Vec<usize>>> = Arc::default();
    let read = Arc::clone(&sizes);
    let takes_time = move |_: &dyn LanguageModel, batch: &[Extension<'_>]| {
        let tokens = batch.iter().map(|extension| extension.tokens.len()).sum();
        read.lock().unwrap().push(tokens);
        std::thread::sleep(Duration::from_millis(FORWARD + TOKEN * tokens as u64));
        Ok(())
    };
    let Member { name, model, tokenizer } = endless("x", Manner::Plain);
    let model = Box::new(Before::each(model, takes_time));
    let mut scheduler = Scheduler::new(vec![Member { name, model, tokenizer }]);
    let catalog = Catalog::new(vec![system(&mut scheduler, "x", &[0], None)], Vec::new()).unwrap();
    let server = Fixture::start(catalog, scheduler, ServerOptions::default());

    let mut stream = server.connect();
    let endless = json!({ "prompt": "q", "max_tokens": 50_000, "stream": true });
    write(&mut stream, "POST", "/v1/completions", &[], endless.to_string().as_bytes());
    // It runs, and has shown how long its steps take.
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let pieces = lines.by_ref().map_while(Result::ok).filter(|line| line.starts_with("data: ")).take(20);
    assert_eq!(pieces.count(), 20);
    let before = sizes.lock().unwrap().len();
    server.completion(&json!({ "prompt": "q".repeat(600), "max_tokens": 1 }));
    let read = sizes.lock().unwrap()[before..].to_vec();
    stream.shutdown(Shutdown::Both).unwrap();
    server.stop();

    let took = |tokens: usize| FORWARD + TOKEN * tokens as u64;
    let longest = read.iter().copied().max().unwrap();
    assert!(took(longest) <= 3 * took(1), "{read:?}");
    // And it is read: most steps take as long as they may.
    assert!(read.iter().sum::<usize>() >= 600 && read.len() < 150, "{} steps: {read:?}", read.len());
}

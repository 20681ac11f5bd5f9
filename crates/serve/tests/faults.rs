//! Limits, and what goes wrong: nobody else is to notice.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::time::{Duration, Instant};

use gac_serve::ServerOptions;
use serde_json::{Value, json};
use support::{Fixture, Manner, Reply, write};

fn short() -> Value {
    json!({ "model": "first", "prompt": "q", "max_tokens": 8 })
}

fn long(tokens: usize) -> Value {
    json!({ "model": "x", "prompt": "q", "max_tokens": tokens, "stream": true })
}

#[test]
fn a_body_that_is_too_large_is_status_413() {
    let server = Fixture::with(Manner::Plain, ServerOptions { max_body: 1000, ..ServerOptions::default() });
    assert_eq!(server.post("/v1/completions", &json!({ "prompt": "q".repeat(2000) })).status, 413);
    // Without saying how long it is.
    let mut stream = server.connect();
    let chunk = format!("3e8\r\n{}\r\n", "q".repeat(1000));
    let head = "POST /v1/completions HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(format!("{head}{chunk}{chunk}0\r\n\r\n").as_bytes()).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    assert!(line.contains("413"), "{line}");
    server.stop();
}

#[test]
fn a_full_queue_is_status_429_with_a_time_to_come_back() {
    let options = ServerOptions { max_queue: 2, ..ServerOptions::default() };
    let server = Fixture::endless(Manner::Slow(2), options);
    let streams: Vec<_> = (0..2)
        .map(|_| {
            let mut stream = server.connect();
            write(&mut stream, "POST", "/v1/completions", &[], long(100_000).to_string().as_bytes());
            stream
        })
        .collect();
    server.wait_for("gac_running", 2.0);
    let refused = server.post("/v1/completions", &short());
    assert_eq!((refused.status, refused.headers["retry-after"].as_str()), (429, "1"));
    assert_eq!(
        server.post("/v1/completions", &json!({ "model": "x", "prompt": ["q", "q", "q"] })).status,
        400,
        "never fits"
    );
    drop(streams);
    server.wait_for("gac_queue", 0.0);
    assert_eq!(server.post("/v1/completions", &short()).status, 200);
    server.stop();
}

#[test]
fn too_many_connections_are_status_503() {
    let options = ServerOptions { max_connections: 2, ..ServerOptions::default() };
    let server = Fixture::with(Manner::Plain, options);
    let held = [server.connect(), server.connect()];
    // They are counted when they are accepted.
    let status = (0..200).find_map(|_| {
        std::thread::sleep(Duration::from_millis(10));
        Some(server.get("/health").status).filter(|status| *status == 503)
    });
    assert_eq!(status, Some(503));
    drop(held);
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(server.get("/health").status, 200);
    server.stop();
}

#[test]
fn a_client_that_goes_away_frees_what_it_held_and_others_go_on() {
    let server = Fixture::endless(Manner::Slow(2), ServerOptions::default());
    for streams in [true, false] {
        let mut body = long(100_000);
        body["stream"] = json!(streams);
        let mut gone = server.connect();
        write(&mut gone, "POST", "/v1/completions", &[], body.to_string().as_bytes());
        server.wait_for("gac_running", 1.0);
        assert_eq!(server.post("/v1/completions", &short()).json()["choices"][0]["text"], "abc\u{e9}");
        drop(gone);
        let since = Instant::now();
        server.wait_for("gac_running", 0.0);
        assert!(since.elapsed() < Duration::from_secs(1), "{:?}", since.elapsed());
    }
    assert!((server.metric("gac_cancelled_total") - 2.0).abs() < 1e-9);
    server.stop();
}

#[test]
fn who_reads_too_slowly_is_given_up_and_holds_nobody_up() {
    let server = Fixture::endless(Manner::Plain, ServerOptions::default());
    let mut slow = server.connect();
    let mut body = long(90_000);
    // Large events fill what the system buffers for a connection.
    body["gac"] = json!({ "trace": true });
    write(&mut slow, "POST", "/v1/completions", &[], body.to_string().as_bytes());
    server.wait_for("gac_cancelled_total", 1.0);
    assert_eq!(server.post("/v1/completions", &short()).status, 200);
    // What it still gets ends with an error.
    let mut all = Vec::new();
    slow.read_to_end(&mut all).unwrap();
    assert!(String::from_utf8_lossy(&all).contains("\"error\""));
    server.stop();
}

#[test]
fn a_model_that_fails_ends_its_requests_and_no_others() {
    for manner in [Manner::FailsAt(9), Manner::PanicsAt(9)] {
        let server = Fixture::endless(manner, ServerOptions::default());
        let failed = server.post("/v1/completions", &json!({ "model": "x", "prompt": "q", "max_tokens": 20 }));
        assert_eq!((failed.status, &failed.json()["error"]["type"]), (500, &json!("server_error")), "{manner:?}");
        let streamed = server.post("/v1/completions", &long(20)).text();
        assert!(streamed.contains("\"error\"") && streamed.ends_with("data: [DONE]\n\n"), "{streamed}");
        assert_eq!(server.post("/v1/completions", &short()).status, 200);
        let fits = server.post("/v1/completions", &json!({ "model": "x", "prompt": "q", "max_tokens": 5 }));
        assert_eq!(fits.status, 200, "the model is still there");
        server.stop();
    }
}

#[test]
fn a_key_is_asked_for_everywhere_but_where_one_looks_whether_it_is_there() {
    let options = ServerOptions { api_key: Some("secret".into()), ..ServerOptions::default() };
    let server = Fixture::with(Manner::Plain, options);
    for path in ["/v1/models", "/metrics", "/tokenizer_info", "/nowhere"] {
        assert_eq!(server.get(path).status, 401, "{path}");
        for wrong in ["Bearer secre", "Bearer secret2", "secret", "Basic secret"] {
            assert_eq!(server.send("GET", path, &[("authorization", wrong)], b"").status, 401);
        }
    }
    assert_eq!(server.send("GET", "/v1/models", &[("authorization", "Bearer secret")], b"").status, 200);
    assert_eq!((server.get("/health").status, server.get("/version").status), (200, 200));
    server.stop();
}

#[test]
fn pages_of_others_may_not_ask_unless_they_are_allowed() {
    let server = Fixture::new();
    let from =
        |server: &Fixture, method: &str, origin: &str| server.send(method, "/v1/models", &[("origin", origin)], b"");
    assert_eq!(from(&server, "GET", "https://elsewhere.example").status, 403);
    let own = from(&server, "GET", "http://test");
    assert_eq!((own.status, own.headers.get("access-control-allow-origin")), (200, None));
    server.stop();
    let options = ServerOptions { allowed_origin: Some("https://a.example".into()), ..ServerOptions::default() };
    let server = Fixture::with(Manner::Plain, options);
    let allowed = from(&server, "OPTIONS", "https://a.example");
    assert_eq!((allowed.status, allowed.headers["access-control-allow-origin"].as_str()), (204, "https://a.example"));
    assert_eq!(from(&server, "GET", "https://b.example").status, 403);
    server.stop();
}

#[test]
fn a_server_that_stops_finishes_what_runs_within_its_grace() {
    let server = Fixture::endless(Manner::Slow(5), ServerOptions::default());
    let mut stream = server.connect();
    write(&mut stream, "POST", "/v1/completions", &[], long(40).to_string().as_bytes());
    server.wait_for("gac_running", 1.0);
    let address = server.address;
    server.stop();
    let events = Reply::read(BufReader::new(stream)).events();
    assert_eq!(events[events.len() - 1]["choices"][0]["finish_reason"], "length");
    assert!(std::net::TcpStream::connect(address).is_err(), "nobody listens any more");

    let grace = Duration::from_millis(200);
    let server = Fixture::endless(Manner::Slow(5), ServerOptions { grace, ..ServerOptions::default() });
    let mut stream = server.connect();
    write(&mut stream, "POST", "/v1/completions", &[], long(100_000).to_string().as_bytes());
    server.wait_for("gac_running", 1.0);
    let since = Instant::now();
    server.stop();
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
}

#[test]
fn metrics_count_requests_and_tokens() {
    let server = Fixture::new();
    server.completion(&json!({ "model": "gated", "prompt": "q", "max_tokens": 8 }));
    server.post("/v1/completions", &json!({ "prompt": 7 }));
    let text = server.get("/metrics").text();
    for line in [
        "gac_requests_total{status=\"200\"} 1",
        "gac_requests_total{status=\"400\"} 1",
        "gac_tokens_total 4",
        "gac_ensembled_tokens_total 1",
        "gac_time_to_first_token_seconds_count 1",
        "gac_time_per_token_seconds_count 3",
        "gac_queue 0",
    ] {
        assert!(text.lines().any(|found| found == line), "no {line} in {text}");
    }
    assert!(text.contains("gac_cache_use{model=\"first\"} 0"));
    server.stop();
}

//! Models and data from a hub: a server on this machine that speaks as much of the hub's protocol as downloads use.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure, not every file uses every helper")]

mod support;

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use support::root;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Paths that were asked for, and the authorisation shown.
type Asked = Vec<(String, Option<String>)>;

/// A hub with one model, `tiny/llama`, and the miniature data sets.
struct Hub {
    endpoint: String,
    home: tempfile::TempDir,
    asked: Arc<Mutex<Asked>>,
}

impl Hub {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let log = Arc::clone(&log);
                std::thread::spawn(move || answer(&stream, &log));
            }
        });
        Self { endpoint, home: tempfile::tempdir().unwrap(), asked }
    }

    fn gac(&self, args: &[&str], offline: bool) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gac"));
        let results = tempfile::tempdir().unwrap();
        command.args(args).arg("--output-path").arg(results.path().join("run")).current_dir(root());
        command.env("HF_HOME", self.home.path()).env("HF_ENDPOINT", &self.endpoint).env("HF_TOKEN", "hf_secret");
        command.env_remove("HF_HUB_OFFLINE").env_remove("HF_HUB_CACHE");
        if offline {
            command.env("HF_HUB_OFFLINE", "1");
        }
        command.output().unwrap()
    }
}

/// Where the hub's `path` lies on this machine.
fn stored(path: &str) -> Option<PathBuf> {
    let (folder, file) = path.split_once("/resolve/")?;
    let (_revision, file) = file.split_once('/')?;
    let folder = match folder {
        "/tiny/llama" => root().join("models/mini-llama"),
        _ => root().join("datasets/mini").join(folder.strip_prefix("/datasets/")?),
    };
    Some(folder.join(file)).filter(|path| path.is_file())
}

/// The hub's list of a data set's files, as JSON.
fn listing(path: &str) -> Option<String> {
    let id = path.strip_prefix("/api/datasets/")?.split_once("/revision/")?.0;
    let folder = root().join("datasets/mini").join(id);
    let mut files = String::new();
    for config in std::fs::read_dir(&folder).ok()?.flatten().filter(|entry| entry.path().is_dir()) {
        for file in std::fs::read_dir(config.path()).ok()?.flatten() {
            let comma = if files.is_empty() { "" } else { "," };
            let name = file.path().strip_prefix(&folder).ok()?.display().to_string();
            write!(files, "{comma}{{\"rfilename\":\"{name}\"}}").ok()?;
        }
    }
    Some(format!("{{\"siblings\":[{files}],\"sha\":\"{COMMIT}\"}}"))
}

fn answer(mut stream: &TcpStream, log: &Mutex<Asked>) {
    let mut lines = BufReader::new(stream).lines();
    while let Some(Ok(request)) = lines.next() {
        let path = request.split(' ').nth(1).unwrap_or_default().replace("%2F", "/");
        let headers: Vec<String> = lines.by_ref().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
        let header = |name: &str| {
            headers.iter().find_map(|line| {
                let (key, value) = line.split_once(": ")?;
                key.eq_ignore_ascii_case(name).then(|| value.to_owned())
            })
        };
        log.lock().unwrap().push((path.clone(), header("authorization")));
        let (status, more, body) = if let Some(file) = stored(&path) {
            let size = file.metadata().unwrap().len();
            let range = header("range").unwrap_or_else(|| "bytes=0-".to_owned());
            let (from, to) = range.trim_start_matches("bytes=").split_once('-').unwrap();
            let (from, to): (u64, u64) = (from.parse().unwrap(), to.parse().unwrap_or(size - 1).min(size - 1));
            let more = format!("content-range: bytes {from}-{to}/{size}\r\n");
            ("206 Partial Content", more, part(&file, from, to))
        } else if let Some(json) = listing(&path) {
            ("200 OK", "content-type: application/json\r\n".to_owned(), json.into_bytes())
        } else {
            ("404 Not Found", String::new(), Vec::new())
        };
        let etag = path.replace('/', "-");
        let head = format!(
            "HTTP/1.1 {status}\r\netag: \"{etag}\"\r\nx-repo-commit: {COMMIT}\r\n{more}content-length: {}\r\n\r\n",
            body.len()
        );
        if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).is_err() {
            return;
        }
    }
}

fn part(file: &Path, from: u64, to: u64) -> Vec<u8> {
    let mut file = std::fs::File::open(file).unwrap();
    file.seek(SeekFrom::Start(from)).unwrap();
    let mut bytes = Vec::new();
    file.take(to + 1 - from).read_to_end(&mut bytes).unwrap();
    bytes
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_model_and_data_are_fetched_once_and_then_served_from_the_cache() {
    let hub = Hub::open();
    let args = ["eval", "--model", "tiny/llama@v1", "--tasks", "triviaqa", "--num-fewshot", "1", "--limit", "2"];
    let online = hub.gac(&args, false);
    assert_eq!(online.status.code(), Some(0), "{}", text(&online.stderr));
    let asked = hub.asked.lock().unwrap().clone();
    assert!(asked.iter().any(|(path, _)| path == "/tiny/llama/resolve/v1/model.safetensors"), "{asked:?}");
    assert!(asked.iter().all(|(_, token)| token.as_deref() == Some("Bearer hf_secret")), "{asked:?}");

    let offline = hub.gac(&args, true);
    assert_eq!(offline.status.code(), Some(0), "{}", text(&offline.stderr));
    let without_times = |out: &[u8]| text(out).lines().next().map(str::to_owned);
    assert_eq!(without_times(&offline.stdout), without_times(&online.stdout));
    assert_eq!(hub.asked.lock().unwrap().len(), asked.len(), "nothing more is asked for");
}

#[test]
fn what_the_hub_does_not_have_is_named() {
    let hub = Hub::open();
    for (model, expected) in
        [("tiny/none", "`config.json` of `tiny/none` is not on the hub"), ("tiny/llama@../../x", "tiny/llama@../../x")]
    {
        let ran = hub.gac(&["eval", "--model", model, "--tasks", "triviaqa", "--limit", "1"], false);
        assert_eq!(ran.status.code(), Some(2));
        assert!(text(&ran.stderr).contains(expected), "{}", text(&ran.stderr));
    }
    let ran = hub.gac(&["eval", "--model", "tiny/llama", "--tasks", "triviaqa", "--limit", "1"], true);
    assert_eq!(ran.status.code(), Some(2));
    assert!(text(&ran.stderr).contains("HF_HUB_OFFLINE is set"), "{}", text(&ran.stderr));
}

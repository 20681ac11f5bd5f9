//! The server: connections, requests, faults.

use std::io::BufReader;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep};
use std::time::Duration;

use gac_inference::{LanguageModel, Tokenizer};
use serde_json::Value;

use crate::engine::{Served, ServerSetup, TestEngine, error};
use crate::http;

/// What becomes of a request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It is answered.
    None,
    /// The connection is closed without an answer.
    Cut,
    /// The connection is closed amid the answer.
    CutAmid,
    /// The answer comes so late.
    Late(Duration),
    /// A status, with `Retry-After` where there is one.
    Status(u16, Option<&'static str>),
    /// An answer with bytes that were changed on the way.
    Garbled,
    /// Lists with too few tokens, as vLLM gives them where requests of several kinds share a batch.
    ShortLists,
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Its path.
    pub path: String,
    /// Its header `Authorization`.
    pub authorization: Option<String>,
    /// Its body.
    pub body: Value,
}

type Faults = Box<dyn Fn(usize, &Value) -> Fault + Send + Sync>;

struct Shared {
    served: Served,
    faults: Mutex<Option<Arc<Faults>>>,
    key: Option<String>,
    /// Requests for tokens so far.
    asked: AtomicUsize,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
    recorded: Mutex<Vec<Recorded>>,
    connections: Mutex<Vec<TcpStream>>,
    opened: AtomicUsize,
    stopped: AtomicBool,
}

/// A server on a port of this machine, until it is dropped.
pub struct TestServer {
    shared: Arc<Shared>,
    port: u16,
    listening: Option<JoinHandle<()>>,
}

impl TestServer {
    /// Serves `model` as `engine` would.
    pub fn start(engine: TestEngine, model: Box<dyn LanguageModel>, tokenizer: Tokenizer) -> Self {
        Self::with_limits(engine, model, tokenizer, ServerSetup::default())
    }

    /// Serves `model` as an `engine` would that was set up with `limits`.
    pub fn with_limits(
        engine: TestEngine,
        model: Box<dyn LanguageModel>,
        tokenizer: Tokenizer,
        limits: ServerSetup,
    ) -> Self {
        Self::at(0, engine, model, tokenizer, limits)
    }

    /// The same at a port; 0 is any.
    pub fn at(
        port: u16,
        engine: TestEngine,
        model: Box<dyn LanguageModel>,
        tokenizer: Tokenizer,
        limits: ServerSetup,
    ) -> Self {
        let key = limits.key.clone();
        let shared = Arc::new(Shared {
            served: Served::new(engine, model, tokenizer, limits),
            faults: Mutex::new(None),
            key,
            asked: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
            most_in_flight: AtomicUsize::new(0),
            recorded: Mutex::default(),
            connections: Mutex::default(),
            opened: AtomicUsize::new(0),
            stopped: AtomicBool::new(true),
        });
        let mut server = Self { shared, port, listening: None };
        server.go_on();
        server
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// From now on, `faults` says what becomes of each request for tokens: by their number so far, and its body.
    pub fn fail(&self, faults: impl Fn(usize, &Value) -> Fault + Send + Sync + 'static) {
        *self.shared.faults.lock().unwrap() = Some(Arc::new(Box::new(faults)));
    }

    /// Requests for tokens so far.
    pub fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::SeqCst)
    }

    /// The most requests for tokens that were in flight at once.
    pub fn most_in_flight(&self) -> usize {
        self.shared.most_in_flight.load(Ordering::SeqCst)
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.shared.opened.load(Ordering::SeqCst)
    }

    /// Takes what was recorded of requests with a body.
    pub fn recorded(&self) -> Vec<Recorded> {
        std::mem::take(&mut self.shared.recorded.lock().unwrap())
    }

    /// Closes everything: nobody answers at its address any more.
    pub fn stop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        for connection in self.shared.connections.lock().unwrap().drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
        // Wakes the one who listens.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(listening) = self.listening.take() {
            listening.join().unwrap();
        }
    }

    /// Listens again, at the same address.
    pub fn go_on(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).unwrap();
        self.port = listener.local_addr().unwrap().port();
        self.shared.stopped.store(false, Ordering::SeqCst);
        let shared = Arc::clone(&self.shared);
        self.listening = Some(std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.stopped.load(Ordering::SeqCst) {
                    break;
                }
                stream.set_nodelay(true).unwrap();
                shared.opened.fetch_add(1, Ordering::SeqCst);
                shared.connections.lock().unwrap().push(stream.try_clone().unwrap());
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || {
                    // A connection that breaks is the client's.
                    let _ = connection(&shared, stream);
                });
            }
        }));
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if self.listening.is_some() {
            self.stop();
        }
    }
}

fn connection(shared: &Shared, mut stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some(request) = http::read(&mut reader)? {
        if shared.stopped.load(Ordering::SeqCst) {
            break;
        }
        if let Some(key) = &shared.key
            && request.authorization.as_ref() != Some(key)
        {
            http::write(&mut stream, 401, "", &error(401, "Unauthorized"), None)?;
            continue;
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let for_tokens = shared.served.is_for_tokens(&request.path);
        if !request.body.is_empty() {
            let recorded = Recorded {
                path: request.path.clone(),
                authorization: request.authorization.clone(),
                body: body.clone(),
            };
            shared.recorded.lock().unwrap().push(recorded);
        }
        if !for_tokens {
            let (status, answer) = shared.served.answer(&request.method, &request.path, &body, false);
            http::write(&mut stream, status, "", &answer, None)?;
            continue;
        }
        let number = shared.asked.fetch_add(1, Ordering::SeqCst);
        let now = shared.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        shared.most_in_flight.fetch_max(now, Ordering::SeqCst);
        let faults = shared.faults.lock().unwrap().clone();
        let fault = faults.map_or(Fault::None, |faults| faults(number, &body));
        let outcome = answer(shared, &mut stream, &request, &body, &fault);
        shared.in_flight.fetch_sub(1, Ordering::SeqCst);
        if !outcome? {
            stream.shutdown(Shutdown::Both)?;
            break;
        }
    }
    Ok(())
}

/// Answers a request for tokens; false where the connection is to be closed.
fn answer(
    shared: &Shared,
    stream: &mut TcpStream,
    request: &http::TestRequest,
    body: &Value,
    fault: &Fault,
) -> std::io::Result<bool> {
    let usual = |short| shared.served.answer(&request.method, &request.path, body, short);
    match fault {
        Fault::None => {
            let (status, answer) = usual(false);
            http::write(stream, status, "", &answer, None)?;
        }
        Fault::ShortLists => {
            let (status, answer) = usual(true);
            http::write(stream, status, "", &answer, None)?;
        }
        Fault::Cut => return Ok(false),
        Fault::CutAmid => {
            let (status, answer) = usual(false);
            http::write(stream, status, "", &answer, Some(answer.len() / 2))?;
            return Ok(false);
        }
        Fault::Late(time) => {
            sleep(*time);
            let (status, answer) = usual(false);
            http::write(stream, status, "", &answer, None)?;
        }
        Fault::Status(status, after) => {
            let headers = after.map_or_else(String::new, |after| format!("retry-after: {after}\r\n"));
            http::write(stream, *status, &headers, &error(*status, "told to"), None)?;
        }
        Fault::Garbled => {
            let (status, mut answer) = usual(false);
            for at in (answer.len() / 3..answer.len()).step_by(7) {
                answer[at] ^= 0x15;
            }
            http::write(stream, status, "", &answer, None)?;
        }
    }
    Ok(true)
}

//! A server of scripted models, and a client that sees every byte.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(unreachable_pub, missing_docs, reason = "a test's own module")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use gac_ensemble::{
    Certainty, Chat, Gating, Member, MemberId, ModelId, Scheduler, Settings, ThinkEnd, ThinkSource, Threshold, Weights,
};
use gac_inference::testkit::{Before, ScriptedModel, tokenizer};
use gac_inference::{ChatTemplate, Extension, LanguageModel, Limits, ModelError, TokenId, UnixTime};
use gac_serve::{Catalog, ServedMember, ServedSystem, Server, ServerOptions, Stopper};
use serde_json::Value;

/// What a scripted model does in a forward, beside what its script says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    Plain,
    /// Each forward takes so many milliseconds.
    Slow(u64),
    /// It panics where a sequence holds so many tokens.
    PanicsAt(usize),
    /// It fails there.
    FailsAt(usize),
}

/// `inner` in its manner.
fn mannered(inner: ScriptedModel, manner: Manner) -> Box<dyn LanguageModel> {
    Box::new(Before::each(Box::new(inner), move |model, batch| {
        let length = |extension: &Extension<'_>| model.length(extension.sequence) + extension.tokens.len();
        let longest = batch.iter().map(length).max().unwrap_or(0);
        match manner {
            Manner::Slow(milliseconds) => std::thread::sleep(Duration::from_millis(milliseconds)),
            Manner::PanicsAt(length) if longest == length => panic!("as the test wants it"),
            Manner::FailsAt(length) if longest == length => {
                return Err(ModelError::Backend("as the test wants".into()));
            }
            _ => {}
        }
        Ok(())
    }))
}

/// `first` has "ab" whole, `second` spells it; both go on "q" -> "ab" -> "c" -> "é" -> END. The second has another END.
pub fn models(manner: Manner) -> Vec<Member> {
    let first = tokenizer(&["q", "ab", "c", "\u{e9}", "<eos>", "<think>", "</think>"], &["<eos>"]);
    let second = tokenizer(&["</s>", "a", "b", "c", "q", "\u{e9}"], &["</s>"]);
    let says = |name: &str, tokenizer: gac_inference::Tokenizer, rules: Vec<(&'static str, Vec<(u32, f64)>)>| {
        let vocabulary = tokenizer.vocabulary().clone();
        let rule = move |tokens: &[TokenId]| {
            let text = vocabulary.decode(tokens);
            let known = rules.iter().find(|(ending, _)| text.ends_with(ending.as_bytes()));
            known.map_or_else(Vec::new, |(_, next)| next.iter().map(|(id, p)| (TokenId(*id), *p)).collect())
        };
        let inner = ScriptedModel::new(tokenizer.vocabulary().len(), rule).with_limits(Limits {
            vocabulary: tokenizer.vocabulary().len(),
            context: 64,
            cache: 4096,
            sequences: usize::MAX,
        });
        Member { name: name.into(), model: mannered(inner, manner), tokenizer: Arc::new(tokenizer) }
    };
    vec![
        says(
            "first",
            first,
            vec![
                ("q", vec![(1, 0.7), (2, 0.2)]),
                ("ab", vec![(2, 0.6), (4, 0.3)]),
                ("c", vec![(3, 0.8)]),
                ("\u{e9}", vec![(4, 0.9)]),
            ],
        ),
        says(
            "second",
            second,
            vec![
                ("q", vec![(1, 0.5), (3, 0.4)]),
                ("ab", vec![(3, 0.8), (0, 0.1)]),
                ("c", vec![(5, 0.7)]),
                ("\u{e9}", vec![(0, 0.9)]),
                ("a", vec![(2, 0.9)]),
            ],
        ),
    ]
}

/// Two models that go on "q" -> "ab" -> END: `whole` has "ab" as a token, `spelled` does not. Both have tokens of single bytes.
pub fn spellers() -> Vec<Member> {
    let whole = tokenizer(&["q", "a", "b", "ab", "<eos>"], &["<eos>"]);
    let spelled = tokenizer(&["q", "a", "b", "</s>"], &["</s>"]);
    let says = |name: &str, tokenizer: gac_inference::Tokenizer, next: Vec<(&'static str, u32)>| {
        let vocabulary = tokenizer.vocabulary().clone();
        let rule = move |tokens: &[TokenId]| {
            let text = vocabulary.decode(tokens);
            let known = next.iter().find(|(ending, _)| text.ends_with(ending.as_bytes()));
            known.map_or_else(Vec::new, |(_, id)| vec![(TokenId(*id), 0.9)])
        };
        let inner = ScriptedModel::new(tokenizer.vocabulary().len(), rule);
        Member { name: name.into(), model: mannered(inner, Manner::Plain), tokenizer: Arc::new(tokenizer) }
    };
    vec![
        says("whole", whole, vec![("q", 3), ("ab", 4), ("a", 2)]),
        says("spelled", spelled, vec![("q", 1), ("ab", 3), ("a", 2)]),
    ]
}

/// A model that never ends: "x" again and again.
pub fn endless(name: &str, manner: Manner) -> Member {
    let tokenizer = tokenizer(&["q", "x", "<eos>"], &["<eos>"]);
    let inner = ScriptedModel::new(3, |_| vec![(TokenId(1), 0.9)]).with_limits(Limits {
        vocabulary: 3,
        context: 100_000,
        cache: 1 << 20,
        sequences: usize::MAX,
    });
    Member { name: name.into(), model: mannered(inner, manner), tokenizer: Arc::new(tokenizer) }
}

/// A system of some of the loaded models, whose chats are what was said last.
pub fn system(scheduler: &mut Scheduler, name: &str, members: &[usize], threshold: Option<f64>) -> ServedSystem {
    let ids: Vec<ModelId> = members.iter().copied().map(ModelId).collect();
    let ensemble = scheduler.ensemble(&ids).unwrap();
    let certainty = Certainty::TopProbability;
    let gating = threshold.map_or(Gating::EveryStep, |threshold| Gating::KeyTokens {
        gate: MemberId(0),
        certainty,
        threshold: Threshold::new(threshold).unwrap(),
    });
    let settings = Settings::new(ensemble, Weights::uniform(members.len()), gating).unwrap();
    let template = || ChatTemplate::new("{{ messages[-1].content }}{{ more }}", BTreeMap::new()).unwrap();
    let chat = Chat::new(members.iter().map(|_| template()).collect(), UnixTime(0));
    let end = ThinkEnd { token: "</think>".into(), source: ThinkSource::Found };
    let ends = members.iter().map(|_| Some(end.clone())).collect();
    let chat = settings.clone().with_chat(Arc::new(chat)).unwrap().with_think_ends(ends).unwrap();
    ServedSystem {
        name: name.into(),
        settings: Arc::new(settings),
        chat: Ok(Arc::new(chat)),
        gate: threshold.map(|_| (MemberId(0), certainty)),
    }
}

fn served_member(name: &str) -> ServedMember {
    let special = [("eos_token".to_owned(), "<eos>".to_owned())];
    ServedMember { name: name.into(), source: None, special_tokens: special.into(), chat_template: Some("t".into()) }
}

/// A running server.
pub struct Fixture {
    pub address: SocketAddr,
    pub stopper: Stopper,
    thread: Option<JoinHandle<std::io::Result<()>>>,
}

impl Fixture {
    /// Both models alone, voting at every step ("both"), and gated by the first ("gated", 0.65).
    pub fn new() -> Self {
        Self::with(Manner::Plain, ServerOptions::default())
    }

    pub fn with(manner: Manner, options: ServerOptions) -> Self {
        let mut scheduler = Scheduler::new(models(manner));
        let systems = vec![
            system(&mut scheduler, "both", &[0, 1], None),
            system(&mut scheduler, "gated", &[0, 1], Some(0.65)),
            system(&mut scheduler, "first", &[0], None),
            system(&mut scheduler, "second", &[1], None),
        ];
        let catalog = Catalog::new(systems, vec![served_member("first"), served_member("second")]).unwrap();
        Self::start(catalog, scheduler, options)
    }

    /// [`spellers`] voting at every step ("both").
    pub fn spellers() -> Self {
        let mut scheduler = Scheduler::new(spellers());
        let systems = vec![system(&mut scheduler, "both", &[0, 1], None)];
        let catalog = Catalog::new(systems, vec![served_member("whole"), served_member("spelled")]).unwrap();
        Self::start(catalog, scheduler, ServerOptions::default())
    }

    /// One endless model, `x`, and the first of the others, `first`.
    pub fn endless(manner: Manner, options: ServerOptions) -> Self {
        let first = models(Manner::Plain).remove(0);
        let mut scheduler = Scheduler::new(vec![endless("x", manner), first]);
        let systems = vec![system(&mut scheduler, "x", &[0], None), system(&mut scheduler, "first", &[1], None)];
        let catalog = Catalog::new(systems, vec![served_member("x")]).unwrap();
        Self::start(catalog, scheduler, options)
    }

    pub fn start(catalog: Catalog, scheduler: Scheduler, options: ServerOptions) -> Self {
        let server = Server::bind("127.0.0.1:0", catalog, scheduler, options).unwrap();
        let (address, stopper) = (server.address().unwrap(), server.stopper());
        let thread = Some(std::thread::spawn(move || server.run()));
        Self { address, stopper, thread }
    }

    /// Stops it and waits until it has.
    pub fn stop(mut self) {
        self.stopper.stop();
        self.thread.take().unwrap().join().unwrap().unwrap();
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    pub fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], b"")
    }

    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.send("POST", path, &[], body.to_string().as_bytes())
    }

    pub fn completion(&self, body: &Value) -> Value {
        let reply = self.post("/v1/completions", body);
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    }

    /// A request that is refused: its status, and the field that is named.
    pub fn refused(&self, path: &str, body: &Value) -> (u16, Value) {
        let reply = self.post(path, body);
        let error = &reply.json()["error"];
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{}", reply.text());
        (reply.status, error["param"].clone())
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut stream = self.connect();
        write(&mut stream, method, path, headers, body);
        Reply::read(BufReader::new(stream))
    }

    /// The value of a metric without labels.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").text();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
    }

    /// Waits until a metric has a value.
    pub fn wait_for(&self, name: &str, value: f64) {
        for _ in 0..400 {
            if (self.metric(name) - value).abs() < 1e-9 {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{name} is {} and never {value}", self.metric(name));
    }
}

pub fn write(stream: &mut TcpStream, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n");
    for (name, value) in headers {
        head = format!("{head}{name}: {value}\r\n");
    }
    head = format!("{head}content-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).unwrap();
    // A server that refuses a body early may have closed by now.
    let _ = stream.write_all(body);
}

/// An answer.
pub struct Reply {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn read(mut reader: BufReader<TcpStream>) -> Self {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let status = line.split(' ').nth(1).unwrap_or_else(|| panic!("no status in {line:?}")).parse().unwrap();
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        let mut body = Vec::new();
        if headers.get("transfer-encoding").is_some_and(|encoding| encoding == "chunked") {
            loop {
                let mut size = String::new();
                if reader.read_line(&mut size).unwrap() == 0 {
                    break;
                }
                let size = usize::from_str_radix(size.trim(), 16).unwrap();
                let mut chunk = vec![0; size + 2];
                reader.read_exact(&mut chunk).unwrap();
                body.extend_from_slice(&chunk[..size]);
                if size == 0 {
                    break;
                }
            }
        } else {
            reader.read_to_end(&mut body).unwrap();
        }
        Self { status, headers, body }
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The events of a stream, the last of which is `[DONE]`.
    pub fn events(&self) -> Vec<Value> {
        assert_eq!(self.status, 200, "{}", self.text());
        assert_eq!(self.headers["content-type"], "text/event-stream");
        let text = self.text();
        let mut data: Vec<&str> = text.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).collect();
        assert_eq!(data.pop(), Some("[DONE]"), "{text}");
        data.into_iter().map(|event| serde_json::from_str(event).unwrap()).collect()
    }
}

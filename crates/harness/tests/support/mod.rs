//! Systems, tasks and listeners without models.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::rc::Rc;

use gac_ensemble::{
    DraftCounts, Finish, Generation, GenerationRequest, LogLikelihood, LogLikelihoodRequest, RequestError, Step,
};
use gac_harness::plan::Plan;
use gac_harness::{
    Aggregate, Answer, Document, Event, FilterScore, LoadedTask, MetricKey, Outcome, PromptParts, Reporter, Request,
    Score, Scorer,
};
use gac_systems::{Finished, ModelOrigin, ModelPlan, ReadAnswer, System, SystemError, SystemPlan, SystemSettings};

/// Right answers are the target; a text `""` is no answer.
struct Exact;

impl Scorer for Exact {
    fn score(&self, document: &Document, answer: &Answer) -> Score {
        let extracted = match answer {
            Answer::Text(text) | Answer::TextOrNone { text, .. } => serde_json::Value::from(text.trim()),
            Answer::Scores(scores) => {
                let best = (0..scores.len()).max_by(|&a, &b| scores[a].sum.total_cmp(&scores[b].sum)).unwrap();
                best.into()
            }
        };
        let outcome = match (extracted == document.target, extracted.as_str()) {
            (true, _) => Outcome::Correct,
            (false, Some("")) => Outcome::NoAnswer,
            (false, _) => Outcome::Wrong,
        };
        let value = f64::from(u8::from(outcome == Outcome::Correct));
        let filters = vec![FilterScore { filter: "none".into(), extracted, metrics: vec![("acc".into(), value)] }];
        let no_answer = if let Answer::TextOrNone { no_answer, .. } = answer { Some(no_answer.sum) } else { None };
        Score { outcome, filters, no_answer }
    }

    fn aggregate(&self, scored: &[(&Document, &Score)]) -> Vec<Aggregate> {
        let values = scored.iter().map(|(_, score)| score.filters[0].metrics[0].1);
        let value = values.sum::<f64>() / scored.len() as f64;
        vec![Aggregate {
            is_group: false,
            name: "whatever".into(),
            key: accuracy(),
            value,
            stderr: Some((value * (1.0 - value) / scored.len() as f64).sqrt()),
            documents: scored.len(),
        }]
    }
}

pub(crate) fn accuracy() -> MetricKey {
    MetricKey { metric: "acc".into(), filter: "none".into() }
}

fn task(name: &str, requests: impl Iterator<Item = (Request, serde_json::Value)>) -> LoadedTask {
    let documents = requests.enumerate().map(|(id, (request, target))| Document {
        id,
        subject: None,
        group: None,
        repeat: 0,
        hash: format!("{name} {id}"),
        request,
        parts: PromptParts::default(),
        target,
    });
    LoadedTask {
        name: name.into(),
        version: "1".into(),
        num_fewshot: 0,
        primary: accuracy(),
        documents: documents.collect(),
        scorer: Box::new(Exact),
        groups: Vec::new(),
    }
}

/// Prompts `"0"`, `"1"`, ...; the right answer is the prompt.
pub(crate) fn echo(name: &str, documents: usize) -> LoadedTask {
    task(
        name,
        (0..documents).map(|id| {
            let request = Request::Generate {
                prompt: id.to_string(),
                stop: vec!["\n".into()],
                max_new_tokens: 8,
                decoding: None,
                no_answer: None,
            };
            (request, id.to_string().into())
        }),
    )
}

/// Three choices, of which the second is right.
pub(crate) fn choice(name: &str, documents: usize) -> LoadedTask {
    task(
        name,
        (0..documents).map(|id| {
            let continuations = [" a", " b", " c"].map(str::to_owned).to_vec();
            (Request::Choose { context: id.to_string(), continuations }, 1.into())
        }),
    )
}

/// Answers rightly, except where told otherwise.
#[derive(Clone, Default)]
pub(crate) struct Fake {
    pub(crate) name: String,
    pub(crate) members: usize,
    /// Every this many-th prompt gets a wrong answer; 0 for none.
    pub(crate) wrong_every: usize,
    /// Fails before this request of a call.
    pub(crate) fail_at: Option<usize>,
    /// Cannot be asked these prompts.
    pub(crate) refuses: Vec<&'static str>,
    /// Leaves out this request.
    pub(crate) skip: Option<usize>,
    /// Answers this request twice.
    pub(crate) twice: Option<usize>,
    /// Prompts that were cut.
    pub(crate) truncated: usize,
    /// Counts how many are alive.
    #[expect(dead_code, reason = "only how many there are of it matters")]
    pub(crate) alive: Option<Rc<()>>,
}

impl Fake {
    pub(crate) fn new(name: &str, members: usize, wrong_every: usize) -> Self {
        Self { name: name.into(), members, wrong_every, ..Self::default() }
    }

    fn wrong(&self, prompt: &str) -> bool {
        self.wrong_every > 0 && prompt.parse::<usize>().unwrap() % self.wrong_every == 0
    }

    fn answer<T>(
        &self,
        requests: usize,
        finished: &mut Finished<'_, T>,
        prompt: impl Fn(usize) -> String,
        answer: impl Fn(usize) -> T,
    ) -> Result<(), SystemError> {
        // Not in the order of the requests, as with continuous batching.
        let order = (0..requests).filter(|i| i % 2 == 1).chain((0..requests).filter(|i| i % 2 == 0));
        for (count, index) in order.enumerate() {
            if self.fail_at == Some(count) {
                let source = io::Error::new(io::ErrorKind::OutOfMemory, "out of blocks").into();
                return Err(SystemError { system: self.name.clone(), source });
            }
            let times = if self.skip == Some(index) { 0 } else { 1 + usize::from(self.twice == Some(index)) };
            for _ in 0..times {
                let refused = self.refuses.contains(&prompt(index).as_str());
                let answer = if refused { Err(RequestError::EmptyContinuation) } else { Ok((0, answer(index))) };
                if finished(index, answer).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

impl System for Fake {
    fn generate(
        &mut self,
        _asked: &[usize],
        requests: &[GenerationRequest],
        _read: &ReadAnswer<'_>,
        finished: &mut Finished<'_, Generation>,
    ) -> Result<(), SystemError> {
        let asked = |index: usize| requests[index].prompt.last_words().into_owned();
        self.answer(requests.len(), finished, asked, |index| {
            let prompt = &requests[index].prompt.last_words();
            let text = if self.wrong(prompt) { format!("not {prompt}") } else { format!(" {prompt}") };
            let step = |piece: char| Step {
                bytes: piece.to_string().into_bytes(),
                end: false,
                ensembled: self.members > 1,
                probability: 0.5,
                beyond: 0.0,
                runner_up: 0.0,
                asks: 0,
                certainty: None,
                proposed: None,
                log_probs: None,
                views: Vec::new(),
            };
            let steps = if requests[index].trace { text.chars().map(step).collect() } else { vec![] };
            Generation {
                thinking: None,
                bytes: text.into_bytes(),
                tokens: 4,
                ensembled: usize::from(self.members > 1),
                prompt_tokens: vec![3; self.members],
                member_tokens: vec![4; self.members],
                truncated: index < self.truncated,
                finish: Finish::Stop,
                seconds: 0.04,
                drafts: DraftCounts::default(),
                steps,
            }
        })
    }

    fn log_likelihood(
        &mut self,
        _asked: &[usize],
        requests: &[LogLikelihoodRequest],
        finished: &mut Finished<'_, LogLikelihood>,
    ) -> Result<(), SystemError> {
        let asked = |index: usize| requests[index].context.last_words().into_owned();
        self.answer(requests.len(), finished, asked, |index| {
            let LogLikelihoodRequest { context, continuation, .. } = &requests[index];
            let favourite = if self.wrong(&context.last_words()) { " a" } else { " b" };
            let sum = if continuation == favourite { -0.5 } else { f64::NEG_INFINITY };
            let truncated = index < self.truncated;
            LogLikelihood { sum, greedy: sum > -1.0, tokens: vec![sum], truncated }
        })
    }
}

/// A plan whose systems are called as the fakes are.
pub(crate) fn plan(output: &Path, fakes: &[Fake]) -> Plan {
    let members = |fake: &Fake| (0..fake.members).map(|member| format!("m{member}")).collect::<Vec<_>>();
    Plan {
        name: "test".into(),
        recipe: None,
        models: (0..2)
            .map(|m| ModelPlan {
                think_end_token: None,
                name: format!("m{m}"),
                source: ModelOrigin::Hub(format!("o/m{m}")),
                dtype: None,
                compute: gac_inference::ComputeType::default(),
                device: None,
                chat_template: None,
                chat_template_args: serde_json::Map::new(),
                add_bos: None,
            })
            .collect(),
        systems: fakes
            .iter()
            .map(|fake| SystemPlan {
                name: fake.name.clone(),
                axis: None,
                members: members(fake),
                weights: vec![1.0 / fake.members as f64; fake.members],
                gate: None,
                drafter: None,
                settings: SystemSettings::default(),
            })
            .collect(),
        tasks: vec![],
        include_path: vec![],
        data_dir: None,
        batch_size: 1,
        log_samples: false,
        use_cache: None,
        trace: false,
        shard: None,
        output: output.to_path_buf(),
    }
}

/// Opens the fake of the system's name.
pub(crate) fn opener(fakes: &[Fake]) -> impl FnMut(&SystemPlan) -> Result<Box<dyn System>, SystemError> {
    let fakes: BTreeMap<String, Fake> = fakes.iter().map(|fake| (fake.name.clone(), fake.clone())).collect();
    move |system| Ok(Box::new(fakes[&system.name].clone()))
}

/// Writes down what it is told, and looks at the disk while it is told it.
#[derive(Clone, Default)]
pub(crate) struct Listener {
    /// One line per event.
    pub(crate) heard: Rc<RefCell<Vec<String>>>,
    /// Asked at every finished sample with the record's system, task and how many have finished.
    #[expect(clippy::type_complexity, reason = "used once")]
    pub(crate) at_sample: Option<Rc<dyn Fn(&str, &str, usize)>>,
    /// Fails at this event.
    pub(crate) fail_at: Option<usize>,
}

impl Reporter for Listener {
    fn on(&mut self, event: &Event<'_>) -> io::Result<()> {
        let line = match event {
            Event::RunStarted { systems, tasks, documents, .. } => format!("run {systems} {tasks} {documents}"),
            Event::SystemStarted { system, index } => format!("system {index} {system}"),
            Event::SystemOpened { system, .. } => format!("opened {system}"),
            Event::TaskStarted { system, task, documents, reused } => {
                format!("task {system} {task} {reused} of {documents}")
            }
            Event::NoAnswerScored { asked, documents, .. } => format!("no answer {asked} of {documents}"),
            Event::SampleFinished { finished, record } => {
                if let Some(look) = &self.at_sample {
                    look(&record.system, &record.task, *finished);
                }
                format!("sample {finished} {}", record.doc_id)
            }
            Event::TaskFinished { results } => format!("task over {} {}", results.task, results.value),
            Event::SystemFinished { system, .. } => format!("system over {system}"),
            Event::Warning(warning) => format!("warning {warning}"),
            Event::RunFinished { leaderboard, .. } => format!("run over {}", leaderboard.rows.len()),
        };
        // Every event can be logged as JSON.
        serde_json::to_string(event)?;
        let mut heard = self.heard.borrow_mut();
        heard.push(line);
        if self.fail_at.is_some_and(|count| heard.len() > count) { Err(io::Error::other("pipe")) } else { Ok(()) }
    }
}

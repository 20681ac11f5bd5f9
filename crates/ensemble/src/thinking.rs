//! Reasoning in front of an answer: where it ends, and what that means for stop strings.

use crate::decode::stop::begun;
use crate::vocabulary::union::UnionToken;

/// How a member's reasoning ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThinkEnd {
    /// The text, or the name of the control symbol, that stands between reasoning and answer: `</think>`. Never empty.
    pub token: String,
    /// How sure it is that the member reasons.
    pub source: ThinkSource,
}

impl ThinkEnd {
    /// The token that opens what this one closes, where it is written the same way: `<think>` for `</think>`.
    pub fn start(&self) -> Option<String> {
        start_of(&self.token)
    }
}

/// Who says that a member reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThinkSource {
    /// A user: every response begins with reasoning, unless its prompt ends it.
    Stated,
    /// Its chat template, which knows the token: a response begins with reasoning where the prompt or the response
    /// opens it (`<think>`).
    Found,
}

/// What of a generation is reasoning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thinking {
    /// The answer begins at this byte: behind the (last) token that ends the reasoning, and white space.
    Closed {
        /// A place in the generation's bytes.
        answer: usize,
    },
    /// All of it: the reasoning never ended, and there is no answer.
    Unclosed,
}

/// Where a sample stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Thought {
    /// Too little is there to tell whether it reasons.
    Unclear,
    /// It reasons.
    Open,
    /// What stands from this byte on is the answer.
    Answer {
        from: usize,
        /// Whether reasoning stands before it.
        closed: bool,
    },
}

/// How the members of an ensemble reason, one place per member. Their response is one text, so it has one place where
/// reasoning ends: whichever member's token that is.
#[derive(Clone, Debug, Default)]
pub(crate) struct ThinkEnds(Vec<Option<ThinkEnd>>);

impl ThinkEnds {
    /// `ends[m]` is how member `m`'s reasoning ends.
    pub(crate) fn new(ends: Vec<Option<ThinkEnd>>) -> Self {
        Self(ends)
    }

    /// Whether any member reasons.
    pub(crate) fn any(&self) -> bool {
        self.ends().next().is_some()
    }

    pub(crate) fn ends(&self) -> impl Iterator<Item = &ThinkEnd> {
        self.0.iter().flatten()
    }

    /// Where a sample starts whose members read prompts that end so: `prompts[m]` is what member `m`'s prompt says of
    /// it.
    pub(crate) fn start(&self, prompts: &[PromptEnd]) -> Thought {
        let thinking = || self.0.iter().zip(prompts).filter_map(|(end, prompt)| end.as_ref().map(|end| (end, *prompt)));
        if thinking().all(|(_, prompt)| prompt == PromptEnd::Closed) {
            return Thought::Answer { from: 0, closed: false };
        }
        let reasons = |(end, prompt): (&ThinkEnd, PromptEnd)| {
            prompt == PromptEnd::Open || (prompt == PromptEnd::Neither && end.source == ThinkSource::Stated)
        };
        if thinking().any(reasons) { Thought::Open } else { Thought::Unclear }
    }

    /// What the end of member `member`'s prompt says.
    pub(crate) fn prompt_end(&self, member: usize, prompt: &str) -> PromptEnd {
        let Some(Some(end)) = self.0.get(member) else { return PromptEnd::Neither };
        let prompt = prompt.trim_end();
        if prompt.ends_with(&end.token) {
            PromptEnd::Closed
        } else if start_of(&end.token).is_some_and(|start| prompt.ends_with(&start)) {
            PromptEnd::Open
        } else {
            PromptEnd::Neither
        }
    }

    /// Where a sample stands after it emitted `token`, which began at byte `before` of `bytes`.
    pub(crate) fn after(&self, thought: Thought, bytes: &[u8], before: usize, token: &UnionToken) -> Thought {
        if let UnionToken::Control(name) = token {
            if self.ends().any(|end| *end.token == **name) {
                return Thought::Answer { from: bytes.len(), closed: true };
            }
            let opens = self.ends().any(|end| start_of(&end.token).as_deref() == Some(name));
            return if opens && thought == Thought::Unclear { Thought::Open } else { thought };
        }
        let floor = match thought {
            Thought::Answer { from, .. } => from,
            Thought::Unclear | Thought::Open => 0,
        };
        let last = |end: &ThinkEnd| {
            let from = (before + 1).saturating_sub(end.token.len()).max(floor);
            let windows = bytes.get(from..)?.windows(end.token.len());
            Some(from + windows.into_iter().rposition(|window| window == end.token.as_bytes())? + end.token.len())
        };
        if let Some(from) = self.ends().filter_map(last).max() {
            return Thought::Answer { from, closed: true };
        }
        if thought == Thought::Unclear { self.begun(bytes) } else { thought }
    }

    /// How many bytes at the end of `bytes` are the beginning of what ends the reasoning.
    pub(crate) fn begun_end(&self, bytes: &[u8]) -> usize {
        self.ends().map(|end| begun(bytes, end.token.as_bytes())).max().unwrap_or(0)
    }

    /// Whether a response that begins so reasons.
    fn begun(&self, bytes: &[u8]) -> Thought {
        let text = bytes.trim_ascii_start();
        let starts: Vec<String> = self.ends().filter_map(|end| start_of(&end.token)).collect();
        if starts.iter().any(|start| text.starts_with(start.as_bytes())) {
            Thought::Open
        } else if starts.iter().any(|start| start.as_bytes().starts_with(text)) {
            Thought::Unclear
        } else {
            Thought::Answer { from: 0, closed: false }
        }
    }
}

/// What a prompt's end says of the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PromptEnd {
    /// It ends the reasoning, as templates do where reasoning is switched off.
    Closed,
    /// It opens it.
    Open,
    Neither,
}

impl Thought {
    /// What became of the reasoning in a generation of these bytes; none where there is none.
    pub(crate) fn outcome(self, bytes: &[u8]) -> Option<Thinking> {
        match self {
            Self::Open => Some(Thinking::Unclosed),
            Self::Answer { from, closed: true } => Some(Thinking::Closed { answer: answer_from(bytes, from) }),
            Self::Answer { closed: false, .. } | Self::Unclear => None,
        }
    }

    /// The byte from which stop strings count; none where they do not yet.
    pub(crate) fn stops_from(self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::Unclear | Self::Open => None,
            Self::Answer { from, closed: false } => Some(from),
            Self::Answer { from, closed: true } => Some(answer_from(bytes, from)),
        }
    }
}

/// The first byte from `from` on that is no white space (Python's).
fn answer_from(bytes: &[u8], from: usize) -> usize {
    let text = String::from_utf8_lossy(bytes.get(from..).unwrap_or_default());
    let is_space = |c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c);
    from + text.chars().take_while(|c| is_space(*c)).map(char::len_utf8).sum::<usize>()
}

/// The token that opens what `end` closes, where it is written the same way: `<think>` for `</think>`.
fn start_of(end: &str) -> Option<String> {
    [("</", "<"), ("[/", "["), ("END", "START"), ("end", "start")]
        .into_iter()
        .find(|(closing, _)| end.contains(closing))
        .map(|(closing, opening)| end.replacen(closing, opening, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(source: ThinkSource) -> ThinkEnds {
        ThinkEnds(vec![None, Some(ThinkEnd { token: "</think>".to_owned(), source })])
    }

    /// What becomes of a response that is emitted in these pieces after a prompt.
    fn emitted(source: ThinkSource, prompt: &str, pieces: &[&str]) -> (Thought, Option<String>) {
        let ends = ends(source);
        let prompts = [ends.prompt_end(0, "other"), ends.prompt_end(1, prompt)];
        let (mut thought, mut bytes) = (ends.start(&prompts), Vec::new());
        for piece in pieces {
            let before = bytes.len();
            bytes.extend_from_slice(piece.as_bytes());
            thought = ends.after(thought, &bytes, before, &UnionToken::Text(piece.as_bytes().into()));
        }
        let answer = thought.outcome(&bytes).map(|thinking| match thinking {
            Thinking::Closed { answer } => String::from_utf8(bytes[answer..].to_vec()).unwrap(),
            Thinking::Unclosed => "none".to_owned(),
        });
        (thought, answer)
    }

    fn answer(source: ThinkSource, prompt: &str, pieces: &[&str]) -> Option<String> {
        emitted(source, prompt, pieces).1
    }

    #[test]
    fn the_answer_stands_behind_the_last_end_and_white_space() {
        let said = |pieces: &[&str]| answer(ThinkSource::Stated, "Q", pieces).unwrap();
        assert_eq!(said(&["<think>\nA?", " B\n</", "thi", "nk>", "\n\n", "(B)"]), "(B)");
        assert_eq!(said(&["x</think>\u{2003}\u{1c} a</think>b"]), "b");
        assert_eq!(said(&["x</think> a</thi", "nk>", " b"]), "b");
        assert_eq!(said(&["x</think>"]), "");
    }

    #[test]
    fn reasoning_that_never_ends_leaves_no_answer() {
        assert_eq!(answer(ThinkSource::Stated, "Q", &["no end here"]).as_deref(), Some("none"));
        assert_eq!(answer(ThinkSource::Found, "Q", &["\n<thi", "nk>", "but"]).as_deref(), Some("none"));
        assert_eq!(answer(ThinkSource::Found, "Q<think>\n", &["but"]).as_deref(), Some("none"));
    }

    #[test]
    fn a_response_that_does_not_reason_is_the_answer() {
        assert_eq!(emitted(ThinkSource::Stated, "Q<think>\n\n</think>\n\n", &["(B)"]).1, None);
        assert_eq!(emitted(ThinkSource::Found, "Q", &["(B)"]), (Thought::Answer { from: 0, closed: false }, None));
        assert_eq!(emitted(ThinkSource::Found, "Q", &["\n<th"]), (Thought::Unclear, None));
    }

    #[test]
    fn stop_strings_count_from_the_answer_on() {
        let from = |source, pieces: &[&str]| emitted(source, "Q", pieces).0.stops_from(pieces.concat().as_bytes());
        assert_eq!(from(ThinkSource::Stated, &["<think>\n\n"]), None);
        assert_eq!(from(ThinkSource::Stated, &["<think>\n\n</think>\n\n"]), Some(19));
        assert_eq!(from(ThinkSource::Stated, &["<think>\n\n</think>\n\n", "a\n\n"]), Some(19));
        assert_eq!(from(ThinkSource::Found, &["\n"]), None);
        assert_eq!(from(ThinkSource::Found, &["\n", "a"]), Some(0));
    }

    #[test]
    fn a_control_symbol_ends_reasoning_too() {
        let ends = ThinkEnds(vec![Some(ThinkEnd { token: "[/THINK]".to_owned(), source: ThinkSource::Found })]);
        let control = |name: &str| UnionToken::Control(name.into());
        let thought = ends.after(ends.start(&[PromptEnd::Neither]), b"", 0, &control("[THINK]"));
        assert_eq!(thought, Thought::Open);
        let thought = ends.after(thought, b"hm", 2, &control("[INST]"));
        assert_eq!(thought, Thought::Open);
        let thought = ends.after(thought, b"hm", 2, &control("[/THINK]"));
        assert_eq!(thought.outcome(b"hm 4"), Some(Thinking::Closed { answer: 3 }));
    }

    #[test]
    fn one_member_that_reasons_is_enough() {
        let end = |source| Some(ThinkEnd { token: "</think>".to_owned(), source });
        let both = ThinkEnds(vec![end(ThinkSource::Found), end(ThinkSource::Stated)]);
        assert_eq!(both.start(&[PromptEnd::Closed, PromptEnd::Neither]), Thought::Open);
        assert_eq!(both.start(&[PromptEnd::Neither, PromptEnd::Closed]), Thought::Unclear);
        assert_eq!(both.start(&[PromptEnd::Closed; 2]), Thought::Answer { from: 0, closed: false });
    }
}

//! Reasoning in front of an answer, apart from it.

use std::ops::Range;

use gac_ensemble::{Settings, Thinking};

/// What of a response's bytes is reasoning, without the tokens around it, and where the answer begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) reasoning: Option<Range<usize>>,
    pub(crate) answer: usize,
}

/// How reasoning begins and ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tags {
    starts: Vec<String>,
    ends: Vec<String>,
}

impl Tags {
    pub(crate) fn of(settings: &Settings) -> Self {
        Self {
            starts: settings.think_ends().filter_map(gac_ensemble::ThinkEnd::start).collect(),
            ends: settings.think_ends().map(|end| end.token.clone()).collect(),
        }
    }

    /// The parts of `bytes`, all that is there so far.
    pub(crate) fn parts(&self, bytes: &[u8], thinking: Option<Thinking>) -> Parts {
        let (until, answer) = match thinking {
            None => return Parts { reasoning: None, answer: 0 },
            Some(Thinking::Unclosed) => (bytes.len(), bytes.len()),
            Some(Thinking::Closed { answer }) => {
                let answer = answer.min(bytes.len());
                let reasoning = bytes[..answer].trim_ascii_end();
                let without = |end: &String| reasoning.strip_suffix(end.as_bytes()).map(<[u8]>::len);
                (self.ends.iter().find_map(without).unwrap_or(reasoning.len()), answer)
            }
        };
        let text = bytes.trim_ascii_start();
        let blank = bytes.len() - text.len();
        let start = self.starts.iter().find(|start| text.starts_with(start.as_bytes()));
        let from = start.map_or(0, |start| blank + start.len()).min(until);
        Parts { reasoning: Some(from..until), answer }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str, thinking: Option<Thinking>) -> (Option<&str>, &str) {
        let tags = Tags { starts: vec!["<think>".into()], ends: vec!["</think>".into()] };
        let parts = tags.parts(text.as_bytes(), thinking);
        (parts.reasoning.map(|range| &text[range]), &text[parts.answer..])
    }

    #[test]
    fn reasoning_is_told_without_its_tags() {
        let closed = |answer| Some(Thinking::Closed { answer });
        assert_eq!(parts("4", None), (None, "4"));
        assert_eq!(parts("<think>\nhm\n</think>\n\n4", closed(21)), (Some("\nhm\n"), "4"));
        assert_eq!(parts("hm</think>4", closed(10)), (Some("hm"), "4"));
        assert_eq!(parts("\n<think>hm", Some(Thinking::Unclosed)), (Some("hm"), ""));
        // The end is a control symbol, which stands for no text.
        assert_eq!(parts("hm 4", closed(3)), (Some("hm"), "4"));
    }
}

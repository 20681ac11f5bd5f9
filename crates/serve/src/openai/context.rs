//! Where a prompt that is scored falls into a context and what continues it, where a request does not say.

use gac_inference::{TokenId, Tokenizer};

/// How many of `ids`, tokens of the first member, are probably the context of the others, at least one.
///
/// Clients that score choices send context and choice as one and keep to themselves where the one ends. What they ask
/// about mostly stands in the last line, behind a label: `Answer: the river`. So the context ends behind the first colon
/// of the last line that a blank follows; without one, where that line begins. White space is the continuation's, as in
/// lm-evaluation-harness.
pub(crate) fn likely_context(tokenizer: &Tokenizer, ids: &[TokenId]) -> usize {
    let lengths: Vec<usize> = ids.iter().map(|&id| tokenizer.vocabulary().bytes(id).len()).collect();
    let end = end_of_context(&tokenizer.vocabulary().decode(ids));
    let mut held = 0;
    let within = |length: &&usize| {
        held += **length;
        held <= end
    };
    lengths.iter().take_while(within).count().clamp(1, ids.len().saturating_sub(1).max(1))
}

/// Where the context of `text` ends, in bytes.
fn end_of_context(text: &[u8]) -> usize {
    let text = text.trim_ascii_end();
    let line = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    let labelled = |pair: &[u8]| pair[0] == b':' && pair[1].is_ascii_whitespace();
    match text[line..].windows(2).position(labelled) {
        Some(colon) => line + colon + 1,
        None => text[..line].trim_ascii_end().len(),
    }
}

#[cfg(test)]
mod tests {
    use gac_inference::testkit::tokenizer;

    use super::*;

    #[test]
    fn a_context_ends_behind_the_label_of_the_last_line() {
        let split = |text: &str| text.split_at(end_of_context(text.as_bytes())).1.to_owned();
        assert_eq!(split("Question: Who?\nAnswer: the river"), " the river");
        assert_eq!(split("Question: Who?\nAnswer: at 10:30: the river"), " at 10:30: the river");
        assert_eq!(split("Question: Who?\nA. x\nAnswer: A"), " A");
        assert_eq!(split("A town\nthe river runs"), "\nthe river runs");
        assert_eq!(split("[user] Who?\n[assistant]\nthe river\n"), "\nthe river\n");
        assert_eq!(split("Answer:"), "Answer:");
        assert_eq!(split("the river"), "the river");
        assert_eq!(split(""), "");
    }

    #[test]
    fn a_context_is_whole_tokens_and_leaves_one_to_score() {
        let tokenizer = tokenizer(&["q", "A:", " x", ": y", "<s>"], &["<s>"]);
        let context = |ids: &[u32]| likely_context(&tokenizer, &ids.iter().copied().map(TokenId).collect::<Vec<_>>());
        assert_eq!(context(&[4, 0, 1, 2, 2]), 3);
        assert_eq!(context(&[0, 0, 3]), 2, "the colon is a part of the last token");
        assert_eq!(context(&[4, 0]), 1);
        assert_eq!(context(&[0]), 1);
    }
}

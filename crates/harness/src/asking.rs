//! A document as a system is asked about it: its prompt as text, or as a chat.

use gac_ensemble::{GenerationRequest, LogLikelihoodRequest, Overlong, Prompt, PromptEncoding};
use gac_inference::{ChatMessage, Conversation, RefusedSystem, Role};
use gac_systems::{ChatPlan, ShotLayout};

use crate::prompt_parts::PromptParts;
use crate::task::{Document, Request};

impl Document {
    /// The prompt as a system with these chat settings gets it; `None` where choices are to be scored.
    pub fn generation_request(&self, chat: Option<&ChatPlan>, trace: bool) -> Option<GenerationRequest> {
        let Request::Generate { prompt, stop, max_new_tokens, decoding, .. } = &self.request else { return None };
        Some(GenerationRequest {
            prompt: self.prompt(prompt, chat),
            encoding: PromptEncoding::WithSpecial,
            stop: stop.clone(),
            max_new_tokens: *max_new_tokens,
            overlong: Overlong::TruncateLeft,
            log_probs: None,
            decoding: *decoding,
            trace,
        })
    }

    /// The choices as a system with these chat settings gets them, one request each; none where a text is to be
    /// generated. In a chat they begin without the delimiter, as in lm-evaluation-harness: the template ends where
    /// answers begin.
    pub fn choice_requests(&self, chat: Option<&ChatPlan>) -> Vec<LogLikelihoodRequest> {
        let is_alone = self.parts.is_alone;
        // Behind what the answer begins with, a delimiter is needed where there is no white space.
        let begins = self.parts.answer_prefix.is_some() && !self.request.prompt().ends_with(char::is_whitespace);
        let is_in_chat = chat.is_some() && !is_alone && !begins;
        let delimiter = if is_in_chat { self.parts.target_delimiter } else { 0 };
        let request = |(context, continuation): (&str, &str)| LogLikelihoodRequest {
            context: self.prompt(context, chat.filter(|_| !is_alone)),
            continuation: continuation[delimiter..].to_owned(),
            encoding: PromptEncoding::WithSpecial,
            overlong: if is_alone { Overlong::Windows } else { Overlong::TruncateLeft },
        };
        self.request.choices().into_iter().map(request).collect()
    }

    /// The second question as a system with these chat settings gets it; `None` where there is none. It keeps its leading space
    /// in a chat too, as in lm-evaluation-harness, whose task writes it itself.
    pub fn no_answer_request(&self, chat: Option<&ChatPlan>) -> Option<LogLikelihoodRequest> {
        Some(LogLikelihoodRequest {
            continuation: self.request.no_answer()?.to_owned(),
            context: self.prompt(self.request.prompt(), chat),
            encoding: PromptEncoding::WithSpecial,
            overlong: Overlong::TruncateLeft,
        })
    }

    fn prompt(&self, text: &str, chat: Option<&ChatPlan>) -> Prompt {
        let Some(chat) = chat else { return Prompt::from(text) };
        // Not every template knows system messages, and no task may depend on that.
        let refused_system = RefusedSystem::JoinUser;
        let answer_prefix = self.parts.answer_prefix.map_or("", |prefix| &text[prefix.start..]).to_owned();
        Prompt::Chat(Conversation { refused_system, answer_prefix, ..self.parts.messages(text, chat).into() })
    }
}

impl PromptParts {
    /// `text` as messages, as lm-evaluation-harness 0.4.13 makes them: instruction and description are the system's;
    /// shots are turns, or stand in front of the question in one message.
    fn messages(&self, text: &str, chat: &ChatPlan) -> Vec<ChatMessage> {
        let system = self.joined(chat.system_instruction.as_deref().unwrap_or_default(), &text[..self.description]);
        let mut messages = Vec::new();
        if !system.is_empty() {
            messages.push(ChatMessage::new(Role::System, system));
        }
        let asked = match chat.shots {
            ShotLayout::OneMessage => self.description,
            ShotLayout::Turns => {
                for shot in &self.shots {
                    messages.push(ChatMessage::new(Role::User, &text[shot.question.clone()]));
                    messages.extend(shot.answer.clone().map(|answer| ChatMessage::new(Role::Assistant, &text[answer])));
                }
                self.question
            }
        };
        let end = self.answer_prefix.map_or(text.len(), |prefix| prefix.question_end);
        messages.push(ChatMessage::new(Role::User, &text[asked..end]));
        messages
    }

    /// Both texts, with the few-shot delimiter between them unless there is white space already.
    fn joined(&self, instruction: &str, description: &str) -> String {
        let spaced = instruction.ends_with(char::is_whitespace) || description.starts_with(char::is_whitespace);
        let delimiter =
            if instruction.is_empty() || description.is_empty() || spaced { "" } else { &self.fewshot_delimiter };
        [instruction, delimiter, description].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompt_parts::{AnswerPrefix, ShotParts};

    const TEXT: &str = "Sort.\n\nQ: b a\nA: a b\n\nQ: d\n\nQ: c b\nA:";

    fn parts() -> PromptParts {
        PromptParts {
            description: 7,
            shots: vec![
                ShotParts { question: 7..16, answer: Some(17..20) },
                ShotParts { question: 22..26, answer: None },
            ],
            question: 28,
            is_alone: false,
            answer_prefix: None,
            target_delimiter: 1,
            fewshot_delimiter: "\n\n".to_owned(),
        }
    }

    fn document(request: Request, parts: PromptParts) -> Document {
        Document { id: 0, subject: None, group: None, repeat: 0, hash: String::new(), request, parts, target: 0.into() }
    }

    fn plan(shots: ShotLayout, system: Option<&str>) -> ChatPlan {
        ChatPlan { system_instruction: system.map(str::to_owned), shots, ..ChatPlan::default() }
    }

    fn said(messages: &[ChatMessage]) -> Vec<(&str, &str)> {
        messages.iter().map(|message| (message.role(), message.text().unwrap_or_default())).collect()
    }

    #[test]
    fn shots_are_turns_without_the_delimiters_between_them() {
        let messages = parts().messages(TEXT, &plan(ShotLayout::Turns, None));
        let expected = [
            ("system", "Sort.\n\n"),
            ("user", "Q: b a\nA:"),
            ("assistant", "a b"),
            ("user", "Q: d"),
            ("user", "Q: c b\nA:"),
        ];
        assert_eq!(said(&messages), expected);
    }

    #[test]
    fn shots_may_stand_in_front_of_the_question() {
        let messages = parts().messages(TEXT, &plan(ShotLayout::OneMessage, Some("Be brief.")));
        assert_eq!(said(&messages), [("system", "Be brief.\n\nSort.\n\n"), ("user", &TEXT[7..])]);
    }

    #[test]
    fn what_the_answer_begins_with_is_no_part_of_the_question() {
        let prefixed = "Q: c b\nA: So";
        let parts = PromptParts {
            answer_prefix: Some(AnswerPrefix { question_end: 9, start: 10 }),
            target_delimiter: 1,
            ..PromptParts::default()
        };
        let document =
            document(Request::Choose { context: prefixed.to_owned(), continuations: vec![" A".into()] }, parts);
        let request = document.choice_requests(Some(&plan(ShotLayout::Turns, None))).remove(0);
        let Prompt::Chat(chat) = request.context else { panic!("a chat") };
        assert_eq!((said(&chat.messages), chat.answer_prefix.as_str()), (vec![("user", "Q: c b\nA:")], "So"));
        assert_eq!(request.continuation, " A", "the answer goes on behind it");
    }

    #[test]
    fn a_prompt_without_parts_is_one_message() {
        let messages = PromptParts::default().messages("why?", &plan(ShotLayout::Turns, None));
        assert_eq!(said(&messages), [("user", "why?")]);
    }

    #[test]
    fn an_instruction_with_white_space_at_its_end_needs_no_delimiter() {
        assert_eq!(parts().joined("Be brief.\n", "Sort."), "Be brief.\nSort.");
        assert_eq!(parts().joined("", "Sort."), "Sort.");
    }

    #[test]
    fn choices_of_a_chat_begin_without_the_delimiter() {
        let document = document(
            Request::Choose { context: TEXT.to_owned(), continuations: vec![" A".into(), " B".into()] },
            parts(),
        );
        let texts = |chat: Option<&ChatPlan>| -> Vec<String> {
            document.choice_requests(chat).into_iter().map(|request| request.continuation).collect()
        };
        assert_eq!(texts(None), [" A", " B"]);
        assert_eq!(texts(Some(&plan(ShotLayout::Turns, None))), ["A", "B"]);
        assert!(document.generation_request(None, false).is_none());
        assert!(document.no_answer_request(None).is_none());
    }

    #[test]
    fn the_second_question_is_behind_the_same_prompt_and_keeps_its_space_in_a_chat() {
        let request = Request::Generate {
            prompt: TEXT.to_owned(),
            stop: vec!["\n".to_owned()],
            max_new_tokens: 8,
            decoding: None,
            no_answer: Some(" none".to_owned()),
        };
        let document = document(request, parts());
        for chat in [None, Some(&plan(ShotLayout::Turns, None))] {
            let (first, second) = (document.generation_request(chat, false), document.no_answer_request(chat));
            let (first, second) = (first.unwrap(), second.unwrap());
            assert_eq!((first.prompt, second.continuation.as_str()), (second.context, " none"));
        }
    }
}

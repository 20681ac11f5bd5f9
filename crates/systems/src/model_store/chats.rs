//! What members' templates and plans say of chats and of reasoning.

use std::sync::Arc;

use gac_ensemble::{Chat, Settings};
use gac_inference::{ChatTemplate, UnixTime};

use super::ModelStore;
use crate::open_error::OpenError;
use crate::plan::system::SystemPlan;
use crate::think_end::think_end;

impl ModelStore {
    /// With what the members' templates and plans say of chats and of reasoning; all of them are `system`'s.
    pub(super) fn with_chat(&mut self, settings: Settings, system: &SystemPlan) -> Result<Settings, OpenError> {
        let ensemble = Arc::clone(settings.ensemble());
        let names: Vec<String> = ensemble.names().map(str::to_owned).collect();
        let chat = system.settings.chat.as_ref();
        let templates = if chat.is_some() { self.templates(&names, system)? } else { Vec::new() };
        let members = names.iter().zip(ensemble.tokenizers()).enumerate();
        let ends =
            members.map(|(place, (name, tokenizer))| think_end(self.model(name)?, tokenizer, templates.get(place)));
        let settings = settings.with_think_ends(ends.collect::<Result<_, OpenError>>()?)?;
        let Some(chat) = chat else { return Ok(settings) };
        let chat = Chat::new(templates, chat.time);
        Ok(settings.with_chat(Arc::new(chat))?)
    }

    /// Fixes the time that chats tell, for each of `systems` with a member whose template tells it: the time that
    /// `before` say (an earlier session's systems of the same run), or else the beginning of today: shards of a run that
    /// begin on one day tell the same.
    ///
    /// # Errors
    /// When a chat template cannot be used.
    pub fn fix_times(&mut self, systems: &mut [SystemPlan], before: &[SystemPlan]) -> Result<(), OpenError> {
        let times = systems.iter().chain(before).find_map(|system| system.settings.chat.as_ref()?.time);
        let time = times.unwrap_or_else(UnixTime::today);
        for system in systems {
            if system.settings.chat.is_none() {
                continue;
            }
            let templates = self.chat_templates(system)?;
            if let Some(chat) = &mut system.settings.chat {
                chat.time = templates.iter().any(ChatTemplate::tells_time).then_some(time);
            }
        }
        Ok(())
    }

    /// How the members of `system` write chats down; nothing where its prompts are no chats.
    ///
    /// # Errors
    /// When a chat template cannot be used.
    pub fn chat_templates(&mut self, system: &SystemPlan) -> Result<Vec<ChatTemplate>, OpenError> {
        if system.settings.chat.is_some() { self.templates(&system.members, system) } else { Ok(Vec::new()) }
    }

    pub(super) fn templates(
        &mut self,
        members: &[String],
        system: &SystemPlan,
    ) -> Result<Vec<ChatTemplate>, OpenError> {
        let of_all = system.settings.chat.as_ref().map(|chat| chat.arguments.clone()).unwrap_or_default();
        let load = |name: &String| {
            let files = self.files(name)?;
            let model = self.model(name)?;
            let template = ChatTemplate::load(&files, model.chat_template.as_ref())?;
            Ok(template.with_arguments(of_all.clone()).with_arguments(model.chat_template_args.clone()))
        };
        members.iter().map(load).collect()
    }
}

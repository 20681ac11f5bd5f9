//! What members are fed to score continuations: contexts once, then their forks.

use std::ops::Range;

use gac_inference::{Distribution, Extension, LanguageModel, ModelError, SequenceId, TokenId, Wanted};

use crate::choice::Choice;
use crate::score::Scorer;
use crate::{EnsembleError, Weights};

/// Sequences of some choices: `[member][group]` for their contexts, `[member][choice]` for themselves.
pub(crate) struct Round<'c> {
    pub(crate) choices: &'c [Choice],
    /// Choices with the same context.
    pub(crate) groups: Vec<Range<usize>>,
    /// The members' weights by group, where they follow from the context.
    pub(crate) weights: Vec<Option<Weights>>,
    pub(crate) contexts: Vec<Vec<Option<SequenceId>>>,
    pub(crate) branches: Vec<Vec<Option<SequenceId>>>,
}

impl Round<'_> {
    /// The group of a choice.
    pub(crate) fn group(&self, choice: usize) -> usize {
        self.groups.partition_point(|group| group.end <= choice)
    }

    /// Whether several choices of `group` go on after its context.
    fn shared(&self, group: usize) -> bool {
        self.choices[self.groups[group].clone()].iter().filter(|choice| choice.tokens.len() > 1).count() > 1
    }
}

/// Some tokens of one choice: indices into its tokens.
pub(crate) struct Piece {
    pub(crate) choice: usize,
    pub(crate) tokens: Vec<usize>,
}

/// Distributions for a piece: for each of its tokens the index into the distributions. Tokens that a member reads
/// nothing between share one.
pub(crate) struct View {
    distributions: Vec<Distribution>,
    of_token: Vec<usize>,
}

impl View {
    pub(crate) fn get(&self, token: usize) -> &Distribution {
        &self.distributions[self.of_token[token]]
    }
}

/// What a member is fed for a piece.
struct Plan {
    sequence: SequenceId,
    ids: Vec<TokenId>,
    /// The indices into `ids` after which a distribution is wanted.
    positions: Vec<usize>,
    /// For each token of the piece the index into `positions`.
    of_token: Vec<usize>,
}

impl Plan {
    /// What `member` is fed after what its `sequence` holds, to score the tokens `wanted` of `choice`.
    fn new(
        model: &mut dyn LanguageModel,
        member: usize,
        choice: &Choice,
        sequence: SequenceId,
        wanted: &[usize],
    ) -> Result<Self, ModelError> {
        let context = &choice.context.ids[member];
        // The last id that has been read where each token is scored, counted from the context's first.
        let reads = wanted.iter().map(|&token| context.len() + choice.before[member][token] - 1);
        let reads: Vec<usize> = reads.collect();
        let mut held = model.length(sequence);
        if held > reads[0] {
            // Nothing was fed since (a control symbol it does not have): it forgets one token, to be told again.
            held = reads[0];
            model.truncate(sequence, held)?;
        }
        model.announce(sequence, choice.pass(member));
        let until = reads[reads.len() - 1] + 1;
        let ids = context.iter().chain(&choice.fed[member]).copied().take(until).skip(held).collect();
        let mut positions: Vec<usize> = reads.iter().map(|read| read - held).collect();
        positions.dedup();
        let of_token = reads.iter().map(|read| positions.partition_point(|position| position + held < *read)).collect();
        Ok(Self { sequence, ids, positions, of_token })
    }
}

impl Scorer<'_> {
    /// `members` read the contexts of `groups`, as far as they have not; distributions by member and group.
    pub(crate) fn read_contexts(
        &mut self,
        round: &mut Round<'_>,
        members: &[usize],
        groups: &[usize],
        wanted: Wanted<'_>,
    ) -> Result<Vec<Vec<Option<Distribution>>>, EnsembleError> {
        let mut asked: Vec<Vec<usize>> = Vec::with_capacity(members.len());
        let mut batches = Vec::with_capacity(members.len());
        let mut groups = groups.to_vec();
        groups.dedup();
        for &member in members {
            let (mut batch, mut of_member) = (Vec::with_capacity(groups.len()), Vec::with_capacity(groups.len()));
            for &group in &groups {
                let ids = &round.choices[round.groups[group].start].context.ids[member];
                let sequence = self.context(round, member, group)?;
                let held = self.ensemble.members[member].model.length(sequence);
                if held < ids.len() {
                    batch.push(Extension { sequence, tokens: &ids[held..], wanted });
                    of_member.push(group);
                }
            }
            asked.push(of_member);
            batches.push(batch);
        }
        let given = self.extend(members, batches)?;
        Ok(asked
            .into_iter()
            .zip(given)
            .map(|(asked, given)| {
                let mut views: Vec<Option<Distribution>> = round.groups.iter().map(|_| None).collect();
                for (group, mut distributions) in asked.into_iter().zip(given) {
                    views[group] = distributions.pop();
                }
                views
            })
            .collect())
    }

    /// Views of `wanted` tokens of each piece, by member; none for a piece that nothing is asked of.
    pub(crate) fn read_pieces(
        &mut self,
        round: &mut Round<'_>,
        members: &[usize],
        pieces: &[Piece],
        wanted: &[Vec<usize>],
    ) -> Result<Vec<Vec<Option<View>>>, EnsembleError> {
        let asked: Vec<usize> = (0..pieces.len()).filter(|&at| !wanted[at].is_empty()).collect();
        let choices: Vec<usize> = asked.iter().map(|&at| pieces[at].choice).collect();
        let sequences = self.branches(round, members, &choices)?;
        let mut plans: Vec<Vec<Plan>> = Vec::with_capacity(members.len());
        for (&member, sequences) in members.iter().zip(sequences) {
            let plan = |(&at, sequence): (&usize, SequenceId)| {
                let choice = &round.choices[pieces[at].choice];
                Plan::new(&mut *self.ensemble.members[member].model, member, choice, sequence, &wanted[at])
            };
            let of_member = asked.iter().zip(sequences).map(plan).collect::<Result<Vec<_>, _>>();
            plans.push(of_member.map_err(|source| self.ensemble.failed(member, source))?);
        }
        let batches = plans.iter().map(|plans| {
            let extension = |plan| {
                let Plan { sequence, ids, positions, .. }: &Plan = plan;
                Extension { sequence: *sequence, tokens: ids, wanted: Wanted::At(positions) }
            };
            plans.iter().map(extension).collect()
        });
        let given = self.extend(members, batches.collect())?;
        Ok(given
            .into_iter()
            .zip(plans)
            .map(|(given, plans)| {
                let mut views: Vec<Option<View>> = pieces.iter().map(|_| None).collect();
                for ((&at, distributions), plan) in asked.iter().zip(given).zip(plans) {
                    views[at] = Some(View { distributions, of_token: plan.of_token });
                }
                views
            })
            .collect())
    }

    /// Sequences of `members` for `choices`, beginning with their contexts. Where no other choice of the group needs
    /// one, it is the context's own.
    fn branches(
        &mut self,
        round: &mut Round<'_>,
        members: &[usize],
        choices: &[usize],
    ) -> Result<Vec<Vec<SequenceId>>, EnsembleError> {
        let shared: Vec<usize> =
            choices.iter().map(|&choice| round.group(choice)).filter(|&g| round.shared(g)).collect();
        self.read_contexts(round, members, &shared, Wanted::Nothing)?;
        let mut branches = Vec::with_capacity(members.len());
        for &member in members {
            let mut of_member = Vec::with_capacity(choices.len());
            for &choice in choices {
                of_member.push(self.branch(round, member, choice)?);
            }
            branches.push(of_member);
        }
        Ok(branches)
    }

    /// `member`'s sequence for a choice, opened if need be.
    fn branch(&mut self, round: &mut Round<'_>, member: usize, choice: usize) -> Result<SequenceId, EnsembleError> {
        if let Some(branch) = round.branches[member][choice] {
            return Ok(branch);
        }
        let group = round.group(choice);
        let context = self.context(round, member, group)?;
        let branch = if round.shared(group) { self.opened(member, |model| model.fork(context))? } else { context };
        round.branches[member][choice] = Some(branch);
        Ok(branch)
    }

    /// `member`'s sequence for a group's context, opened if need be.
    fn context(&mut self, round: &mut Round<'_>, member: usize, group: usize) -> Result<SequenceId, EnsembleError> {
        if let Some(sequence) = round.contexts[member][group] {
            return Ok(sequence);
        }
        let choice = &round.choices[round.groups[group].start];
        let sequence = self.opened(member, |model| {
            let sequence = model.open(&choice.context.ids[member])?;
            model.announce(sequence, choice.pass(member));
            Ok(sequence)
        })?;
        round.contexts[member][group] = Some(sequence);
        Ok(sequence)
    }

    /// Opens a sequence that is closed when the round ends.
    fn opened(
        &mut self,
        member: usize,
        open: impl FnOnce(&mut dyn LanguageModel) -> Result<SequenceId, ModelError>,
    ) -> Result<SequenceId, EnsembleError> {
        let sequence =
            open(&mut *self.ensemble.members[member].model).map_err(|source| self.ensemble.failed(member, source))?;
        self.open.push((member, sequence));
        Ok(sequence)
    }

    /// One forward of each of `members` over its batch; those on different devices at the same time.
    fn extend(
        &mut self,
        members: &[usize],
        batches: Vec<Vec<Extension<'_>>>,
    ) -> Result<Vec<Vec<Vec<Distribution>>>, EnsembleError> {
        self.ensemble.on_members(members.iter().copied().zip(batches).collect(), |model, batch: Vec<Extension<'_>>| {
            if batch.is_empty() {
                return Ok(Vec::new());
            }
            let all = model.extend(&batch)?;
            let complete = all.len() == batch.len()
                && all.iter().zip(&batch).all(|(given, e)| given.len() == e.wanted.indices(e.tokens.len()).len());
            if complete {
                Ok(all)
            } else {
                Err(ModelError::Backend(String::from("fewer distributions than were asked for")))
            }
        })
    }

    pub(crate) fn close(&mut self) {
        for (member, sequence) in self.open.drain(..) {
            self.ensemble.members[member].model.close(sequence);
        }
    }
}

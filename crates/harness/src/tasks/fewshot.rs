//! Which rows a document gets as shots.

use super::definition::{FewShotDefinition, SamplerKind};
use super::rules::{EqualRows, HarnessRules};
use crate::data::Row;
use crate::python::PythonRandom;

/// lm-evaluation-harness's default seed of few-shot sampling.
pub const DEFAULT_SHOT_SEED: u64 = 1234;

/// Chooses shots for one (sub)task's documents, which must be asked for in order from the first one: the generator
/// advances from document to document. (lm-evaluation-harness is fragile here: with several ranks each rank advances
/// its own generator over its own documents, so shots depend on the number of ranks. Here they never do: a limit only
/// ends the sequence early.)
///
/// Source: lm-evaluation-harness 0.4.13, `lm_eval/api/samplers.py`.
pub(super) struct ShotSampler<'a> {
    kind: SamplerKind,
    exclude_document: bool,
    equal_rows: EqualRows,
    shots: usize,
    pool: &'a [Row],
    random: PythonRandom,
}

/// More rows were needed than the pool has.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PoolTooSmall {
    pub(super) available: usize,
    pub(super) needed: usize,
}

impl<'a> ShotSampler<'a> {
    pub(super) fn new(
        definition: &FewShotDefinition,
        rules: HarnessRules,
        shots: usize,
        pool: &'a [Row],
        seed: u64,
    ) -> Self {
        Self {
            kind: definition.sampler,
            exclude_document: definition.exclude_document,
            equal_rows: rules.equal_rows(),
            shots,
            pool,
            random: PythonRandom::new(seed),
        }
    }

    /// Indices into the pool of the next document's shots, in prompt order.
    pub(super) fn next(&mut self, document: &Row) -> Result<Vec<usize>, PoolTooSmall> {
        if self.shots == 0 {
            return Ok(Vec::new());
        }
        match self.kind {
            SamplerKind::FirstN => self.first(document),
            SamplerKind::Random => self.draw(document),
        }
    }

    fn first(&self, document: &Row) -> Result<Vec<usize>, PoolTooSmall> {
        let (mut chosen, wanted) = match self.equal_rows {
            EqualRows::KeptOrRedrawn => (self.others(document), self.shots),
            EqualRows::Dropped => ((0..self.pool.len()).collect(), self.wanted()),
        };
        if chosen.len() < wanted {
            return Err(PoolTooSmall { available: chosen.len(), needed: wanted });
        }
        chosen.truncate(wanted);
        chosen.retain(|index| !self.is_excluded(*index, document));
        chosen.truncate(self.shots);
        Ok(chosen)
    }

    fn draw(&mut self, document: &Row) -> Result<Vec<usize>, PoolTooSmall> {
        let mut chosen = self.sample(self.pool.len(), self.wanted())?;
        chosen.retain(|index| !self.is_excluded(*index, document));
        chosen.truncate(self.shots);
        if chosen.len() < self.shots && self.equal_rows == EqualRows::KeptOrRedrawn {
            // The document was drawn more than once (the pool has copies of it): drawn again, from the others.
            let others = self.others(document);
            chosen = self.sample(others.len(), self.shots)?.into_iter().map(|index| others[index]).collect();
        }
        Ok(chosen)
    }

    /// How many are taken: one more where the document may be among them.
    fn wanted(&self) -> usize {
        self.shots + usize::from(self.exclude_document)
    }

    /// The rows that may be shots of `document`.
    fn others(&self, document: &Row) -> Vec<usize> {
        (0..self.pool.len()).filter(|index| !self.is_excluded(*index, document)).collect()
    }

    fn sample(&mut self, available: usize, needed: usize) -> Result<Vec<usize>, PoolTooSmall> {
        self.random.sample(available, needed).ok_or(PoolTooSmall { available, needed })
    }

    fn is_excluded(&self, index: usize, document: &Row) -> bool {
        let excludes = self.exclude_document || self.equal_rows == EqualRows::Dropped;
        excludes && self.pool[index] == *document
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rows(texts: &[&str]) -> Vec<Row> {
        texts.iter().map(|text| json!({"text": text}).as_object().unwrap().clone()).collect()
    }

    fn definition(sampler: SamplerKind, exclude_document: bool) -> FewShotDefinition {
        FewShotDefinition {
            split: Some("train".to_owned()),
            samples: Vec::new(),
            sampler,
            default: 0,
            built_in: None,
            exclude_document,
        }
    }

    fn sampler(kind: SamplerKind, exclude_document: bool, shots: usize, pool: &[Row]) -> ShotSampler<'_> {
        ShotSampler::new(
            &definition(kind, exclude_document),
            HarnessRules::Release0_4_13,
            shots,
            pool,
            DEFAULT_SHOT_SEED,
        )
    }

    #[test]
    fn the_first_rows_are_the_same_for_every_document() {
        let pool = rows(&["a", "b", "c"]);
        let mut chooser = sampler(SamplerKind::FirstN, false, 2, &pool);
        assert_eq!(chooser.next(&pool[0]), Ok(vec![0, 1]));
        assert_eq!(chooser.next(&pool[1]), Ok(vec![0, 1]));
    }

    #[test]
    fn draws_follow_the_generator_from_document_to_document() {
        // From Python: r = random.Random(1234); r.sample(range(100), 3); r.sample(range(100), 3)
        let pool = rows(&vec!["a"; 100]);
        let mut chooser = sampler(SamplerKind::Random, false, 3, &pool);
        let mut random = PythonRandom::new(1234);
        assert_eq!(chooser.next(&pool[0]).ok(), random.sample(100, 3));
        assert_eq!(chooser.next(&pool[0]).ok(), random.sample(100, 3));
    }

    #[test]
    fn the_evaluated_document_is_never_among_its_shots() {
        let pool = rows(&["a", "b", "c", "d"]);
        for document in &pool {
            let mut chooser = sampler(SamplerKind::Random, true, 3, &pool);
            for _ in 0..20 {
                let shots = chooser.next(document).unwrap();
                assert_eq!(shots.len(), 3);
                assert!(shots.iter().all(|index| pool[*index] != *document));
            }
        }
    }

    #[test]
    fn copies_of_the_evaluated_document_lead_to_another_draw() {
        let pool = rows(&["a", "a", "a", "b", "c"]);
        let mut chooser = sampler(SamplerKind::Random, true, 2, &pool);
        for _ in 0..20 {
            let mut shots = chooser.next(&pool[0]).unwrap();
            shots.sort_unstable();
            assert_eq!(shots, [3, 4]);
        }
    }

    #[test]
    fn the_commit_drops_equal_rows_without_replacement_even_from_another_split() {
        let pool = rows(&["a", "b", "c"]);
        let definition = definition(SamplerKind::FirstN, false);
        let mut chooser = ShotSampler::new(&definition, HarnessRules::Commit9e6e240, 2, &pool, DEFAULT_SHOT_SEED);
        assert_eq!(chooser.next(&pool[0]), Ok(vec![1]));
        assert_eq!(chooser.next(&pool[2]), Ok(vec![0, 1]));
        let mut chooser = sampler(SamplerKind::FirstN, false, 2, &pool);
        assert_eq!(chooser.next(&pool[0]), Ok(vec![0, 1]), "the release keeps them");
    }

    #[test]
    fn a_pool_that_is_too_small_says_so() {
        let pool = rows(&["a", "b"]);
        let mut chooser = sampler(SamplerKind::Random, true, 2, &pool);
        assert_eq!(chooser.next(&pool[0]), Err(PoolTooSmall { available: 2, needed: 3 }));
    }
}

use super::*;

const WHOLE: u32 = BLOCK as u32;
/// Two whole blocks and a half.
const HALF: u32 = 5 * WHOLE / 2;

fn ids(range: std::ops::Range<u32>) -> Vec<TokenId> {
    range.map(TokenId).collect()
}

#[test]
fn a_closed_sequence_gives_every_block_back() {
    let mut table = BlockTable::new(4, Keeping::Everything);
    let id = table.open(&[], Factors::Short);
    table.reserve(id, &ids(0..HALF)).unwrap();
    assert_eq!(table.available(), 1);
    table.remember(id);
    table.close(id);
    assert_eq!(table.available(), 4);
}

#[test]
fn a_prompt_finds_its_remembered_prefix_but_never_its_last_token() {
    let mut table = BlockTable::new(8, Keeping::Everything);
    let first = table.open(&[], Factors::Short);
    table.reserve(first, &ids(0..HALF)).unwrap();
    table.remember(first);
    let same = table.open(&ids(0..HALF), Factors::Short);
    assert_eq!(table.length(same), 2 * BLOCK);
    let exactly_two_blocks = table.open(&ids(0..2 * WHOLE), Factors::Short);
    assert_eq!(table.length(exactly_two_blocks), BLOCK);
    let mut other = ids(0..HALF);
    other[3] = TokenId(99);
    let other = table.open(&other, Factors::Short);
    assert_eq!(table.length(other), 0);
}

#[test]
fn a_prefix_is_found_by_sequences_with_the_same_factors_alone() {
    let mut table = BlockTable::new(12, Keeping::Everything);
    for factors in [Factors::Short, Factors::Long] {
        let first = table.open(&ids(0..HALF), factors);
        assert_eq!(table.length(first), 0, "{factors:?}");
        table.reserve(first, &ids(0..HALF)).unwrap();
        table.remember(first);
    }
    let (short, long) = (table.open(&ids(0..HALF), Factors::Short), table.open(&ids(0..HALF), Factors::Long));
    assert_eq!([short, long].map(|id| table.length(id)), [2 * BLOCK; 2]);
    assert!(table.get(short).unwrap().blocks.iter().all(|block| !table.get(long).unwrap().blocks.contains(block)));

    // Read anew, it finds what was computed with the other factors.
    let available = table.available();
    assert_eq!(table.rewind(short, Factors::Long).unwrap(), ids(0..2 * WHOLE));
    assert_eq!((table.length(short), table.available()), (0, available), "the first sequence still holds its blocks");
    assert_eq!(table.adopt(short, &ids(0..HALF)), 2 * BLOCK);
    assert_eq!(table.get(short).unwrap().blocks, table.get(long).unwrap().blocks);
}

#[test]
fn what_is_forgotten_is_not_found_and_its_blocks_are_free() {
    let mut table = BlockTable::new(6, Keeping::Everything);
    let (closed, open) = (table.open(&[], Factors::Short), table.open(&[], Factors::Short));
    for (sequence, first) in [(closed, 0), (open, 100)] {
        table.reserve(sequence, &ids(first..first + HALF)).unwrap();
        table.remember(sequence);
    }
    table.close(closed);
    table.forget();
    assert_eq!(table.available(), 3);
    for first in [0, 100] {
        let again = table.open(&ids(first..first + HALF), Factors::Short);
        assert_eq!(table.length(again), 0);
    }
    table.close(open);
    assert_eq!(table.available(), 6, "an open sequence gives its blocks back as ever");
}

#[test]
fn an_open_sequence_adopts_what_another_has_computed_since() {
    let mut table = BlockTable::new(8, Keeping::Everything);
    let (first, second) = (table.open(&ids(0..HALF), Factors::Short), table.open(&ids(0..HALF), Factors::Short));
    assert_eq!(table.next_key(first, &ids(0..HALF)), table.next_key(second, &ids(0..HALF - 1)));
    table.reserve(first, &ids(0..HALF)).unwrap();
    assert_eq!(table.adopt(second, &ids(0..HALF)), 0, "nothing is computed yet");
    table.remember(first);
    assert_eq!(table.adopt(second, &ids(0..HALF)), 2 * BLOCK);
    assert_eq!(table.get(second).unwrap().blocks, table.get(first).unwrap().blocks[..2]);
    table.reserve(second, &ids(2 * WHOLE..2 * WHOLE + 3)).unwrap();
    assert_eq!(table.adopt(second, &ids(2 * WHOLE + 3..4 * WHOLE)), 0, "the last block is not whole");
}

#[test]
fn a_fork_that_writes_into_a_shared_block_gets_its_own_copy() {
    let mut table = BlockTable::new(4, Keeping::Everything);
    let first = table.open(&[], Factors::Short);
    table.reserve(first, &ids(0..WHOLE + 4)).unwrap();
    let second = table.fork(first).unwrap();
    assert_eq!(table.blocks_needed(second, 1).unwrap(), 1);
    let copy = table.reserve(second, &ids(100..101)).unwrap().unwrap();
    assert_eq!(copy.tokens, 4);
    assert_eq!(copy.from, table.get(first).unwrap().blocks[1]);
    assert_eq!(copy.to, table.get(second).unwrap().blocks[1]);
    // The first now owns its last block alone again.
    assert_eq!(table.reserve(first, &ids(101..102)).unwrap(), None);
}

#[test]
fn a_remembered_block_is_not_overwritten_after_a_truncation() {
    let mut table = BlockTable::new(4, Keeping::Everything);
    let id = table.open(&[], Factors::Short);
    table.reserve(id, &ids(0..WHOLE)).unwrap();
    table.remember(id);
    table.truncate(id, 10).unwrap();
    assert!(table.reserve(id, &ids(100..101)).unwrap().is_some());
}

#[test]
fn idle_blocks_are_evicted_oldest_first_and_forgotten() {
    let mut table = BlockTable::new(2, Keeping::Everything);
    for start in [0, 100] {
        let id = table.open(&[], Factors::Short);
        table.reserve(id, &ids(start..start + WHOLE)).unwrap();
        table.remember(id);
        table.close(id);
    }
    let id = table.open(&[], Factors::Short);
    table.reserve(id, &ids(200..200 + WHOLE)).unwrap();
    let evicted = table.open(&ids(0..WHOLE + 1), Factors::Short);
    assert_eq!(table.length(evicted), 0);
    let kept = table.open(&ids(100..100 + WHOLE + 1), Factors::Short);
    assert_eq!(table.length(kept), BLOCK);
    assert_eq!(table.available(), 0);
    assert!(matches!(table.reserve(id, &ids(0..1)), Err(ModelError::CacheFull { .. })));
}

/// Opens a sequence of two whole blocks that begin with `start`, and closes it.
fn read_and_close(table: &mut BlockTable, start: u32) {
    let id = table.open(&[], Factors::Short);
    table.reserve(id, &ids(start..start + 2 * WHOLE)).unwrap();
    table.remember(id);
    table.close(id);
}

#[test]
fn no_more_blocks_are_kept_idle_than_were_in_use_at_once() {
    let touched = |keeping| {
        let mut table = BlockTable::new(100, keeping);
        (0..20).for_each(|number| read_and_close(&mut table, 1000 * number));
        let newest = table.open(&ids(19_000..19_000 + HALF), Factors::Short);
        assert_eq!(table.length(newest), 2 * BLOCK, "the newest is found");
        assert_eq!(table.available(), 98);
        table.untouched
    };
    assert_eq!(touched(Keeping::Everything), 40);
    assert!((4..=5).contains(&touched(Keeping::AsUsed)), "{}", touched(Keeping::AsUsed));
}

#[test]
fn every_block_can_be_had_whatever_is_kept() {
    let mut table = BlockTable::new(6, Keeping::AsUsed);
    (0..5).for_each(|number| read_and_close(&mut table, 1000 * number));
    let id = table.open(&[], Factors::Short);
    assert_eq!(table.available(), 6);
    table.reserve(id, &ids(0..6 * WHOLE)).unwrap();
    assert_eq!(table.available(), 0);
}

#[test]
fn what_nobody_uses_is_taken_again_from_the_first_block_on() {
    let mut table = BlockTable::new(6, Keeping::AsUsed);
    let open = table.open(&[], Factors::Short);
    table.reserve(open, &ids(0..WHOLE)).unwrap();
    read_and_close(&mut table, 1000);
    table.forget();
    assert!(table.untouched > 0, "a sequence is open");
    assert_eq!(table.length(open), BLOCK);
    table.close(open);
    table.forget();
    assert_eq!((table.untouched, table.available()), (0, 6));
}

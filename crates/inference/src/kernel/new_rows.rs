//! Outputs that tasks write row by row. Each is filled where it is written; all of them at once would be filled by one
//! thread, while others wait.

use std::mem::MaybeUninit;

use rayon::prelude::*;

/// `count` rows of `width` elements, which begin as `zero` and are handed to `write(scratch, index, row)`: so many of them
/// to a task at least.
pub(crate) fn new_rows<T: Copy + Send + Sync, S: Default>(
    (count, width): (usize, usize),
    zero: T,
    rows_of_a_task: usize,
    write: impl Fn(&mut S, usize, &mut [T]) + Sync,
) -> Vec<T> {
    let mut out = Vec::with_capacity(count * width);
    let one = |scratch: &mut S, (index, row)| write(scratch, index, filled(row, zero));
    let room = &mut out.spare_capacity_mut()[..count * width];
    if count <= rows_of_a_task {
        let mut scratch = S::default();
        room.chunks_exact_mut(width.max(1)).enumerate().for_each(|row| one(&mut scratch, row));
    } else {
        let rows = room.par_chunks_exact_mut(width.max(1)).enumerate().with_min_len(rows_of_a_task);
        rows.for_each_init(S::default, one);
    }
    // SAFETY: there is room for so many, and every row is written.
    unsafe { out.set_len(count * width) };
    out
}

/// Parts of such `lengths`, one behind the other, which begin as `zero` and are handed to `write(scratch, index, part)`: so
/// many of them to a task.
pub(crate) fn new_parts<T: Copy + Send + Sync, S: Default>(
    lengths: impl IntoIterator<Item = usize>,
    zero: T,
    parts_of_a_task: usize,
    write: impl Fn(&mut S, usize, &mut [T]) + Sync,
) -> Vec<T> {
    let lengths: Vec<usize> = lengths.into_iter().collect();
    let total = lengths.iter().sum();
    let mut out = Vec::with_capacity(total);
    let mut room = &mut out.spare_capacity_mut()[..total];
    let mut parts = Vec::with_capacity(lengths.len());
    for length in lengths {
        let (part, rest) = room.split_at_mut(length);
        parts.push(part);
        room = rest;
    }
    let parts = parts.into_par_iter().enumerate().with_min_len(parts_of_a_task).with_max_len(parts_of_a_task);
    parts.for_each_init(S::default, |scratch, (index, part)| write(scratch, index, filled(part, zero)));
    // SAFETY: there is room for so many, and all parts are written.
    unsafe { out.set_len(total) };
    out
}

/// Room that is filled.
pub(super) fn filled<T: Copy>(room: &mut [MaybeUninit<T>], value: T) -> &mut [T] {
    room.fill(MaybeUninit::new(value));
    // SAFETY: all of it is written.
    unsafe { room.assume_init_mut() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPES: [(usize, usize, usize); 5] = [(0, 3, 1), (1, 4, 8), (7, 3, 7), (100, 5, 8), (4, 0, 1)];

    #[test]
    fn rows_are_handed_out_one_by_one_and_begin_as_zeros() {
        for (count, width, of_a_task) in SHAPES {
            let out = new_rows((count, width), 0u16, of_a_task, |calls: &mut usize, index, row| {
                *calls += 1;
                assert!(*calls <= count);
                assert_eq!(row, vec![0; width]);
                row[..width / 2].fill(index as u16 + 1);
            });
            let expected = |at: usize| if at % width < width / 2 { (at / width) as u16 + 1 } else { 0 };
            assert_eq!(out, (0..count * width).map(expected).collect::<Vec<u16>>());
        }
    }

    #[test]
    fn parts_lie_behind_one_another() {
        let lengths = [3usize, 0, 1, 5, 2];
        for of_a_task in [1, 2, 9] {
            let out = new_parts(lengths, 0u8, of_a_task, |calls: &mut usize, index, part| {
                *calls += 1;
                assert!(*calls <= lengths.len());
                assert_eq!(part, vec![0; lengths[index]]);
                part.fill(index as u8);
            });
            assert_eq!(out, [0, 0, 0, 2, 3, 3, 3, 3, 3, 4, 4]);
        }
    }
}

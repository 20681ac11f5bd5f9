//! Outputs that are written row by row.

use std::mem::MaybeUninit;

use rayon::prelude::*;

/// `count` rows of `width` elements, which begin as `zero` and are handed to `write(index, row)`: so many of them to a task
/// at least. Each is filled where it is written; all of them at once would be filled by one thread, while others wait.
pub(crate) fn new_rows<T: Copy + Send + Sync>(
    (count, width): (usize, usize),
    zero: T,
    rows_of_a_task: usize,
    write: impl Fn(usize, &mut [T]) + Sync,
) -> Vec<T> {
    let mut out = Vec::with_capacity(count * width);
    let one = |(index, row): (usize, &mut [MaybeUninit<T>])| {
        row.fill(MaybeUninit::new(zero));
        // SAFETY: all of it is written.
        write(index, unsafe { row.assume_init_mut() });
    };
    let room = &mut out.spare_capacity_mut()[..count * width];
    if count <= rows_of_a_task {
        room.chunks_exact_mut(width.max(1)).enumerate().for_each(one);
    } else {
        room.par_chunks_exact_mut(width.max(1)).enumerate().with_min_len(rows_of_a_task).for_each(one);
    }
    // SAFETY: there is room for so many, and every row is written.
    unsafe { out.set_len(count * width) };
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_handed_out_one_by_one_and_begin_as_zeros() {
        for (count, width, of_a_task) in [(0, 3, 1), (1, 4, 8), (7, 3, 7), (100, 5, 8), (4, 0, 1)] {
            let out = new_rows((count, width), 0u16, of_a_task, |index, row| {
                assert_eq!(row, vec![0; width]);
                row[..width / 2].fill(index as u16 + 1);
            });
            let expected = |at: usize| if at % width < width / 2 { (at / width) as u16 + 1 } else { 0 };
            assert_eq!(out, (0..count * width).map(expected).collect::<Vec<u16>>());
        }
    }
}

//! Many short parallel loops, one after the other, in a thread pool that does not fall asleep between them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rayon::{Yield, current_thread_index, scope, yield_now};

/// Looks for work without a pause before the processor is offered to others.
const PATIENCE: usize = 1 << 8;
/// As long as this nobody waits for a forward's next product: then what it waits for is below, on this thread's own stack.
const LONGEST: Duration = Duration::from_millis(1);

/// Runs `work` on one of the thread pool's threads while the others look for work without pause.
///
/// Left alone, they fall asleep while `work` does something by itself for some microseconds, as a forward of few tokens
/// does between products; waking them takes as long again.
pub(crate) fn spinning<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let done = AtomicBool::new(false);
    scope(|scope| {
        let (own, done) = (current_thread_index(), &done);
        scope.spawn_broadcast(move |_, context| {
            if Some(context.index()) != own {
                look_for_work(done);
            }
        });
        let _end = End(done);
        work()
    })
}

/// Executes what there is in the pool until `done` is set, or there has been nothing for a while.
///
/// The latter is no matter of taste. A thread that has taken a part of a product, and waits for a part of that, may come
/// to this job there: until it returns, its own part is not done, and so neither is the work that would set `done`.
fn look_for_work(done: &AtomicBool) {
    let mut in_vain = 0;
    let mut since = None;
    while !done.load(Ordering::Acquire) {
        match yield_now() {
            Some(Yield::Executed) => (in_vain, since) = (0, None),
            _ if in_vain < PATIENCE => {
                in_vain += 1;
                std::hint::spin_loop();
            }
            _ if since.get_or_insert_with(Instant::now).elapsed() > LONGEST => return,
            _ => std::thread::yield_now(),
        }
    }
}

/// Lets the others rest, also when the work panics.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use rayon::prelude::*;

    use super::*;

    fn pool(threads: usize) -> rayon::ThreadPool {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
    }

    #[test]
    fn work_is_done_by_any_number_of_threads_and_in_work_of_its_own_kind() {
        for threads in [1, 2, 5] {
            let sum = || (0..1000u64).into_par_iter().sum::<u64>();
            let total = pool(threads).install(|| spinning(|| sum() + spinning(sum)));
            assert_eq!(total, 999_000);
            let both = pool(threads).install(|| rayon::join(|| spinning(sum), || spinning(sum)));
            assert_eq!(both, (499_500, 499_500));
        }
    }

    #[test]
    fn who_comes_to_look_for_work_in_the_middle_of_a_part_goes_back_to_it() {
        // A part that looks for work for a work that waits for this part.
        let done = AtomicBool::new(false);
        pool(2).install(|| {
            rayon::join(|| look_for_work(&done), || ());
            done.store(true, Ordering::Release);
        });
        assert!(done.into_inner());
    }

    #[test]
    fn a_panic_comes_out_and_leaves_the_pool_as_it_was() {
        let pool = pool(3);
        let fails = || pool.install(|| spinning(|| (0..10).into_par_iter().for_each(|it| assert!(it < 9))));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(fails)).is_err());
        assert_eq!(pool.install(|| spinning(|| 7)), 7);
    }
}

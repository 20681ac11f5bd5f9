//! `gac run --dry-run`: what a recipe would do, found out without doing it.

mod inspect;
mod memory;
mod print;
mod probe;

pub(crate) use print::dry_run;

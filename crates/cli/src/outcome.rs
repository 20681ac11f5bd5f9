//! What commands come to.

use gac_harness::policy::Ruling;

use crate::failure::Failure;

/// Exit codes.
const FINE: u8 = 0;
const SAID_NO: u8 = 1;
const CANNOT_TELL: u8 = 3;

/// What a command comes to.
pub(crate) type CommandOutcome = Result<(), Failure>;

/// What a command that checks something comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// There is nothing to object to.
    Fine,
    /// The check says no.
    SaidNo,
    /// What there is to check by does not suffice.
    CannotTell,
}

impl Check {
    /// The exit code.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Fine => FINE,
            Self::SaidNo => SAID_NO,
            Self::CannotTell => CANNOT_TELL,
        }
    }
}

impl From<Ruling> for Check {
    fn from(ruling: Ruling) -> Self {
        match ruling {
            Ruling::Go => Self::Fine,
            Ruling::NoGo => Self::SaidNo,
            Ruling::Inconclusive => Self::CannotTell,
        }
    }
}

//! Whether tiles of bfloat16 can be multiplied: the processor has AMX, and the system lets this process use it.

/// Whether [`pairs_amx`](super::pairs_amx) can run here, on any thread of this process.
pub(super) fn is_permitted() -> bool {
    has_amx() && permit()
}

/// Whether the processor says so.
fn has_amx() -> bool {
    use std::arch::x86_64::{__cpuid, __cpuid_count};
    const EXTENDED_FEATURES: u32 = 7;
    const AMX_BF16: u32 = 1 << 22;
    const AMX_TILE: u32 = 1 << 24;
    __cpuid(0).eax >= EXTENDED_FEATURES
        && __cpuid_count(EXTENDED_FEATURES, 0).edx & (AMX_BF16 | AMX_TILE) == AMX_BF16 | AMX_TILE
}

/// Asks the system for the state of tiles, which is eight kibibytes a thread: without that, it ends who uses them. A system
/// that knows no tiles says no.
#[cfg(target_os = "linux")]
fn permit() -> bool {
    const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
    const XFEATURE_XTILEDATA: libc::c_long = 18;
    // SAFETY: the call takes two numbers, and touches no memory of ours.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn permit() -> bool {
    false
}

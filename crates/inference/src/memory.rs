//! How much memory there is.

use std::process::Command;

use crate::device::DeviceSpec;

/// Bytes that could be claimed now without swapping; `None` where the system does not say.
pub fn available_memory() -> Option<u64> {
    parse(&std::fs::read_to_string("/proc/meminfo").ok()?)
}

/// Bytes that are free on `device`; `None` where it does not say.
///
/// For an NVIDIA GPU `nvidia-smi` is asked. It counts GPUs by their place on the bus, which CUDA does too where all of
/// them are alike or `CUDA_DEVICE_ORDER` is `PCI_BUS_ID`; `CUDA_VISIBLE_DEVICES` is honoured.
pub fn free_memory(device: DeviceSpec) -> Option<u64> {
    match device {
        DeviceSpec::Cpu => available_memory(),
        DeviceSpec::Cuda(ordinal) => {
            let visible = std::env::var("CUDA_VISIBLE_DEVICES").ok();
            let gpu = visible_gpu(ordinal, visible.as_deref())?;
            let query = ["--query-gpu=memory.free", "--format=csv,noheader,nounits", "-i", &gpu];
            let output = Command::new("nvidia-smi").args(query).output().ok();
            let output = output.filter(|output| output.status.success())?;
            let mebibytes: u64 = String::from_utf8_lossy(&output.stdout).trim().parse().ok()?;
            mebibytes.checked_mul(1 << 20)
        }
        DeviceSpec::Metal(_) => None,
    }
}

/// Bytes that a model wants on `device` besides weights, keys and values: for the driver, for the activations of one
/// forward, whose tokens, logits and attention scores are bounded, and for the logits that are kept behind lists. An
/// estimate for a GPU; nothing for the CPU.
pub fn working_memory(device: DeviceSpec) -> u64 {
    match device {
        DeviceSpec::Cpu => 0,
        DeviceSpec::Cuda(_) | DeviceSpec::Metal(_) => 2 << 30,
    }
}

/// What `nvidia-smi` calls the GPU that CUDA numbers `ordinal` among `visible` ones.
fn visible_gpu(ordinal: usize, visible: Option<&str>) -> Option<String> {
    let Some(visible) = visible else { return Some(ordinal.to_string()) };
    visible.split(',').map(str::trim).nth(ordinal).filter(|gpu| !gpu.is_empty()).map(str::to_owned)
}

fn parse(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_available_memory_is_read_in_kibibytes() {
        assert_eq!(parse("MemTotal: 9 kB\nMemAvailable:   2048 kB\n"), Some(2 << 20));
        assert_eq!(parse("MemTotal: 9 kB\n"), None);
    }

    #[test]
    fn a_gpu_is_found_among_the_visible_ones() {
        assert_eq!(visible_gpu(1, None).as_deref(), Some("1"));
        assert_eq!(visible_gpu(1, Some("4, 6")).as_deref(), Some("6"));
        assert_eq!(visible_gpu(2, Some("4,6")), None);
        assert_eq!(visible_gpu(0, Some("")), None);
    }
}

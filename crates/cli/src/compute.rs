//! Flags about how models are run.

use clap::Args;
use gac_inference::{ComputeType, DeviceList, Dtype, Named};

use crate::named::named_of;

/// How models are run.
#[derive(Args, Debug)]
pub(crate) struct Compute {
    /// Most samples in flight at once, or `auto`: as many as the cache holds, up to 64 [default: auto]
    #[arg(long, short_alias = 'b', value_name = "N", value_parser = batch_size)]
    batch_size: Option<BatchSize>,
    /// Type that weights are rounded to [default: as stored; the CPU computes in f32]
    #[arg(long, value_parser = named_of(dtypes(false)))]
    dtype: Option<Dtype>,
    /// Quantise the weights of linear layers
    #[arg(long, value_name = "TYPE", conflicts_with = "dtype", value_parser = named_of(dtypes(true)))]
    quantize: Option<Dtype>,
    /// Type that linear layers and attention multiply in: bf16 rounds their inputs to it, as PyTorch does for models in
    /// bfloat16, and is faster where the CPU has AVX-512 BF16 or AMX [default: f32]
    #[arg(long = "compute", value_name = "TYPE", value_parser = named_of(ComputeType::all()))]
    pub(crate) products_in: Option<ComputeType>,
    /// Most memory for the keys and values of all models, such as `4GiB` [default: a quarter of what is free; on
    /// other devices than the CPU 2 GiB per model]
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub(crate) max_memory: Option<u64>,
    /// Device: cpu, cuda:N or metal; or several, as `cuda:0,cuda:1`, over which a model's layers are split by memory
    #[arg(long, value_name = "DEVICE[,DEVICE...]", default_value = "cpu")]
    pub(crate) device: DeviceList,
}

impl Compute {
    /// Most samples in flight; none where the default may decide.
    pub(crate) fn batch_size(&self) -> Option<usize> {
        match self.batch_size? {
            BatchSize::Auto => None,
            BatchSize::Most(samples) => Some(samples),
        }
    }

    /// The type that weights are rounded or quantised to.
    pub(crate) fn dtype(&self) -> Option<Dtype> {
        self.quantize.or(self.dtype)
    }
}

/// The types that `--quantize` takes, or `--dtype`.
fn dtypes(quantised: bool) -> Vec<Dtype> {
    Dtype::all().into_iter().filter(|dtype| dtype.is_quantised() == quantised).collect()
}

/// `--batch-size`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BatchSize {
    Auto,
    Most(usize),
}

fn batch_size(text: &str) -> Result<BatchSize, String> {
    match text {
        "auto" => Ok(BatchSize::Auto),
        // lm-evaluation-harness's: how often it looks for the largest.
        times if times.strip_prefix("auto:").is_some_and(|times| times.parse::<f64>().is_ok()) => Ok(BatchSize::Auto),
        number => {
            number.parse().map(BatchSize::Most).map_err(|_| "must be a whole number from 1 up, or `auto`".to_owned())
        }
    }
}

/// A number of bytes: `4GiB`, `500MB`, `1073741824`.
fn bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: f64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "k" | "kib" => 1024.0,
        "m" | "mib" => 1024.0 * 1024.0,
        "g" | "gib" => 1024.0 * 1024.0 * 1024.0,
        _ => return Err(format!("unknown unit `{unit}`; valid are B, KB, MB, GB, KiB, MiB, GiB")),
    };
    match number.parse::<f64>() {
        Ok(number) if number > 0.0 => Ok((number * factor) as u64),
        _ => Err("must be a positive number of bytes, such as `4GiB`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::{BatchSize, batch_size, bytes};

    #[test]
    fn a_batch_size_is_a_number_or_left_to_the_cache() {
        assert_eq!(batch_size("8"), Ok(BatchSize::Most(8)));
        for auto in ["auto", "auto:4", "auto:0.5"] {
            assert_eq!(batch_size(auto), Ok(BatchSize::Auto), "{auto}");
        }
        for wrong in ["automatic", "auto:", "auto:x", "-1", "1.5", ""] {
            assert!(batch_size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(bytes("2GiB"), Ok(2 << 30));
        assert_eq!(bytes("1.5 MB"), Ok(1_500_000));
        assert_eq!(bytes("17"), Ok(17));
        for wrong in ["", "GiB", "-1", "0", "3 XB"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }
}

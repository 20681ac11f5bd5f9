//! Rows of a table by their numbers.

use candle_core::{Result, Tensor};

use super::launch::{KernelFile, LaunchShape, address, launch, suffix, to_fill};

/// Rows `(T, width)` of a table `(R, width)`. Their numbers, `(T,)` of type u32, are below R.
pub(crate) fn take_rows(table: &Tensor, rows: &Tensor) -> Result<Tensor> {
    let (count, (_, width)) = (rows.dim(0)?, table.dims2()?);
    let Some(suffix) = suffix(table.dtype()) else { candle_core::bail!("no rows of {:?}", table.dtype()) };
    let out = to_fill((count, width), table.dtype(), table.device())?;
    if count > 0 {
        let arguments = [address(table)?, address(rows)?, address(&out)?, width.into()];
        let threads = width.next_multiple_of(32).clamp(32, 256);
        let shape = LaunchShape { blocks: (count, 1, 1), threads, shared: 0 };
        let kernel = format!("take_rows_{suffix}");
        launch(table.device(), (KernelFile::Rows, table.dtype()), &kernel, shape, &arguments)?;
    }
    Ok(out)
}

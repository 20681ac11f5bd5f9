//! What is added to the residual stream, and its norm.

use candle_core::{Result, Tensor};

use super::launch::{Argument, KernelFile, LaunchShape, address, address_or_null, launch, suffix, to_fill};

/// A norm's weights: root mean square, or of centred rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NormWeights<'a> {
    pub(crate) weight: &'a Tensor,
    pub(crate) bias: Option<&'a Tensor>,
    pub(crate) epsilon: f32,
    pub(crate) is_centred: bool,
}

/// Something to be added to the residual stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delta<'a> {
    pub(crate) values: &'a Tensor,
    /// A norm that it goes through before.
    pub(crate) norm: Option<NormWeights<'a>>,
    pub(crate) factor: f32,
}

/// `hidden` `(.., H)` with `delta` added, and that normed. What is not asked for is `hidden` itself.
pub(crate) fn add_norm(
    hidden: &Tensor,
    delta: Option<Delta<'_>>,
    norm: Option<NormWeights<'_>>,
) -> Result<(Tensor, Tensor)> {
    let width = hidden.dim(candle_core::D::Minus1)?;
    let rows = hidden.elem_count() / width.max(1);
    let (device, dtype) = (hidden.device(), hidden.dtype());
    let Some(suffix) = suffix(dtype) else { candle_core::bail!("no norm of {dtype:?}") };
    let filled = |wanted: bool| wanted.then(|| to_fill(hidden.shape(), dtype, device)).transpose();
    let (sum, normed) = (filled(delta.is_some())?, filled(norm.is_some())?);
    let values = delta.map(|delta| delta.values);
    if rows > 0 {
        let before = delta.and_then(|delta| delta.norm);
        let any = norm.or(before);
        let arguments = [
            address(hidden)?,
            address_or_null(values)?,
            address_or_null(before.map(|norm| norm.weight))?,
            address_or_null(norm.map(|norm| norm.weight))?,
            address_or_null(norm.and_then(|norm| norm.bias))?,
            address_or_null(sum.as_ref())?,
            address_or_null(normed.as_ref())?,
            width.into(),
            delta.map_or(1.0, |delta| delta.factor).into(),
            any.map_or(0.0, |norm| norm.epsilon).into(),
            Argument::from(any.is_some_and(|norm| norm.is_centred)),
        ];
        let threads = width.div_ceil(4).next_multiple_of(32).clamp(32, 512);
        let shape = LaunchShape { blocks: (rows, 1, 1), threads, shared: 0 };
        launch(device, (KernelFile::Norm, dtype), &format!("add_norm_{suffix}"), shape, &arguments)?;
    }
    Ok((sum.unwrap_or_else(|| hidden.clone()), normed.unwrap_or_else(|| hidden.clone())))
}

//! Products of the tokens of a step, with what stands before and behind them.

use candle_core::{D, DType, Result, Tensor};

use super::gate::code;
use super::launch::{Argument, KernelFile, LaunchShape, address, address_or_null, launch, suffix, to_fill};
use super::norm::NormWeights;
use crate::checkpoint::config::Activation;

/// The most tokens, and what rows consist of whole pieces of; as the kernel has them.
const TOKENS: usize = 64;
const TOGETHER: usize = 8;

/// Rows and tokens of a tile, and threads of a block, as the kernel has them.
const TILE: usize = 16;
const COLUMN: usize = 8;
const THREADS: usize = 256;

/// Rows from which on a block takes two tiles of them: with fewer, there would not be a block for every multiprocessor.
const WORTH_TWO: usize = 8192;

/// The residual stream times the weights of a norm by root mean square. What it is divided by is known in parts.
#[derive(Debug)]
pub(crate) struct Weighed {
    values: Tensor,
    /// Sums of squares, `(T, parts)`.
    squares: Tensor,
    epsilon: f32,
}

/// What is multiplied, `(T, inputs)`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Factor<'a> {
    Plain(&'a Tensor),
    Weighed(&'a Weighed),
}

/// `x W^T + b`, of few tokens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StepProduct<'a> {
    /// `(outputs, inputs)`.
    weight: &'a Tensor,
    bias: Option<&'a Tensor>,
}

/// What is done with a product.
#[derive(Clone, Copy, Default)]
struct Ending<'a> {
    gate: Option<Activation>,
    /// Factor and cap.
    bent: Option<(f32, f32)>,
    out: Option<&'a Tensor>,
    logits: Option<&'a Tensor>,
    hidden: Option<&'a Tensor>,
    norm: Option<&'a Tensor>,
    sum: Option<&'a Tensor>,
    weighed: Option<&'a Weighed>,
}

impl Weighed {
    /// `(T, H)`.
    pub(crate) fn values(&self) -> &Tensor {
        &self.values
    }

    /// The first `count` rows.
    pub(crate) fn first(&self, count: usize) -> Result<Self> {
        let Self { values, squares, epsilon } = self;
        Ok(Self { values: values.narrow(0, 0, count)?, squares: squares.narrow(0, 0, count)?, epsilon: *epsilon })
    }

    /// Becomes what `other` is, in the memory that it has.
    pub(crate) fn become_like(&self, other: &Self) -> Result<()> {
        self.values.slice_set(&other.values, 0, 0)?;
        self.squares.slice_set(&other.squares, 0, 0)
    }
}

impl<'a> Factor<'a> {
    fn values(self) -> &'a Tensor {
        match self {
            Self::Plain(values) => values,
            Self::Weighed(weighed) => &weighed.values,
        }
    }
}

impl<'a> StepProduct<'a> {
    /// A layer's product with what is like `x`, `(T, inputs)`; none where the kernel does not take it.
    pub(crate) fn of(weight: &'a Tensor, bias: Option<&'a Tensor>, x: &Tensor) -> Option<Self> {
        let width = weight.dim(D::Minus1).ok()?;
        let taken = suffix(weight.dtype()).is_some()
            && weight.dtype() == x.dtype()
            && weight.device().same_device(x.device())
            && (1..=TOKENS).contains(&x.dim(0).ok()?)
            && width.is_multiple_of(TOGETHER)
            && weight.is_contiguous();
        taken.then_some(Self { weight, bias })
    }

    /// The product, `(T, outputs)`.
    pub(crate) fn plain(self, x: Factor<'_>) -> Result<Tensor> {
        let out = self.to_fill(x, 1)?;
        self.launch(x, Ending { out: Some(&out), ..Ending::default() })?;
        Ok(out)
    }

    /// The first half of the product as gates of the second, `(T, outputs / 2)`.
    pub(crate) fn gated(self, x: Factor<'_>, activation: Activation) -> Result<Tensor> {
        let out = self.to_fill(x, 2)?;
        self.launch(x, Ending { gate: Some(activation), out: Some(&out), ..Ending::default() })?;
        Ok(out)
    }

    /// `factor` times the product in f32, bent below `cap`, `(T, outputs)`; in `place` where there is one.
    pub(crate) fn logits(
        self,
        x: Factor<'_>,
        (factor, cap): (f32, Option<f32>),
        place: Option<&Tensor>,
    ) -> Result<Tensor> {
        let shape = (x.values().dim(0)?, self.weight.dim(0)?);
        let logits = match place {
            Some(place) if place.dims2()? == shape && place.dtype() == DType::F32 => place.clone(),
            Some(place) => candle_core::bail!("no place for logits {shape:?} in {:?}", place.shape()),
            None => to_fill(shape, DType::F32, self.weight.device())?,
        };
        let bent = Some((factor, cap.unwrap_or(0.0)));
        self.launch(x, Ending { bent, logits: Some(&logits), ..Ending::default() })?;
        Ok(logits)
    }

    /// `hidden` with `factor` times the product added to it; and that weighed for the norm that comes next.
    pub(crate) fn added(
        self,
        x: Factor<'_>,
        (hidden, factor): (&Tensor, f32),
        norm: Option<NormWeights<'_>>,
    ) -> Result<(Tensor, Option<Weighed>)> {
        let sum = self.to_fill(x, 1)?;
        let weighed = match norm {
            None => None,
            Some(norm) => {
                let parts = (x.values().dim(0)?, self.blocks()?);
                let squares = to_fill(parts, DType::F32, hidden.device())?;
                Some(Weighed { values: self.to_fill(x, 1)?, squares, epsilon: norm.epsilon })
            }
        };
        let ending = Ending {
            bent: Some((factor, 0.0)),
            hidden: Some(hidden),
            norm: norm.map(|norm| norm.weight),
            sum: Some(&sum),
            weighed: weighed.as_ref(),
            ..Ending::default()
        };
        self.launch(x, ending)?;
        Ok((sum, weighed))
    }

    fn to_fill(self, x: Factor<'_>, divided_by: usize) -> Result<Tensor> {
        let (tokens, outputs) = (x.values().dim(0)?, self.weight.dim(0)?);
        to_fill((tokens, outputs / divided_by), self.weight.dtype(), self.weight.device())
    }

    /// Tiles of a block. They do not depend on the tokens, so that nor do the bits.
    fn tiles(self, is_gated: bool) -> Result<usize> {
        Ok(if is_gated || self.weight.dim(0)? >= WORTH_TWO { 2 } else { 1 })
    }

    /// Blocks of a product that is no gate.
    fn blocks(self) -> Result<usize> {
        Ok(self.weight.dim(0)?.div_ceil(self.tiles(false)? * TILE))
    }

    fn launch(self, x: Factor<'_>, ending: Ending<'_>) -> Result<()> {
        let Self { weight, bias } = self;
        let weights =
            ProductWeights { matrix: Some(weight), bias, shape: weight.dims2()?, ..ProductWeights::default() };
        call(weights, (x, x.values().dim(0)?), (self.tiles(ending.gate.is_some())?, 1), ending)
    }
}

/// Products of rows with matrices of which each row has its own.
pub(crate) struct ExpertProduct<'a> {
    /// Where the matrices are, i64.
    pub(crate) addresses: &'a Tensor,
    /// The matrix of each product, u32.
    pub(crate) experts: &'a Tensor,
    /// `(outputs, inputs)`, and the type of all that is multiplied.
    pub(crate) shape: (usize, usize),
    pub(crate) dtype: DType,
    /// How many products each row has.
    pub(crate) share: usize,
}

impl ExpertProduct<'_> {
    /// Whether a matrix is as the kernel takes them.
    pub(crate) fn takes(matrix: &Tensor) -> bool {
        let is_in_pieces = matrix.dim(D::Minus1).is_ok_and(|width| width.is_multiple_of(TOGETHER));
        suffix(matrix.dtype()).is_some() && is_in_pieces && matrix.is_contiguous() && matrix.device().is_cuda()
    }

    /// `(T, inputs)` to `(T * share, outputs)`; or half as many, of which the first are gates of the others.
    pub(crate) fn apply(self, x: &Tensor, gate: Option<Activation>) -> Result<Tensor> {
        let Self { addresses, experts, shape, dtype, share } = self;
        let products = experts.dim(0)?;
        if x.dtype() != dtype || x.dims2()? != (products / share, shape.1) {
            candle_core::bail!("{products} products, {share} of each row, with {:?} of {:?}", x.shape(), x.dtype());
        }
        let outputs = if gate.is_some() { shape.0 / 2 } else { shape.0 };
        let out = to_fill((products, outputs), dtype, x.device())?;
        let weights = ProductWeights { experts: Some((addresses, experts)), share, shape, ..ProductWeights::default() };
        let tiles = if gate.is_some() { 2 } else { 1 };
        call(weights, (Factor::Plain(x), 1), (tiles, products), Ending { gate, out: Some(&out), ..Ending::default() })?;
        Ok(out)
    }
}

/// One matrix, or those that are named.
#[derive(Clone, Copy, Default)]
struct ProductWeights<'a> {
    matrix: Option<&'a Tensor>,
    bias: Option<&'a Tensor>,
    experts: Option<(&'a Tensor, &'a Tensor)>,
    share: usize,
    shape: (usize, usize),
}

/// Launches the kernel that takes `tiles` tiles a block, `times` times.
fn call(
    weights: ProductWeights<'_>,
    (x, tokens): (Factor<'_>, usize),
    (tiles, times): (usize, usize),
    ending: Ending<'_>,
) -> Result<()> {
    let ProductWeights { matrix, bias, experts, share, shape: (outputs, inputs) } = weights;
    let (dtype, device, is_gated) = (x.values().dtype(), x.values().device(), ending.gate.is_some());
    let Some(suffix) = suffix(dtype) else { candle_core::bail!("no product of {dtype:?}") };
    let (squares, parts, epsilon) = match x {
        Factor::Plain(_) => (None, 0, 0.0),
        Factor::Weighed(Weighed { squares, epsilon, .. }) => (Some(squares), squares.dim(1)?, *epsilon),
    };
    let (factor, cap) = ending.bent.unwrap_or((1.0, 0.0));
    let arguments = [
        address(x.values())?,
        address_or_null(matrix)?,
        address_or_null(bias)?,
        address_or_null(squares)?,
        parts.into(),
        epsilon.into(),
        tokens.into(),
        inputs.into(),
        outputs.into(),
        is_gated.into(),
        Argument::Count(ending.gate.map_or(0, code)),
        factor.into(),
        cap.into(),
        address_or_null(ending.out)?,
        address_or_null(ending.logits)?,
        address_or_null(ending.hidden)?,
        address_or_null(ending.norm)?,
        address_or_null(ending.sum)?,
        address_or_null(ending.weighed.map(|weighed| &weighed.values))?,
        address_or_null(ending.weighed.map(|weighed| &weighed.squares))?,
        address_or_null(experts.map(|(addresses, _)| addresses))?,
        address_or_null(experts.map(|(_, experts)| experts))?,
        share.into(),
    ];
    let columns = tokens.div_ceil(COLUMN).next_power_of_two();
    // A block of gates takes half as many of them as it has rows.
    let blocks = if is_gated { (outputs / 2).div_ceil(tiles / 2 * TILE) } else { outputs.div_ceil(tiles * TILE) };
    let shape = LaunchShape { blocks: (blocks, times, 1), threads: THREADS, shared: 0 };
    let kernel = format!("product_{suffix}_{tiles}x{columns}");
    launch(device, (KernelFile::Product, dtype), &kernel, shape, &arguments)
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use gac_needs::needs;

    use super::*;
    use crate::cuda::gate::gate_times;
    use crate::cuda::norm::{Delta, add_norm};
    use crate::device::DeviceSpec;

    fn max_abs(tensor: &Tensor) -> Result<f32> {
        tensor.to_dtype(DType::F32)?.abs()?.flatten_all()?.max(0)?.to_scalar()
    }

    fn assert_near(found: &Tensor, plain: &Tensor, most: f32, what: &str) -> Result<()> {
        let error = max_abs(&(found.to_dtype(DType::F32)? - plain.to_dtype(DType::F32)?)?)? / max_abs(plain)?;
        assert!(error < most, "{what}: {error}");
        Ok(())
    }

    #[needs(gpu)]
    #[test]
    fn product_kernels_do_what_several_launches_do() -> Result<()> {
        let device: Device = DeviceSpec::Cuda(0).open().map_err(candle_core::Error::wrap)?;
        let (inputs, hidden_width) = (264, 40);
        for (dtype, most) in [(DType::F32, 1e-5), (DType::BF16, 2e-2), (DType::F16, 2e-3)] {
            let random = |rows: usize, width: usize| Tensor::randn(0f32, 1.0, (rows, width), &device)?.to_dtype(dtype);
            for (tokens, outputs) in [(1, 70), (8, 34), (9, 8192), (30, 66), (64, 20)] {
                let what = format!("{tokens} tokens, {outputs} outputs in {dtype:?}");
                let (hidden, x) = (random(tokens, hidden_width)?, random(tokens, inputs)?);
                let (into, bias) = (random(hidden_width, inputs)?, random(1, hidden_width)?.flatten_all()?);
                let (matrix, weight) = (random(outputs, hidden_width)?, random(1, hidden_width)?.flatten_all()?);
                let norm = NormWeights { weight: &weight, bias: None, epsilon: 1e-5, is_centred: false };

                let first = StepProduct::of(&into, Some(&bias), &x).expect("taken");
                let (sum, weighed) = first.added(Factor::Plain(&x), (&hidden, 0.5), Some(norm))?;
                let delta = x.matmul(&into.t()?)?.broadcast_add(&bias)?;
                let delta = Delta { values: &delta, norm: None, factor: 0.5 };
                let (plain_sum, normed) = add_norm(&hidden, Some(delta), Some(norm))?;
                assert_near(&sum, &plain_sum, most, &what)?;

                let weighed = weighed.expect("for the norm");
                let second = StepProduct::of(&matrix, None, &sum).expect("taken");
                let plain = normed.matmul(&matrix.t()?)?;
                assert_near(&second.plain(Factor::Weighed(&weighed))?, &plain, most, &what)?;
                for activation in [Activation::Silu, Activation::Gelu] {
                    let gated = second.gated(Factor::Weighed(&weighed), activation)?;
                    assert_near(&gated, &gate_times(&plain, activation)?, 2.0 * most, &what)?;
                }
                let logits = second.logits(Factor::Plain(&normed), (0.25, Some(2.0)), None)?;
                let plain = (((plain.to_dtype(DType::F32)? * 0.125)?.tanh()?) * 2.0)?;
                assert_near(&logits, &plain, 2.0 * most, &what)?;
            }
        }
        Ok(())
    }

    #[needs(gpu)]
    #[test]
    fn product_kernels_give_a_token_the_same_bits_whatever_its_neighbours() -> Result<()> {
        let device: Device = DeviceSpec::Cuda(0).open().map_err(candle_core::Error::wrap)?;
        for dtype in [DType::F32, DType::BF16] {
            let random = |rows: usize| Tensor::randn(0f32, 1.0, (rows, 264), &device)?.to_dtype(dtype);
            let (x, matrix) = (random(64)?, random(48)?);
            let of = |x: Tensor| StepProduct::of(&matrix, None, &x).expect("taken").plain(Factor::Plain(&x));
            let all = of(x.clone())?;
            for (from, count) in [(0, 1), (17, 1), (3, 20), (30, 33)] {
                let some = of(x.narrow(0, from, count)?)?;
                assert_eq!(max_abs(&(some - all.narrow(0, from, count)?)?)?, 0.0, "{count} from {from} in {dtype:?}");
            }
        }
        Ok(())
    }
}

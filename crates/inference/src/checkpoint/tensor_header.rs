//! What files say of their tensors.

use super::tensor_type::TensorType;

/// What a file says of a tensor before it is read.
pub(crate) struct TensorHeader<'a> {
    pub(crate) name: &'a str,
    pub(crate) dims: &'a [usize],
    pub(crate) stored: TensorType,
}

impl TensorHeader<'_> {
    /// How many numbers the tensor has.
    pub(crate) fn numbers(&self) -> u64 {
        self.dims.iter().map(|&dim| dim as u64).product()
    }
}

//! Which [`PanelSource`](super::readers::PanelSource) a matrix has.

/// Evaluates an expression in which a name is the [`PanelSource`](super::readers::PanelSource) of a matrix in panels.
macro_rules! with_source {
    ($panels:expr, $source:ident => $body:expr) => {
        match $panels.format {
            $crate::kernel::panels::Format::F32 => {
                type $source = $crate::kernel::readers::F32;
                $body
            }
            $crate::kernel::panels::Format::F16 => {
                type $source = $crate::kernel::readers::F16;
                $body
            }
            $crate::kernel::panels::Format::Bf16 => {
                type $source = $crate::kernel::readers::Bf16;
                $body
            }
            $crate::kernel::panels::Format::Bf12 => {
                type $source = $crate::kernel::bf12_reader::Bf12;
                $body
            }
            $crate::kernel::panels::Format::Blocks(kind) => $crate::kernel::blocks::with_format!(kind, Of => {
                type $source = $crate::kernel::readers::Blocks<Of>;
                $body
            }),
        }
    };
}
pub(super) use with_source;

//! GGUF files byte by byte: any version, order of bytes and type of tensors.

use std::path::Path;

/// A value of the metadata.
#[derive(Clone)]
pub(crate) enum Value {
    U16(u16),
    U32(u32),
    F32(f32),
    Text(&'static str),
}

/// A tensor: name, dimensions (outermost first), ggml's number of its type, bytes (numbers in them little-endian).
#[derive(Clone)]
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) dims: Vec<usize>,
    pub(crate) kind: u32,
    pub(crate) bytes: Vec<u8>,
}

/// A file.
#[derive(Clone, Default)]
pub(crate) struct File {
    pub(crate) metadata: Vec<(String, Value)>,
    pub(crate) tensors: Vec<Tensor>,
    pub(crate) big_endian: bool,
}

impl File {
    pub(crate) fn put(&mut self, key: impl Into<String>, value: Value) {
        self.metadata.push((key.into(), value));
    }

    pub(crate) fn write(&self, path: &Path) {
        let number = |little: &[u8]| {
            if self.big_endian { little.iter().rev().copied().collect() } else { little.to_vec() }
        };
        let text = |text: &str| [number(&(text.len() as u64).to_le_bytes()), text.as_bytes().to_vec()].concat();
        let mut out = b"GGUF".to_vec();
        out.extend(number(&3u32.to_le_bytes()));
        out.extend(number(&(self.tensors.len() as u64).to_le_bytes()));
        out.extend(number(&(self.metadata.len() as u64).to_le_bytes()));
        for (key, value) in &self.metadata {
            out.extend(text(key));
            let (kind, bytes) = match value {
                Value::U16(value) => (2u32, number(&value.to_le_bytes())),
                Value::U32(value) => (4, number(&value.to_le_bytes())),
                Value::F32(value) => (6, number(&value.to_le_bytes())),
                Value::Text(value) => (8, text(value)),
            };
            out.extend(number(&kind.to_le_bytes()));
            out.extend(bytes);
        }
        let mut data = Vec::new();
        for tensor in &self.tensors {
            out.extend(text(&tensor.name));
            out.extend(number(&(tensor.dims.len() as u32).to_le_bytes()));
            for dim in tensor.dims.iter().rev() {
                out.extend(number(&(*dim as u64).to_le_bytes()));
            }
            out.extend(number(&tensor.kind.to_le_bytes()));
            out.extend(number(&(data.len() as u64).to_le_bytes()));
            let mut bytes = tensor.bytes.clone();
            if self.big_endian {
                let (_, _, size, numbers) = kind(tensor.kind);
                for block in bytes.chunks_exact_mut(size) {
                    for &(at, width) in numbers {
                        block[at..at + width].reverse();
                    }
                }
            }
            data.extend(bytes);
            data.resize(data.len().next_multiple_of(32), 0);
        }
        out.resize(out.len().next_multiple_of(32), 0);
        out.extend(data);
        std::fs::write(path, out).unwrap();
    }
}

/// ggml's number of a type, weights of a block, its bytes, and where in it there are numbers of several bytes.
pub(crate) type Kind = (u32, usize, usize, &'static [(usize, usize)]);

pub(crate) const F32: Kind = (0, 1, 4, &[(0, 4)]);
pub(crate) const Q5_0: Kind = (6, 32, 22, &[(0, 2)]);
pub(crate) const Q8_0: Kind = (8, 32, 34, &[(0, 2)]);
pub(crate) const Q4_K: Kind = (12, 256, 144, &[(0, 2), (2, 2)]);
pub(crate) const Q6_K: Kind = (14, 256, 210, &[(208, 2)]);
pub(crate) const IQ4_XS: Kind = (23, 256, 136, &[(0, 2), (2, 2)]);

/// All types of blocks that are computed with.
pub(crate) const BLOCKS: [Kind; 13] = [
    (2, 32, 18, &[(0, 2)]),
    (3, 32, 20, &[(0, 2), (2, 2)]),
    Q5_0,
    (7, 32, 24, &[(0, 2), (2, 2)]),
    Q8_0,
    (10, 256, 84, &[(80, 2), (82, 2)]),
    (11, 256, 110, &[(108, 2)]),
    Q4_K,
    (13, 256, 176, &[(0, 2), (2, 2)]),
    Q6_K,
    (20, 32, 18, &[(0, 2)]),
    IQ4_XS,
    (39, 32, 17, &[]),
];

fn kind(number: u32) -> Kind {
    BLOCKS.into_iter().chain([F32]).find(|kind| kind.0 == number).unwrap()
}

/// Numbers that look random, always the same.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// Between -1 and 1.
    fn number(&mut self) -> f32 {
        self.next() as f32 / (1u64 << 30) as f32 - 1.0
    }

    /// A tensor of random blocks, or numbers, that stand for small weights.
    pub(crate) fn tensor(&mut self, name: &str, dims: &[usize], kind: Kind) -> Tensor {
        let (number, weights, size, numbers) = kind;
        let blocks = dims.iter().product::<usize>() / weights;
        let mut bytes = Vec::with_capacity(blocks * size);
        for _ in 0..blocks {
            if kind.0 == F32.0 {
                bytes.extend((1.0 + 0.1 * self.number()).to_le_bytes());
                continue;
            }
            let mut block: Vec<u8> = (0..size).map(|_| self.next() as u8).collect();
            // Scales of weights of about a tenth; `IQ4_XS` has bits of others behind its one scale.
            let least = match number {
                10..=14 | 23 => 0.000_2,
                20 => 0.000_5,
                _ => 0.005,
            };
            let halves = if number == IQ4_XS.0 { &numbers[..1] } else { numbers };
            for &(at, _) in halves {
                let scale = half::f16::from_f32(least * (1.0 + self.number().abs()));
                block[at..at + 2].copy_from_slice(&scale.to_le_bytes());
            }
            if number == 39 {
                block[0] = 122;
            }
            bytes.extend(block);
        }
        Tensor { name: name.to_owned(), dims: dims.to_vec(), kind: number, bytes }
    }
}

/// The sizes of [`llama`].
pub(crate) const VOCABULARY: usize = 300;
const HIDDEN: usize = 256;
const INTERMEDIATE: usize = 512;
const KEYS: usize = 128;

/// A model of two layers without a tokenizer: `of(name)` is the type of each matrix.
pub(crate) fn llama(tied: bool, of: impl Fn(&str) -> Kind) -> File {
    let mut file = File::default();
    file.put("general.architecture", Value::Text("llama"));
    for (key, value) in [
        ("embedding_length", HIDDEN),
        ("feed_forward_length", INTERMEDIATE),
        ("block_count", 2),
        ("attention.head_count", 4),
        ("attention.head_count_kv", 2),
        ("context_length", 512),
    ] {
        file.put(format!("llama.{key}"), Value::U32(value as u32));
    }
    file.put("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5));
    let mut random = Random(7);
    let mut add = |name: &str, dims: &[usize]| {
        let kind = if dims.len() == 1 { F32 } else { of(name) };
        file.tensors.push(random.tensor(&format!("{name}.weight"), dims, kind));
    };
    add("token_embd", &[VOCABULARY, HIDDEN]);
    if !tied {
        add("output", &[VOCABULARY, HIDDEN]);
    }
    add("output_norm", &[HIDDEN]);
    for layer in 0..2 {
        for (name, dims) in [
            ("attn_norm", &[HIDDEN][..]),
            ("attn_q", &[HIDDEN, HIDDEN]),
            ("attn_k", &[KEYS, HIDDEN]),
            ("attn_v", &[KEYS, HIDDEN]),
            ("attn_output", &[HIDDEN, HIDDEN]),
            ("ffn_norm", &[HIDDEN]),
            ("ffn_gate", &[INTERMEDIATE, HIDDEN]),
            ("ffn_up", &[INTERMEDIATE, HIDDEN]),
            ("ffn_down", &[HIDDEN, INTERMEDIATE]),
        ] {
            add(&format!("blk.{layer}.{name}"), dims);
        }
    }
    file
}

/// Types as files that are called `Q4_K_M` mix them.
pub(crate) fn mixed(name: &str) -> Kind {
    match name.rsplit('.').next() {
        Some("attn_v" | "token_embd" | "output") => Q8_0,
        Some("attn_k" | "ffn_gate") => Q5_0,
        Some("ffn_down") => Q6_K,
        Some("attn_output") => IQ4_XS,
        _ => Q4_K,
    }
}

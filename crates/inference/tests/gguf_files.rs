//! GGUF files of every type of blocks, in several parts, and in the other order of bytes.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure")]

use std::path::{Path, PathBuf};

use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use candle_core::{Device, Tensor};
use gac_inference::{
    Dtype, Engine, EngineOptions, Extension, LanguageModel, ModelSource, Named, TokenId, Wanted, check_model,
};
use gac_needs::{folder, needs};

mod raw;

use raw::{BLOCKS, F32, File, Kind, VOCABULARY, Value, llama, mixed};

fn tokens(count: usize) -> Vec<TokenId> {
    (0..count).map(|at| TokenId((at * at * 37 % VOCABULARY) as u32)).collect()
}

/// The bits of all log-probabilities after each token, fed in chunks of so many.
fn bits(engine: &mut Engine, tokens: &[TokenId], chunk: usize) -> Vec<u64> {
    let sequence = engine.open(&[]).unwrap();
    let mut bits = Vec::new();
    for tokens in tokens.chunks(chunk) {
        let views = engine.extend(&[Extension { sequence, tokens, wanted: Wanted::All }]).unwrap().remove(0);
        for view in views {
            bits.extend((0..VOCABULARY).map(|id| view.log_prob(TokenId(id as u32)).to_bits()));
        }
    }
    engine.close(sequence);
    bits
}

fn load(path: &Path) -> Result<Engine, String> {
    load_with(path, None)
}

fn load_with(path: &Path, dtype: Option<Dtype>) -> Result<Engine, String> {
    let options = EngineOptions { dtype, cache_bytes: 1 << 24, ..EngineOptions::default() };
    Engine::load(&ModelSource::Gguf(path.to_owned()), &options).map_err(|error| error.to_string())
}

/// The same file with every matrix as the numbers that candle dequantises its blocks to.
fn dequantised(file: &File) -> File {
    let mut wide = file.clone();
    for tensor in &mut wide.tensors {
        let dtype = match tensor.kind {
            0 => continue,
            2 => GgmlDType::Q4_0,
            3 => GgmlDType::Q4_1,
            6 => GgmlDType::Q5_0,
            7 => GgmlDType::Q5_1,
            8 => GgmlDType::Q8_0,
            10 => GgmlDType::Q2K,
            11 => GgmlDType::Q3K,
            12 => GgmlDType::Q4K,
            13 => GgmlDType::Q5K,
            14 => GgmlDType::Q6K,
            other => panic!("candle has no type {other}"),
        };
        let storage = QStorage::from_data(tensor.bytes.clone().into(), &Device::Cpu, dtype).unwrap();
        let numbers: Tensor = QTensor::new(storage, tensor.dims.clone()).unwrap().dequantize(&Device::Cpu).unwrap();
        let numbers: Vec<f32> = numbers.flatten_all().unwrap().to_vec1().unwrap();
        tensor.bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        tensor.kind = F32.0;
    }
    wide
}

#[test]
fn blocks_give_the_very_bits_of_the_numbers_that_they_stand_for() {
    let folder = tempfile::tempdir().unwrap();
    let (path, wide) = (folder.path().join("x.gguf"), folder.path().join("wide.gguf"));
    let without_iq = |name: &str| if name.ends_with("attn_output") { raw::Q4_K } else { mixed(name) };
    let same_of_all = BLOCKS.iter().filter(|kind| ![20, 23, 39].contains(&kind.0)).map(|&kind| llama(true, |_| kind));
    for file in same_of_all.chain([llama(true, without_iq), llama(false, without_iq)]) {
        file.write(&path);
        dequantised(&file).write(&wide);
        let tokens = tokens(40);
        let expected = bits(&mut load(&wide).unwrap(), &tokens, 40);
        assert!(bits(&mut load(&path).unwrap(), &tokens, 40) == expected, "type {}", file.tensors[0].kind);
    }
}

#[test]
fn blocks_of_every_type_give_the_same_bits_in_any_batch_and_chunk_and_on_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gguf");
    let one_type = BLOCKS.map(|kind| llama(true, |_| kind));
    for file in one_type.into_iter().chain([llama(true, mixed), llama(false, mixed)]) {
        file.write(&path);
        let kind = file.tensors[0].kind;
        let run = |threads: usize, chunk: usize, size: usize| -> Vec<Vec<u64>> {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut engine = load(&path).unwrap();
                if size == 1 {
                    return vec![bits(&mut engine, &tokens(33), chunk)];
                }
                // Many at once: every one of them is the same.
                let tokens = tokens(33);
                let sequences: Vec<_> = (0..size).map(|_| engine.open(&[]).unwrap()).collect();
                let batch: Vec<_> = sequences
                    .iter()
                    .map(|&sequence| Extension { sequence, tokens: &tokens, wanted: Wanted::All })
                    .collect();
                let views = engine.extend(&batch).unwrap();
                let bits = |id: usize, view: &gac_inference::Distribution| view.log_prob(TokenId(id as u32)).to_bits();
                views
                    .iter()
                    .map(|views| views.iter().flat_map(|view| (0..VOCABULARY).map(|id| bits(id, view))).collect())
                    .collect()
            })
        };
        let alone = run(1, 1, 1).remove(0);
        assert!(alone.iter().all(|&bits| f64::from_bits(bits).is_finite()), "type {kind}");
        for (threads, chunk, size) in [(2, 1, 1), (1, 7, 1), (2, 33, 1), (1, 33, 7), (2, 33, 7), (2, 33, 64)] {
            for found in run(threads, chunk, size) {
                assert!(found == alone, "type {kind}, {size} at a time on {threads} threads in chunks of {chunk}");
            }
        }
    }
}

#[test]
fn weights_that_are_quantised_when_they_are_loaded_give_the_bits_of_a_file_of_such() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, path) = (folder.path().join("plain.gguf"), folder.path().join("x.gguf"));
    // Untied: the output layer is quantised to Q8_0, the embedding is not.
    let file = dequantised(&llama(false, |_| raw::Q6_K));
    file.write(&plain);
    for (loaded, dtype, kind) in [(Dtype::Q8_0, GgmlDType::Q8_0, raw::Q8_0), (Dtype::Q4K, GgmlDType::Q4K, raw::Q4_K)] {
        let mut quantised = file.clone();
        for tensor in quantised.tensors.iter_mut().filter(|tensor| tensor.dims.len() == 2) {
            let (dtype, kind) = match tensor.name.as_str() {
                "token_embd.weight" => continue,
                "output.weight" => (GgmlDType::Q8_0, raw::Q8_0),
                _ => (dtype, kind),
            };
            let numbers: Vec<f32> = tensor.bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
            let numbers = Tensor::from_vec(numbers, tensor.dims.clone(), &Device::Cpu).unwrap();
            tensor.bytes = QTensor::quantize(&numbers, dtype).unwrap().data().unwrap().into_owned();
            tensor.kind = kind.0;
        }
        quantised.write(&path);
        let tokens = tokens(20);
        let expected = bits(&mut load(&path).unwrap(), &tokens, 20);
        let found = bits(&mut load_with(&plain, Some(loaded)).unwrap(), &tokens, 20);
        assert!(found == expected, "{}", loaded.name());
    }
}

/// The parts of a file, as gguf-split makes them: metadata in the first, every third tensor in each.
fn split(file: &File, folder: &Path) -> Vec<PathBuf> {
    let paths: Vec<PathBuf> = (1..=3).map(|part| folder.join(format!("m-0000{part}-of-00003.gguf"))).collect();
    for (at, path) in paths.iter().enumerate() {
        let mut part = File::default();
        if at == 0 {
            part.metadata.clone_from(&file.metadata);
        }
        part.put("split.no", Value::U16(at as u16));
        part.put("split.count", Value::U16(3));
        part.put("split.tensors.count", Value::U32(file.tensors.len() as u32));
        part.tensors = file.tensors.iter().skip(at).step_by(3).cloned().collect();
        part.write(path);
    }
    paths
}

#[test]
fn a_model_in_parts_is_found_from_any_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let (file, whole) = (llama(true, mixed), folder.path().join("whole.gguf"));
    file.write(&whole);
    let (tokens, paths) = (tokens(12), split(&file, folder.path()));
    let expected = bits(&mut load(&whole).unwrap(), &tokens, 12);
    for path in &paths {
        assert!(bits(&mut load(path).unwrap(), &tokens, 12) == expected, "{}", path.display());
        let source = ModelSource::Gguf(path.clone());
        assert_eq!(source.artifacts().unwrap().weights, paths);
        assert_eq!(source.missing(), Vec::<String>::new());
    }
    assert_eq!(ModelSource::Gguf(whole.clone()).artifacts().unwrap().weights, [whole]);
}

#[test]
fn a_part_that_is_missing_or_another_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = llama(true, mixed);
    let paths = split(&file, folder.path());
    let aside = folder.path().join("aside");
    std::fs::rename(&paths[1], &aside).unwrap();
    let source = ModelSource::Gguf(paths[2].clone());
    let error = load(&paths[2]).err().unwrap();
    assert!(error.contains("m-00002-of-00003.gguf` is not there") && error.contains("part 3 of 3"), "{error}");
    assert_eq!(source.missing(), [paths[1].display().to_string()]);
    assert!(check_model(&source, &EngineOptions::default()).is_err());

    std::fs::copy(&paths[0], &paths[1]).unwrap();
    let error = load(&paths[0]).err().unwrap();
    assert!(error.contains("m-00002-of-00003.gguf` says that it is part 1 of 3"), "{error}");

    let renamed = folder.path().join("model.gguf");
    std::fs::rename(&aside, &renamed).unwrap();
    let error = load(&renamed).err().unwrap();
    assert!(error.contains("model.gguf` is part 2 of 3"), "{error}");
}

#[test]
fn a_file_in_the_other_order_of_bytes_gives_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gguf");
    for kind in BLOCKS {
        let mut file = llama(true, |_| kind);
        file.write(&path);
        let expected = bits(&mut load(&path).unwrap(), &tokens(3), 3);
        file.big_endian = true;
        file.write(&path);
        assert!(bits(&mut load(&path).unwrap(), &tokens(3), 3) == expected, "type {}", kind.0);
    }
}

#[test]
fn a_type_that_is_not_read_is_refused_by_its_name_where_a_layer_asks_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gguf");
    let strange: Kind = (34, 256, 54, &[]);
    for (number, name) in [(34, "TQ1_0"), (16, "IQ2_XXS"), (40, "NVFP4"), (9, "Q8_1"), (77, "type 77")] {
        let kind = (number, strange.1, strange.2, strange.3);
        let only = |name: &str| if name == "blk.1.ffn_up" { kind } else { raw::Q4_K };
        llama(true, only).write(&path);
        let error = load(&path).err().unwrap();
        assert!(error.contains("`blk.1.ffn_up.weight`") && error.contains(&format!("stored as {name};")), "{error}");
        assert!(error.contains("Q4_K") && error.contains("MXFP4"), "{error}");
    }
    // What nobody asks for may be of any type.
    let mut file = llama(true, |_| raw::Q4_K);
    file.tensors.push(raw::Tensor { name: "x".to_owned(), dims: vec![256], kind: 77, bytes: vec![0; 3] });
    file.write(&path);
    assert!(load(&path).is_ok());
}

/// What transformers says of the dequantised f32 weights: `scripts/real/log_probs.py --record`.
#[needs(real)]
#[test]
fn log_probabilities_of_real_files_are_those_of_their_dequantised_weights() {
    let recorded: serde_json::Value = serde_json::from_str(include_str!("real_log_probs.json")).unwrap();
    for (file, sequences) in recorded.as_object().unwrap() {
        let mut engine = Engine::load(&ModelSource::Gguf(folder!(real).join(file)), &EngineOptions::default()).unwrap();
        for recorded in sequences.as_array().unwrap() {
            let tokens: Vec<TokenId> = serde_json::from_value(recorded["tokens"].clone()).unwrap();
            let expected: Vec<f64> = serde_json::from_value(recorded["logprobs"].clone()).unwrap();
            let found = gac_inference::score_tokens(&mut engine, &tokens).unwrap().logprobs;
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-3, "{file}: {found} for {expected}");
            }
        }
    }
}

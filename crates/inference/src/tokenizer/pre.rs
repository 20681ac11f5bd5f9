//! How byte-level vocabularies of GGUF files cut text before BPE, by `tokenizer.ggml.pre`.
//!
//! The names, what they set, and which of them share a way are stated in llama.cpp's `src/llama-vocab.cpp`
//! (`llama_vocab::impl::load` for names and flags, `llm_tokenizer_bpe` for patterns); which model a name was taken from,
//! in its `convert_hf_to_gguf_update.py`. llama.cpp rewrites some patterns for an engine without Unicode classes: here
//! they are as the `tokenizer.json` of that model has them, which is the reference for ids. So are normalizers, which
//! llama.cpp leaves out.

/// One way of cutting text.
#[derive(Clone, Copy, Debug)]
pub(super) struct PreTokenizer {
    /// The values of `tokenizer.ggml.pre` that mean it.
    pub(super) names: &'static [&'static str],
    /// Patterns, one after the other: each cuts out its matches in every part that those before it left.
    pub(super) stages: &'static [&'static str],
    /// Whether characters are composed first (Unicode's NFC).
    pub(super) compose: bool,
    /// Whether a part that is a token of the vocabulary is that token, whatever the merges say.
    pub(super) ignore_merges: bool,
    /// Whether begin-of-text is added where the file does not say.
    pub(super) add_bos: bool,
    /// How the vocabulary writes text.
    pub(super) spelling: Spelling,
}

/// How a BPE vocabulary writes text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// Every byte as a character of GPT-2's alphabet.
    ByteLevel,
    /// As it is, with `▁` for a space and `<0xNN>` for a byte that no token has.
    Meta,
}

/// What a file means that names no way.
pub(super) const DEFAULT: &str = "default";

/// The way that a value of `tokenizer.ggml.pre` means.
pub(super) fn find(name: &str) -> Option<&'static PreTokenizer> {
    WAYS.iter().find(|way| way.names.contains(&name))
}

/// Every name there is.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    WAYS.iter().flat_map(|way| way.names).copied()
}

/// Names that llama.cpp knows and this table does not, with what they are.
pub(super) const REFUSED: [(&str, &str); 1] =
    [("whitespace", "cuts at white space for an encoder (jina-embeddings-v2-base-zh)")];

const PLAIN: PreTokenizer = PreTokenizer {
    names: &[],
    stages: &[],
    compose: false,
    ignore_merges: false,
    add_bos: false,
    spelling: Spelling::ByteLevel,
};

#[rustfmt::skip]
const WAYS: &[PreTokenizer] = &[
    // Files from before the field; llama.cpp's own choice for them.
    PreTokenizer { names: &[DEFAULT], stages: &[PUNCTUATION, GPT2, r"\p{N}+", THREE_DIGITS], ..PLAIN },
    // meta-llama/Meta-Llama-3-8B
    PreTokenizer {
        names: &["llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano"],
        stages: &[LLAMA3], ignore_merges: true, add_bos: true, ..PLAIN
    },
    // databricks/dbrx-base, abacusai/Smaug-Llama-3-70B-Instruct, THUDM/glm-4-9b-chat
    PreTokenizer { names: &["dbrx", "smaug-bpe", "chatglm-bpe"], stages: &[LLAMA3], ..PLAIN },
    // THUDM/glm-4-9b-hf, GLM-5
    PreTokenizer { names: &["glm4", "glm5"], stages: &[LLAMA3], ignore_merges: true, ..PLAIN },
    // inceptionai/Jais-2-8B-Chat
    PreTokenizer { names: &["jais-2"], stages: &[JAIS2], ..PLAIN },
    // openbmb/MiniCPM5-1B
    PreTokenizer { names: &["minicpm5"], stages: &[r"\p{N}{1,3}", MINICPM5], ignore_merges: true, ..PLAIN },
    // Qwen/Qwen1.5-7B, deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B, codefuse-ai/F2LLM-v2-4B: Qwen's vocabulary
    PreTokenizer { names: &["qwen2", "deepseek-r1-qwen", "f2llmv2"], stages: &[QWEN2], compose: true, ..PLAIN },
    // KORMo-Team/KORMo-tokenizer, Infinigence/Megrez-3B-Instruct, stabilityai/stablelm-2-zephyr-1_6b,
    // tencent/Hunyuan-A13B-Instruct, upstage/Solar-Open-100B, alvarobartt/grok-2-tokenizer
    PreTokenizer { names: &["kormo", "megrez", "stablelm2", "hunyuan", "solar-open", "grok-2"], stages: &[QWEN2], ..PLAIN },
    // Qwen/Qwen3.5-9B-Instruct
    PreTokenizer { names: &["qwen35"], stages: &[QWEN35], compose: true, ..PLAIN },
    // poolside/Laguna-XS.2
    PreTokenizer { names: &["laguna"], stages: &[LINES, QWEN2], ..PLAIN },
    // ufakai/ufakzeka-1
    PreTokenizer { names: &["ufakzeka"], stages: &[UFAKZEKA], ..PLAIN },
    // ByteDance-Seed/Seed-Coder-8B-Base
    PreTokenizer { names: &["seed-coder"], stages: &[SEED_CODER], ..PLAIN },
    // inclusionAI/Ling-lite, inclusionAI/Ling-mini-base-2.0
    PreTokenizer { names: &["bailingmoe", "bailingmoe2", "llada-moe"], stages: &[BAILING], ..PLAIN },
    // LGAI-EXAONE/K-EXAONE-236B-A23B
    PreTokenizer { names: &["exaone-moe"], stages: &[EXAONE_MOE], ..PLAIN },
    // openai-community/gpt2 and others that cut as it does
    PreTokenizer {
        names: &[
            "gpt-2", "phi-2", "jina-es", "jina-de", "jina-v1-en", "jina-v2-es", "jina-v2-de", "jina-v2-code",
            "roberta-bpe", "gigachat", "a.x-4.0", "mellum", "exaone4", "jais", "trillion", "granite-docling",
        ],
        stages: &[GPT2], ..PLAIN
    },
    // allenai/OLMo-1.7-7B-hf, mosaicml/mpt-7b, answerdotai/ModernBERT-base: GPT-NeoX's tokenizer
    PreTokenizer { names: &["olmo", "mpt", "modern-bert"], stages: &[GPT2], compose: true, ..PLAIN },
    // HuggingFaceTB/SmolLM-135M, bigcode/starcoder2-3b, smallcloudai/Refact-1_6-base, WisdomShell/CodeShell-7B,
    // LGAI-EXAONE/EXAONE-3.0-7.8B-Instruct, sapienzanlp/Minerva-7B-base-v1.0, JetBrains/Mellum2-12B-A2.5B-Base
    PreTokenizer {
        names: &["smollm", "starcoder", "refact", "codeshell", "exaone", "minerva-7b", "mellum2"],
        stages: &[DIGIT, GPT2], ..PLAIN
    },
    // CohereForAI/c4ai-command-r-v01
    PreTokenizer { names: &["command-r"], stages: &[DIGIT, GPT2], compose: true, ..PLAIN },
    // CohereLabs/tiny-aya-base, CohereLabs/North-Mini-Code-1.0
    PreTokenizer { names: &["tiny_aya", "cohere2moe"], stages: &[r"\d{1,3}(?=(?:\d{3})*\b)", GPT4O], ..PLAIN },
    // Xenova/gpt-4o, meta-llama/Llama-4-Scout-17B-16E-Instruct, kakaocorp/kanana-2-30b-a3b-instruct-2601,
    // lewtun/talkie-1930-13b-it-hf, MiniMaxAI/MiniMax-M2
    PreTokenizer { names: &["gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"], stages: &[GPT4O], ..PLAIN },
    // ibm-granite/granite-embedding-97m-multilingual-r2
    PreTokenizer { names: &["granite-embed-multi-97m"], stages: &[GPT4O], ignore_merges: true, ..PLAIN },
    // mistralai/Mistral-Nemo-Base-2407
    PreTokenizer { names: &["tekken"], stages: &[TEKKEN], ignore_merges: true, add_bos: true, ..PLAIN },
    // tencent/Youtu-LLM-2B
    PreTokenizer { names: &["youtu"], stages: &[YOUTU_SCRIPTS, YOUTU], ignore_merges: true, ..PLAIN },
    // moonshotai/Kimi-K2-Base
    PreTokenizer { names: &["kimi-k2"], stages: &[KIMI_K2], ..PLAIN },
    // deepseek-ai/deepseek-llm-7b-base
    PreTokenizer {
        names: &["deepseek-llm"],
        stages: &[BREAK, DEEPSEEK_LETTERS, DEEPSEEK_MARKS, r"\s+$", DEEPSEEK_CJK, r"\p{N}+"], ..PLAIN
    },
    // deepseek-ai/deepseek-coder-6.7b-base
    PreTokenizer { names: &["deepseek-coder"], stages: &[BREAK, r"\s?\p{L}+", r"\s?\p{P}+", DEEPSEEK_CJK, DIGIT], ..PLAIN },
    // deepseek-ai/DeepSeek-V3, tencent/Hunyuan-4B-Instruct, jdopensource/JoyAI-LLM-Flash, tencent/Hy4-preview
    PreTokenizer {
        names: &["deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"],
        stages: &[r"\p{N}{1,3}", CJK_AND_KANA, DEEPSEEK3], ..PLAIN
    },
    // XHToken/Spark-X2.5-1.7B
    PreTokenizer { names: &["spark2_5"], stages: &[r"\p{N}{1,3}", CJK_AND_KANA, SPARK, DIGIT], ..PLAIN },
    // arcee-ai/Trinity-Tokenizer
    PreTokenizer { names: &["afmoe"], stages: &[r"\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))", ASIAN_SCRIPTS, AFMOE], ..PLAIN },
    // tiiuae/falcon-7b
    PreTokenizer { names: &["falcon"], stages: &[r"[\p{P}$+<=>^~|`]+", GPT2, THREE_DIGITS], ..PLAIN },
    // LumiOpen/Poro-34B-chat, bigscience/bloom, TurkuNLP/gpt3-finnish-small
    PreTokenizer { names: &["poro-chat", "bloom", "gpt3-finnish"], stages: &[BLOOM], ..PLAIN },
    // LumiOpen/Viking-7B
    PreTokenizer { names: &["viking"], stages: &[BLOOM, DIGIT], ..PLAIN },
    // UW/OLMo2-8B-SuperBPE-t180k
    PreTokenizer { names: &["superbpe"], stages: &[r"\p{N}+", r"(?=(\d{3})+(?!\d))"], ..PLAIN },
    // facebook/chameleon-7b
    PreTokenizer {
        names: &["chameleon"],
        stages: &[
            "<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", r"([\t\n]|    |  )", DIGIT,
            r"[\p{P}!-/:-@\[-`{-~]", GPT2,
        ],
        add_bos: true, ..PLAIN
    },
    // google/gemma-4, ibm-granite/granite-embedding-311m-multilingual-r2: BPE of whole lines
    PreTokenizer {
        names: &["gemma4", "granite-embed-multi-311m"],
        stages: &[LINES], add_bos: true, spelling: Spelling::Meta, ..PLAIN
    },
    // sarvamai/sarvam-30b
    PreTokenizer { names: &["sarvam-moe"], stages: &[LINES], spelling: Spelling::Meta, ..PLAIN },
];

const DIGIT: &str = r"\p{N}";
const THREE_DIGITS: &str = "[0-9][0-9][0-9]";
const BREAK: &str = r"[\r\n]";
const LINES: &str = r"[^\n]+|\n+";
const PUNCTUATION: &str = r"[\p{P}$+<=>^~|]+";
const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const LLAMA3: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|",
    r"\s+(?!\S)|\s+",
);
const JAIS2: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|",
    r"\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|",
    r"\s{1,2}(?!\S)|\s{1}",
);
const MINICPM5: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|",
    r"\s+(?!\S)|\s+",
);
const QWEN2: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|",
    r"\s+(?!\S)|\s+",
);
const QWEN35: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|",
    r"\s+(?!\S)|\s+",
);
const UFAKZEKA: &str = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const SEED_CODER: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|",
    r"\s+(?!\S)|\s+",
);
const BAILING: &str = concat!(
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|",
    r"\s+(?!\S)|\s+",
);
const EXAONE_MOE: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}|",
    r" ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+",
);
const GPT4O: &str = concat!(
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|",
    r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
);
const TEKKEN: &str = concat!(
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|",
    r"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
);
const YOUTU_SCRIPTS: &str = concat!(
    r"[\x{ac00}-\x{d7a3}\x{3131}-\x{318e}]+|",
    r"[\x{ff01}\x{2026}\x{201c}\x{201d}\x{2018}\x{2019}\x{2014}\x{ff1a}\x{ff1b}\x{ff0c}\x{3001}-\x{303f}\x{fe30}-\x{fe4f}]+|",
    r"[\x{3105}-\x{312f}]+|[\x{4e00}-\x{9fa5}\x{3040}-\x{309f}\x{30a0}-\x{30ff}]+",
);
const YOUTU: &str = concat!(
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|",
    r"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
);
const KIMI_K2: &str = concat!(
    r"[\p{Han}]+|",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?|",
    r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
);
const CJK_AND_KANA: &str = r"[\x{4e00}-\x{9fa5}\x{3040}-\x{309f}\x{30a0}-\x{30ff}]+";
const DEEPSEEK_CJK: &str = r"[\x{4e00}-\x{9fa5}\x{800}-\x{4e00}\x{ac00}-\x{d7ff}]+";
const DEEPSEEK_MARKS: &str = r"\s?[!-/:-~\x{ff01}-\x{ff0f}\x{ff1a}-\x{ff5e}\x{2018}-\x{201f}\x{3000}-\x{3002}]+";
const DEEPSEEK3: &str = concat!(
    r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|"##,
    r" ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
);
const SPARK: &str = concat!(
    r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|"##,
    r" ?[\p{P}\p{S}]+|[\r\n]|\s+(?!\S)|\s+",
);
const AFMOE: &str = DEEPSEEK3;
const ASIAN_SCRIPTS: &str = concat!(
    r"[\x{4e00}-\x{9fff}\x{3400}-\x{4dbf}\x{f900}-\x{faff}\x{3040}-\x{309f}\x{30a0}-\x{30ff}\x{ff65}-\x{ff9f}",
    r"\x{2f00}-\x{2fdf}\x{e40}-\x{e7f}\x{e80}-\x{eff}\x{1780}-\x{17ff}\x{1000}-\x{109f}\x{aa60}-\x{aa7f}",
    r"\x{a9e0}-\x{a9ff}\x{ac00}-\x{d7af}\x{1100}-\x{11ff}]+",
);
const BLOOM: &str = r" ?[^(\s|.,!?\x{2026}\x{3002}\x{ff0c}\x{3001}\x{964}\x{6d4}\x{60c})]+";
/// Letters with case, as Unicode had them when the model was made.
const DEEPSEEK_LETTERS: &str = concat!(
    r"\s?[A-Za-z\x{b5}\x{c0}-\x{d6}\x{d8}-\x{f6}\x{f8}-\x{1ba}\x{1bc}-\x{1bf}\x{1c4}-\x{293}\x{295}-\x{2af}",
    r"\x{370}-\x{373}\x{376}-\x{377}\x{37b}-\x{37d}\x{37f}\x{386}\x{388}-\x{38a}\x{38c}\x{38e}-\x{3a1}",
    r"\x{3a3}-\x{3f5}\x{3f7}-\x{481}\x{48a}-\x{52f}\x{531}-\x{556}\x{10a0}-\x{10c5}\x{13a0}-\x{13f5}",
    r"\x{13f8}-\x{13fd}\x{1c90}-\x{1cba}\x{1cbd}-\x{1cbf}\x{1d00}-\x{1d2b}\x{1d6b}-\x{1d77}",
    r"\x{1d79}-\x{1d9a}\x{1e00}-\x{1f15}\x{1f18}-\x{1f1d}\x{1f20}-\x{1f45}\x{1f48}-\x{1f4d}",
    r"\x{1f50}-\x{1f57}\x{1f59}\x{1f5b}\x{1f5d}\x{1f5f}-\x{1f7d}\x{1f80}-\x{1fb4}\x{1fb6}-\x{1fbc}\x{1fbe}",
    r"\x{1fc2}-\x{1fc4}\x{1fc6}-\x{1fcc}\x{1fd0}-\x{1fd3}\x{1fd6}-\x{1fdb}\x{1fe0}-\x{1fec}",
    r"\x{1ff2}-\x{1ff4}\x{1ff6}-\x{1ffc}\x{2102}\x{2107}\x{210a}-\x{2113}\x{2115}\x{2119}-\x{211d}\x{2124}",
    r"\x{2126}\x{2128}\x{212a}-\x{212d}\x{212f}-\x{2134}\x{2139}\x{213c}-\x{213f}\x{2145}-\x{2149}\x{214e}",
    r"\x{2183}-\x{2184}\x{2c00}-\x{2c7b}\x{2c7e}-\x{2ce4}\x{2ceb}-\x{2cee}\x{2cf2}-\x{2cf3}",
    r"\x{a640}-\x{a66d}\x{a680}-\x{a69b}\x{a722}-\x{a76f}\x{a771}-\x{a787}\x{a78b}-\x{a78e}",
    r"\x{ab70}-\x{abbf}\x{fb00}-\x{fb06}\x{fb13}-\x{fb17}\x{ff21}-\x{ff3a}\x{ff41}-\x{ff5a}",
    r"\x{10400}-\x{1044f}\x{104b0}-\x{104d3}\x{104d8}-\x{104fb}\x{10c80}-\x{10cb2}\x{10cc0}-\x{10cf2}",
    r"\x{118a0}-\x{118df}\x{1e900}-\x{1e943}]+",
);

#[cfg(test)]
mod tests {
    use tokenizers::pre_tokenizers::PreTokenizerWrapper;
    use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer as _};

    use super::*;

    /// The parts that a way cuts `text` into.
    fn cut(name: &str, text: &str) -> Vec<String> {
        let mut parts = PreTokenizedString::from(text);
        for stage in find(name).unwrap().stages {
            let split = serde_json::json!({"type": "Split", "pattern": {"Regex": stage}, "behavior": "Isolated", "invert": false});
            let split: PreTokenizerWrapper = serde_json::from_value(split).unwrap();
            split.pre_tokenize(&mut parts).unwrap();
        }
        let parts = parts.get_splits(OffsetReferential::Original, OffsetType::Byte);
        parts.into_iter().map(|(part, _, _)| part.to_owned()).collect()
    }

    #[test]
    fn every_name_means_one_way_and_every_way_can_cut() {
        let mut seen = std::collections::BTreeSet::new();
        for name in names() {
            assert!(seen.insert(name), "{name} twice");
            let text = "It's 12,345 ½ nights\u{301} — 東京 Été ÀB\r\n\n   x\t\ty ٣٤ \u{200d}🦀 ";
            assert_eq!(cut(name, text).concat(), text, "{name}");
        }
        assert!(REFUSED.iter().all(|(name, _)| !seen.contains(name)));
        // As many as llama.cpp has, with `default` and without the refused one.
        assert_eq!(seen.len(), 90);
    }

    #[test]
    fn digits_are_cut_out_before_white_space_is_looked_at() {
        for name in ["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2"] {
            assert_eq!(cut(name, "a  12"), ["a", "  ", "1", "2"], "{name}");
        }
        assert_eq!(cut("gpt-2", "a  12"), ["a", " ", " 12"]);
        assert_eq!(cut("qwen2", "a  12"), ["a", " ", " ", "1", "2"]);
        assert_eq!(cut("llama-bpe", "a  12345"), ["a", " ", " ", "123", "45"]);
    }

    #[test]
    fn digits_are_grouped_from_the_side_that_the_model_groups_them_from() {
        assert_eq!(cut("tiny_aya", "1234567"), ["1", "234", "567"]);
        assert_eq!(cut("superbpe", "a 1234567 b"), ["a ", "1", "234", "567", " b"]);
        assert_eq!(cut("afmoe", "abc1234567"), ["abc", "1", "234", "567"]);
        assert_eq!(cut("deepseek-v3", "1234567"), ["123", "456", "7"]);
        assert_eq!(cut("falcon", "1234567"), ["123", "456", "7"]);
        assert_eq!(cut(DEFAULT, "x 1234567"), ["x", " ", "123", "456", "7"]);
    }

    #[test]
    fn case_and_script_decide_where_the_model_says_so() {
        assert_eq!(cut("gpt-4o", "camelCASEWord's ÉtéTest"), ["camel", "CASEWord's", " Été", "Test"]);
        assert_eq!(cut("tekken", "camelCase's"), ["camel", "Case", "'s"]);
        assert_eq!(cut("kimi-k2", "abc東京def"), ["abc", "東京", "def"]);
        assert_eq!(cut("deepseek-coder", "x東京 y"), ["x", "東京", " y"]);
        assert_eq!(cut("deepseek-llm", "x東京 y"), ["x", "東京", " y"]);
        assert_eq!(cut("ufakzeka", "Ankara'da"), ["Ankara", "'da"]);
        assert_eq!(cut("exaone-moe", "a b 1"), ["a b", " ", "1"]);
        assert_eq!(cut("bloom", "a, b|c"), ["a", ",", " b", "|", "c"]);
        assert_eq!(cut("chameleon", "a  b.c"), ["a", "  ", "b", ".", "c"]);
        assert_eq!(cut("gemma4", "a b\n\nc"), ["a b", "\n\n", "c"]);
    }

    #[test]
    fn runs_of_white_space_are_halved_where_the_model_halves_them() {
        let lengths = |text: &str| cut("jais-2", text).iter().map(String::len).collect::<Vec<_>>();
        assert_eq!(lengths(&format!("{}x", " ".repeat(14))), [8, 4, 1, 2]);
    }
}

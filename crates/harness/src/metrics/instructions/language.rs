//! The language of a text.
//!
//! lm-evaluation-harness asks `langdetect`, which draws at random; this is `whatlang`, which does not. It knows no Swahili and is
//! easily led astray by short texts in English: both are told by their most frequent words.

use std::sync::LazyLock;

use whatlang::{Detector, Lang, Script};

/// Frequent words of Swahili that are none of its neighbours' in the alphabet.
const SWAHILI: [&str; 40] = [
    "na", "ya", "wa", "kwa", "ni", "katika", "la", "za", "hii", "kuwa", "cha", "kama", "yake", "hiyo", "huu", "wake",
    "kutoka", "pia", "sana", "lakini", "watu", "mtu", "hivyo", "kila", "baada", "wengi", "yetu", "yao", "wao",
    "ambayo", "ambao", "vya", "nchi", "siku", "mimi", "wewe", "sisi", "hapa", "bado", "kufanya",
];
/// Frequent words of English.
const ENGLISH: [&str; 43] = [
    "the", "of", "and", "is", "it", "that", "was", "for", "as", "with", "she", "they", "you", "at", "this", "have",
    "from", "or", "had", "by", "but", "not", "what", "all", "were", "we", "when", "your", "can", "said", "there", "an",
    "which", "how", "their", "if", "will", "about", "why", "who", "her", "did", "went",
];
/// The share of words that shows a text to be of a language.
const SHARE: f64 = 0.25;

/// Russian letters that Bulgarian has not.
const RUSSIAN: [char; 6] = ['ы', 'э', 'ё', 'Ы', 'Э', 'Ё'];

/// What `langdetect` knows and is not asked for, too: a text of one of these is none of the others.
static DETECTOR: LazyLock<Detector> = LazyLock::new(|| {
    let others = [
        Lang::Afr,
        Lang::Cat,
        Lang::Ces,
        Lang::Dan,
        Lang::Ell,
        Lang::Est,
        Lang::Hrv,
        Lang::Hun,
        Lang::Ind,
        Lang::Lit,
        Lang::Lav,
        Lang::Mkd,
        Lang::Nld,
        Lang::Nob,
        Lang::Ron,
        Lang::Slk,
        Lang::Slv,
        Lang::Swe,
        Lang::Tgl,
        Lang::Tur,
        Lang::Cmn,
    ];
    Detector::with_allowlist(CODES.iter().map(|(language, _)| *language).chain(others).collect())
});

/// The language's ISO 639-1 code, as far as `IFEval` asks for it; `other` for all others, none where a text has no words.
pub(super) fn language(text: &str) -> Option<&'static str> {
    let found = DETECTOR.detect(text)?;
    if found.script() == Script::Latin {
        let swahili = [("sw", &SWAHILI[..]), ("en", &ENGLISH[..])];
        if let Some((code, _)) = swahili.into_iter().find(|(_, frequent)| is_of(text, frequent)) {
            return Some(code);
        }
    }
    if found.lang() == Lang::Bul && text.contains(RUSSIAN) {
        return Some("ru");
    }
    let known = CODES.iter().find(|(language, _)| *language == found.lang());
    Some(known.map_or("other", |(_, code)| code))
}

fn is_of(text: &str, frequent: &[&str]) -> bool {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()).collect();
    let count = words.iter().filter(|word| frequent.contains(word)).count();
    !words.is_empty() && count as f64 >= SHARE * words.len() as f64
}

/// The languages that are asked for.
const CODES: [(Lang, &str); 29] = [
    (Lang::Eng, "en"),
    (Lang::Spa, "es"),
    (Lang::Por, "pt"),
    (Lang::Ara, "ar"),
    (Lang::Hin, "hi"),
    (Lang::Fra, "fr"),
    (Lang::Rus, "ru"),
    (Lang::Deu, "de"),
    (Lang::Jpn, "ja"),
    (Lang::Ita, "it"),
    (Lang::Ben, "bn"),
    (Lang::Ukr, "uk"),
    (Lang::Tha, "th"),
    (Lang::Urd, "ur"),
    (Lang::Tam, "ta"),
    (Lang::Tel, "te"),
    (Lang::Bul, "bg"),
    (Lang::Kor, "ko"),
    (Lang::Pol, "pl"),
    (Lang::Heb, "he"),
    (Lang::Pes, "fa"),
    (Lang::Vie, "vi"),
    (Lang::Nep, "ne"),
    (Lang::Kan, "kn"),
    (Lang::Mar, "mr"),
    (Lang::Guj, "gu"),
    (Lang::Pan, "pa"),
    (Lang::Mal, "ml"),
    (Lang::Fin, "fi"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_told_apart() {
        for (text, code) in [
            ("The lamp that stood beside the river was older than anybody in the village.", "en"),
            ("Die Lampe, die neben dem Fluss stand, war älter als alle im Dorf.", "de"),
            ("La lámpara que estaba junto al río era más vieja que cualquiera del pueblo.", "es"),
            ("Лампа, стоявшая у реки, была старше всех жителей деревни.", "ru"),
            ("Watu wengi wa nchi hii ni wakulima, lakini kila siku wao pia huenda kazini.", "sw"),
            ("नदी के किनारे रखा दीपक गाँव में सबसे पुराना था।", "hi"),
        ] {
            assert_eq!(language(text), Some(code), "{text}");
        }
        assert_eq!(language("12 + 3 = 15!"), None);
    }
}

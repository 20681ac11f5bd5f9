//! Porter's stemmer with the extensions of NLTK, for lower-case ASCII words.
//!
//! Sources: M. F. Porter, "An algorithm for suffix stripping", Program 14.3 (1980); NLTK 3.10, `PorterStemmer` in the mode
//! `NLTK_EXTENSIONS`.

/// Words whose stems no rule gives.
const IRREGULAR: [(&str, &str); 16] = [
    ("sky", "sky"),
    ("skies", "sky"),
    ("dying", "die"),
    ("lying", "lie"),
    ("tying", "tie"),
    ("news", "news"),
    ("innings", "inning"),
    ("inning", "inning"),
    ("outings", "outing"),
    ("outing", "outing"),
    ("cannings", "canning"),
    ("canning", "canning"),
    ("howe", "howe"),
    ("proceed", "proceed"),
    ("exceed", "exceed"),
    ("succeed", "succeed"),
];

/// Suffixes of the second step, where the stem has a measure above 0.
const SECOND: [(&str, &str); 21] = [
    ("ational", "ate"),
    ("tional", "tion"),
    ("enci", "ence"),
    ("anci", "ance"),
    ("izer", "ize"),
    ("bli", "ble"),
    ("alli", "al"),
    ("entli", "ent"),
    ("eli", "e"),
    ("ousli", "ous"),
    ("ization", "ize"),
    ("ation", "ate"),
    ("ator", "ate"),
    ("alism", "al"),
    ("iveness", "ive"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("aliti", "al"),
    ("iviti", "ive"),
    ("biliti", "ble"),
    ("fulli", "ful"),
];

/// Those of the third step, where it has one above 0.
const THIRD: [(&str, &str); 7] =
    [("icate", "ic"), ("ative", ""), ("alize", "al"), ("iciti", "ic"), ("ical", "ic"), ("ful", ""), ("ness", "")];

/// Those that the fourth step drops, where it has one above 1; `ion` behind s and t only.
const FOURTH: [&str; 19] = [
    "al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "ou", "ism", "ate", "iti",
    "ous", "ive", "ize",
];

/// A word's stem.
pub(super) fn stem(word: &str) -> String {
    if let Some((_, stem)) = IRREGULAR.iter().find(|(irregular, _)| *irregular == word) {
        return (*stem).to_owned();
    }
    if word.len() <= 2 {
        return word.to_owned();
    }
    let word = without_plural(word);
    let word = without_past(&word);
    let word = match word.strip_suffix('y') {
        Some(stem) if stem.len() > 1 && consonants(stem).last() == Some(&true) => format!("{stem}i"),
        _ => word,
    };
    let word = second(&word);
    let word = replaced(&word, &THIRD, |stem| measure(stem) > 0).unwrap_or(word);
    let word = without_ending(&word);
    // A final e and a doubled l.
    let word = match word.strip_suffix('e') {
        Some(stem) if measure(stem) > 1 || measure(stem) == 1 && !ends_short(stem) => stem.to_owned(),
        _ => word,
    };
    match word.strip_suffix('l') {
        Some(shorter) if shorter.ends_with('l') && measure(shorter) > 1 => shorter.to_owned(),
        _ => word,
    }
}

fn without_plural(word: &str) -> String {
    match word {
        _ if word.ends_with("ies") && word.len() == 4 => word[..3].to_owned(),
        _ if word.ends_with("sses") || word.ends_with("ies") => word[..word.len() - 2].to_owned(),
        _ if word.ends_with("ss") => word.to_owned(),
        _ => word.strip_suffix('s').unwrap_or(word).to_owned(),
    }
}

fn without_past(word: &str) -> String {
    if let Some(stem) = word.strip_suffix("ied") {
        return if word.len() == 4 { format!("{stem}ie") } else { format!("{stem}i") };
    }
    if let Some(stem) = word.strip_suffix("eed") {
        return if measure(stem) > 0 { format!("{stem}ee") } else { word.to_owned() };
    }
    let has_vowel = |stem: &&str| consonants(stem).contains(&false);
    let dropped = ["ed", "ing"].iter().find_map(|suffix| word.strip_suffix(suffix).filter(has_vowel));
    let Some(stem) = dropped else { return word.to_owned() };
    if ["at", "bl", "iz"].iter().any(|ending| stem.ends_with(ending)) {
        return format!("{stem}e");
    }
    if let [.., one, other] = stem.as_bytes()
        && one == other
        && consonants(stem).last() == Some(&true)
    {
        return if b"lsz".contains(other) { stem.to_owned() } else { stem[..stem.len() - 1].to_owned() };
    }
    if measure(stem) == 1 && ends_short(stem) { format!("{stem}e") } else { stem.to_owned() }
}

fn second(word: &str) -> String {
    // Once more behind it.
    if let Some(stem) = word.strip_suffix("alli").filter(|stem| measure(stem) > 0) {
        return second(&format!("{stem}al"));
    }
    if let Some(changed) = replaced(word, &SECOND, |stem| measure(stem) > 0) {
        return changed;
    }
    match word.strip_suffix("ogi") {
        Some(stem) if stem.ends_with('l') && measure(stem) > 0 => format!("{stem}og"),
        _ => word.to_owned(),
    }
}

fn without_ending(word: &str) -> String {
    let Some(stem) = FOURTH.iter().find_map(|suffix| word.strip_suffix(suffix)) else { return word.to_owned() };
    let is_ion = &word[stem.len()..] == "ion";
    let drops = measure(stem) > 1 && (!is_ion || stem.ends_with(['s', 't']));
    if drops { stem.to_owned() } else { word.to_owned() }
}

/// What becomes of a word by the first suffix that it has, the word itself where its stem is not `fit`; none without one.
fn replaced(word: &str, suffixes: &[(&str, &str)], fit: impl Fn(&str) -> bool) -> Option<String> {
    let (stem, new) = suffixes.iter().find_map(|(old, new)| Some((word.strip_suffix(old)?, new)))?;
    Some(if fit(stem) { format!("{stem}{new}") } else { word.to_owned() })
}

/// Whether each letter is a consonant: a y is one at the beginning and behind a vowel.
fn consonants(word: &str) -> Vec<bool> {
    let mut flags: Vec<bool> = Vec::with_capacity(word.len());
    for letter in word.bytes() {
        flags.push(match letter {
            b'a' | b'e' | b'i' | b'o' | b'u' => false,
            b'y' => !flags.last().copied().unwrap_or(false),
            _ => true,
        });
    }
    flags
}

/// How often a consonant follows a vowel.
fn measure(word: &str) -> usize {
    consonants(word).windows(2).filter(|pair| pair == &[false, true]).count()
}

/// Whether it ends in consonant, vowel and consonant other than w, x and y, or is a vowel and a consonant.
fn ends_short(word: &str) -> bool {
    match consonants(word)[..] {
        [.., true, false, true] => !word.ends_with(['w', 'x', 'y']),
        [false, true] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stems_are_nltks() {
        // From nltk.stem.porter.PorterStemmer().stem, NLTK 3.10.
        for (word, expected) in [
            ("skies", "sky"),
            ("dying", "die"),
            ("dies", "die"),
            ("flies", "fli"),
            ("kettles", "kettl"),
            ("glasses", "glass"),
            ("agreed", "agre"),
            ("feed", "feed"),
            ("bled", "bled"),
            ("sizing", "size"),
            ("hopping", "hop"),
            ("falling", "fall"),
            ("failing", "fail"),
            ("filing", "file"),
            ("happy", "happi"),
            ("enjoy", "enjoy"),
            ("spied", "spi"),
            ("died", "die"),
            ("relational", "relat"),
            ("rational", "ration"),
            ("conformably", "conform"),
            ("radically", "radic"),
            ("vilely", "vile"),
            ("theology", "theolog"),
            ("geology", "geolog"),
            ("hopefully", "hope"),
            ("electricity", "electr"),
            ("goodness", "good"),
            ("sensibility", "sensibl"),
            ("replacement", "replac"),
            ("adoption", "adopt"),
            ("rate", "rate"),
            ("cease", "ceas"),
            ("controlling", "control"),
            ("rolling", "roll"),
            ("traditionally", "tradit"),
            ("yyyy", "yyyi"),
            ("1990s", "1990"),
            ("exceeding", "exceed"),
            ("eye", "eye"),
        ] {
            assert_eq!(stem(word), expected, "{word}");
        }
    }
}

//! The word that was probably meant.

/// The choice closest to `word` by edit distance, ignoring ASCII case, when it is close enough to be a slip:
/// at most a third of the word's length, and 1 for short words.
pub(super) fn nearest<'a>(word: &str, choices: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.chars().take(64).map(|c| c.to_ascii_lowercase()).collect();
    let limit = (word.len() / 3).max(1);
    choices
        .into_iter()
        .map(|choice| (distance(&word, choice), choice))
        .filter(|(d, _)| *d <= limit)
        .min_by_key(|(d, _)| *d)
        .map(|(_, choice)| choice)
}

/// A suggestion to end an error message with, empty when no choice is near.
pub(crate) fn suggestion<'a>(word: &str, choices: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, choices).map(|n| format!("; did you mean \"{n}\"?")).unwrap_or_default()
}

/// Levenshtein's distance (Soviet Physics Doklady, 1966), one row at a time.
fn distance(a: &[char], b: &str) -> usize {
    let mut row: Vec<usize> = (0..=a.len()).collect();
    for (j, cb) in b.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = j + 1;
        for (i, ca) in a.iter().enumerate() {
            let substituted = diagonal + usize::from(*ca != cb.to_ascii_lowercase());
            diagonal = row[i + 1];
            row[i + 1] = substituted.min(diagonal + 1).min(row[i] + 1);
        }
    }
    row[a.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_slips_and_nothing_else() {
        let choices = ["color", "scale", "labels"];
        assert_eq!(nearest("colour", choices), Some("color"));
        assert_eq!(nearest("Label", choices), Some("labels"));
        assert_eq!(nearest("confidence", choices), None);
        assert_eq!(nearest("", choices), None);
        assert_eq!(suggestion("scael", choices), "");
        assert_eq!(suggestion("scales", choices), "; did you mean \"scale\"?");
    }

    #[test]
    fn distance_of_known_words() {
        let d = |a: &str, b| distance(&a.chars().collect::<Vec<_>>(), b);
        assert_eq!(d("kitten", "sitting"), 3);
        assert_eq!(d("", "abc"), 3);
        assert_eq!(d("abc", ""), 3);
    }
}

//! "Did you mean": the word that a mistyped one is nearest to.

/// Letters that may differ.
const FAR: usize = 2;

/// `" (did you mean RUN?)"`, or nothing when no word is near. Of several the first.
pub fn suggest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    // No word that is known is longer than this; what is compared is bounded.
    if word.len() > 32 {
        return String::new();
    }
    let word = word.to_lowercase();
    let near = known.into_iter().map(|known| (distance(&word, &known.to_lowercase()), known));
    match near.min_by_key(|(distance, _)| *distance) {
        Some((distance, known)) if distance <= FAR => format!(" (did you mean {known}?)"),
        Some(_) | None => String::new(),
    }
}

/// The word that another one may be meant by, where large and small letters differ; none when it is one of them.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > 256 {
        return None;
    }
    let near = known.into_iter().map(|known| (distance(word, known), known));
    near.min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| (1..=FAR).contains(distance))
        .map(|(_, known)| known)
}

/// How many letters must be put in, taken out or changed.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (number, c) in (1..).zip(from.chars()) {
        let mut corner = std::mem::replace(&mut row[0], number);
        for (at, other) in to.iter().enumerate() {
            let changed = corner + usize::from(c != *other);
            corner = row[at + 1];
            row[at + 1] = changed.min(row[at] + 1).min(corner + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_counts_for_variables() {
        assert_eq!(nearest("PAHT", ["PATH", "HOME"]), Some("PATH"));
        assert_eq!(nearest("path", ["PATH"]), None);
        assert_eq!(nearest("HOME", ["PATH", "HOME"]), None);
    }

    /// Recorded from dockerd 28.5.2.
    #[test]
    fn suggestions_are_near() {
        let known = ["ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "FROM", "MAINTAINER", "RUN", "VOLUME"];
        for (word, expect) in [
            ("COPPY", "COPY"),
            ("FOO", "FROM"),
            ("EX", "ENV"),
            ("R", "ARG"),
            ("ABCD", "ADD"),
            ("maintain", "MAINTAINER"),
            ("XYZ", ""),
            ("VOL", ""),
            ("COPYFILE", ""),
        ] {
            let expect = if expect.is_empty() { String::new() } else { format!(" (did you mean {expect}?)") };
            assert_eq!(suggest(word, known), expect, "{word}");
        }
        assert_eq!(suggest(&"x".repeat(100_000), known), "");
    }
}

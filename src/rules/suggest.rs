//! What somebody who misspelt a name has meant.

/// The known name that is closest to `name`, when it is close.
pub fn closest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let limit = (name.chars().count() / 3).clamp(1, 4);
    let distances = known.into_iter().map(|other| (distance(name, other), other));
    distances.filter(|(distance, _)| *distance <= limit).min_by_key(|(distance, _)| *distance).map(|(_, n)| n)
}

/// `; did you mean "..."?` for the closest known name, or the whole list when it is short and none is close.
pub(super) fn hint<'n>(name: &str, known: impl IntoIterator<Item = &'n str> + Clone) -> String {
    if let Some(meant) = closest(name, known.clone()) {
        return format!("; did you mean {meant:?}?");
    }
    let names: Vec<&str> = known.into_iter().collect();
    match names.len() {
        0 => String::new(),
        1..=16 => format!("; known are {}", names.join(", ")),
        count => format!("; known are {} and {} more", names[..16].join(", "), count - 16),
    }
}

/// Insertions, deletions and replacements from one name to the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_name_is_meant() {
        let known = ["zone.door.occupancy", "zone.door.entries", "line.door.forward"];
        assert_eq!(closest("zone.door.ocupancy", known), Some("zone.door.occupancy"));
        assert_eq!(closest("motion", known), None);
        assert_eq!(hint("polgon", ["polygon", "name"]), "; did you mean \"polygon\"?");
        assert_eq!(hint("x", ["polygon", "name"]), "; known are polygon, name");
        assert_eq!([distance("kitten", "sitting"), distance("", "ab"), distance("ab", "ab")], [3, 2, 0]);
    }
}

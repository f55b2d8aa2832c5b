//! The nearest of several known names. Our own thirty lines: the one thing wanted from a library is a distance in
//! which two letters changing places count once.

/// How many names are listed in full where none is near.
const FEW: usize = 12;

/// The known name nearest to `given`, if it is near enough to have been meant.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = given.chars().count();
    if length > 64 {
        return None;
    }
    let limit = (length / 3).clamp(1, 3);
    known
        .into_iter()
        .filter(|name| name.len() <= 256 && name.chars().count().abs_diff(length) <= limit)
        .map(|name| (distance(given, name), name))
        .filter(|&(distance, _)| distance <= limit)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, name)| name)
}

/// "did you mean", or the list of what there is.
pub(super) fn suggestion<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let mut names: Vec<&str> = known.into_iter().collect();
    if let Some(name) = nearest(given, names.iter().copied()) {
        return Some(format!("did you mean `{name}`?"));
    }
    names.sort_unstable();
    let total = names.len();
    names.truncate(FEW);
    let list = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    match total {
        0 => None,
        _ if total > FEW => Some(format!("there are {list} and {} more", total - FEW)),
        1 => Some(format!("there is {list}")),
        _ => Some(format!("there are {list}")),
    }
}

/// Damerau's distance (optimal string alignment) in characters.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = changed.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn two_letters_that_changed_places_are_one_mistake() {
        assert_eq!(nearest("moutn", ["mount", "amount"]), Some("mount"));
        assert_eq!(nearest("uzes", ["uses", "needs"]), Some("uses"));
        assert_eq!(nearest("x", ["uses", "needs"]), None);
        assert_eq!(nearest("checkpiont", ["checkpoint", "check"]), Some("checkpoint"));
    }
}

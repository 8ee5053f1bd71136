//! Which known name a misspelt one was meant to be.

/// Edits after which two names no longer resemble each other.
const EDITS_MAX: usize = 2;

/// The known name that takes the fewest edits to reach, if that is a few at most.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(edits, _)| *edits <= EDITS_MAX)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The Levenshtein distance: insertions, deletions and replacements of one byte.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, left) in from.bytes().enumerate() {
        let mut diagonal = index;
        let mut before = index + 1;
        for (cell, right) in row.iter_mut().skip(1).zip(to.bytes()) {
            let replaced = diagonal + usize::from(left != right);
            diagonal = *cell;
            before = replaced.min(*cell + 1).min(before + 1);
            *cell = before;
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
    }
    row.last().copied().unwrap_or(from.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_name_and_a_stranger_none() {
        let known = ["log_level", "data_dir", "rpc_url"];
        let check = |name, expect| assert_eq!(nearest(name, known), expect, "{name}");
        check("log_levle", Some("log_level"));
        check("datadir", Some("data_dir"));
        check("rcp_url", Some("rpc_url"));
        check("password", None);
        check("", None);
    }
}

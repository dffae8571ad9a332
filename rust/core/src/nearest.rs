//! Suggestions for misspelt names.

/// The name closest to `name`, if it is close enough to suggest.
pub fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = plain(name);
    let mut best: Option<(usize, usize, &str)> = None;
    for candidate in names {
        let other = plain(candidate);
        let (short, long) = (wanted.len().min(other.len()), wanted.len().max(other.len()));
        let distance = edit_distance(&wanted, &other);
        let rank = if distance <= long.div_ceil(4) && distance < long {
            distance
        } else if short >= 4 && (contains(&other, &wanted) || contains(&wanted, &other)) {
            long // a name inside another is a worse match than a typing error
        } else {
            continue;
        };
        if best.is_none_or(|(r, l, _)| (rank, long) < (r, l)) {
            best = Some((rank, long, candidate));
        }
    }
    best.map(|(_, _, name)| name)
}

/// The name that differs from `name` only in case, underscores or a typing error, so that it is certainly the intended name.
pub fn misspelt<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = plain(name);
    let allowed = match wanted.len() {
        0..=6 => 0,
        7..=11 => 1,
        _ => 2,
    };
    let scored = names.into_iter().map(|n| (edit_distance(&wanted, &plain(n)), n));
    scored.filter(|(distance, _)| *distance <= allowed).min_by_key(|(distance, _)| *distance).map(|(_, n)| n)
}

/// " (did you mean `x`?)", or an empty string if no name is close.
pub fn suggestion<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, names).map(|near| format!(" (did you mean `{near}`?)")).unwrap_or_default()
}

fn plain(name: &str) -> Vec<char> {
    name.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
}

fn contains(text: &[char], part: &[char]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// The edit distance: the number of letters to insert, delete, replace or swap with a neighbour.
pub fn edit_distance(a: &[char], b: &[char]) -> usize {
    let mut rows = [vec![0; b.len() + 1], vec![0; b.len() + 1], (0..=b.len()).collect::<Vec<usize>>()];
    for (i, x) in a.iter().enumerate() {
        rows.rotate_left(1);
        let [before, last, row] = &mut rows;
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let mut cost = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                cost = cost.min(before[j - 1] + 1);
            }
            row[j + 1] = cost;
        }
    }
    rows[2].last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARAMS: [&str; 5] = ["inputCol", "outputCol", "miniBatchSize", "channelNormalizationMeans", "model"];

    fn distance(a: &str, b: &str) -> usize {
        edit_distance(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>())
    }

    #[test]
    fn edit_distance_counts_changes() {
        assert_eq!((distance("kitten", "sitting"), distance("", "ab"), distance("ab", "ab")), (3, 2, 0));
        assert_eq!((distance("imgae", "image"), distance("ca", "abc"), distance("ab", "")), (1, 3, 2));
    }

    #[test]
    fn the_nearest_name_is_found_past_case_slips_and_missing_parts() {
        for (typed, intended) in [
            ("inputcol", "inputCol"),
            ("input_col", "inputCol"),
            ("ouputCol", "outputCol"),
            ("minibatch_size", "miniBatchSize"),
            ("batchSize", "miniBatchSize"),
            ("normalizationMeans", "channelNormalizationMeans"),
            ("modle", "model"),
        ] {
            assert_eq!(nearest(typed, PARAMS), Some(intended), "{typed}");
        }
    }

    #[test]
    fn a_name_like_none_suggests_none() {
        for typed in ["", "x", "colour", "threshold"] {
            assert_eq!(nearest(typed, PARAMS), None, "{typed}");
        }
        assert_eq!(nearest("a", ["b", "c"]), None);
        assert_eq!(suggestion("lineer", ["linear", "area"]), " (did you mean `linear`?)");
    }

    #[test]
    fn only_slips_count_as_misspelt() {
        assert_eq!(misspelt("inputcol", PARAMS), Some("inputCol"));
        assert_eq!(misspelt("minibatchsise", PARAMS), Some("miniBatchSize"));
        assert_eq!(misspelt("inputCols", PARAMS), Some("inputCol"));
        for free in ["models", "batchSize", "cache", "size", "outputs"] {
            assert_eq!(misspelt(free, PARAMS), None, "{free}");
        }
    }
}

//! Fibers that wait for each other.

/// The circles in what `count` fibers wait for: each for one other at most.
pub(super) fn of(count: usize, waits: &[(usize, usize)]) -> Vec<Vec<usize>> {
    let mut next = vec![None; count];
    for &(waiting, awaited) in waits {
        next[waiting] = Some(awaited);
    }
    // Which walk came to a fiber first.
    let mut walks = vec![None; count];
    let mut circles = Vec::new();
    for begin in 0..count {
        let mut at = begin;
        let came_again = loop {
            if let Some(walk) = walks[at] {
                break walk == begin;
            }
            walks[at] = Some(begin);
            match next[at] {
                Some(awaited) => at = awaited,
                None => break false,
            }
        };
        if came_again {
            let mut circle = vec![at];
            let mut rest = next[at];
            while let Some(other) = rest.filter(|other| *other != at) {
                circle.push(other);
                rest = next[other];
            }
            circles.push(circle);
        }
    }
    circles
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn circles_are_found_and_what_leads_to_them_is_none() {
        assert!(of(0, &[]).is_empty());
        assert!(of(4, &[(0, 1), (1, 2), (2, 3)]).is_empty());
        assert!(of(3, &[(2, 1), (1, 0)]).is_empty());
        assert_eq!(of(1, &[(0, 0)]), [[0]]);
        assert_eq!(of(5, &[(0, 1), (1, 2), (2, 1), (3, 1)]), [[1, 2]]);
        assert_eq!(of(4, &[(3, 0), (0, 3), (1, 2), (2, 1)]), [[0, 3], [1, 2]]);
    }
}

//! Groups of pictures that look alike, by complete linkage: every picture of a group is within reach of every other one. Bare
//! connected components chain pictures that have nothing in common.

use std::collections::{BTreeMap, BTreeSet};

/// Merges pictures pair by pair, the nearest first, wherever the merged group stays complete. `pairs` are positions in the
/// order of their nearness; groups have two members or more, and they and their members are sorted.
pub(crate) fn complete_link(pairs: &[(usize, usize)]) -> Vec<Vec<usize>> {
    let linked: BTreeSet<(usize, usize)> = pairs.iter().map(|&(a, b)| (a.min(b), a.max(b))).collect();
    let is_linked = |a: usize, b: usize| linked.contains(&(a.min(b), a.max(b)));
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut group_of: BTreeMap<usize, usize> = BTreeMap::new();
    for &(a, b) in pairs {
        for member in [a, b] {
            group_of.entry(member).or_insert_with(|| {
                groups.insert(member, vec![member]);
                member
            });
        }
        let (first, second) = (group_of[&a], group_of[&b]);
        let complete = |x: &usize| groups[&second].iter().all(|&y| is_linked(*x, y));
        if first != second && groups[&first].iter().all(complete) {
            let moved = groups.remove(&second).unwrap_or_default();
            for &member in &moved {
                *group_of.entry(member).or_default() = first;
            }
            groups.entry(first).or_default().extend(moved);
        }
    }
    let mut groups: Vec<Vec<usize>> = groups.into_values().filter(|group| group.len() > 1).collect();
    for group in &mut groups {
        group.sort_unstable();
    }
    groups.sort();
    groups
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_chain_is_cut_and_its_nearest_pair_stays() {
        assert_eq!(complete_link(&[(1, 2), (0, 1)]), [[1, 2]]);
        assert_eq!(complete_link(&[(0, 1), (1, 2), (2, 0)]), [[0, 1, 2]]);
        assert_eq!(complete_link(&[(0, 1), (2, 3), (1, 2)]), [[0, 1], [2, 3]], "not every two of the four are linked");
        assert!(complete_link(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn every_two_of_a_group_are_linked_and_no_picture_is_in_two_groups(
            pairs in prop::collection::btree_set((0..20_usize, 0..20_usize), 0..120)
        ) {
            let pairs: Vec<_> = pairs.into_iter().filter(|(a, b)| a < b).collect();
            let groups = complete_link(&pairs);
            let mut seen = BTreeSet::new();
            for group in &groups {
                for (index, &a) in group.iter().enumerate() {
                    prop_assert!(seen.insert(a));
                    prop_assert!(group[index + 1..].iter().all(|&b| pairs.contains(&(a, b))));
                }
            }
        }
    }
}

//! The two halves of the real images. A set is compared with the half that it was not made from, so that no image is near because
//! it is its own source; and the halves with each other, which is the floor.

use std::collections::BTreeMap;

use augtrial_base::seed::Stream;
use rand::seq::SliceRandom as _;

use crate::view::RealImage;

/// For every real image, whether it is in the second half. Images of one group are in one half; of each class, about as many are in
/// one as in the other. The order of the images decides nothing.
#[must_use]
pub fn halves(real: &[RealImage], rng: &mut Stream) -> Vec<bool> {
    // A group counts where its first image does, by digest.
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (position, image) in real.iter().enumerate() {
        groups.entry(&image.group).or_default().push(position);
    }
    let mut by_class: BTreeMap<u32, Vec<Vec<usize>>> = BTreeMap::new();
    for members in groups.into_values() {
        let first = members.iter().min_by_key(|&&position| real[position].digest).expect("a group has an image");
        by_class.entry(real[*first].class).or_default().push(members);
    }
    let mut second = vec![false; real.len()];
    for mut groups in by_class.into_values() {
        groups.shuffle(rng);
        // The largest first, so that the rest can balance them; stable, so that the shuffle decides among equals.
        groups.sort_by_key(|members| std::cmp::Reverse(members.len()));
        let mut counts = [0, 0];
        for members in groups {
            let half = usize::from(counts[1] < counts[0]);
            counts[half] += members.len();
            for position in members {
                second[position] = half == 1;
            }
        }
    }
    second
}

#[cfg(test)]
mod tests {
    use augtrial_base::digest::Digest;
    use augtrial_base::seed::{Purpose, StudySeed};

    use super::*;

    fn images() -> Vec<RealImage> {
        let image = |i: u32| {
            let group = if i % 10 < 4 { format!("object {}", i / 10) } else { format!("image {i}") };
            RealImage { digest: Digest::of_bytes(&i.to_le_bytes()), group, class: i / 50, probabilities: None }
        };
        (0..101).map(image).collect()
    }

    fn drawn(images: &[RealImage], seed: u64) -> Vec<bool> {
        halves(images, &mut StudySeed(seed).stream(Purpose::Quality, 0))
    }

    #[test]
    fn each_class_is_halved_and_no_group_is_torn() {
        let images = images();
        let second = drawn(&images, 1);
        for class in 0..3 {
            let of = images.iter().zip(&second).filter(|(image, _)| image.class == class);
            let (all, there) =
                of.fold((0_i32, 0_i32), |(all, there), (_, second)| (all + 1, there + i32::from(*second)));
            assert!((all - 2 * there).abs() <= 1, "class {class}: {there} of {all}");
        }
        for (a, half) in images.iter().zip(&second) {
            let torn = images.iter().zip(&second).any(|(b, other)| a.group == b.group && half != other);
            assert!(!torn, "{}", a.group);
        }
    }

    #[test]
    fn the_seed_decides_and_not_the_order() {
        let images = images();
        assert_ne!(drawn(&images, 1), drawn(&images, 2));
        let backwards: Vec<RealImage> = images.iter().rev().cloned().collect();
        let mut found = drawn(&backwards, 1);
        found.reverse();
        assert_eq!(found, drawn(&images, 1));
    }
}

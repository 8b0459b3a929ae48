//! The branches of a combinator: their streams, the choice among them, and their limits.
//!
//! Each branch draws from a stream of its own, which is named by the transform and by how many of that name stand before
//! it. So another branch changes what is chosen, and no number that the others draw.

use std::cmp::Ordering;

use image::RgbImage;
use rand::RngExt as _;

use crate::Transform;
use augtrial_base::catalog::Limit;
use augtrial_base::seed::{Fork, Stream};

/// A branch with its stream, and its place in the race.
pub(crate) struct Branch<'a> {
    transform: &'a Transform,
    stream: Stream,
    /// An exponential time, divided by the weight.
    arrival: f64,
}

/// The branches in the order of the file.
///
/// Each runs a race of its own: that it arrives first has the probability of its weight among all, and one branch more
/// changes nothing where it does not win (Efraimidis and Spirakis 2006).
pub(crate) fn branches<'a>(of: &'a [Transform], weights: &[f64], rng: &mut Stream) -> Vec<Branch<'a>> {
    let fork = Fork::new(rng);
    let branch = |(index, transform): (usize, &'a Transform)| {
        let twins = of[..index].iter().filter(|other| other.name() == transform.name()).count();
        let mut stream = fork.stream(transform.name(), twins as u64);
        let arrival = arrival(weights.get(index).copied().unwrap_or(1.0), &mut stream);
        Branch { transform, stream, arrival }
    };
    of.iter().enumerate().map(branch).collect()
}

/// When a branch of this weight arrives in a race: an exponential time, divided by the weight.
pub(crate) fn arrival(weight: f64, stream: &mut Stream) -> f64 {
    -(1.0 - stream.random::<f64>()).ln() / weight
}

impl Branch<'_> {
    pub(crate) fn apply(mut self, image: RgbImage) -> RgbImage {
        self.transform.behavior().apply(image, &mut self.stream)
    }

    /// Who arrives first.
    pub(crate) fn race(&self, other: &Self) -> Ordering {
        self.arrival.total_cmp(&other.arrival)
    }
}

/// The limit of the list itself, and what is wrong in the branches, each with its place below the combinator. `of` has their names
/// and limits; `what` is one of them in words.
pub(crate) fn limits<'a>(of: impl ExactSizeIterator<Item = (&'a str, Vec<Limit>)>, what: &str) -> Vec<Limit> {
    let some = of.len() > 0;
    let whole = Limit::rule("of", "one at least", some, || format!("`of` needs at least one {what}"));
    let inside = of.enumerate().flat_map(|(index, (name, limits))| {
        let place = format!("of[{index}].{name}");
        let broken = limits.into_iter().filter(|limit| !limit.faults.is_empty());
        broken.map(move |limit| limit.below(&place))
    });
    std::iter::once(whole).chain(inside).collect()
}

/// [`limits`] of transforms.
pub(crate) fn limits_of(of: &[Transform]) -> Vec<Limit> {
    limits(of.iter().map(|transform| (transform.name(), transform.limits())), "transform")
}

/// The limit of the weights of `count` branches, each a `what`.
pub(crate) fn weights_limit(weights: &[f64], count: usize, what: &str) -> Limit {
    let fits = weights.is_empty() || weights.len() == count;
    let weighed = weights.iter().all(|&weight| (0.0..=1e6).contains(&weight));
    let some = weights.is_empty() || weights.iter().any(|&weight| weight > 0.0);
    let bounds = format!("one for each {what}, 0 to 1000000, not all 0");
    Limit::rule("weights", &bounds, fits, || {
        format!("`weights` needs one number for each of the {count} {what}s, not {}", weights.len())
    })
    .and(weighed, || "`weights` must lie between 0 and 1000000".to_owned())
    .and(some, || "one of `weights` must be above 0".to_owned())
}

/// The branches of a combinator that stands for an example.
pub(crate) fn example() -> Vec<Transform> {
    use crate::{HorizontalFlip, Invert, Posterize};
    vec![
        Transform::HorizontalFlip(HorizontalFlip { p: 1.0 }),
        Transform::Invert(Invert { p: 1.0 }),
        Transform::Posterize(Posterize { bits: 3, p: 1.0 }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Apply, Clahe, Cutout, Downscale, GaussianBlur, GaussianNoise, GridMask, HorizontalFlip, Invert, MotionBlur,
        OneOf, RandomCrop, RandomOrder, SomeOf, TrivialAugmentWide, VerticalFlip,
    };
    use augtrial_base::seed::{Purpose, StudySeed};

    const DRAWS: u64 = 4000;

    fn stream(index: u64) -> Stream {
        StudySeed(5).stream(Purpose::Gallery, index)
    }

    fn flip() -> Transform {
        Transform::HorizontalFlip(HorizontalFlip { p: 1.0 })
    }

    fn upside_down() -> Transform {
        Transform::VerticalFlip(VerticalFlip { p: 1.0 })
    }

    fn negative() -> Transform {
        Transform::Invert(Invert { p: 1.0 })
    }

    fn noise() -> Transform {
        Transform::GaussianNoise(GaussianNoise { sigma: [0.1, 0.3] })
    }

    fn picture() -> RgbImage {
        RgbImage::from_fn(5, 4, |x, y| image::Rgb([x as u8 * 40 + 9, y as u8 * 50, 7]))
    }

    fn apply(transform: &Transform, index: u64) -> RgbImage {
        transform.behavior().apply(picture(), &mut stream(index))
    }

    /// Four standard errors of a share.
    fn assert_share(count: usize, expected: f64) {
        let share = count as f64 / DRAWS as f64;
        let error = (expected * (1.0 - expected) / DRAWS as f64).sqrt();
        assert!((share - expected).abs() <= 4.0 * error, "{share} is not {expected}");
    }

    #[test]
    fn one_of_chooses_by_weight() {
        let of = OneOf { of: vec![flip(), negative(), upside_down()], weights: vec![1.0, 5.0, 0.0] };
        let chosen: Vec<_> = (0..DRAWS).map(|index| apply(&Transform::OneOf(of.clone()), index)).collect();
        let share = |of: &Transform| chosen.iter().filter(|image| **image == apply(of, 0)).count();
        assert_share(share(&flip()), 1.0 / 6.0);
        assert_share(share(&negative()), 5.0 / 6.0);
        assert_eq!(share(&upside_down()), 0, "a weight of zero never wins");
    }

    #[test]
    fn one_branch_more_changes_nothing_where_it_is_not_chosen() {
        let with = |of: Vec<Transform>| Transform::OneOf(OneOf { of, weights: Vec::new() });
        let (two, three) = (with(vec![noise(), flip()]), with(vec![negative(), noise(), flip()]));
        let mut kept = 0;
        for index in 0..DRAWS {
            let made = apply(&three, index);
            if made != apply(&negative(), 0) {
                assert_eq!(made, apply(&two, index), "the noise is drawn alike");
                kept += 1;
            }
        }
        assert_share(kept, 2.0 / 3.0);
    }

    #[test]
    fn what_follows_a_combinator_draws_the_same_whatever_its_branches_are() {
        let after = |of: Vec<Transform>| {
            let mut rng = stream(1);
            Transform::RandomOrder(RandomOrder { of }).behavior().apply(picture(), &mut rng);
            rng.random::<u64>()
        };
        assert_eq!(after(vec![noise()]), after(vec![flip(), noise(), noise()]));
    }

    #[test]
    fn twins_draw_different_numbers() {
        let twice = Transform::RandomOrder(RandomOrder { of: vec![noise(), noise()] });
        let once = Transform::RandomOrder(RandomOrder { of: vec![noise()] });
        let moved = |made: &RgbImage, from: &RgbImage| -> Vec<i32> {
            made.iter().zip(from.iter()).map(|(a, b)| i32::from(*a) - i32::from(*b)).collect()
        };
        let (first, both) = (apply(&once, 3), apply(&twice, 3));
        assert_ne!(moved(&first, &picture()), moved(&both, &first));
    }

    #[test]
    fn some_of_applies_that_many_different_ones_each_equally_often() {
        let of = vec![flip(), negative(), upside_down()];
        let two = Transform::SomeOf(SomeOf { of: of.clone(), n: 2 });
        let pairs = [[0, 1], [0, 2], [1, 2]].map(|pair| {
            let together = Transform::SomeOf(SomeOf { of: pair.map(|index| of[index].clone()).to_vec(), n: 2 });
            apply(&together, 0)
        });
        let made: Vec<_> = (0..DRAWS).map(|index| apply(&two, index)).collect();
        for pair in &pairs {
            assert_share(made.iter().filter(|image| *image == pair).count(), 1.0 / 3.0);
        }
    }

    #[test]
    fn apply_is_all_or_nothing_with_its_probability() {
        let both = Transform::Apply(Apply { p: 0.3, of: vec![flip(), negative()] });
        let always = Transform::Apply(Apply { p: 1.0, of: vec![flip(), negative()] });
        let made: Vec<_> = (0..DRAWS).map(|index| apply(&both, index)).collect();
        let changed = made.iter().filter(|image| **image == apply(&always, 0)).count();
        assert_share(changed, 0.3);
        assert_eq!(made.iter().filter(|image| **image == picture()).count() + changed, DRAWS as usize);
    }

    #[test]
    fn random_order_reaches_every_order() {
        let of = RandomOrder { of: vec![noise(), flip()] };
        let orders: std::collections::BTreeSet<bool> = (0..64)
            .map(|index| {
                let flipped_first = crate::trace::traced(|| apply(&Transform::RandomOrder(of.clone()), index)).1;
                flipped_first[0].contains("flip")
            })
            .collect();
        assert_eq!(orders.len(), 2);
    }

    #[test]
    fn lengths_that_are_fixed_in_pixels_are_doubted_where_images_are_small_in_branches_too() {
        let trivial = |relative| {
            let of = vec![Transform::TrivialAugmentWide(TrivialAugmentWide { relative, ..Default::default() })];
            Transform::OneOf(OneOf { of, weights: Vec::new() })
        };
        let doubts = trivial(false).doubts(96, 72);
        assert!(doubts[0].contains("up to 32 px, which is 44 % of the shorter side of 72 px: `relative = true`"));
        assert!(trivial(false).doubts(224, 224).is_empty() && trivial(true).doubts(96, 72).is_empty());
    }

    #[test]
    fn every_transform_says_itself_from_which_size_on_it_makes_little_sense() {
        let gaussian = GaussianBlur { sigma: [0.1, 4.0], ..Default::default() };
        let motion = MotionBlur { length_px: [3, 15], ..Default::default() };
        let cases = [
            (
                Transform::GaussianBlur(gaussian),
                (48, 36),
                (96, 72),
                "`gaussian_blur` has a standard deviation of up to 4",
            ),
            (Transform::MotionBlur(motion), (48, 36), (96, 72), "`motion_blur` draws lines of up to 15 px"),
            (
                Transform::Cutout(Cutout { side_px: 30, ..Default::default() }),
                (64, 48),
                (96, 72),
                "`cutout` hides a square of 30 px",
            ),
            (
                Transform::RandomCrop(RandomCrop { padding_px: 24, ..Default::default() }),
                (64, 48),
                (96, 72),
                "`random_crop` moves by up to 24 px",
            ),
            (Transform::Clahe(Clahe::default()), (96, 72), (224, 224), "`clahe` evens tiles of 12x9 px"),
            (Transform::GridMask(GridMask::default()), (16, 12), (224, 224), "`grid_mask` hides squares every"),
            (Transform::Downscale(Downscale::default()), (32, 24), (224, 224), "`downscale` leaves down to 6 px"),
        ];
        for (transform, small, large, words) in cases {
            let doubts = transform.doubts(small.0, small.1);
            assert!(doubts.len() == 1 && doubts[0].starts_with(words), "{words}: {doubts:?}");
            assert!(doubts[0].contains("choose"), "what to do: {doubts:?}");
            assert_eq!(transform.doubts(large.0, large.1), [""; 0], "{words}");
        }
        // As they are by default, none is doubted where they were published.
        let by_default = |name: &str| serde_json::from_str::<Transform>(&format!("{{\"{name}\":{{}}}}")).ok();
        let published: Vec<Transform> = Transform::ROWS.iter().filter_map(|row| by_default(row.name)).collect();
        assert!(published.len() > 30, "all but those that hold others: {}", published.len());
        for transform in &published {
            assert_eq!(transform.doubts(224, 224), [""; 0], "{}", transform.name());
        }
    }

    #[test]
    fn a_fault_in_a_branch_is_told_with_its_place() {
        let inner = Transform::Apply(Apply { p: 2.0, of: vec![noise()] });
        let outer = Transform::OneOf(OneOf { of: vec![flip(), inner], weights: vec![1.0] });
        let faults: Vec<_> = outer
            .limits()
            .into_iter()
            .flat_map(|limit| limit.faults.into_iter().map(move |fault| (limit.parameter.to_string(), fault.message)))
            .collect();
        assert_eq!(
            faults,
            [
                ("of[1].apply.p".to_owned(), "`p` must lie between 0 and 1, not 2".to_owned()),
                ("weights".to_owned(), "`weights` needs one number for each of the 2 transforms, not 1".to_owned()),
            ]
        );
        let empty = Transform::RandomOrder(RandomOrder { of: Vec::new() });
        assert_eq!(empty.limits()[0].faults[0].message, "`of` needs at least one transform");
    }
}

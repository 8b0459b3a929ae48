//! Sentences about learning curves: how they were made, and what an augmentation is worth in real images.

use augtrial_base::numbers::count;
use augtrial_base::words::plural;
use augtrial_compare::{ContrastWorth, Equivalent, Learning, LearningSlice, NoWorth, Worth};
use augtrial_stats::Degenerate;

/// Ratios beyond this say no more than that there are many.
const MOST_RATIO: f64 = 100.0;

/// One paragraph for each contrast at each combination of the other factors' levels.
pub(super) fn answers(learning: &Learning) -> Vec<String> {
    learning.slices.iter().flat_map(|slice| slice.worths.iter().map(move |worth| answer(slice, worth))).collect()
}

/// Where a slice lies, before a sentence; nothing without other factors.
pub(crate) fn place(slice: &LearningSlice) -> String {
    let levels: Vec<String> = slice.others.iter().map(|(factor, level)| format!("{factor} {level}")).collect();
    if levels.is_empty() { String::new() } else { format!("With {}: ", levels.join(", ")) }
}

fn answer(slice: &LearningSlice, of: &ContrastWorth) -> String {
    let (treatment, control) = (&of.contrast.treatment, &of.contrast.control);
    let told: Vec<&Worth> = of.worths.iter().filter(|worth| !worth.seeds.is_empty()).collect();
    let Some((largest, smaller)) = told.split_last() else {
        return format!(
            "{}{treatment} against {control}: no seed has two sizes of the control to draw a curve through.",
            place(slice)
        );
    };
    let end = slice.arms.iter().flat_map(|arm| &arm.points).map(|point| point.images).max().unwrap_or(0);
    let mut sentences = vec![format!("{}{}", place(slice), worth(largest, treatment, control, end))];
    sentences.extend(smaller.iter().rev().map(|of| format!("With {}: {}.", count(of.images), short(of, control, end))));
    sentences.push(curves(of, control));
    sentences.join(" ")
}

/// The sentence on one number of images.
fn worth(of: &Worth, treatment: &str, control: &str, end: u64) -> String {
    let images = count(of.images);
    match &of.ratio {
        Ok(_) => format!("With {images} real images, {treatment} is worth {}.", short(of, control, end)),
        Err(_) => format!(
            "With {images} real images, what {treatment} is worth in real images has no number: {}.",
            short(of, control, end)
        ),
    }
}

/// The worth with its interval and where it lies, without a full stop.
fn short(of: &Worth, control: &str, end: u64) -> String {
    let seeds = plural(of.seeds.len(), "seed");
    match &of.ratio {
        Ok(ratio) => {
            let (low, high) = ratio.interval;
            let high = if high > MOST_RATIO {
                format!("no end worth naming (over {MOST_RATIO:.0} times as many)")
            } else {
                percent(high)
            };
            format!("{} real images [{} to {high}] ({seeds}){}", percent(ratio.point), percent(low), beyond(of, end))
        }
        Err(NoWorth::Endless { above, seeds: all }) => format!(
            "in {above} of {} {control}'s curve is so good at no number of images, so that no interval has an upper end{}",
            plural(*all, "seed"),
            others(of)
        ),
        Err(NoWorth::Bottomless { below, seeds: all }) => format!(
            "in {below} of {} it is worse than {control}'s curve is anywhere, so that no interval has a lower end{}",
            plural(*all, "seed"),
            others(of)
        ),
        Err(NoWorth::Degenerate(Degenerate::TooFew { .. })) => match of.seeds[0].equivalent {
            Equivalent::Within(n) | Equivalent::Beyond(n) => {
                format!(
                    "{} real images by its one seed, without an interval{}",
                    percent(n / of.images as f64),
                    beyond(of, end)
                )
            }
            Equivalent::Below | Equivalent::Above => "its one seed lies off the curve".to_owned(),
        },
        Err(NoWorth::Degenerate(why)) => why.to_string(),
    }
}

/// What is said where the curve was extrapolated.
fn beyond(of: &Worth, end: u64) -> String {
    match of.beyond {
        0 => String::new(),
        beyond => format!(
            ", beyond the curve in {beyond} of {}: extrapolated from up to {} images",
            plural(of.seeds.len(), "seed"),
            count(end)
        ),
    }
}

/// The range of those seeds that have a number, where not all have one.
fn others(of: &Worth) -> String {
    let ratios = of.seeds.iter().filter_map(|seed| match seed.equivalent {
        Equivalent::Within(n) | Equivalent::Beyond(n) => Some(n / of.images as f64),
        Equivalent::Below | Equivalent::Above => None,
    });
    let ratios: Vec<f64> = ratios.collect();
    let low = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let high = ratios.iter().copied().fold(0.0, f64::max);
    match ratios.len() {
        0 => String::new(),
        1 => format!("; the other seed says {}", percent(low)),
        _ => format!("; the other seeds say {} to {}", percent(low), percent(high)),
    }
}

/// A ratio as so many percent more or fewer.
fn percent(ratio: f64) -> String {
    if ratio > MOST_RATIO {
        return format!("over {MOST_RATIO:.0} times as many");
    }
    let more = 100.0 * (ratio - 1.0);
    let sign = if more < -0.05 { "\u{2212}" } else { "+" };
    let decimals = usize::from(more.abs() < 9.95);
    format!("{sign}{:.decimals$} %", more.abs())
}

/// How the control's curves were made.
fn curves(of: &ContrastWorth, control: &str) -> String {
    let (all, fitted) = (of.curves.len(), of.curves.iter().filter(|curve| curve.power.is_some()).count());
    let joined = "joined by a monotone line over log n, which says nothing beyond the points";
    match fitted {
        fitted if fitted == all => {
            format!("{control}'s curve is a \u{2212} b n^\u{2212}c by least squares, in every seed.")
        }
        0 => format!("No curve a \u{2212} b n^\u{2212}c fits {control}; its points are {joined}."),
        fitted => format!(
            "{control}'s curve is a \u{2212} b n^\u{2212}c by least squares in {fitted} of {}; in the others none fits, and the points are {joined}.",
            plural(all, "seed")
        ),
    }
}

/// What holds of every worth.
pub(super) fn limits() -> String {
    "What an augmentation is worth in real images is read off the control's learning curve, seed by seed: the number of real images \
     at which the control would be as good, over the number that the treatment had; intervals are t intervals over seeds on the log \
     scale. All seeds of a study share one draw of the smaller training parts, unless the split is redrawn, so that the intervals \
     do not cover which images were drawn. What lies beyond the measured sizes rests on the form of the curve."
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_told_as_so_many_percent_more_or_fewer() {
        let told = [1.344, 1.052, 0.8, 0.951, 1.0, 250.0].map(percent);
        assert_eq!(told, ["+34 %", "+5.2 %", "\u{2212}20 %", "\u{2212}4.9 %", "+0.0 %", "over 100 times as many"]);
    }
}

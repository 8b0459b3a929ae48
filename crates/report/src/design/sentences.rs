//! Sentences about a design, for the terminal and for the page.

use super::learning;
use augtrial_base::numbers::{count, decimal};
use augtrial_base::words::plural;
use augtrial_compare::{Attribution, DesignComparison, DesignContrast, Scale, Share, TestedApart};
use augtrial_stats::Estimate;

/// What each augmentation is worth in real images where that was varied, the answer to each contrast, and one sentence for each
/// factor's share.
#[must_use]
pub fn design_answers(comparison: &DesignComparison) -> Vec<String> {
    let scale = comparison.measure().scale;
    let worths = comparison.learning.iter().flat_map(learning::answers);
    worths.chain(comparison.contrasts.iter().flat_map(|contrast| answer(contrast, scale))).collect()
}

fn answer(contrast: &DesignContrast, scale: Scale) -> Vec<String> {
    let (treatment, control) = (&contrast.contrast.treatment, &contrast.contrast.control);
    match &contrast.attribution {
        None => Vec::new(),
        Some(Err(why)) => {
            vec![format!("{treatment} against {control}: the published difference is not divided: {why}.")]
        }
        Some(Ok(attribution)) => {
            let mut sentences = vec![format!(
                "As published, {treatment} is {} against {control}; as it should be, {}. The difference of {} divides as follows ({}).",
                with_unit(&attribution.published, scale),
                with_unit(&attribution.reference, scale),
                with_unit(&attribution.difference, scale),
                plural(attribution.seeds, "seed"),
            )];
            let mut shares: Vec<&Share> = attribution.shares.iter().collect();
            shares.sort_by(|a, b| b.share.point.abs().total_cmp(&a.share.point.abs()));
            sentences.extend(shares.into_iter().map(|share| share_of(share, attribution, scale)));
            sentences
        }
    }
}

/// A difference with its interval and unit.
fn with_unit(estimate: &Estimate, scale: Scale) -> String {
    let interval =
        if has_spread(estimate) { scale.interval(estimate.interval) } else { "no spread over seeds".to_owned() };
    format!("{}{} [{interval}]", scale.difference(estimate.point), scale.after())
}

/// Whether the interval says something: without spread over seeds it has no width, which is no certainty.
fn has_spread(estimate: &Estimate) -> bool {
    estimate.interval.0 < estimate.interval.1
}

fn excludes_zero(estimate: &Estimate) -> bool {
    has_spread(estimate) && (estimate.interval.0 > 0.0 || estimate.interval.1 < 0.0)
}

/// One factor's share, and what part of the whole it is where the whole is not about nothing.
fn share_of(Share { switch, share }: &Share, attribution: &Attribution, scale: Scale) -> String {
    let whole = attribution.difference;
    let part = if excludes_zero(&whole) {
        format!(", {} % of the difference", decimal(100.0 * share.point / whole.point, 0))
    } else {
        String::new()
    };
    let surely = if has_spread(share) && !excludes_zero(share) { "; its interval holds zero" } else { "" };
    let shown = with_unit(share, scale);
    format!("{} ({} instead of {}): {shown}{part}{surely}.", switch.factor, switch.to, switch.from)
}

fn tested_apart(TestedApart { images, standard_error }: &TestedApart, scale: Scale) -> String {
    let error = standard_error.map_or_else(String::new, |error| {
        format!(
            " The standard error of an arm's accuracy over such draws is up to {}{}.",
            scale.spread(error),
            scale.after()
        )
    });
    format!(
        "Under the as-published protocol every arm is tested on images of its own, {} or more, and on other images than leak-free arms. \
         Which images were drawn moves the gains of these cells, and the effects and shares of what sets the protocol. The intervals \
         leave this out.{error}",
        count(*images)
    )
}

/// What holds of every number of a design.
#[must_use]
pub fn design_limits(comparison: &DesignComparison) -> Vec<String> {
    let scale = comparison.measure().scale;
    let intervals = if comparison.redrawn {
        "Every seed has a division of the data of its own: intervals of differences are those of the corrected resampled t test, and training \
         and test images vary with the seed. Intervals of an arm's mean and of a worth in real images are plain."
    } else {
        "Intervals are over seeds, on these test images: training noise varies, and images do not."
    };
    let mut limits = vec![
        intervals.to_owned(),
        "A factor's share is what switching it adds to the difference, averaged over all orders in which the factors can be \
         switched (Shapley). Where factors act together, that is a convention and not the only one."
            .to_owned(),
    ];
    limits.extend(comparison.tested_apart.as_ref().map(|apart| tested_apart(apart, scale)));
    if comparison.unpaired > 0 {
        limits.push(format!(
            "Left out: {} whose two runs were made on different divisions of the data. Run the older arm again.",
            plural(comparison.unpaired, "pair")
        ));
    }
    limits.extend(comparison.learning.as_ref().map(|_| learning::limits()));
    let incomplete = |contrast: &&DesignContrast| contrast.complete.len() < comparison.seeds.len();
    limits.extend(comparison.contrasts.iter().filter(incomplete).map(|contrast| {
        format!(
            "{} \u{2212} {}: {} of {} are complete in every cell; effects and shares rest on those alone and are provisional.",
            contrast.contrast.treatment,
            contrast.contrast.control,
            contrast.complete.len(),
            plural(comparison.seeds.len(), "seed")
        )
    }));
    limits
}

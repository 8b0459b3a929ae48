//! How near a replayed trial came to the recorded one: quantity by quantity, in the order in which a trial makes them.
//!
//! *Identical* means equal bits. What is *close* differs by rounding alone, as sums in another order do: one pass through a
//! network in f32 loses two of seven digits (the tolerance of the tests against PyTorch is 2e-5), and every update passes
//! its error on to the next. The bounds below leave training room to amplify that some fifty times, and are still far
//! below what another seed, order or augmentation changes; docs/repeatability.md has the measurements.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use augtrial_base::digest::Digest;
use augtrial_base::events::{EpochMetrics, Prediction, Split, TestResult};

/// Of a loss, relative; absolute below 1 nat.
const LOSS_TOLERANCE: f64 = 1e-3;
/// Of a Top-1 accuracy, as a share of the samples; one sample may always differ.
const TOP1_TOLERANCE: f64 = 5e-3;
/// Of every probability of every test image, absolute.
const PROBABILITY_TOLERANCE: f64 = 1e-2;

/// What *close* allows, in words.
pub const TOLERANCE: &str = "losses within 0.1 % (0.001 below 1 nat), Top-1 within 0.5 % of the samples or one sample, test \
                             probabilities within 0.01; learning rates, counts and the selected epoch equal";

/// How near a replay came to the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    /// Weights, metrics of every epoch and predictions are equal to the bit.
    Identical,
    /// Everything lies within the tolerance ([`Replay::tolerance`](super::Replay::tolerance)).
    Close,
    Different,
}

/// Where in a trial a quantity belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum GradedAt {
    /// Before training.
    Data,
    /// Counted from 1.
    Epoch(u32),
    /// After training: selection, test split, weights.
    End,
}

/// One quantity of the record beside the replay's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    pub place: GradedAt,
    pub quantity: &'static str,
    pub recorded: String,
    pub replayed: String,
    /// To the bit.
    pub equal: bool,
    /// Within the tolerance of this quantity.
    pub close: bool,
    /// Whether training decides it, so that rounding may change it; counts, rates and data are what they are.
    pub trained: bool,
}

/// What a trial came to.
pub(super) struct Trace<'a> {
    pub(super) epochs: &'a [EpochMetrics],
    /// Absent where the trial was not trained to its end.
    pub(super) end: Option<End<'a>>,
}

/// What a trial ends with.
pub(super) struct End<'a> {
    pub(super) selected_epoch: u32,
    pub(super) test: &'a TestResult,
    pub(super) predictions: &'a [Prediction],
    pub(super) weights: Digest,
}

impl Grade {
    /// The grade of all that was compared.
    pub(super) fn of(checks: &[Check]) -> Self {
        match (checks.iter().all(|check| check.equal), checks.iter().all(|check| check.close)) {
            (true, _) => Self::Identical,
            (false, true) => Self::Close,
            (false, false) => Self::Different,
        }
    }
}

impl Check {
    pub(super) fn exact<T: PartialEq + fmt::Display>(
        place: GradedAt,
        quantity: &'static str,
        recorded: &T,
        replayed: &T,
    ) -> Self {
        let equal = recorded == replayed;
        Self {
            place,
            quantity,
            recorded: recorded.to_string(),
            replayed: replayed.to_string(),
            equal,
            close: equal,
            trained: false,
        }
    }

    fn within(place: GradedAt, quantity: &'static str, recorded: f64, replayed: f64, tolerance: f64) -> Self {
        Self {
            equal: recorded.to_bits() == replayed.to_bits(),
            close: (recorded - replayed).abs() <= tolerance,
            trained: true,
            ..Self::exact(place, quantity, &recorded, &replayed)
        }
    }

    fn loss(place: GradedAt, quantity: &'static str, recorded: f64, replayed: f64) -> Self {
        Self::within(place, quantity, recorded, replayed, LOSS_TOLERANCE * recorded.abs().max(1.0))
    }

    fn top1(place: GradedAt, quantity: &'static str, [recorded, replayed]: [f64; 2], samples: u64) -> Self {
        // Half a sample more: shares are quotients, and one sample's difference is not exactly one over their number.
        let one_sample = 1.5 / samples.max(1) as f64;
        Self::within(place, quantity, recorded, replayed, TOP1_TOLERANCE.max(one_sample))
    }
}

impl fmt::Display for GradedAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data => f.write_str("before training"),
            Self::Epoch(epoch) => write!(f, "at epoch {epoch}"),
            Self::End => f.write_str("after training"),
        }
    }
}

/// Every quantity of both, in the order in which a trial makes them. The end is compared if both have one.
pub(super) fn compare(recorded: &Trace<'_>, replayed: &Trace<'_>) -> Vec<Check> {
    let by_part = |trace: &Trace<'_>| -> BTreeMap<(u32, Split), EpochMetrics> {
        trace.epochs.iter().map(|metrics| ((metrics.epoch, metrics.split), metrics.clone())).collect()
    };
    let (ours, theirs) = (by_part(replayed), by_part(recorded));
    let mut parts: Vec<_> = theirs.keys().chain(ours.keys()).copied().collect();
    parts.sort_unstable();
    parts.dedup();
    let mut checks = Vec::new();
    for part in parts {
        match (theirs.get(&part), ours.get(&part)) {
            (Some(theirs), Some(ours)) => checks.extend(metrics(theirs, ours)),
            (theirs, _) => {
                let there = |there: bool| if there { "measured" } else { "not measured" };
                let [recorded, replayed] = [there(theirs.is_some()), there(theirs.is_none())];
                checks.push(Check::exact(GradedAt::Epoch(part.0), part.1.name(), &recorded, &replayed));
            }
        }
    }
    if let (Some(recorded), Some(replayed)) = (&recorded.end, &replayed.end) {
        checks.extend(ends(recorded, replayed));
    }
    checks
}

/// The measurements of one part after one epoch.
fn metrics(recorded: &EpochMetrics, replayed: &EpochMetrics) -> Vec<Check> {
    let place = GradedAt::Epoch(recorded.epoch);
    let (loss, top1) = match recorded.split {
        Split::Train => ("train loss", "train Top-1"),
        Split::Validation => ("validation loss", "validation Top-1"),
        Split::Test => ("test loss", "test Top-1"),
    };
    vec![
        Check::exact(place, "samples", &recorded.samples, &replayed.samples),
        Check::exact(place, "updates", &recorded.updates, &replayed.updates),
        Check::exact(place, "learning rate", &recorded.learning_rate, &replayed.learning_rate),
        Check::loss(place, loss, recorded.loss_nats, replayed.loss_nats),
        Check::top1(place, top1, [recorded.top1, replayed.top1], recorded.samples),
    ]
}

/// What both ended with.
fn ends(recorded: &End<'_>, replayed: &End<'_>) -> Vec<Check> {
    let place = GradedAt::End;
    let (theirs, ours) = (recorded.test, replayed.test);
    let images = |end: &End<'_>| {
        let images: Vec<_> = end.predictions.iter().map(|p| (p.image, &p.path, p.label)).collect();
        Digest::of_value("test-images", &images)
    };
    vec![
        Check {
            trained: true,
            ..Check::exact(place, "selected epoch", &recorded.selected_epoch, &replayed.selected_epoch)
        },
        Check::exact(place, "test samples", &theirs.samples, &ours.samples),
        Check::loss(place, "test loss", theirs.loss_nats, ours.loss_nats),
        Check::top1(place, "test Top-1", [theirs.top1, ours.top1], theirs.samples),
        Check::exact(place, "test images", &images(recorded), &images(replayed)),
        probabilities(recorded.predictions, replayed.predictions),
        // A digest tells equal from unequal only; how far apart weights are shows in the probabilities.
        Check { close: true, trained: true, ..Check::exact(place, "weights", &recorded.weights, &replayed.weights) },
    ]
}

/// Of all probabilities, the pair that lies furthest apart stands for them.
fn probabilities(recorded: &[Prediction], replayed: &[Prediction]) -> Check {
    let values = |predictions: &[Prediction]| -> Vec<f32> {
        predictions.iter().flat_map(|prediction| prediction.probabilities.iter().copied()).collect()
    };
    let (theirs, ours) = (values(recorded), values(replayed));
    if theirs.len() != ours.len() {
        return Check::exact(GradedAt::End, "number of test probabilities", &theirs.len(), &ours.len());
    }
    let pairs = theirs.iter().zip(&ours).map(|(&a, &b)| (f64::from(a), f64::from(b)));
    let worst = pairs.max_by(|(a, b), (c, d)| (a - b).abs().total_cmp(&(c - d).abs()));
    let (a, b) = worst.unwrap_or_default();
    let equal = theirs.iter().zip(&ours).all(|(a, b)| a.to_bits() == b.to_bits());
    Check { equal, ..Check::within(GradedAt::End, "test probability furthest off", a, b, PROBABILITY_TOLERANCE) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs() -> Vec<EpochMetrics> {
        let metrics = |epoch, split, loss_nats| EpochMetrics {
            epoch,
            split,
            loss_nats,
            top1: 0.5,
            learning_rate: 0.1,
            samples: 20,
            updates: u64::from(epoch) * 3,
            elapsed_secs: 1.0,
        };
        (1..=2).flat_map(|epoch| [metrics(epoch, Split::Train, 1.5), metrics(epoch, Split::Validation, 0.5)]).collect()
    }

    fn predictions() -> Vec<Prediction> {
        let prediction = |index: u8| Prediction {
            image: Digest::of_bytes(&[index]),
            path: format!("{index}.png"),
            derived: false,
            label: 0,
            predicted: 0,
            probabilities: vec![0.75, 0.25],
        };
        (0..4).map(prediction).collect()
    }

    const TEST: TestResult = TestResult { loss_nats: 0.5, top1: 0.75, samples: 4 };

    fn end<'a>(test: &'a TestResult, predictions: &'a [Prediction], weights: &[u8]) -> End<'a> {
        End { selected_epoch: 2, test, predictions, weights: Digest::of_bytes(weights) }
    }

    /// The first check that is not equal, and the grade.
    fn graded(
        change: impl FnOnce(&mut Vec<EpochMetrics>, &mut Vec<Prediction>),
    ) -> (Option<(GradedAt, &'static str)>, Grade) {
        let (epochs, predictions) = (epochs(), predictions());
        let (mut other, mut others) = (epochs.clone(), predictions.clone());
        change(&mut other, &mut others);
        let recorded = Trace { epochs: &epochs, end: Some(end(&TEST, &predictions, b"weights")) };
        let replayed = Trace { epochs: &other, end: Some(end(&TEST, &others, b"weights")) };
        let checks = compare(&recorded, &replayed);
        let first = checks.iter().find(|check| !check.equal).map(|check| (check.place, check.quantity));
        (first, Grade::of(&checks))
    }

    #[test]
    fn equal_bits_are_identical_whatever_the_time_took() {
        assert_eq!(graded(|epochs, _| epochs[0].elapsed_secs = 9.0), (None, Grade::Identical));
    }

    #[test]
    fn the_last_bit_of_one_number_is_no_longer_identical() {
        let nudged = |value: f64| f64::from_bits(value.to_bits() + 1);
        let loss = graded(|epochs, _| epochs[2].loss_nats = nudged(1.5));
        assert_eq!(loss, (Some((GradedAt::Epoch(2), "train loss")), Grade::Close));
        let probability = graded(|_, predictions| predictions[3].probabilities[1] = 0.250_000_03);
        assert_eq!(probability, (Some((GradedAt::End, "test probability furthest off")), Grade::Close));
        let rate = graded(|epochs, _| epochs[0].learning_rate = nudged(0.1));
        assert_eq!(
            rate,
            (Some((GradedAt::Epoch(1), "learning rate")), Grade::Different),
            "rates are computed, not trained"
        );
    }

    #[test]
    fn each_tolerance_ends_where_it_says() {
        let loss = |loss_nats| graded(move |epochs, _| epochs[0].loss_nats = loss_nats).1;
        assert_eq!((loss(1.5014), loss(1.5016)), (Grade::Close, Grade::Different));
        let small = |loss_nats| graded(move |epochs, _| epochs[1].loss_nats = loss_nats).1;
        assert_eq!((small(0.5009), small(0.5011)), (Grade::Close, Grade::Different));
        let top1 = |top1| graded(move |epochs, _| epochs[1].top1 = top1).1;
        assert_eq!((top1(11.0 / 20.0), top1(12.0 / 20.0)), (Grade::Close, Grade::Different), "one sample, not two");
        let probability = |value| graded(move |_, predictions| predictions[0].probabilities[0] = value).1;
        assert_eq!((probability(0.759), probability(0.761)), (Grade::Close, Grade::Different));
        let nan = graded(|epochs, _| epochs[0].loss_nats = f64::NAN).1;
        assert_eq!(nan, Grade::Different);
    }

    #[test]
    fn what_only_one_of_them_measured_is_a_difference() {
        let fewer = graded(|epochs, _| epochs.truncate(3));
        assert_eq!(fewer, (Some((GradedAt::Epoch(2), "validation")), Grade::Different));
        let more = graded(|epochs, _| epochs.push(EpochMetrics { epoch: 3, ..epochs[0].clone() }));
        assert_eq!(more, (Some((GradedAt::Epoch(3), "train")), Grade::Different));
        let images = graded(|_, predictions| predictions[1].label = 1);
        assert_eq!(images, (Some((GradedAt::End, "test images")), Grade::Different));
        let cut = graded(|_, predictions| predictions[1].probabilities.truncate(1));
        assert_eq!(cut, (Some((GradedAt::End, "number of test probabilities")), Grade::Different));
    }

    #[test]
    fn other_weights_with_close_predictions_are_close() {
        let (epochs, predictions) = (epochs(), predictions());
        let trace = |weights| Trace { epochs: &epochs, end: Some(end(&TEST, &predictions, weights)) };
        assert_eq!(Grade::of(&compare(&trace(b"a"), &trace(b"b"))), Grade::Close);
        let stopped = Trace { epochs: &epochs, end: None };
        assert_eq!(Grade::of(&compare(&trace(b"a"), &stopped)), Grade::Identical, "only what both have is compared");
    }
}

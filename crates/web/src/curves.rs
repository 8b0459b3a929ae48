//! The data of training curves as the browser's program takes it, and the two rules that it shares with the printed figures:
//! where an axis of losses ends, and when the curves by updates repeat those by epochs.

use serde::Serialize;

/// Seeds below which a t interval is wider than it is useful: no band is drawn.
pub const MIN_BAND_SEEDS: usize = 4;

/// Everything that the program draws.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Curves {
    /// Of the intervals, percent; absent where there are none.
    pub level: Option<f64>,
    /// Whether all arms have made the same number of updates at each epoch.
    pub same_updates: bool,
    pub limits: Limits,
    pub arms: Vec<ArmCurves>,
}

/// Where an axis ends although single values lie above it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Limits {
    pub loss: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArmCurves {
    pub name: String,
    /// Index of its color, and its dashes as SVG writes them.
    pub color: usize,
    pub dash: String,
    pub curves: Vec<Curve>,
}

/// One measure on one part; accuracy in percent, loss in nats.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Curve {
    /// `validation` or `train`.
    pub part: &'static str,
    /// `accuracy` or `loss`.
    pub measure: &'static str,
    pub epochs: Vec<u32>,
    pub updates: Vec<f64>,
    /// The mean at each epoch, its interval, and the number of seeds behind it.
    pub mean: Vec<f64>,
    pub low: Vec<Option<f64>>,
    pub high: Vec<Option<f64>>,
    pub n: Vec<usize>,
    pub seeds: Vec<SeedCurve>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SeedCurve {
    /// A text: the program's numbers do not hold every seed.
    pub seed: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<&'static str>,
    /// Where they are not the curve's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<Vec<u32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updates: Option<Vec<f64>>,
    pub values: Vec<f64>,
}

impl ArmCurves {
    /// The curves of the arm at `index` of the experiment file.
    #[must_use]
    pub fn new(index: usize, name: &str, curves: Vec<Curve>) -> Self {
        let line = super::arm_line(index);
        let dash: Vec<String> = line.dash.iter().map(ToString::to_string).collect();
        Self { name: name.to_owned(), color: line.color, dash: dash.join(" "), curves }
    }
}

impl SeedCurve {
    /// A seed's curve; its epochs and updates are left out where they are those of the mean.
    #[must_use]
    pub fn new(seed: u64, points: &[(u32, u64, f64)], epochs: &[u32], updates: &[f64]) -> Self {
        let own_epochs: Vec<u32> = points.iter().map(|point| point.0).collect();
        let own_updates: Vec<f64> = points.iter().map(|point| point.1 as f64).collect();
        Self {
            seed: seed.to_string(),
            state: None,
            epochs: (own_epochs != epochs).then_some(own_epochs),
            updates: (own_updates != updates).then_some(own_updates),
            values: points.iter().map(|point| point.2).collect(),
        }
    }
}

/// Epochs on each side that a typical value is taken over.
const WINDOW: usize = 2;

/// The axis reaches this far above the largest typical value.
const ROOM: f64 = 1.25;

/// Values up to this multiple of that end are no reason to cut.
const TOLERATED: f64 = 1.5;

/// Where the axis ends that shows these lines, each a list of an arm's seeds by epoch: somewhat above the largest typical value,
/// which is the median over seeds and five epochs, so that one spike or one seed that diverged does not flatten all others.
/// `None` if nothing lies far above.
#[must_use]
pub fn limit(arms: &[Vec<Vec<f64>>]) -> Option<f64> {
    let all = || arms.iter().flatten().flatten().copied().filter(|value| value.is_finite());
    let highest = all().reduce(f64::max)?;
    let mut typical = f64::NEG_INFINITY;
    for seeds in arms {
        let epochs = seeds.iter().map(Vec::len).max().unwrap_or(0);
        for epoch in 0..epochs {
            let near = epoch.saturating_sub(WINDOW)..=epoch + WINDOW;
            let mut values: Vec<f64> = seeds
                .iter()
                .flat_map(|seed| near.clone().filter_map(|at| seed.get(at).copied()))
                .filter(|value| value.is_finite())
                .collect();
            values.sort_by(f64::total_cmp);
            typical = typical.max(values.get(values.len() / 2).copied().unwrap_or(typical));
        }
    }
    let end = ROOM * typical;
    (end > 0.0 && highest > TOLERATED * end).then_some(end)
}

/// Whether arms make the same number of updates in each epoch, so that one axis says what the other says: from (epoch, updates)
/// of each arm.
#[must_use]
pub fn same_updates<'a>(arms: impl IntoIterator<Item = (&'a [u32], &'a [f64])>) -> bool {
    let mut known = std::collections::BTreeMap::new();
    arms.into_iter().all(|(epochs, updates)| {
        let mut points = epochs.iter().zip(updates);
        points.all(|(&epoch, &updates)| (*known.entry(epoch).or_insert(updates) - updates).abs() < 0.5)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A loss that falls from 4.6 to about 0.3.
    fn falling(epochs: usize) -> Vec<f64> {
        (0..epochs).map(|epoch| 0.3 + 4.3 * (-0.2 * epoch as f64).exp()).collect()
    }

    #[test]
    fn a_curve_that_starts_high_is_shown_whole() {
        assert_eq!(limit(&[vec![falling(40)], vec![falling(40), falling(40)]]), None);
        assert_eq!(limit(&[]), None);
        assert_eq!(limit(&[vec![vec![f64::NAN]]]), None);
    }

    #[test]
    fn a_spike_and_a_seed_that_diverged_are_cut() {
        let mut spiky = falling(40);
        spiky[20] = 90.0;
        let end = limit(&[vec![spiky]]).unwrap();
        assert!(end > 3.0 && end < 6.0, "{end}");
        let diverged: Vec<f64> = (0..40).map(|epoch| 4.6 + 10.0 * f64::from(epoch)).collect();
        assert!(limit(&[vec![falling(40), falling(40), diverged]]).unwrap() < 6.0);
    }

    #[test]
    fn updates_repeat_epochs_where_every_arm_makes_as_many() {
        let (epochs, few, many) = ([1, 2], [10.0, 20.0], [30.0, 60.0]);
        assert!(same_updates([(&epochs[..], &few[..]), (&epochs[..1], &few[..1])]));
        assert!(!same_updates([(&epochs[..], &few[..]), (&epochs[..], &many[..])]));
    }

    #[test]
    fn a_seed_names_its_epochs_only_where_they_are_its_own() {
        let points = [(1, 10, 0.5), (2, 20, 0.6)];
        let like_the_mean = SeedCurve::new(7, &points, &[1, 2], &[10.0, 20.0]);
        assert_eq!((like_the_mean.epochs, like_the_mean.updates), (None, None));
        let shorter = SeedCurve::new(7, &points[..1], &[1, 2], &[10.0, 20.0]);
        assert_eq!((shorter.epochs, shorter.updates), (Some(vec![1]), Some(vec![10.0])));
    }
}

//! Samples that are made of features: added once, or made anew each time that a sample is shown.

use tch::{TchError, Tensor};

use super::features::FeatureTable;
use augtrial_base::seed::{Purpose, Stream};
use augtrial_plan::transform::{FeatureSpace, Features};
use augtrial_trial::TrialSpec;
use rand::RngExt as _;

/// What a head is trained on: the features of the training images, and what is made of them.
#[derive(Clone, Debug)]
pub struct TrainingFeatures {
    /// Of the images, in the set's order, then of samples that were added.
    table: FeatureTable,
    /// Classes of the samples that were added.
    added: Vec<u32>,
    /// Where samples are made anew in every pass.
    anew: Option<(FeatureSpace, Features)>,
}

impl TrainingFeatures {
    /// Of the features of a trial's training images, which are the training part alone: nothing else is a neighbor.
    pub(super) fn new(table: FeatureTable, spec: &TrialSpec<'_>) -> Self {
        let Some(features) = spec.features else { return Self { table, added: Vec::new(), anew: None } };
        let maker = features.behavior();
        let counts = spec.training.class_counts(spec.classes);
        let labels: Vec<u32> = spec.training.samples().iter().map(|sample| sample.label).collect();
        let (width, values) = table.clone().into_rows();
        let space = FeatureSpace::new(values, width, labels, maker.neighbors());
        let added = maker.added(&counts);
        if added.iter().all(|&count| count == 0) {
            return Self { table, added: Vec::new(), anew: Some((space, features.clone())) };
        }
        let classes: Vec<u32> =
            (0..).zip(&added).flat_map(|(class, &count)| std::iter::repeat_n(class, count)).collect();
        let mut made = vec![0.0; width * classes.len()];
        let purpose = Purpose::Features { recipe: spec.recipe, seed: spec.seed };
        let members: Vec<Vec<usize>> = (0..).take(counts.len()).map(|class| space.of_class(class).collect()).collect();
        for ((number, &class), row) in (0..).zip(&classes).zip(made.chunks_exact_mut(width)) {
            let mut rng = spec.study_seed.stream(purpose, number);
            let of_class = &members[class as usize];
            let base = of_class[rng.random_range(0..of_class.len())];
            maker.make(&space, base, row, &mut rng);
        }
        Self { table: table.with_rows(made), added: classes, anew: None }
    }

    /// Number of samples of a pass.
    pub(super) fn samples(&self) -> usize {
        self.table.samples()
    }

    /// The class of a sample behind the images, of which there are so many.
    pub(super) fn added_label(&self, position: usize, images: usize) -> u32 {
        self.added[position - images]
    }

    /// The features of the samples at these positions, `[N, F]`, f32, in main memory. A sample that is made anew draws from the stream
    /// of its position.
    ///
    /// # Errors
    /// Whatever LibTorch reports.
    pub(super) fn rows(&self, positions: &[usize], stream: impl Fn(usize) -> Stream) -> Result<Tensor, TchError> {
        let Some((space, features)) = &self.anew else { return self.table.rows(positions.iter().copied()) };
        let mut rows = vec![0.0; positions.len() * space.width()];
        for (&position, row) in positions.iter().zip(rows.chunks_exact_mut(space.width())) {
            features.behavior().make(space, position, row, &mut stream(position));
        }
        Tensor::f_from_slice(&rows)?.f_view([-1, space.width() as i64])
    }
}
